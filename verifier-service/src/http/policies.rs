//! `/v1/policies`: versions of policies, which one decides, and what one would have decided.
//!
//! Reading is open: whoever holds a receipt may read the text that granted it. Changing what decides, and asking about
//! stored bundles, takes the operator token.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use evidence::policy::{Denial, MAX_POLICY_BYTES, Policy, PolicyKind, RevocationTerms};
use evidence::work::Hex;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::attribution::Operator;
use super::{App, accept, json as body, media_type};
use crate::audit::{Action, New, details};
use crate::id::Id;
use crate::judge::Unjudged;
use crate::policies::simulation::{DEFAULT_RECEIPTS, MAX_RECEIPTS, Outcome, Unasked};
use crate::policies::{PolicyName, asked, not_found};
use crate::problem::{Problem, ProblemCode};
use crate::store::policies::{PolicyVersion, StoredPolicy, VersionNumber};

/// Largest body that asks for a simulation: an input document of as many devices as there may be.
pub(super) const MAX_SIMULATION_BYTES: usize = 512 * 1024;

/// The forms of a version, the default first.
const FORMS: [&str; 2] = [media_type::JSON, media_type::REGO];

/// A version as lists and answers show it.
#[derive(Debug, Serialize)]
struct Version {
    id: String,
    version: VersionNumber,
    sha256: Hex<32>,
    added_at: UnixTime,
    active: bool,
}

/// What a text says about itself, for who uploads or activates it.
#[derive(Debug, Serialize)]
struct Compiled {
    kind: PolicyKind,
    revocation: RevocationTerms,
}

/// What is to be simulated: a document, or receipts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Simulation {
    #[serde(default, deserialize_with = "body::present")]
    input: Option<Value>,
    #[serde(default, deserialize_with = "body::present")]
    receipts: Option<Receipts>,
    #[serde(default, deserialize_with = "body::present_whole")]
    limit: Option<u32>,
}

#[derive(Debug)]
enum Receipts {
    Recent,
    Named(Vec<Id>),
}

type Named = Result<Path<String>, PathRejection>;
type Numbered = Result<Path<(String, String)>, PathRejection>;

/// Every policy, and the one that decides.
pub(super) async fn list(State(app): State<App>) -> Result<Response, Problem> {
    let policies = app.book.store().policies().await?;
    let standing = app.book.standing();
    let identity = standing.policy.identity();
    let policies = policies
        .into_iter()
        .map(|newest| Version::new(&app, newest));
    let policies: Vec<_> = policies.collect();
    let list = json!({
        "active": {
            "id": identity.id,
            "version": standing.version,
            "sha256": identity.sha256,
            "activated_at": standing.activation.map(|activation| activation.at),
        },
        "pinned": app.book.is_pinned(),
        "policies": policies,
    });
    Ok(changing(Json(list).into_response()))
}

/// The versions of one policy.
pub(super) async fn versions(State(app): State<App>, id: Named) -> Result<Response, Problem> {
    let name = name(id)?;
    let versions = app.book.store().policy_versions(name.as_str()).await?;
    if versions.is_empty() {
        return Err(not_found());
    }
    let versions = versions
        .into_iter()
        .map(|version| Version::new(&app, version));
    let versions: Vec<_> = versions.collect();
    let list = json!({ "id": name.as_str(), "versions": versions });
    Ok(changing(Json(list).into_response()))
}

/// One version: what it is, or its text.
pub(super) async fn version(
    State(app): State<App>,
    path: Numbered,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (name, version) = numbered(path)?;
    let form = accept::choose(&headers, &FORMS)?;
    let found = app.book.store().policy(name.as_str(), version).await?;
    Ok(in_form(&app, form, found.ok_or_else(not_found)?))
}

/// The version whose text a receipt names by digest.
pub(super) async fn by_sha256(
    State(app): State<App>,
    digest: Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let digest = digest.ok().and_then(|Path(hex)| Hex::parse(&hex));
    let Hex(digest) = digest.ok_or_else(not_found)?;
    let form = accept::choose(&headers, &FORMS)?;
    let found = app.book.store().policy_by_sha256(digest).await?;
    Ok(in_form(&app, form, found.ok_or_else(not_found)?))
}

