//! What can go wrong before there is an answer, and the exit status it leads to.

use std::fmt;

use crate::Exit;

/// A command that came to no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The command line, a policy or a configuration is at fault.
    #[error("{0}")]
    Usage(String),
    /// Input cannot be read.
    #[error("cannot read {what}: {why}")]
    Unreadable {
        /// The input.
        what: String,
        /// Why not.
        why: String,
    },
    /// The answer cannot be written.
    #[error("cannot write: {0}")]
    Write(String),
    /// A service or device is out of reach.
    #[error("{0}")]
    Unavailable(String),
    /// The other side said no.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    pub(crate) fn usage(error: impl fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    pub(crate) fn unreadable(what: impl fmt::Display, why: &dyn fmt::Display) -> Self {
        Self::Unreadable {
            what: what.to_string(),
            why: why.to_string(),
        }
    }

    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Refused(_) => Exit::Refused,
            Self::Unavailable(_) => Exit::Unverifiable,
            Self::Usage(_) | Self::Unreadable { .. } | Self::Write(_) => Exit::Unreadable,
        }
    }
}
