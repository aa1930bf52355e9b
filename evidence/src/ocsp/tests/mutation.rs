//! Properties of authentic answers after random changes, as an attacker or a bad disk would make them.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::fixture::{GOOD, UNKNOWN, answer, explicit, nonce, recipe, revoked, sequence};
use super::{ASKED, PKI, authentic};
use crate::ocsp::{CertificateId, CertificateStatus, OcspResponse};
use crate::time::UnixTime;
use crate::trust::Examined;

/// One authentic answer of each status, with a nonce.
static ANSWERS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let hold = revoked("20250101000000Z", Some(6));
    let gone = revoked("20250101000000Z", Some(1));
    let statuses: [&[u8]; 4] = [GOOD, &hold, &gone, UNKNOWN];
    let with = |status: &[u8]| {
        answer(|recipe| {
            recipe.single.status = status.to_vec();
            recipe.extensions = explicit(1, &sequence(&[&nonce(&[7; 32])]));
        })
    };
    statuses.map(with).to_vec()
});

#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Copy(Index, usize, Index),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        bytes.resize(length, 0);
        let span = |from: &Index, span: usize| {
            let from = from.index(length);
            from..from.saturating_add(span).min(length)
        };
        match self {
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Remove(from, count) => drop(bytes.drain(span(from, *count))),
            Self::Insert(at, inserted) => {
                let at = at.index(length);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Self::Copy(from, count, to) => {
                let copied = bytes[span(from, *count)].to_vec();
                let to = to.index(length);
                let end = to.saturating_add(copied.len()).min(length);
                bytes.splice(to..end, copied);
            }
        }
    }
}

/// Pieces of syntax, so that some changes get past the first rules.
#[rustfmt::skip]
const SYNTAX: [&[u8]; 12] = [
    &[0x30, 0], &[0x30, 0x80], &[5, 0], &[4, 0], &[0x80, 0], &[0x82, 0], &[0xa1, 0], &[2, 1, 0], &[1, 1, 0xff],
    &[0x0a, 1, 6], &[0x84, 0xff, 0xff, 0xff, 0xff], b"\x18\x0f20250101000000Z",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let syntax = select(&SYNTAX[..]).prop_map(<[u8]>::to_vec);
    let noise = prop::collection::vec(any::<u8>(), 1..8);
    prop_oneof![
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => (any::<Index>(), 1_usize..64).prop_map(|(from, count)| Mutation::Remove(from, count)),
        1 => (any::<Index>(), prop_oneof![syntax, noise]).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (any::<Index>(), 1_usize..64, any::<Index>())
            .prop_map(|(from, count, to)| Mutation::Copy(from, count, to)),
    ]
}

type Said = (
    CertificateId,
    CertificateStatus,
    [UnixTime; 3],
    Option<Vec<u8>>,
);

/// Everything an answer says.
fn said(response: &OcspResponse) -> Said {
    let times = [
        response.produced_at(),
        response.this_update(),
        response.valid_until(),
    ];
    let nonce = response.nonce().map(<[u8]>::to_vec);
    (response.id().clone(), response.status(), times, nonce)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Reading never panics, and an answer that is still authentic still says what was signed.
    #[test]
    fn no_mutation_changes_what_is_authentic(
        which in 0_usize..4,
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let original = &ANSWERS[which];
        let mut der = original.clone();
        for mutation in &mutations {
            mutation.apply(&mut der);
        }
        match OcspResponse::examine(&der, &PKI.link(ASKED)) {
            Examined::Authentic(response) => {
                prop_assert_eq!(said(response.get()), said(authentic(original).get()));
            }
            Examined::Refuted(refuted) => prop_assert!(!refuted.reasons.is_empty()),
            Examined::Unreadable(reasons) => prop_assert!(!reasons.is_empty()),
        }
    }

    /// The signed part, changed and signed again: nothing a responder could say makes the reader panic.
    #[test]
    fn whatever_a_responder_signs_is_read_or_refused(
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let recipe = recipe();
        let mut tbs = recipe.tbs();
        for mutation in &mutations {
            mutation.apply(&mut tbs);
        }
        let der = recipe.around(&tbs, &recipe.signer.sign(&tbs));
        match OcspResponse::examine(&der, &PKI.link(ASKED)) {
            Examined::Authentic(response) => {
                let link = PKI.link(ASKED);
                prop_assert!(response.get().id().names(link.subject(), link.issuer()));
            }
            Examined::Refuted(refuted) => prop_assert!(!refuted.reasons.is_empty()),
            Examined::Unreadable(reasons) => prop_assert!(!reasons.is_empty()),
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(OcspResponse::parse(&bytes).is_err());
    }
}

/// Each bit of an answer with the responder's certificate alone is signed, or fixed by the form.
#[test]
fn no_flipped_bit_is_authentic() {
    let mut der = recipe().der();
    let link = PKI.link(ASKED);
    for bit in 0..der.len() * 8 {
        der[bit / 8] ^= 1 << (bit % 8);
        let examined = OcspResponse::examine(&der, &link);
        assert!(!matches!(examined, Examined::Authentic(_)), "bit {bit}");
        der[bit / 8] ^= 1 << (bit % 8);
    }
}
