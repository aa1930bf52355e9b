//! What an agent and a verifier say to each other about assignments.
//!
//! | Request of an agent | Body | Answer |
//! |---|---|---|
//! | `POST /v1/agents` | [`Enrolment`] | 200 or 201 [`Enrolled`] |
//! | `POST /v1/agents/{id}/heartbeat` | [`Heartbeat`] | 200 [`HeartbeatAnswer`] |
//! | `POST /v1/assignments/next?wait_s=60` | [`NextRequest`] | 200 [`Next`], or 204 |
//! | `POST /v1/assignments/{id}/accept` | [`Empty`] | 200 [`Lease`] |
//! | `POST /v1/assignments/{id}/renew` | [`Empty`] | 200 [`Lease`] |
//! | `POST /v1/assignments/{id}/release` | [`Release`] | 204 |
//! | `POST /v1/assignments/{id}/commitment` | [`ResultCommitment`](crate::work::ResultCommitment) | 204 |
//! | `POST /v1/assignments/{id}/opening?round=0` | [`Opening`](crate::work::Opening), `application/vnd.pogw.opening+json` | 202, or 204 once it is judged |
//! | `POST /v1/assignments/{id}/answer` | [`Answer`] | 204 |
//!
//! An agent that states [`Conditions`] is shown with each offer what the terms ask of devices and by which policy; one
//! that does not is taken for an agent of an earlier version, which would not understand these members.
//!
//! Every request but the first is signed by the agent's key. The same request sent again is answered the same, so an agent
//! that does not know what became of one sends it again. Refusals are problems (RFC 9457): 401 where no such agent is
//! enrolled (any more), 404 for the assignment of another, 409 where something else was said before, 410 where it is too
//! late.
//!
//! In scope: the JSON forms, strict, each with its bounds; the proof of an enrolment. Nothing here prints a secret.
//!
//! Out of scope: what is signed of a request, the derivation of a commitment, the form of an opening; these have
//! modules of their own. Times are RFC 3339 in whole seconds, by the verifier's clock. Its `Date` header shows that
//! clock, and an agent counts what is left from the difference.

mod assignment;
mod conditions;
mod enrolment;
mod next;
mod presence;
mod text;

pub use assignment::{Answer, Empty, Lease, Outputs, Release, Reply};
pub use conditions::Conditions;
pub use enrolment::{Enrolled, Enrolment, EnrolmentToken, TokenError};
pub use next::{
    Ask, AuditTerms, CrossKey, DevicesAsked, Known, Next, NextRequest, Offer, Open, Price,
    Question, TaskKind, TermsShown,
};
pub use presence::{Assurance, DeclaredDevice, Ended, Heartbeat, HeartbeatAnswer};
pub use text::{Id, PolicyName, Secret, TextError, Word};

/// Most assignments that one agent works on at a time, or holds outputs for.
pub const MAX_HELD: usize = 256;

/// Most kinds of executors that one agent names.
pub const MAX_EXECUTORS: usize = 16;

/// Most policies that one agent names in its conditions.
pub const MAX_POLICIES: usize = 32;

/// The executor of people's own programs: an agent that runs commands names it among its executors, and is offered none
/// otherwise.
pub const PROGRAM_EXECUTOR: &str = "host-program";

/// Most other replicas of one job: 8 replicas, less one.
pub const MAX_CROSS: usize = 7;

/// Longest question in the words of the kernels' referee, in bytes.
pub const MAX_QUESTION_BYTES: usize = 1024 * 1024;

/// Longest wait for something to do, in seconds.
pub const MAX_WAIT_S: u32 = 60;

#[cfg(test)]
mod tests;
