//! Why there is no challenge or no receipt.
//!
//! In scope: the ways in which a request to a verifier ends without its result. A refusal is among them because the
//! caller cannot go on; it is the verifier's answer, not a fault.

use std::path::PathBuf;
use std::time::Duration;

use super::BUNDLE_MEDIA_TYPE;
use crate::files::FileError;
use crate::problem::Problem;

/// Why a verifier did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// What came back is neither what was asked for nor a problem.
    #[error("unexpected answer of the verifier: {detail}")]
    Answer {
        /// What is wrong with it.
        detail: String,
    },
    /// The answer is longer than any answer.
    #[error("answer of the verifier is too large: expected at most {limit} bytes")]
    AnswerTooLarge {
        /// The most bytes read.
        limit: usize,
    },
    /// No HTTP client could be made, such as without any TLS roots.
    #[error("cannot make an HTTP client: {detail}")]
    Client {
        /// The library's words.
        detail: String,
    },
    /// The challenge of a bundle has expired, and before that the verifier could not verify. The
    /// evidence was never judged.
    #[error(
        "the challenge expired while the verifier could not verify ({problem}); the bundle is now \
         {}", file.display()
    )]
    Expired {
        /// Where the bundle was moved.
        file: PathBuf,
        /// What the verifier said while the challenge lived.
        problem: Box<Problem>,
    },
    /// The file of TLS roots cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The verifier takes other media types than bundles.
    #[error("the verifier does not accept bundles: expected {BUNDLE_MEDIA_TYPE}, got {accept}")]
    NotAccepted {
        /// What it accepts.
        accept: String,
    },
    /// The verifier understood, and said no.
    #[error("refused by the verifier: {0}")]
    Refused(Box<Problem>),
    /// The verifier cannot be reached, or cannot verify now.
    #[error("no {request} after {attempts} attempts{}: {cause}", within(*expired))]
    Unavailable {
        /// What was asked for: `challenge` or `receipt`.
        request: &'static str,
        /// How often.
        attempts: u32,
        /// Whether the challenge ends, or has ended, before another attempt.
        expired: bool,
        /// How the last attempt failed.
        cause: String,
        /// When the verifier wants to be asked again.
        retry_after: Option<Duration>,
        /// The verifier's own words, if it had any; those of an earlier attempt where the last one
        /// had none.
        problem: Option<Box<Problem>>,
    },
    /// The address is no address of a verifier.
    #[error("verifier address is not usable: {reason}")]
    Url {
        /// Why not. Never the address itself, which may hold a password.
        reason: String,
    },
}

impl VerifierError {
    /// The stable word for this cause; for a refusal the verifier's own.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Answer { .. } => "answer_unexpected",
            Self::AnswerTooLarge { .. } => "answer_too_large",
            Self::Client { .. } => "http_client_unusable",
            Self::Expired { .. } => "expired_unverified",
            Self::File(error) => error.code(),
            Self::NotAccepted { .. } => "bundle_not_accepted",
            Self::Refused(problem) if problem.code.is_empty() => "refused",
            Self::Refused(problem) => &problem.code,
            Self::Unavailable { .. } => "verifier_unavailable",
            Self::Url { .. } => "verifier_url_invalid",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Answer { .. } | Self::AnswerTooLarge { .. } | Self::NotAccepted { .. } => {
                "Check that the address is that of a PoGW verifier (GET /readyz) of this version, \
                 and what a proxy on the way does."
            }
            Self::Client { .. } => {
                "Install the system's CA certificates (ca-certificates), or name the verifier's \
                 own root in http.ca_file."
            }
            Self::Expired { .. } => {
                "The evidence was not refused. Have what the verifier lacked mended, which its words \
                 above name, then run the job again. The file cannot get a receipt any more; it is \
                 yours to keep or remove."
            }
            Self::File(error) => error.remedy(),
            Self::Refused(problem) => remedy_for(problem.status),
            Self::Unavailable { expired: true, .. } => {
                "The evidence was not refused. Have what the verifier lacks mended, which its words \
                 above name where it answered, then run the job again: the challenge of this bundle \
                 is at its end. The bundle is kept in the outbox; `attestation-agent submit` moves \
                 it aside once the verifier calls it expired."
            }
            Self::Unavailable { expired: false, .. } => {
                "Check that the verifier is up and can be reached from here. A bundle that was made \
                 is kept in the outbox: `attestation-agent submit` sends it again, and so does the \
                 next run."
            }
            Self::Url { .. } => {
                "Give an http or https URL without user name, password, query and fragment."
            }
        }
    }

    /// What the verifier said, where it said something.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Expired { problem, .. } => Some(problem),
            Self::Unavailable { problem, .. } => problem.as_deref(),
            _ => None,
        }
    }
}

fn within(expired: bool) -> &'static str {
    match expired {
        true => " within the life of the challenge",
        false => "",
    }
}

/// What a refusal calls for, by its status (DESIGN section 7).
fn remedy_for(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "Ask the operator of the verifier to admit this agent key. The bundle, if one was made, \
             is kept in the outbox."
        }
        409 | 410 => "A challenge serves one bundle and lives for minutes. Run the job again.",
        413 => {
            "Ask for fewer checks that need the output itself, or have the verifier's limit raised."
        }
        _ => {
            "What was refused, and what would mend it, is in the verifier's words above. Then run \
             the job again: a challenge serves one bundle."
        }
    }
}
