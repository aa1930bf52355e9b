//! What a program says, as it stands in a line.

use evidence::work::Hex;
use serde::Deserialize;

use super::buffers::IpcBuffer;

/// Longest name of a state, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 128;

/// One request.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Who are you, and what is the job?
    Hello {
        /// Version of this protocol.
        version: u32,
    },
    /// What is the digest of these bytes?
    Digest {
        #[serde(default)]
        fd: bool,
        cuda: Option<IpcBuffer>,
    },
    /// These bytes are an output.
    Output {
        name: String,
        #[serde(default)]
        fd: bool,
        cuda: Option<IpcBuffer>,
    },
    /// These bytes are a state on the way.
    Mark {
        step: u64,
        name: String,
        #[serde(default)]
        fd: bool,
        cuda: Option<IpcBuffer>,
        blake3: Option<Hex<32>>,
    },
    /// That was all.
    Done {},
}

impl Request {
    /// Whether a file travels with the line.
    pub(super) fn has_file(&self) -> bool {
        match self {
            Self::Digest { fd, .. } | Self::Output { fd, .. } | Self::Mark { fd, .. } => *fd,
            Self::Hello { .. } | Self::Done {} => false,
        }
    }
}
