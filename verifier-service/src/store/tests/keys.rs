//! Signing keys: each time is said once, by whoever says it first.

use receipt::{Algorithm, LocalSigner, Signer};

use super::*;
use crate::store::keys::{KeyRecord, KeyStore};

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn key() -> KeyRecord {
    use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let signer = LocalSigner::from_pkcs8(Algorithm::Ed25519, made.as_ref()).unwrap();
    KeyRecord {
        jwk: signer.public_jwk().clone(),
        added_at: NOW,
        usable_from: None,
        retired_at: None,
        leaked_at: None,
        receipts_live_s: Some(100),
    }
}

on_both! {
    async fn the_first_key_alone_may_sign_at_once(rig) {
        let other = rig.reopen().await;
        let (first, second) = (key(), key());
        rig.store.add_signing_key(&first, by(NOW)).await.unwrap();
        other.add_signing_key(&second, by(NOW)).await.unwrap();
        other.add_signing_key(&KeyRecord { added_at: at(5), ..first.clone() }, by(NOW)).await.unwrap();
        let known = rig.store.signing_keys().await.unwrap();
        assert_eq!(known.len(), 2);
        let of = |key: &KeyRecord| known.iter().find(|known| known.jwk == key.jwk).unwrap();
        assert_eq!(of(&first), &KeyRecord { usable_from: Some(NOW), ..first.clone() });
        assert_eq!(of(&second), &second);
    }

    async fn what_was_said_of_a_key_stays(rig) {
        let store = &rig.store;
        store.add_signing_key(&key(), by(NOW)).await.unwrap();
        let mut expected = key();
        let kid = expected.jwk.kid();
        store.add_signing_key(&expected, by(NOW)).await.unwrap();
        let seen = async || {
            let known = store.signing_keys().await.unwrap();
            known.into_iter().find(|key| key.jwk.kid() == kid).unwrap()
        };
        for said in [20, 30] {
            store.publish_signing_key(kid, at(said), by(NOW)).await.unwrap();
            store.retire_signing_key(kid, at(said + 1), by(NOW)).await.unwrap();
        }
        (expected.usable_from, expected.retired_at) = (Some(at(20)), Some(at(21)));
        assert_eq!(seen().await, expected);
        for said in [40, 50] {
            store.disown_signing_key(kid, by(at(said))).await.unwrap();
        }
        expected.leaked_at = Some(at(40));
        assert_eq!(seen().await, expected);
        for (said, noted) in [(Some(50), Some(100)), (Some(200), Some(200)), (None, None), (Some(300), None)] {
            store.note_receipt_life(kid, said).await.unwrap();
            assert_eq!(seen().await.receipts_live_s, noted, "{said:?}");
        }
    }
}
