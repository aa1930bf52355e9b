//! What was asked, what was done, and how the two are bound to the devices (DESIGN section 4).
//!
//! In scope: the job ([`JobSpec`]), the statement about its run ([`WorkStatement`]), what agents send ([`Bundle`], before
//! it a [`ResultCommitment`], around it an [`Opening`]), what they sign of a [`request`], and the derivations that tie
//! them together:
//!
//! | Value | Derivation |
//! |---|---|
//! | job digest | SHA-256(JCS(job)) |
//! | report nonce | SHA-256("pogw/1 statement\n" ‖ JCS(statement)) |
//! | guest report data | SHA-512("pogw/1 guest\n" ‖ JCS(statement) ‖ SHA-256 of each report in order) |
//! | enrolment proof | Ed25519 over "pogw/1 enrolment\n" ‖ SHA-256(enrolment token) ‖ agent key |
//! | commitment | SHA-256("pogw/1 commitment\n" ‖ salt ‖ SHA-256(JCS(statement)) ‖ keyed digest) |
//! | bundle signature | Ed25519 over "pogw/1 bundle\n" ‖ JCS(statement) ‖ (SHA-256(report) ‖ SHA-256(chain)) of each device in order |
//!
//! A job's work is a kernel of a catalogue or a [`Command`], a program of the tenant's own. JCS is RFC 8785. Job and
//! outputs are bound through the digests in the statement. The keyed digest is BLAKE3, which this crate does not know: it
//! comes as bytes. Test vectors are in `tests/vectors/derivations.json`.
//!
//! What agent and verifier say to each other about assignments is in [`wire`].
//!
//! Out of scope: which kernels exist and what their parameters mean. A verifier brings that as a
//! [`WorkChecker`](crate::appraise::WorkChecker).

mod bundle;
mod canonical;
mod command;
mod commitment;
mod encoding;
mod enrolment;
mod job;
mod opening;
pub mod request;
mod statement;
pub mod wire;

pub use bundle::{Bundle, BundleDevice, BundleError, UnsignedBundle};
pub use canonical::{MAX_SAFE_INTEGER, StrictValue, canonical_json};
pub use command::{Command, CommandError, CommandLimits, InputRef};
pub use commitment::{ResultCommitment, Secrets};
pub use encoding::{Base64Url, Blob, Hex};
pub use enrolment::{enrolment_message, is_enrolment_proof};
pub use job::{JobSpec, KernelTask, RequestedCheck, Task, TaskUnclear};
pub use opening::{OpenedSlice, OpenedTensor, Opening, OpeningError};
pub use statement::{
    CanonicalStatement, KernelRef, OutputCommitment, Profile, ProgramRef, Ran, RanUnclear, Timing,
    TraceCommitment, WorkStatement,
};
