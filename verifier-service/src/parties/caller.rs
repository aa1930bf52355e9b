//! Finds the party of a request by its credential.

use std::sync::Arc;

use axum::http::HeaderMap;

use super::oidc::{Issuer, NotTaken, RETRY_S};
use super::{Kind, Scope, Scopes, Secret, SecretKind};
use crate::audit::{Actor, By};
use crate::bearer;
use crate::clock::Clock;
use crate::id::Id;
use crate::problem::{Problem, ProblemCode};
use crate::store::StoreError;
use crate::store::parties::{ApiKey, LAST_USED_STEP_S, Party, PartyStore};

const REALM: &str = "pogw";

/// The party a request is from, and what the request may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The party.
    pub(crate) party: Id,
    /// What it is.
    pub(crate) kind: Kind,
    /// Whose credential it came with, and when.
    pub(crate) by: By,
    scopes: Scopes,
}

/// What credentials are held against. Copies share everything.
#[derive(Clone)]
pub(crate) struct Credentials {
    store: Arc<dyn PartyStore>,
    issuer: Option<Arc<Issuer>>,
    clock: Arc<dyn Clock>,
}

/// Why nobody is let in.
enum Stopped {
    Refused(Problem),
    Store(StoreError),
}

impl Caller {
    /// Everything the credential allows.
    pub(crate) fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// Sees that the credential allows something.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Problem> {
        match self.scopes.has(scope) {
            true => Ok(()),
            false => Err(bearer::out_of_scope(REALM, scope.as_str())),
        }
    }

    /// Sees that the party is of a kind.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn is(&self, kind: Kind) -> Result<(), Problem> {
        match self.kind == kind {
            true => Ok(()),
            false => Err(Problem::new(ProblemCode::PartyKindMismatch).detail(format!(
                "expected a {}, got a {}",
                kind.as_str(),
                self.kind.as_str()
            ))),
        }
    }
}

impl Credentials {
    /// Holds credentials against the store, and tokens against the issuer if there is one.
    pub(crate) fn new(
        store: Arc<dyn PartyStore>,
        issuer: Option<Issuer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            issuer: issuer.map(Arc::new),
            clock,
        }
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &Arc<dyn PartyStore> {
        &self.store
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// 401, 403 for a good token of nobody known here, 503 while the issuer or the store is away.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let token = bearer::token(headers).map_err(|code| bearer::refused(REALM, code))?;
        let called = match (&self.issuer, SecretKind::ApiKey.claims(token)) {
            (_, true) => self.by_api_key(token).await,
            (Some(issuer), false) => self.by_token(issuer, token).await,
            (None, false) => Err(refused(ProblemCode::AuthorizationInvalid)),
        };
        called.map_err(|stopped| match stopped {
            Stopped::Refused(problem) => problem,
            Stopped::Store(error) => error.into(),
        })
    }

    async fn by_api_key(&self, text: &str) -> Result<Caller, Stopped> {
        let unknown = || refused(ProblemCode::ApiKeyUnknown);
        let secret = Secret::parse(SecretKind::ApiKey, text).ok_or_else(unknown)?;
        let found = self.store.api_key_of_prefix(secret.prefix()).await?;
        let (key, party) = found
            .filter(|(key, _)| secret.is(&key.sha256))
            .ok_or_else(unknown)?;
        if key.revoked_at.is_some() {
            return Err(refused(ProblemCode::ApiKeyRevoked));
        }
        let now = self.clock.now();
        if key.expires_at.is_some_and(|at| at <= now) {
            return Err(refused(ProblemCode::ApiKeyExpired));
        }
        self.remember_use(&key).await;
        let actor = Actor::ApiKey {
            key: key.id,
            party: party.id,
        };
        Ok(Caller {
            by: By::new(actor, now),
            party: party.id,
            kind: party.kind,
            scopes: key.scopes.and(party.kind.scopes()),
        })
    }

    /// A use that cannot be written down does not keep its bearer out.
    async fn remember_use(&self, key: &ApiKey) {
        let now = self.clock.now();
        let is_known = |at: evidence::UnixTime| {
            now.secs().abs_diff(at.secs()) < LAST_USED_STEP_S.unsigned_abs()
        };
        if key.last_used_at.is_some_and(is_known) {
            return;
        }
        if let Err(error) = self.store.api_key_used(key.id, now).await {
            tracing::warn!(key = %key.id, cause = %error, "last use of an API key is not remembered");
        }
    }

    async fn by_token(&self, issuer: &Issuer, token: &str) -> Result<Caller, Stopped> {
        let named = issuer.check(token).await.map_err(not_taken)?;
        let party: Option<Party> = self.store.party_of_oidc_name(&named.party).await?;
        let party =
            party.ok_or_else(|| Stopped::Refused(Problem::new(ProblemCode::PartyUnknown)))?;
        let actor = Actor::oidc(issuer.name(), &named.subject, party.id);
        Ok(Caller {
            by: By::new(actor, self.clock.now()),
            party: party.id,
            kind: party.kind,
            scopes: named.scopes.and(party.kind.scopes()),
        })
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn refused(code: ProblemCode) -> Stopped {
    Stopped::Refused(bearer::refused(REALM, code))
}

fn not_taken(why: NotTaken) -> Stopped {
    let detail = why.to_string();
    let problem = match why {
        NotTaken::Refused(refusal) => bearer::refused(REALM, refusal.code()),
        NotTaken::Unavailable => {
            Problem::new(ProblemCode::IssuerUnavailable).retry_after_s(RETRY_S)
        }
    };
    Stopped::Refused(problem.detail(detail))
}
