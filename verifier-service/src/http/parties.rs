//! `/v1/parties`: who may ask, and the API keys they ask with.
//!
//! The operator makes parties and keys. A party can read about itself, and what its credential
//! allows.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::attribution::Operator;
use super::page::Page;
use super::{App, json as body, later, no_store};
use crate::audit::By;
use crate::id::Id;
use crate::label::Label;
use crate::parties::{Caller, Kind, Scopes, Secret, SecretKind};
use crate::problem::{Problem, ProblemCode};
use crate::store::parties::{AddedKey, AddedParty, ApiKey, Party};

pub(super) const MAX_BODY_BYTES: usize = 4 * 1024;
/// Most keys of a party that count at one time.
const MAX_KEYS: u32 = 64;
/// Most keys shown, those that no longer count included.
const MAX_KEYS_SHOWN: u32 = 500;
/// Longest life of a key that has an end, in seconds: ten years.
pub(super) const MAX_KEY_LIFE_S: u32 = 10 * 365 * 24 * 3600;
/// Draws of a prefix until it is no chance any more that each was taken: 40 bits are drawn.
const DRAWS: usize = 4;

pub(super) type Named = Result<Path<String>, PathRejection>;
type OfParty = Result<Path<(String, String)>, PathRejection>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewParty {
    kind: Kind,
    name: Label,
    /// What the configured issuer's tokens call it.
    #[serde(default, deserialize_with = "body::present")]
    oidc_name: Option<Label>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    scopes: Scopes,
    #[serde(default, deserialize_with = "body::present")]
    label: Option<Label>,
    #[serde(default, deserialize_with = "body::present_whole")]
    expires_in_s: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ShownParty {
    id: Id,
    kind: Kind,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_name: Option<String>,
    created_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    barred_at: Option<UnixTime>,
}

#[derive(Debug, Serialize)]
struct ShownKey {
    id: Id,
    prefix: String,
    scopes: Scopes,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    created_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<UnixTime>,
}

/// Adds a party.
pub(super) async fn create(
    State(app): State<App>,
    Operator(by): Operator,
    request: Request,
) -> Result<Response, Problem> {
    let new: NewParty = body::read(&app, request, MAX_BODY_BYTES).await?;
    let party = Party {
        id: Id::random(),
        kind: new.kind,
        name: new.name.0,
        oidc_name: new.oidc_name.map(|name| name.0),
        created_at: by.at,
        barred_at: None,
    };
    match app.credentials.store().add_party(party.clone(), by).await? {
        AddedParty::OidcNameTaken => Err(Problem::new(ProblemCode::OidcNameTaken)),
        AddedParty::Stored => {
            tracing::info!(party = %party.id, kind = party.kind.as_str(), "party added");
            let location = [(header::LOCATION, format!("/v1/parties/{}", party.id))];
            let shown = Json(ShownParty::from(party));
            Ok(no_store((StatusCode::CREATED, location, shown)))
        }
    }
}

/// A page of the parties.
pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Result<Response, Problem> {
    app.operator.authorize(&headers)?;
    let page = page?;
    let parties = app.credentials.store().parties(page.to_ask()).await?;
    let (parties, next) = page.cut(parties, |party| (party.created_at, party.id));
    let parties: Vec<_> = parties.into_iter().map(ShownParty::from).collect();
    Ok(no_store(Json(json!({ "parties": parties, "next": next }))))
}

/// One party.
pub(super) async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Named,
) -> Result<Response, Problem> {
    app.operator.authorize(&headers)?;
    Ok(no_store(Json(ShownParty::from(party(&app, id).await?))))
}

/// Offers the agents of a party no more work. What they were offered or have taken stays theirs.
pub(super) async fn bar(
    State(app): State<App>,
    Operator(by): Operator,
    id: Named,
) -> Result<Response, Problem> {
    set_barred(&app, id, true, by).await
}

/// Offers the agents of a party work again.
pub(super) async fn admit(
    State(app): State<App>,
    Operator(by): Operator,
    id: Named,
) -> Result<Response, Problem> {
    set_barred(&app, id, false, by).await
}

/// The party that asks, and what it may do.
pub(super) async fn read_own(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let party = app.credentials.store().party(caller.party).await?;
    let party = party.ok_or_else(not_found)?;
    let mut shown = json!(ShownParty::from(party));
    shown["scopes"] = json!(caller.scopes());
    Ok(no_store(Json(shown)))
}

