//! Enrolment: a one-time token of a provider makes an agent's key one of that provider's agents.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Id, moment};
use crate::UnixTime;
use crate::work::encoding::Base64Url;
use crate::work::enrolment_message;

/// Longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// A one-time token. It does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnrolmentToken(String);

/// A text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {MAX_TOKEN_BYTES} visible ASCII characters")]
pub struct TokenError;

impl EnrolmentToken {
    /// Reads a token.
    ///
    /// # Errors
    /// It is empty, too long, or has characters that no token has.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let bounded = (1..=MAX_TOKEN_BYTES).contains(&text.len());
        match bounded && text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Self(text.to_owned())),
            false => Err(TokenError),
        }
    }

    /// The text, for whom it is meant.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnrolmentToken {
    type Error = TokenError;

    fn try_from(text: String) -> Result<Self, TokenError> {
        Self::parse(&text)
    }
}

impl From<EnrolmentToken> for String {
    fn from(token: EnrolmentToken) -> Self {
        token.0
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentToken(…)")
    }
}

/// Body of `POST /v1/agents`.
///
/// The same token with the same key is answered the same for as long as the token's life: an agent that was cut off
/// before it could write its id down asks again. With another key it is spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The token.
    pub token: EnrolmentToken,
    /// The agent's Ed25519 public key.
    pub agent_key: Base64Url<32>,
    /// Ed25519 signature by that key over the [`enrolment_message`].
    pub proof: Base64Url<64>,
}

/// The answer to an [`Enrolment`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// The agent's name from now on, the `keyid` of its requests.
    pub id: Id,
    /// The provider it belongs to.
    pub provider: Id,
    /// How often the verifier wants a sign of life, in seconds.
    pub heartbeat_every_s: u32,
    /// The time on the verifier's clock.
    #[serde(with = "moment")]
    pub now: UnixTime,
}

impl Enrolment {
    /// Puts one together, with a proof made by `sign` over the message given to it.
    #[must_use]
    pub fn new(
        token: EnrolmentToken,
        agent_key: Base64Url<32>,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Self {
        let proof = Base64Url(sign(&enrolment_message(&token.0, &agent_key)));
        Self {
            token,
            agent_key,
            proof,
        }
    }
}
