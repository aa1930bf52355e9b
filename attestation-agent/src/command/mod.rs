//! People's own programs: a command with declared inputs and outputs, run, watched, cleaned up after.
//!
//! In scope: the folder a program runs in, its environment, its limits, the end of it and of everything it started
//! ([`supervise`](mod@supervise)), the digests of what it left, the states it hands in on the way ([`Trace`]) and the
//! socket by which it does ([`socket`]).
//!
//! Out of scope: isolation. A program runs as the account of the agent, with its rights and its network: to run
//! programs of strangers, put agent and program into a container or an account of their own. Also out of scope: proof.
//! That a program ran, which one, and how it ended is this host's word.
//!
//! | Limit | Held by |
//! |---|---|
//! | time | the supervisor, exact to a poll |
//! | bytes of one file | the kernel (`RLIMIT_FSIZE`) |
//! | bytes of all files, processes, memory | the supervisor, poll by poll: a burst between two polls passes |
//! | end of the whole tree | the kernel hands every orphan to the supervisor, which ends what is left |
//!
//! A process leaves the tree if it has another service start something for it (systemd, cron, a container daemon), or
//! if it kills the supervisor.

mod bind;
mod environment;
mod error;
mod folder;
mod gpu;
mod job;
mod outputs;
mod run;
pub mod socket;
pub mod supervise;
mod trace;

pub use bind::{commit_command, vouch_for_command};
pub use environment::KEPT_VARIABLES;
pub use error::CommandError;
pub use folder::RunFolder;
pub use job::CommandJob;
pub use outputs::FileOutput;
pub use run::{CommandRun, Host, PROGRAM_EXECUTOR};
pub(crate) use trace::commitment_to;
pub use trace::{Mark, Trace};
