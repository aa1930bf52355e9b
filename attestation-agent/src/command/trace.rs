//! Intermediate states of a run, in the order in which they were handed in.

use evidence::work::{Hex, TraceCommitment};
use serde::Serialize;

/// Most states of one run: 32 MiB of digests.
pub(super) const MAX_MARKS: usize = 1 << 20;

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Number of the step, in the program's words.
    pub step: u64,
    /// What it is a state of, in the program's words.
    pub name: String,
    /// Plain BLAKE3 of the state.
    pub blake3: Hex<32>,
}

/// All states of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    marks: Vec<Mark>,
}

impl Trace {
    /// Adds a state and returns its place, from 0; `None` where there are too many.
    pub fn push(&mut self, mark: Mark) -> Option<usize> {
        let place = self.marks.len();
        (place < MAX_MARKS).then(|| {
            self.marks.push(mark);
            place
        })
    }

    /// The states in order.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The 32-byte digests in order: what the commitment is the digest of.
    #[must_use]
    pub fn digests(&self) -> Vec<u8> {
        self.marks.iter().flat_map(|mark| mark.blake3.0).collect()
    }

    /// What a statement says; `None` for a run without states.
    #[must_use]
    pub fn commitment(&self) -> Option<TraceCommitment> {
        commitment_to(&self.digests())
    }
}

/// The commitment to states by their 32-byte digests in order; `None` to none.
pub(crate) fn commitment_to(digests: &[u8]) -> Option<TraceCommitment> {
    let entries = digests.len() / 32;
    (entries > 0).then(|| TraceCommitment {
        entries: u64::try_from(entries).unwrap_or(u64::MAX),
        blake3: Hex(*blake3::hash(digests).as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(byte: u8) -> Mark {
        Mark {
            step: 1,
            name: "w".to_owned(),
            blake3: Hex([byte; 32]),
        }
    }

    #[test]
    fn the_commitment_is_the_digest_of_the_digests_in_order() {
        let mut trace = Trace::default();
        assert_eq!(trace.commitment(), None);
        assert_eq!(trace.push(mark(1)), Some(0));
        assert_eq!(trace.push(mark(2)), Some(1));
        let both = [[1; 32], [2; 32]].concat();
        let commitment = trace.commitment().unwrap();
        assert_eq!(commitment.entries, 2);
        assert_eq!(commitment.blake3, Hex(*blake3::hash(&both).as_bytes()));
    }
}