/// Makes an API key. Its text is in the answer and nowhere else.
pub(super) async fn create_key(
    State(app): State<App>,
    Operator(by): Operator,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let party = party(&app, id).await?;
    let new: NewKey = body::read(&app, request, MAX_BODY_BYTES).await?;
    are_allowed(new.scopes, party.kind)?;
    let created_at = app.clock.now();
    let expires_at = end_of_life(created_at, new.expires_in_s, MAX_KEY_LIFE_S)?;
    for _ in 0..DRAWS {
        let secret = Secret::random(SecretKind::ApiKey);
        let key = ApiKey {
            id: Id::random(),
            party: party.id,
            prefix: secret.prefix().to_owned(),
            sha256: secret.sha256(),
            scopes: new.scopes,
            label: new.label.as_ref().map(|label| label.0.clone()),
            created_at,
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        match app
            .credentials
            .store()
            .add_api_key(key.clone(), MAX_KEYS, by.clone())
            .await?
        {
            AddedKey::Stored => {
                tracing::info!(party = %party.id, key = %key.id, scopes = %key.scopes, "API key made");
                let mut shown = json!(ShownKey::from(key));
                shown["key"] = json!(secret.text());
                return Ok(no_store((StatusCode::CREATED, Json(shown))));
            }
            AddedKey::NoParty => return Err(not_found()),
            AddedKey::TooMany => return Err(Problem::new(ProblemCode::TooManyApiKeys)),
            AddedKey::PrefixTaken => {}
        }
    }
    Err(Problem::new(ProblemCode::Internal))
}

/// The keys of a party, without their texts.
pub(super) async fn list_keys(
    State(app): State<App>,
    headers: HeaderMap,
    id: Named,
) -> Result<Response, Problem> {
    app.operator.authorize(&headers)?;
    let party = party(&app, id).await?;
    let keys = app
        .credentials
        .store()
        .api_keys(party.id, MAX_KEYS_SHOWN)
        .await?;
    let keys: Vec<_> = keys.into_iter().map(ShownKey::from).collect();
    Ok(no_store(Json(json!({ "keys": keys }))))
}

/// Revokes a key. Doing so again changes nothing.
pub(super) async fn revoke_key(
    State(app): State<App>,
    Operator(by): Operator,
    ids: OfParty,
) -> Result<Response, Problem> {
    let not_found = || Problem::new(ProblemCode::ApiKeyNotFound);
    let ids = ids.ok().and_then(|Path((party, key))| {
        let party: Id = party.parse().ok()?;
        Some((party, key.parse().ok()?))
    });
    let (party, key): (Id, Id) = ids.ok_or_else(not_found)?;
    let revoked = app.credentials.store().revoke_api_key(party, key, by);
    if !revoked.await? {
        return Err(not_found());
    }
    tracing::info!(%party, %key, "API key revoked");
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn set_barred(app: &App, id: Named, is_barred: bool, by: By) -> Result<Response, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let id = id.ok_or_else(not_found)?;
    let party = app.credentials.store().set_barred(id, is_barred, by);
    let party = party.await?.ok_or_else(not_found)?;
    if !is_barred {
        app.clerk.agents_may_be_free();
    }
    tracing::info!(%party.id, is_barred, "party barred or admitted");
    Ok(no_store(Json(ShownParty::from(party))))
}

async fn party(app: &App, id: Named) -> Result<Party, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let found = app
        .credentials
        .store()
        .party(id.ok_or_else(not_found)?)
        .await?;
    found.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::PartyNotFound)
}

fn are_allowed(scopes: Scopes, kind: Kind) -> Result<(), Problem> {
    let beyond = scopes.without(kind.scopes());
    if !scopes.is_empty() && beyond.is_empty() {
        return Ok(());
    }
    let expected = kind.scopes();
    let kind = kind.as_str();
    Err(Problem::new(ProblemCode::ScopesNotAllowed)
        .detail(format!("expected some of {expected} for a {kind}")))
}

/// When something ends that lives for so long from now.
pub(super) fn end_of_life(
    now: UnixTime,
    life_s: Option<u32>,
    longest_s: u32,
) -> Result<Option<UnixTime>, Problem> {
    match life_s {
        Some(life_s) if !(1..=longest_s).contains(&life_s) => {
            let detail = format!("expected 1 to {longest_s} s, got {life_s}");
            Err(Problem::new(ProblemCode::ExpiryNotAllowed).detail(detail))
        }
        life_s => Ok(life_s.map(|life_s| later(now, life_s))),
    }
}

impl From<Party> for ShownParty {
    fn from(party: Party) -> Self {
        Self {
            id: party.id,
            kind: party.kind,
            name: party.name,
            oidc_name: party.oidc_name,
            created_at: party.created_at,
            barred_at: party.barred_at,
        }
    }
}

impl From<ApiKey> for ShownKey {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            prefix: key.prefix,
            scopes: key.scopes,
            label: key.label,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}
