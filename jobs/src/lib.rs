//! The rules from a job to a reward.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

mod action;
mod assignment;
pub mod books;
mod choice;
mod clock;
mod code;
mod context;
mod effects;
mod event;
mod id;
pub mod incentive;
mod job;
mod life;
mod money;
mod record;
mod refusal;
pub mod replication;
mod secret;
mod stored;
pub mod terms;
mod verdict;
pub mod view;

pub use action::{Action, Candidate, NewJob};
pub use assignment::{Assignment, AssignmentStatus, Commitment, Opened, Stake};
pub use clock::{JUDGING_S, LEASE_S, OFFER_S};
pub use code::{Code, CodeError};
pub use context::{Context, Randomness};
pub use effects::Effects;
pub use event::{Event, EventKind};
pub use id::{AgentId, AssignmentId, IdError, JobId, MAX_ID_BYTES, PartyId};
pub use job::{Dispute, DisputeKind, Job, JobStatus, Nature, Question};
pub use money::{Amount, Currency, Money, MoneyError};
pub use record::{Record, RecordChange, ResultKind, Workload};
pub use refusal::Refusal;
pub use secret::Secret;
pub use stored::StoredError;
pub use terms::{Terms, TermsError};
pub use verdict::{Blame, Refuted, SeenDevice, Upheld, Verdict, results_digest};
