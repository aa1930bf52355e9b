//! Where the issuer's keys come from: fetched when they are asked for, kept, renewed in the background.
//!
//! One request is under way at a time, however many wait for it. A token that names an unknown key makes the keys be
//! fetched again, but not more often than every [`UNKNOWN_KEY_S`], so that invented names of keys cause no requests.

use std::sync::{Arc, Mutex};

use evidence::UnixTime;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

use super::NotTaken;
use super::key_set::KeySet;
use super::token::{Heading, TokenRefusal};
use crate::clock::Clock;
use crate::config::OidcSettings;
use crate::flights::{Flights, Landing, Wait};
use crate::lock::lock;
use crate::upstream::{Failure, Upstream, UpstreamError};

/// Seconds between two requests that bring keys.
const UNKNOWN_KEY_S: i64 = 30;
/// Seconds after a failure until somebody asks again.
pub(crate) const RETRY_S: u32 = 10;
/// Largest discovery document; those in use have 2 to 8 KiB.
const MAX_DISCOVERY_BYTES: usize = 64 * 1024;
/// Largest key set; ten RSA keys with their certificates have 30 KiB.
const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// Keys of one issuer.
#[derive(Debug)]
pub(super) struct KeySource {
    issuer: String,
    upstream: Upstream,
    fresh_s: i64,
    max_stale_s: i64,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    flights: Flights<()>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<(Arc<KeySet>, UnixTime)>,
    tried: Option<Try>,
}

#[derive(Clone, Copy, Debug)]
struct Try {
    at: UnixTime,
    failed: bool,
}

/// The members of a discovery document that matter (OpenID Connect Discovery 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    pub(super) fn open(
        issuer: &str,
        settings: &OidcSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UpstreamError> {
        Ok(Self {
            issuer: issuer.to_owned(),
            upstream: Upstream::open("oidc", issuer, settings.upstream())?,
            fresh_s: settings.jwks_fresh_s.into(),
            max_stale_s: settings.jwks_max_stale_s.into(),
            clock,
            known: Mutex::default(),
            flights: Flights::new(),
        })
    }

    /// The key a token says it was signed with.
    pub(super) async fn key_for(
        self: &Arc<Self>,
        heading: &Heading,
    ) -> Result<DecodingKey, NotTaken> {
        let at_hand = self.usable().and_then(|(keys, is_fresh)| {
            let key = keys.find(heading)?;
            Some((key.clone(), is_fresh))
        });
        if let Some((key, is_fresh)) = at_hand {
            if !is_fresh {
                drop(self.refresh());
            }
            return Ok(key);
        }
        if let Some(wait) = self.refresh() {
            wait.end().await;
        }
        let (keys, _) = self.usable().ok_or(NotTaken::Unavailable)?;
        match keys.find(heading) {
            Some(key) => Ok(key.clone()),
            // It may be a new key: nobody can say.
            None if self.last_try_failed() => Err(NotTaken::Unavailable),
            None => Err(TokenRefusal::KeyUnknown.into()),
        }
    }

    /// Keys that still count, and whether it is early enough not to ask for newer ones.
    fn usable(&self) -> Option<(Arc<KeySet>, bool)> {
        let now = self.clock.now().secs();
        let known = lock(&self.known);
        let (keys, fetched_at) = known.keys.as_ref()?;
        let age = now.saturating_sub(fetched_at.secs());
        (age < self.max_stale_s).then(|| (Arc::clone(keys), age < self.fresh_s))
    }

    fn last_try_failed(&self) -> bool {
        lock(&self.known).tried.is_some_and(|tried| tried.failed)
    }

    /// Joins the request that is under way, or begins one unless the last was a moment ago.
    fn refresh(self: &Arc<Self>) -> Option<Wait> {
        let (wait, landing) = self.flights.join(&())?;
        let Some(landing) = landing else {
            return Some(wait);
        };
        if !self.may_try() {
            return None;
        }
        tokio::spawn(Arc::clone(self).fetch_and_keep(landing));
        Some(wait)
    }

    fn may_try(&self) -> bool {
        let now = self.clock.now().secs();
        lock(&self.known).tried.is_none_or(|tried| {
            let pause = match tried.failed {
                true => RETRY_S.into(),
                false => UNKNOWN_KEY_S,
            };
            // A clock that was put back must not stop us for as long as it was put back by.
            !(0..pause).contains(&now.saturating_sub(tried.at.secs()))
        })
    }

    async fn fetch_and_keep(self: Arc<Self>, landing: Landing<()>) {
        let at = self.clock.now();
        let fetched = self.fetch().await;
        let mut known = lock(&self.known);
        known.tried = Some(Try {
            at,
            failed: fetched.is_err(),
        });
        match fetched {
            Ok(keys) => known.keys = Some((Arc::new(keys), at)),
            Err(failure) => {
                tracing::warn!(why = ?failure, "keys of the OpenID issuer cannot be had")
            }
        }
        drop(known);
        drop(landing);
    }

    async fn fetch(&self) -> Result<KeySet, Failure> {
        let unusable = |what: &str| Failure::Unusable(what.to_owned());
        let path = [".well-known", "openid-configuration"];
        let document = self.upstream.get(&path, MAX_DISCOVERY_BYTES).await?.body;
        let discovery: Discovery = serde_json::from_slice(&document)
            .map_err(|_| unusable("a discovery document without issuer and jwks_uri"))?;
        if discovery.issuer != self.issuer {
            return Err(unusable("a discovery document of another issuer"));
        }
        let keys = self.upstream.get_at(&discovery.jwks_uri, MAX_KEY_SET_BYTES);
        KeySet::read(&keys.await?.body).ok_or_else(|| unusable("what is no key set"))
    }
}
