//! Bearer tokens of one configured OpenID issuer (OpenID Connect Discovery 1.0, RFC 7519, RFC 8725).
//!
//! In scope: the issuer's keys, found through its discovery document, kept and renewed ([`KeySource`]); the rules a token
//! must keep ([`token`]); which party and scopes it names.
//!
//! What is pinned: issuer, audience and algorithms come from the configuration, the keys from the issuer alone. Nothing in
//! a token's header is followed (`jku`, `jwk`, `x5u`, `x5c`).
//!
//! Out of scope: logging in, refresh tokens, asking the issuer about one token. A token counts until it expires.

mod key_set;
mod key_source;
mod token;

use std::sync::Arc;

use thiserror::Error;

use crate::clock::Clock;
use crate::config::OidcSettings;
use crate::upstream::UpstreamError;
use key_source::KeySource;
pub(crate) use key_source::RETRY_S;
pub(crate) use token::Named;
use token::{Heading, Terms, TokenRefusal};

/// The issuer, and what its tokens must say.
#[derive(Debug)]
pub(crate) struct Issuer {
    keys: Arc<KeySource>,
    terms: Terms,
    clock: Arc<dyn Clock>,
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotTaken {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    /// The issuer's keys are not at hand, so that nothing can be said about it.
    #[error("the keys of the issuer cannot be had now")]
    Unavailable,
}

impl Issuer {
    /// The configured one, if there is one. Nothing is fetched yet: the service starts while its issuer is away.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub(crate) fn open(
        settings: &OidcSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, UpstreamError> {
        let Some(issuer) = &settings.issuer else {
            return Ok(None);
        };
        let keys = KeySource::open(issuer, settings, Arc::clone(&clock))?;
        Ok(Some(Self {
            keys: Arc::new(keys),
            terms: Terms::of(issuer, settings),
            clock,
        }))
    }

    /// Its name: `iss` of its tokens.
    pub(crate) fn name(&self) -> &str {
        self.terms.issuer()
    }

    /// Whom a token names, once it has kept every rule.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub(crate) async fn check(&self, token: &str) -> Result<Named, NotTaken> {
        let heading = Heading::read(token, &self.terms)?;
        let key = self.keys.key_for(&heading).await?;
        Ok(token::check(
            token,
            &heading,
            &key,
            &self.terms,
            self.clock.now(),
        )?)
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
