//! What an action may know of the world: the time, and randomness nobody could guess.

use std::fmt;

use evidence::UnixTime;
use evidence::crypto::sha256_of;

const DOMAIN: &[u8] = b"pogw/1 draw\n";

/// Time and randomness of one action.
#[derive(Debug)]
pub struct Context {
    /// When the action is applied, by the verifier's clock.
    pub now: UnixTime,
    /// Fresh for each action.
    pub randomness: Randomness,
}

impl Context {
    /// A context from the time and 32 fresh bytes of a cryptographic random source.
    #[must_use]
    pub const fn new(now: UnixTime, seed: [u8; 32]) -> Self {
        Self {
            now,
            randomness: Randomness { seed },
        }
    }
}

/// Everything unguessable that one action needs, from one seed.
///
/// A draw is SHA-256("pogw/1 draw\n" ‖ seed ‖ label ‖ index as 8 bytes, little-endian). Without the seed, one draw says
/// nothing about another, so a challenge can be shown while the choice made beside it stays secret. The seed itself is
/// never stored.
pub struct Randomness {
    seed: [u8; 32],
}

/// What is drawn. Each label and index is used once in an action.
#[derive(Clone, Copy)]
pub(crate) enum Label {
    AssignmentId,
    AuditSeed,
    Challenge,
    Choice,
    Owner,
    ReplicaKey,
    Replicate,
}

impl Label {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::AssignmentId => b"assignment id\n",
            Self::AuditSeed => b"audit seed\n",
            Self::Challenge => b"challenge\n",
            Self::Choice => b"choice\n",
            Self::Owner => b"owner\n",
            Self::ReplicaKey => b"replica key\n",
            Self::Replicate => b"replicate\n",
        }
    }
}

impl Randomness {
    /// 32 bytes.
    pub(crate) fn bytes(&self, label: Label, index: u64) -> [u8; 32] {
        sha256_of(&[DOMAIN, &self.seed, label.bytes(), &index.to_le_bytes()])
    }

    /// A number below `bound`, uniform but for a bias under 2^-192; zero if there is none below it.
    pub(crate) fn below(&self, label: Label, index: u64, bound: u64) -> u64 {
        let bytes = self.bytes(label, index);
        let reduce = |rest: u128, byte: &u8| {
            let shifted = rest.wrapping_shl(8) | u128::from(*byte);
            shifted.checked_rem(u128::from(bound)).unwrap_or_default()
        };
        let rest = bytes.iter().fold(0, reduce);
        u64::try_from(rest).unwrap_or_default()
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn randomness(byte: u8) -> Randomness {
        Randomness { seed: [byte; 32] }
    }

    #[test]
    fn draws_differ_by_seed_label_and_index() {
        let draws = [
            randomness(0).bytes(Label::Challenge, 0),
            randomness(1).bytes(Label::Challenge, 0),
            randomness(0).bytes(Label::ReplicaKey, 0),
            randomness(0).bytes(Label::Challenge, 1),
        ];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws.iter().skip(i + 1).all(|b| a != b));
        }
    }

    #[test]
    fn numbers_are_uniform_below_their_bound() {
        let mut counts = [0_i32; 5];
        for index in 0..50_000 {
            let drawn = randomness(3).below(Label::Choice, index, 5);
            counts[usize::try_from(drawn).unwrap()] += 1;
        }
        // Each count is binomial with a deviation of sqrt(50000 · 0.2 · 0.8) = 89.
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 4 * 89));
        assert_eq!(randomness(3).below(Label::Choice, 0, 0), 0);
        assert_eq!(randomness(3).below(Label::Choice, 0, 1), 0);
    }

    #[test]
    fn nothing_is_printed() {
        let context = Context::new(UnixTime::from_secs(0), [7; 32]);
        assert!(format!("{context:?}").contains("Randomness(…)"));
    }
}