/// Takes a text as the next version: 201, or 200 if the newest version is this very text.
pub(super) async fn upload(
    State(app): State<App>,
    Operator(by): Operator,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let name = id.ok().and_then(|Path(id)| id.parse().ok());
    let name: PolicyName = name.ok_or_else(|| Problem::new(ProblemCode::PolicyNameMalformed))?;
    if app.book.is_pinned() {
        return Err(Problem::new(ProblemCode::PolicyPinned));
    }
    media_type::require_one_of(request.headers(), &[media_type::REGO, media_type::BYTES])?;
    let limit = app.body_limit(MAX_POLICY_BYTES);
    let (bytes, _share) = app.bodies.read(request, limit).await?.into_parts();
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Problem::new(ProblemCode::PolicyNotText).detail(format!("UTF-8 ends at byte {valid}"))
    })?;
    let uploaded = app.book.upload(name, text, by, &app.workers).await?;
    let status = match uploaded.fresh {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let location = [(header::LOCATION, location(&uploaded.version))];
    let answer = described(&app, uploaded.version, &uploaded.policy);
    Ok(changing((status, location, Json(answer)).into_response()))
}

/// Lets a version decide from now on.
pub(super) async fn activate(
    State(app): State<App>,
    Operator(by): Operator,
    path: Numbered,
) -> Result<Response, Problem> {
    let (name, version) = numbered(path)?;
    let activated = app.book.activate(name, version, by, &app.workers).await?;
    let mut answer = described(&app, activated.version, &activated.policy);
    answer["activated_at"] = json!(activated.at);
    Ok(changing(Json(answer).into_response()))
}

/// What a version says to a document, or would have said to what got receipts.
pub(super) async fn simulate(
    State(app): State<App>,
    Operator(by): Operator,
    path: Numbered,
    request: Request,
) -> Result<Response, Problem> {
    let (name, version) = numbered(path)?;
    let asked_for: Simulation = body::read(&app, request, MAX_SIMULATION_BYTES).await?;
    let (version, policy) = app.book.policy(name, version, &app.workers).await?;
    let simulated = format!("{}/{}", version.id, version.version);
    let entry = New::done(by, Action::PolicySimulate, simulated);
    let answer = match asked_for {
        Simulation {
            input: Some(input),
            receipts: None,
            limit: None,
        } => {
            let deny = asked(policy, input, &app.workers).await?;
            app.audit
                .done(entry.with(details! { "of": "input" }))
                .await?;
            json!({ "policy": Version::new(&app, version), "granted": deny.is_empty(), "deny": deny })
        }
        Simulation {
            input: None,
            receipts: Some(receipts),
            limit,
        } => {
            let receipts = chosen(&app, receipts, limit).await?;
            let outcomes = app.simulator.run(policy, receipts).await?;
            let changed = outcomes.iter().filter(|o| is_change(&o.said) == Some(true));
            let changed = changed.count();
            let counts =
                details! { "of": "receipts", "receipts": outcomes.len(), "changed": changed };
            app.audit.done(entry.with(counts)).await?;
            let outcomes: Vec<_> = outcomes.iter().map(shown).collect();
            json!({ "policy": Version::new(&app, version), "changed": changed, "receipts": outcomes })
        }
        _ => {
            return Err(malformed(
                "expected either input or receipts, and limit with \"recent\" alone",
            ));
        }
    };
    Ok(changing(Json(answer).into_response()))
}

async fn chosen(app: &App, receipts: Receipts, limit: Option<u32>) -> Result<Vec<Id>, Problem> {
    let most = u32::try_from(MAX_RECEIPTS).unwrap_or(u32::MAX);
    match (receipts, limit) {
        (Receipts::Recent, limit) => {
            let limit = limit.unwrap_or(DEFAULT_RECEIPTS);
            if !(1..=most).contains(&limit) {
                return Err(malformed(&format!(
                    "expected a limit of 1 to {most}, got {limit}"
                )));
            }
            Ok(app.book.store().recent_receipts(limit).await?)
        }
        (Receipts::Named(_), Some(_)) => Err(malformed("expected limit with \"recent\" alone")),
        (Receipts::Named(ids), None) if ids.len() > MAX_RECEIPTS => {
            let got = ids.len();
            Err(malformed(&format!(
                "expected at most {most} receipts, got {got}"
            )))
        }
        (Receipts::Named(ids), None) => Ok(ids),
    }
}

