//! The rules from a job to a reward, among providers nobody trusts.
//!
//! A job is one aggregate: [`Job`] with all its assignments. It changes by one function,
//! [`Job::apply`]`(action, context)`, which either returns the [`Effects`] to be written together with the changed job, or
//! a [`Refusal`] and leaves the job as it was. Whoever writes both in one transaction has exactly-once settlement: a
//! crash before the transaction changes nothing, and an action repeated after it is answered from the job and has no
//! second effect.
//!
//! ```
//! use evidence::UnixTime;
//! use jobs::{Action, Amount, Context, Job, JobId, JobStatus, Nature, NewJob, PartyId, Terms};
//!
//! let terms = Terms::parse(&serde_json::json!({
//!     "replicas": {"count": 2, "adaptive": false},
//!     "price": {"amount": 1200, "currency": "EUR"}, "stake": 2400,
//!     "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400
//! }))?;
//! let spec = serde_json::from_value(serde_json::json!(
//!     {"profile": "pogw/1", "kernel": "gemm_i8", "params": {"m": 64}, "checks": []}
//! ))?;
//! let new = NewJob {
//!     id: JobId::parse("job-1")?,
//!     tenant: PartyId::parse("tenant-1")?,
//!     spec,
//!     terms,
//!     nature: Nature { recomputable: true, points: 0, operations: Some(1 << 19), given: false },
//!     available: Amount::new(10_000)?,
//! };
//! let fresh = [7; 32]; // from a cryptographic random source, for each action anew
//! let (mut job, effects) = Job::create(new, &Context::new(UnixTime::from_secs(0), fresh))?;
//! assert_eq!(effects.transfers.len(), 1); // the escrow
//!
//! let nobody_came = Context::new(job.due_at().unwrap(), fresh);
//! let effects = job.apply(Action::Tick, &nobody_came)?;
//! assert_eq!(job.status(), JobStatus::Failed);
//! assert_eq!(effects.transfers.len(), 1); // the refund
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In scope
//!
//! * [`terms`]: what a tenant offers; parsed, one code per rule, digested.
//! * The life of a job: dispatch, leases, commitments, openings, verdicts, disputes, acceptance, settlement, deadlines.
//! * [`replication`]: how many replicas; who gets them is drawn uniformly among the owners that may have one.
//! * [`patience`]: an owner that leaves others waiting is drawn less for a while.
//! * [`books`]: accounts and transfers, and a small ledger that holds their rules.
//! * [`view`]: what the tenant and the agents may see, and when.
//! * [`incentive`]: which stake makes honesty pay.
//!
//! # Out of scope
//!
//! * Judging: openings are appraised, audited and recomputed elsewhere; a [`Verdict`] comes in as data. So does what a
//!   referee says; only its order and deadlines are known here.
//! * Time, randomness, files, network, databases: [`Context`] brings the first two, the caller keeps the rest.
//! * Who may ask: that a party owns a job, or that a request is signed by its agent, is for the caller to know. That an
//!   agent owns an assignment is checked here.
//! * Receipts. [`Effects::receipts`] says for which assignments they are due.
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
mod passed_over;
pub mod patience;
mod record;
mod refusal;
pub mod replication;
mod secret;
mod stored;
pub mod terms;
mod verdict;
pub mod view;

pub use action::{Action, Candidate, DeclaredDevice, NewJob};
pub use assignment::{Assignment, AssignmentStatus, Commitment, Opened, Stake};
pub use clock::{JUDGING_S, LEASE_S, MIN_OPEN_S, MOST_JUDGING_S, OFFER_S};
pub use code::{Code, CodeError};
pub use context::{Context, Randomness};
pub use effects::Effects;
pub use event::{Event, EventKind};
pub use id::{AgentId, AssignmentId, IdError, JobId, MAX_ID_BYTES, PartyId};
pub use job::{Dispute, DisputeKind, Job, JobStatus, Nature, Question};
pub use life::{MOST_CHALLENGES, MOST_QUESTIONS, Outage};
pub use money::{Amount, Currency, Money, MoneyError};
pub use record::{Record, RecordChange, Records, ResultKind, Size, Workload};
pub use refusal::Refusal;
pub use secret::Secret;
pub use stored::StoredError;
pub use terms::{Terms, TermsError};
pub use verdict::{Blame, Holder, Refuted, SeenDevice, Upheld, Verdict, results_digest};
