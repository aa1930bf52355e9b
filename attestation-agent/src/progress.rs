//! What happens during a run, told as it happens.
//!
//! In scope: the steps of a run, for whoever shows them. Out of scope: deciding anything. An
//! observer sees digests, sizes and times; never keys, evidence or outputs.

use std::time::Duration;

use evidence::work::{Hex, WorkStatement};

use crate::command::{CommandJob, CommandRun};
use crate::device::Description;
use crate::execute::Execution;
use crate::job::PreparedJob;
use crate::verifier::Challenge;

/// Watches a run. `()` looks away.
pub trait Progress: Send + Sync {
    /// Called after each step.
    fn step(&self, step: &Step<'_>);
}

impl Progress for () {
    fn step(&self, _step: &Step<'_>) {}
}

/// A step that is done, in the order in which they come.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The job was read and its operands are in memory.
    Prepared {
        /// The job.
        job: &'a PreparedJob,
    },
    /// The program and inputs of a command were found.
    CommandPrepared {
        /// The job.
        job: &'a CommandJob,
    },
    /// A command's program ended, and its outputs are digested.
    CommandFinished {
        /// Outputs, times and counters.
        run: &'a CommandRun,
    },
    /// All devices are open.
    DevicesOpened {
        /// What they say of themselves.
        devices: &'a [Description],
    },
    /// The verifier gave a challenge.
    Challenged {
        /// The challenge.
        challenge: &'a Challenge,
    },
    /// The kernel ran.
    Executed {
        /// The executor's word for itself.
        executor: &'static str,
        /// Outputs and times.
        run: &'a Execution,
    },
    /// The statement is fixed, and with it the nonce every device must sign.
    Committed {
        /// The statement.
        statement: &'a WorkStatement,
        /// The nonce.
        nonce: Hex<32>,
    },
    /// Every device signed a report over the nonce.
    Attested {
        /// How many devices.
        devices: usize,
    },
    /// The agent signed the bundle.
    Sealed {
        /// SHA-256 of the bundle.
        digest: Hex<32>,
        /// Length of its JSON.
        bytes: usize,
    },
    /// An attempt failed; another follows.
    Retrying {
        /// What was asked: `challenge` or `receipt`.
        request: &'static str,
        /// Number of the attempt that failed, from 1.
        attempt: u32,
        /// What went wrong.
        cause: &'a str,
        /// How long the agent waits.
        wait: Duration,
    },
    /// The verifier issued a receipt, and it is stored.
    Received {
        /// SHA-256 of the bundle it is for.
        bundle: Hex<32>,
        /// Where the verifier keeps it.
        location: Option<&'a str>,
    },
    /// A bundle of an earlier run was refused for good and will not be sent again.
    LeftoverRefused {
        /// SHA-256 of the bundle.
        bundle: Hex<32>,
        /// The verifier's words.
        cause: &'a str,
    },
    /// The challenge of a bundle of an earlier run expired while the verifier could not verify; the
    /// bundle is moved aside and will not be sent again.
    LeftoverExpired {
        /// SHA-256 of the bundle.
        bundle: Hex<32>,
        /// What the verifier said before, and where the bundle lies.
        cause: &'a str,
    },
    /// A bundle of an earlier run could not be submitted and stays where it is.
    LeftoverKept {
        /// Name of its file.
        file: &'a str,
        /// Why.
        cause: &'a str,
    },
}
