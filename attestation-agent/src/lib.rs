//! The agent: runs work on a GPU host, collects evidence, binds the two and hands them in.
//!
//! It runs on a machine that nobody trusts, so it decides nothing: the verifier checks what it says, or marks it as the
//! provider's word.
//!
//! # What's in scope
//!
//! * [`Agent`]: the steps of a run, from a job to a stored receipt, each also on its own.
//! * [`JobSpec`](evidence::work::JobSpec) in, through [`read_job`] and [`PreparedJob`]; run by an
//!   [`Executor`]: a GPU ([`Cuda`]), this CPU ([`HostCpu`]), or the reference ([`CpuReference`]).
//! * [`SharedBuffers`]: buffers on a GPU that other processes hand in.
//! * [`command`]: people's own programs, run and watched, with the socket they speak to.
//! * [`device`]: the sources of evidence, `nvml`, `recorded` and `simulated`; [`DeviceSet`] asks
//!   them together, [`serialized`] writes their answers as NVIDIA's tools do.
//! * [`Commitment`] and [`SealedBundle`]: the statement, the nonce every device signs, the
//!   signature of the [`AgentKey`] (DESIGN section 4, `tests/vectors/derivations.json`).
//! * [`Verifier`]: challenges and receipts over HTTP, with retries that send the same bytes;
//!   [`Outbox`]: what a crash must not lose.
//! * [`Agent::serve`]: assignments of a verifier, taken by long poll, without losing one by a crash.
//! * [`doctor`]: would this host attest?
//! * [`Settings`], and [`Progress`] for whoever watches.
//!
//! # What's out of scope
//!
//! * Judging: evidence, receipts and results. The agent holds no trust anchor, no policy and no key
//!   of the service.
//! * Proof that a GPU did the work. A report shows that a genuine device was there and that the
//!   output was fixed before the report; the statement's executor, times and telemetry are asserted.
//! * CPU TEE quotes.
//!
//! `unsafe` is allowed in [`device`] and in `execute/cuda/driver` only, block by block.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod agent;
mod bind;
mod clock;
mod collect;
pub mod command;
mod config;
pub mod device;
pub mod doctor;
mod error;
mod execute;
mod files;
mod http;
mod job;
mod key;
mod outbox;
mod problem;
mod progress;
mod retry;
mod serve;
mod verifier;

pub use agent::{Agent, BoundCommand, BoundWork, FinishedCommand, Leftovers, RunReport};
pub use bind::{BindError, Commitment, Occasion, SealedBundle, commit, seal, vouch};
pub use clock::{Clock, SystemClock};
pub use collect::{DeviceSet, SerializedEvidence, bundle_device, serialized};
pub use config::{CommandSettings, ConfigError, DeviceSettings, ENV_PREFIX, Overrides, Settings};
pub use error::{AgentError, Ending};
pub use execute::{
    CpuReference, Cuda, CudaDevice, CudaSelection, CudaSettings, DeviceFailure, ExecuteError,
    Execution, Executor, ExecutorKind, FailureKind, HostCpu, HostSettings, IPC_HANDLE_LENGTH,
    NamedOutput, SharedBuffers, Work, driver_hangs, open_executor, process_spoilt,
};
pub use files::{FileError, copy_result, write_result};
pub use http::HttpSettings;
pub use job::{InputBytes, JobError, MAX_JOB_BYTES, PreparedJob, parse_job, read_inputs, read_job};
pub use key::{AgentKey, KEY_FILE, KeyError};
pub use outbox::{Entry, Outbox, OutboxError};
pub use problem::{Explained, Problem, ProblemCheck, ProblemReason};
pub use progress::{Progress, Step};
pub use retry::{RetryPolicy, is_transient, parse_retry_after};
pub use serve::{ServeError, ServeSettings, Until};
pub use verifier::{
    BUNDLE_MEDIA_TYPE, Challenge, ChallengeRequest, RECEIPT_MEDIA_TYPE, Receipt, Verifier,
    VerifierError,
};