/// Every receipt was granted then; `None` where nothing was decided now.
fn is_change(said: &Result<Vec<Denial>, Unasked>) -> Option<bool> {
    said.as_ref().ok().map(|deny| !deny.is_empty())
}

fn shown(outcome: &Outcome) -> Value {
    let mut shown = json!({ "receipt": outcome.receipt.to_string() });
    if let Some(issued_at) = outcome.issued_at {
        shown["as_of"] = json!(issued_at);
        shown["granted_then"] = json!(true);
    }
    match &outcome.said {
        Ok(deny) => {
            shown["granted"] = json!(deny.is_empty());
            shown["changed"] = json!(!deny.is_empty());
            shown["deny"] = json!(deny);
        }
        Err(unasked) => {
            let (code, detail) = why(unasked);
            shown["error"] = json!({ "code": code, "detail": detail });
        }
    }
    shown
}

/// Why nothing was decided: a code of ours, and a sentence.
fn why(unasked: &Unasked) -> (&'static str, String) {
    match unasked {
        Unasked::NoReceipt => (
            ProblemCode::ReceiptNotFound.as_str(),
            "there is no receipt of this name".to_owned(),
        ),
        Unasked::TimedOut => (
            ProblemCode::TimedOut.as_str(),
            "the simulation took too long to reach it".to_owned(),
        ),
        Unasked::Unjudged(Unjudged::NotABundle(why)) => {
            (ProblemCode::BundleMalformed.as_str(), why.clone())
        }
        Unasked::Unjudged(Unjudged::Policy(error)) => (error.code().as_str(), error.to_string()),
        Unasked::Unjudged(Unjudged::Busy) => (
            ProblemCode::ResultChecksBusy.as_str(),
            "as many results wait to be checked as may".to_owned(),
        ),
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemCode::RequestMalformed).detail(detail)
}

fn name(id: Named) -> Result<PolicyName, Problem> {
    let name = id.ok().and_then(|Path(id)| id.parse().ok());
    name.ok_or_else(not_found)
}

/// A name and a number in its one spelling.
fn numbered(path: Numbered) -> Result<(PolicyName, VersionNumber), Problem> {
    let Path((id, number)) = path.map_err(|_| not_found())?;
    let version = number.parse::<VersionNumber>().ok();
    let version = version.filter(|version| version.to_string() == number);
    let name = id.parse().ok();
    name.zip(version).ok_or_else(not_found)
}

fn location(version: &PolicyVersion) -> String {
    format!("/v1/policies/{}/versions/{}", version.id, version.version)
}

fn described(app: &App, version: PolicyVersion, policy: &Policy) -> Value {
    let compiled = Compiled {
        kind: policy.kind(),
        revocation: *policy.revocation(),
    };
    let mut answer = json!(Version::new(app, version));
    answer["compiled"] = json!(compiled);
    answer
}

fn in_form(app: &App, form: &'static str, stored: StoredPolicy) -> Response {
    let mut response = if form == media_type::JSON {
        changing(Json(Version::new(app, stored.version)).into_response())
    } else {
        // A version is never changed.
        let headers = [
            (header::CONTENT_TYPE, "text/x-rego; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        ];
        (headers, stored.text).into_response()
    };
    let vary = HeaderValue::from_static("accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// Which version decides may be another a moment later.
fn changing(mut response: Response) -> Response {
    let no_cache = HeaderValue::from_static("no-cache");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_cache);
    response
}

impl Version {
    fn new(app: &App, version: PolicyVersion) -> Self {
        let standing = app.book.standing();
        let of_name = standing.policy.identity().id == version.id;
        Self {
            active: of_name && standing.version == Some(version.version),
            id: version.id,
            version: version.version,
            sha256: version.sha256,
            added_at: version.added_at,
        }
    }
}

impl<'de> Deserialize<'de> for Receipts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let expected = || D::Error::custom("expected \"recent\" or an array of names of receipts");
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "recent" => Ok(Self::Recent),
            Value::Array(names) => {
                let ids = names.iter().map(|name| name.as_str()?.parse().ok());
                let ids: Option<Vec<_>> = ids.collect();
                ids.map(Self::Named).ok_or_else(expected)
            }
            _ => Err(expected()),
        }
    }
}
