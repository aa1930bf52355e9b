//! Properties of good manifests after random changes, as an attacker or a bad disk would make them.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::fixture::{GOOD, SIGNER};
use crate::rim::Rim;

#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Copy(Index, usize, Index),
}

impl Mutation {
    fn apply(&self, text: &mut Vec<u8>) {
        let length = text.len();
        let span = |from: &Index, span: usize| {
            let from = from.index(length);
            from..from.saturating_add(span).min(length)
        };
        match self {
            Self::Set(at, byte) => text[at.index(length)] = *byte,
            Self::Remove(from, count) => drop(text.drain(span(from, *count))),
            Self::Insert(at, bytes) => {
                let at = at.index(length);
                text.splice(at..at, bytes.iter().copied());
            }
            Self::Copy(from, count, to) => {
                let copied = text[span(from, *count)].to_vec();
                let to = to.index(length);
                text.splice(to..to, copied);
            }
        }
    }
}

/// Pieces of syntax, so that some changes get past the first rules.
#[rustfmt::skip]
const SYNTAX: [&[u8]; 26] = [
    b"<", b">", b"/", b"\"", b"'", b"=", b" ", b"\n", b"&", b"<!", b"<?", b"<a>", b"</a>", b"<a/>", b"xmlns", b"xmlns=\"\"",
    b" xmlns:a=\"b\" ", b" a=\"b\" ", b"ns0:", b"xml:", b":", b"&lt;", b"]]>", b"\r", b"\t", b"\0",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let syntax = select(&SYNTAX[..]).prop_map(<[u8]>::to_vec);
    let noise = prop::collection::vec(any::<u8>(), 1..8);
    let inserted = prop_oneof![4 => syntax, 1 => noise];
    let byte = prop_oneof![4 => b' '..=b'~', 1 => any::<u8>()];
    prop_oneof![
        (any::<Index>(), byte).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), 1_usize..200).prop_map(|(from, count)| Mutation::Remove(from, count)),
        (any::<Index>(), inserted).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1_usize..400, any::<Index>())
            .prop_map(|(from, count, to)| Mutation::Copy(from, count, to)),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Parsing never panics, and a manifest that is still authentic still says what was signed.
    #[test]
    fn no_mutation_changes_what_is_authentic(mutations in prop::collection::vec(mutation(), 1..4)) {
        let mut text = GOOD.clone().into_bytes();
        for mutation in &mutations {
            mutation.apply(&mut text);
        }
        match Rim::parse(&text).map(|rim| rim.authenticate(&SIGNER.anchors())) {
            Ok(Ok(rim)) => {
                let good = Rim::parse(GOOD.as_bytes()).unwrap();
                prop_assert_eq!(&rim.get().0.manifest, &good.peek().0.manifest);
            }
            Ok(Err(refuted)) => prop_assert!(!refuted.reasons.is_empty()),
            Err(reasons) => prop_assert!(!reasons.is_empty()),
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Rim::parse(&bytes).is_err());
    }
}
