//! The dispute between two replicas whose committed digests differ: who is wrong, found by a few small questions and one
//! point that the verifier recomputes.
//!
//! # What's in scope
//!
//! * [`Referee`]: a state machine. It asks both sides the same [`Question`], checks each answer against what that side
//!   committed to, and ends in a [`Ruling`].
//! * [`Witness`]: the other half. From the outputs and the trace of a run it answers any question.
//! * [`Claims`]: the digests of one side, as its statement has them.
//! * [`most_questions`], [`largest_answer`], [`whole_len`]: what a dispute about a job can take.
//!
//! # What's out of scope
//!
//! Carrying questions and answers, deadlines, stakes. Pure: a referee is a function of the claims and of the answers so
//! far, so whoever must survive a restart keeps the answers and gives them to a new one.
//!
//! # How it goes
//!
//! 1. *Trace first.* If the traces differ, the tree over their digests is followed down to the first entry that differs.
//!    Both sides agree on the state before, and the dispute is about the state after: its tree is followed down to the
//!    first chunk that differs.
//! 2. *Else outputs.* The tree of the first output that differs is followed down to the first chunk that differs; the
//!    dispute is about the point that has its first differing byte.
//! 3. *One point.* What it is computed from is opened, and it is recomputed. Whoever has other bytes there is wrong; that
//!    may be both.
//!
//! Every answer is as long as its question says ([`Question::answer_len`]) and is checked against the digest of its side.
//! One that does not lead there is that side's loss at once (`answer_not_committed`): two answers that do would be a
//! collision of BLAKE3.
//!
//! # Why it ends
//!
//! Following a tree down ends at a chunk. A point may read outputs that are disputed as well; then the dispute moves
//! there, and is about the first difference of *that* output. By the rule of
//! [`PointKernel::needs`](crate::point::PointKernel::needs) a point reads of its own output only bytes before its own,
//! which agree since it is the first that differs, and of others only outputs that do not lead back. So no output is
//! visited twice, and a dispute of n outputs moves fewer than n times. A kernel that breaks the rule is found out
//! (`reads_cyclic`), not followed.
//!
//! # What a ruling shows
//!
//! * `dispute_lost`: these bytes do not follow from what both sides stated themselves. An honest side never loses: its
//!   nodes lead to its digests, and its bytes are what the specification says, since all they are computed from is agreed
//!   and therefore its own.
//! * *Not* that the other side is right: it was not shown wrong at this point. Where both are wrong elsewhere, or had the
//!   same wrong state before, nothing here says so; the audit of the winner does.
//!
//! # What cannot be judged
//!
//! Commands, which nobody can recompute. Kernels without marks have no trace and are judged by their outputs, which hold
//! every state on the way (`gemm_chain`, `nbody`) or have none. [`Job::steps`](crate::Job::steps) says which.

mod bounds;
mod claims;
mod leaf;
mod question;
mod referee;
mod ruling;
mod witness;

pub use bounds::{largest_answer, most_questions, whole_len};
pub use claims::{Claims, ClaimsError, Side, TraceClaim};
pub use question::{MAX_ANSWER, MAX_LEVELS, Question, Tree};
pub use referee::Referee;
pub use ruling::{Fault, Loss, Progress, Ruling, Undecidable};
pub use witness::{Witness, WitnessError};
