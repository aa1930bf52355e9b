//! One error for a whole run.
//!
//! In scope: joining the errors of the steps, and the three kinds of ends a caller tells apart.
//! Out of scope: texts. Each step words its own errors and remedies.

use crate::bind::BindError;
use crate::command::CommandError;
use crate::config::ConfigError;
use crate::device::DeviceError;
use crate::execute::ExecuteError;
use crate::files::FileError;
use crate::job::JobError;
use crate::key::KeyError;
use crate::outbox::OutboxError;
use crate::serve::ServeError;
use crate::verifier::VerifierError;

/// Why a run ended without a receipt, or a command without its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The run could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The command could not be run, or was run in vain.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The devices cannot be opened, or do not attest.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The kernel could not run.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The job is none that this agent can run.
    #[error(transparent)]
    Job(#[from] JobError),
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The outbox cannot be used.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The agent cannot serve, or serves no longer.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The verifier gave no challenge or no receipt.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}

/// The kinds of ends, as exit codes tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The verifier said no.
    Refused,
    /// A file, a setting or an argument is at fault: nothing changes until somebody mends it.
    Unusable,
    /// A device or the verifier is not there, or cannot do its part now.
    Unavailable,
}

impl Ending {
    /// The status with which a process ends so.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Unusable => 2,
            Self::Unavailable => 3,
        }
    }
}

impl AgentError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Bind(error) => error.code(),
            Self::Command(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Device(error) => error.code(),
            Self::Execute(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Job(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::Outbox(error) => error.code(),
            Self::Serve(error) => error.code(),
            Self::Verifier(error) => error.code(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Bind(error) => error.remedy(),
            Self::Command(error) => error.remedy(),
            Self::Config(error) => error.remedy(),
            Self::Device(error) => error.remedy(),
            Self::Execute(error) => error.remedy(),
            Self::File(error) => error.remedy(),
            Self::Job(error) => error.remedy(),
            Self::Key(error) => error.remedy(),
            Self::Outbox(error) => error.remedy(),
            Self::Serve(error) => error.remedy(),
            Self::Verifier(error) => error.remedy(),
        }
    }

    /// Which kind of end this is.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self {
            Self::Verifier(VerifierError::Refused(_)) | Self::Serve(ServeError::Removed(_)) => {
                Ending::Refused
            }
            Self::Verifier(
                VerifierError::Url { .. } | VerifierError::File(_) | VerifierError::Client { .. },
            ) => Ending::Unusable,
            Self::Verifier(_) | Self::Device(_) | Self::Execute(_) => Ending::Unavailable,
            Self::Serve(ServeError::ProcessSpoilt | ServeError::NotLetIn { .. }) => {
                Ending::Unavailable
            }
            Self::Bind(BindError::Device(_)) => Ending::Unavailable,
            Self::Command(CommandError::Supervisor { .. }) => Ending::Unavailable,
            Self::Bind(_)
            | Self::Command(_)
            | Self::Config(_)
            | Self::File(_)
            | Self::Job(_)
            | Self::Key(_)
            | Self::Outbox(_)
            | Self::Serve(_) => Ending::Unusable,
        }
    }
}
