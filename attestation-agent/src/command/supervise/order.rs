//! What the agent tells its supervisor, and what it is told.

use std::path::PathBuf;

use evidence::work::CommandLimits;
use serde::{Deserialize, Serialize};

/// Most bytes kept of each of standard output and standard error.
pub const MAX_STREAM_BYTES: u64 = 16 * 1024 * 1024;

/// Most process ids reported; a program that starts more is not watched on the GPU process by process.
pub(super) const MAX_REPORTED: usize = 4096;

/// What to run, where, and within what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The file to start.
    pub executable: PathBuf,
    /// Its arguments, the first its name for itself.
    pub argv: Vec<String>,
    /// Its environment, whole.
    pub env: Vec<(String, String)>,
    /// The run folder.
    pub folder: PathBuf,
    /// Whether the folder stays when the agent is gone.
    pub keep: bool,
    /// The limits of the job.
    pub limits: CommandLimits,
    /// Bytes of the inputs, which do not count as written.
    pub input_bytes: u64,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// The program ended by itself, and nothing of it was left.
    Exited {
        /// Exit status.
        status: i32,
    },
    /// The program ended by itself, and processes of it went on.
    Outlived {
        /// Exit status.
        status: i32,
        /// How many processes were left.
        left: u64,
    },
    /// A signal ended it that the supervisor did not send.
    Killed {
        /// Its number.
        signal: i32,
    },
    /// It was not started.
    NotStarted {
        /// Why.
        detail: String,
    },
    /// It ran out of time.
    TimedOut,
    /// More processes than allowed.
    Processes {
        /// As seen.
        seen: u64,
    },
    /// More memory than allowed.
    Memory {
        /// As seen, bytes.
        seen: u64,
    },
    /// More bytes of files than allowed.
    Output {
        /// As seen.
        seen: u64,
    },
    /// More bytes on a standard stream than are kept.
    Stream {
        /// `stdout` or `stderr`.
        name: String,
    },
    /// The agent is gone.
    Abandoned,
}

/// What a supervisor tells when all has ended. Seen by polls: what came and went between two of them is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// From start to end, microseconds.
    pub wall_us: u64,
    /// Processor time in the program, of all processes that were waited for, microseconds.
    pub cpu_user_us: u64,
    /// Processor time in the kernel, likewise.
    pub cpu_system_us: u64,
    /// Largest sum of resident sizes seen, bytes; a page that processes share counts once for each.
    pub peak_memory_bytes: u64,
    /// Most processes seen at once.
    pub peak_processes: u64,
    /// Bytes of files at the end, inputs not counted.
    pub written_bytes: u64,
    /// Processes seen, the first 4096.
    pub pids: Vec<u32>,
}
