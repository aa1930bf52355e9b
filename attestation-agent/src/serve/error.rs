//! Why an agent cannot serve, or serves no longer.

use std::path::PathBuf;
use std::time::Duration;

use crate::files::FileError;
use crate::problem::Problem;

/// Why an agent cannot serve, or serves no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Figures cannot be counted; a fault of this program.
    #[error("figures cannot be counted: {0}")]
    Figures(String),
    /// The folder belongs to an agent of another verifier.
    #[error("this agent is enrolled at {actual}, not at {expected}")]
    EnrolledElsewhere {
        /// The verifier of the settings.
        expected: String,
        /// The one it is enrolled at.
        actual: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process serves from the same folder.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the journal is not what was written.
    #[error("{} is damaged: {detail}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The verifier has no such agent any more.
    #[error("the verifier does not know this agent (any more): {0}")]
    Removed(Box<Problem>),
    /// The CUDA driver refuses this process; a new one can use the GPU again.
    #[error("the CUDA driver refuses this process since a kernel went astray in it")]
    ProcessSpoilt,
    /// The verifier has neither let this agent in nor refused it.
    #[error("{verifier} did not enrol this agent within {} s: {cause}", within.as_secs())]
    NotLetIn {
        /// The verifier of the settings.
        verifier: String,
        /// How long it was asked.
        within: Duration,
        /// How the last attempt failed.
        cause: String,
    },
    /// There is no randomness for salts and nonces.
    #[error("no random bytes")]
    NoRandomness,
    /// The token is none.
    #[error("{} holds no enrolment token: {reason}", path.display())]
    TokenMalformed {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The agent is not enrolled, and there is no token to enrol with.
    #[error("this agent is not enrolled, and no enrolment token is set")]
    TokenMissing,
}

impl ServeError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EnrolledElsewhere { .. } => "enrolled_elsewhere",
            Self::Figures(_) => "figures_broken",
            Self::File(error) => error.code(),
            Self::InUse { .. } => "serve_dir_in_use",
            Self::Journal { .. } => "journal_damaged",
            Self::ProcessSpoilt => "cuda_process_spoilt",
            Self::Removed(_) => "agent_removed",
            Self::NotLetIn { .. } => "enrolment_unanswered",
            Self::NoRandomness => "randomness_unavailable",
            Self::TokenMalformed { .. } => "enrolment_token_malformed",
            Self::TokenMissing => "enrolment_token_missing",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::EnrolledElsewhere { .. } => {
                "Serve each verifier from a state folder of its own (--state-dir, or state_dir in the settings)."
            }
            Self::Figures(_) => "This is a fault of this program: report it.",
            Self::File(error) => error.remedy(),
            Self::InUse { .. } => {
                "End the other process, or give this one a folder of its own (serve.dir)."
            }
            Self::Journal { .. } => {
                "The disk failed, or somebody changed the file. Move the folder of the assignment away; what it was \
                 committed to is lost."
            }
            Self::Removed(_) => {
                "Ask the provider whether this agent was removed on purpose. To serve again, have a new enrolment token \
                 made (pogw agent enrol-token)."
            }
            Self::ProcessSpoilt => {
                "Start the agent again: its unit does so by itself. What was committed goes on; the rest was given back."
            }
            Self::NotLetIn { .. } => {
                "Check the address (verifier, or --verifier), and that the verifier is up and can be reached from here; then \
                 start the agent again, which its unit does by itself."
            }
            Self::NoRandomness => "The kernel's random number source must work (getrandom).",
            Self::TokenMalformed { .. } => {
                "Write the token that `pogw agent enrol-token` printed into the file, and nothing else."
            }
            Self::TokenMissing => {
                "Have a token made (pogw agent enrol-token), write it into a file that only this account reads, and name \
                 the file in serve.token_file, or hand it over as the systemd credential enrolment-token."
            }
        }
    }
}
