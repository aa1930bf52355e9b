//! What was asked, what was done, and how the two are bound to the devices (DESIGN section 4).
//!
//! In scope: the job ([`JobSpec`]), the statement about its run ([`WorkStatement`]), what agents send
//! ([`Bundle`]), and the derivations that tie them together:
//!
//! | Value | Derivation |
//! |---|---|
//! | job digest | SHA-256(JCS(job)) |
//! | report nonce | SHA-256("pogw/1 statement\n" ‖ JCS(statement)) |
//! | guest report data | SHA-512("pogw/1 guest\n" ‖ JCS(statement) ‖ SHA-256 of each report in order) |
//! | bundle signature | Ed25519 over "pogw/1 bundle\n" ‖ JCS(statement) ‖ (SHA-256(report) ‖ SHA-256(chain)) of each device in order |
//!
//! A job's work is a kernel of a catalogue or a [`Command`], a program of the tenant's own. JCS is RFC 8785. Job and outputs are bound through the digests in the statement. Test vectors are in
//! `tests/vectors/derivations.json`.
//!
//! What agent and verifier say to each other about assignments is in [`wire`].
//!
//! Out of scope: which kernels exist and what their parameters mean. A verifier brings that as a
//! [`WorkChecker`](crate::appraise::WorkChecker).

mod bundle;
mod canonical;
mod command;
mod encoding;
mod job;
mod statement;
pub mod wire;

pub use bundle::{Bundle, BundleDevice, BundleError, UnsignedBundle};
pub use canonical::{MAX_SAFE_INTEGER, StrictValue, canonical_json};
pub use command::{Command, CommandError, CommandLimits, InputRef};
pub use encoding::{Base64Url, Blob, Hex};
pub use job::{JobSpec, KernelTask, RequestedCheck, Task, TaskUnclear};
pub use statement::{
    CanonicalStatement, KernelRef, OutputCommitment, Profile, ProgramRef, Ran, RanUnclear, Timing,
    TraceCommitment, WorkStatement,
};
