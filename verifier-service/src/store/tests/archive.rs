//! What receipts rest on is kept with them, each document once, for good.

use super::*;
use crate::collateral::{Piece, PieceKind};
use crate::store::archive::ArchiveStore;

fn used(pieces: &[(u8, PieceKind)]) -> Used {
    let mut used = Used::default();
    for (n, kind) in pieces {
        let bytes = vec![*n; 3].into();
        used.insert([*n; 32], Piece { kind: *kind, bytes });
    }
    used
}

fn resting_on(n: u8, collateral: Used) -> NewReceipt {
    NewReceipt {
        collateral,
        ..receipt(n, n)
    }
}

const RIM: PieceKind = PieceKind::Rim;
const OCSP: PieceKind = PieceKind::Ocsp;

on_both! {
    async fn each_receipt_has_its_own_and_each_document_is_kept_once(rig) {
        let store = rig.with_challenge(1).await;
        for n in [2, 3] {
            store.add_challenge(challenge(n), bounds(NOW)).await.unwrap();
        }
        let of_each = [
            used(&[(7, RIM), (8, OCSP)]),
            used(&[(7, RIM), (9, OCSP)]),
            used(&[]),
        ];
        let mut issued = Vec::new();
        for (n, collateral) in (1..).zip(&of_each) {
            let new = resting_on(n, collateral.clone());
            issued.push((new.receipt.clone(), n));
            assert_eq!(store.spend(new).await.unwrap(), Spent::Issued);
        }
        assert_eq!(rig.count("SELECT count(*) AS n FROM collateral").await, 3);
        for ((receipt, n), collateral) in issued.into_iter().zip(of_each) {
            let archived = store.archived(receipt.id).await.unwrap().unwrap();
            assert_eq!((archived.receipt, archived.bundle), (receipt, vec![n]));
            assert_eq!(archived.collateral, collateral);
        }
        assert_eq!(store.archived(Id::random()).await.unwrap(), None);
    }

    async fn what_was_not_issued_keeps_nothing(rig) {
        let store = rig.with_challenge(1).await;
        let late = NewReceipt {
            arrived_at: LATE,
            ..resting_on(1, used(&[(7, RIM)]))
        };
        assert_eq!(store.spend(late).await.unwrap(), Spent::Expired);
        assert_eq!(rig.count("SELECT count(*) AS n FROM collateral").await, 0);
        // What was not committed is not taken for kept.
        let in_time = resting_on(1, used(&[(7, RIM)]));
        assert_eq!(store.spend(in_time).await.unwrap(), Spent::Issued);
        assert_eq!(rig.count("SELECT count(*) AS n FROM collateral").await, 1);
    }

    async fn collateral_cannot_be_deleted_or_changed(rig) {
        let store = rig.with_challenge(1).await;
        store.spend(resting_on(1, used(&[(7, RIM)]))).await.unwrap();
        for sql in [
            "DELETE FROM collateral",
            "DELETE FROM grounds",
            "UPDATE collateral SET kind = 'ocsp'",
            "UPDATE grounds SET collateral = bundle",
        ] {
            let refused = rig.run(sql).await.unwrap_err();
            assert!(refused.to_string().contains("never"), "{refused}");
        }
    }
}
