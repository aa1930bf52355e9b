//! How a dispute goes on, and how it ends.

use super::{Question, Side, Tree};

/// What came of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The other side has not answered yet.
    Waiting,
    /// Both sides are asked this next.
    Ask(Question),
    /// The dispute is over.
    Decided(Ruling),
    /// Nobody can tell.
    Undecidable(Undecidable),
}

/// Who lost, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Who lost and why, A before B: one side or both.
    pub losers: Vec<(Side, Loss)>,
    /// The bytes that were recomputed; none where an answer decided.
    pub fault: Option<Fault>,
}

/// Why a side lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// The answer does not have the length that the question says.
    #[error("answer has the wrong length: expected {expected} bytes, got {actual}")]
    Length {
        /// By the question.
        expected: u64,
        /// As it came.
        actual: u64,
    },
    /// The answer does not lead to the digest that this side committed to.
    #[error("answer does not belong to the digest committed to")]
    NotCommitted,
    /// What this side named does not suffice to recompute the point.
    #[error("named less than the point is computed from")]
    ReadsIncomplete,
    /// What this side named is more than anybody is asked to open.
    #[error("named more than {} bytes of slices", super::MAX_ANSWER / 2)]
    ReadsTooLarge,
    /// No answer in time.
    #[error("no answer in time")]
    Unanswered,
    /// The bytes are not what follows from the agreed ones.
    #[error("bytes do not follow from what both sides agree on")]
    Wrong,
}

impl Loss {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "answer_length_mismatch",
            Self::NotCommitted => "answer_not_committed",
            Self::ReadsIncomplete => "reads_incomplete",
            Self::ReadsTooLarge => "reads_too_large",
            Self::Unanswered => "dispute_unanswered",
            Self::Wrong => "dispute_lost",
        }
    }
}

/// The bytes that decided: of the point or the element of a state, as far as they are in the chunk that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The output or state.
    pub tree: Tree,
    /// The point; none in a state.
    pub point: Option<u64>,
    /// The first of the bytes.
    pub offset: u64,
    /// By the specification.
    pub expected: Vec<u8>,
    /// As A and B committed to them.
    pub actual: [Vec<u8>; 2],
}

/// Why nobody can tell. Nobody loses for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecidable {
    /// Two different nodes with the same children: BLAKE3 is broken, or this code is.
    #[error("both sides answered the same, and committed to different digests")]
    Collision,
    /// A point is computed from more than a side can be asked to open.
    #[error(
        "point is computed from more than {} bytes of slices",
        super::MAX_ANSWER
    )]
    LeafTooLarge,
    /// A point that does not say all it reads, or a byte that no point has: a defect of the kernel.
    #[error("the kernel does not name what its point is computed from")]
    NeedsIncomplete,
    /// Outputs that are computed from each other: a defect of the kernel.
    #[error("the kernel's outputs are computed from each other")]
    ReadsCyclic,
    /// Traces differ, and the kernel cannot recompute a step.
    #[error("the kernel cannot recompute a step of its trace")]
    TraceNotRecomputable,
}

impl Undecidable {
    /// The stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Collision => "dispute_collision",
            Self::LeafTooLarge => "leaf_too_large",
            Self::NeedsIncomplete => "needs_incomplete",
            Self::ReadsCyclic => "reads_cyclic",
            Self::TraceNotRecomputable => "trace_not_recomputable",
        }
    }
}
