//! What each side committed to.

use crate::digest::Blake3Digest;
use crate::job::Job;

/// One of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    pub(super) const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// The digests of one side's statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// BLAKE3 of each output, in the order of the job.
    pub outputs: Vec<Blake3Digest>,
    /// The trace, where the job marks states.
    pub trace: Option<TraceClaim>,
}

/// The commitment to a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceClaim {
    /// How many digests.
    pub entries: u64,
    /// BLAKE3 of the digests in order, 32 bytes each.
    pub digest: Blake3Digest,
}

/// Two claims that are no dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// There is nothing to judge.
    #[error("both sides claim the same")]
    Agree,
    /// A claim is not of the form of the job. The statement's own checks refuse it before there is a dispute.
    #[error("claim of side {side:?} has {actual} {what}: expected {expected}")]
    Form {
        /// Whose.
        side: Side,
        /// Of what.
        what: &'static str,
        /// By the job.
        expected: u64,
        /// As claimed.
        actual: u64,
    },
}

impl ClaimsError {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Agree => "claims_agree",
            Self::Form { .. } => "claims_malformed",
        }
    }
}

impl Claims {
    /// Whether it has the outputs and the trace of the job.
    pub(super) fn check(&self, side: Side, job: &Job) -> Result<(), ClaimsError> {
        let entries = self.trace.map_or(0, |trace| trace.entries);
        let counts = [
            (
                "outputs",
                job.outputs().len() as u64,
                self.outputs.len() as u64,
            ),
            ("trace entries", job.marks(), entries),
        ];
        for (what, expected, actual) in counts {
            if expected != actual {
                return Err(ClaimsError::Form {
                    side,
                    what,
                    expected,
                    actual,
                });
            }
        }
        Ok(())
    }
}
