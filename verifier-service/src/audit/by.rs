//! Who does something, when, and in which request.

use evidence::UnixTime;
use evidence::crypto::sha256;
use evidence::work::Hex;

use crate::id::Id;

/// Longest subject of a token that is written down (`OpenID` Connect Core 2: at most 255 characters). Of one that is longer,
/// or no line of text, the digest is.
const MAX_SUBJECT_BYTES: usize = 255;

/// Somebody who acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Actor {
    /// Whoever has the operator token.
    Operator,
    /// The bearer of an API key.
    ApiKey {
        /// The key.
        key: Id,
        /// Whose it is.
        party: Id,
    },
    /// The bearer of a token of the configured issuer.
    Oidc {
        /// `iss`.
        issuer: String,
        /// `sub`, or its digest if it cannot be one.
        subject: String,
        /// The party it names.
        party: Id,
    },
    /// An agent, by its key.
    Agent {
        /// The agent.
        agent: Id,
        /// Whose it is.
        party: Id,
    },
    /// Somebody at the command line of the verifier's machine.
    Cli {
        /// The user the process acts as.
        uid: u32,
    },
    /// A verifier, by itself.
    Service,
    /// Whoever sent a request without a credential that held.
    Nobody,
}

/// The request something is done in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `x-request-id` of its answer.
    pub(crate) request: Option<String>,
    /// The trace it is part of (W3C Trace Context), 32 hexadecimal digits.
    pub(crate) trace: Option<String>,
}

/// Who does something, when, and in which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct By {
    /// Who.
    pub(crate) actor: Actor,
    /// When.
    pub(crate) at: UnixTime,
    /// In which request.
    pub(crate) asked: Asked,
}

impl Actor {
    /// The bearer of a token.
    pub(crate) fn oidc(issuer: &str, subject: &str, party: Id) -> Self {
        let is_one = subject.len() <= MAX_SUBJECT_BYTES && !subject.contains(char::is_control);
        let subject = match is_one {
            true => subject.to_owned(),
            false => format!("sha256:{}", Hex(sha256(subject.as_bytes()))),
        };
        Self::Oidc {
            issuer: issuer.to_owned(),
            subject,
            party,
        }
    }

    /// What kind of actor.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::ApiKey { .. } => "api_key",
            Self::Oidc { .. } => "oidc",
            Self::Agent { .. } => "agent",
            Self::Cli { .. } => "cli",
            Self::Service => "service",
            Self::Nobody => "nobody",
        }
    }

    /// Which of its kind.
    pub(crate) fn id(&self) -> Option<String> {
        match self {
            Self::ApiKey { key, .. } => Some(key.to_string()),
            Self::Oidc { subject, .. } => Some(subject.clone()),
            Self::Agent { agent, .. } => Some(agent.to_string()),
            Self::Cli { uid } => Some(uid.to_string()),
            Self::Operator | Self::Service | Self::Nobody => None,
        }
    }

    /// Whose word makes it that one.
    pub(crate) fn issuer(&self) -> Option<&str> {
        match self {
            Self::Oidc { issuer, .. } => Some(issuer),
            _ => None,
        }
    }

    /// On whose behalf it acts.
    pub(crate) const fn party(&self) -> Option<Id> {
        match self {
            Self::ApiKey { party, .. } | Self::Oidc { party, .. } | Self::Agent { party, .. } => {
                Some(*party)
            }
            Self::Operator | Self::Cli { .. } | Self::Service | Self::Nobody => None,
        }
    }
}

impl By {
    /// Somebody, now, in no request.
    pub(crate) fn new(actor: Actor, at: UnixTime) -> Self {
        Self {
            actor,
            at,
            asked: Asked::default(),
        }
    }

    /// The same in a request.
    pub(crate) fn in_request(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    /// A verifier, by itself.
    pub(crate) fn service(at: UnixTime) -> Self {
        Self::new(Actor::Service, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_bounded() {
        let subject = |text: &str| {
            Actor::oidc("https://issuer", text, Id::random())
                .id()
                .unwrap()
        };
        assert_eq!(subject(&"x".repeat(255)), "x".repeat(255));
        for wrong in [&"x".repeat(256), "a\0b", "a\nb"] {
            let digest = subject(wrong);
            assert!(
                digest.starts_with("sha256:") && digest.len() == 71,
                "{digest}"
            );
        }
    }
}
