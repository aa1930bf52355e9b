//! `/v1/receipts`: bundles in, receipts out.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use jobs::{AssignmentId, JobId};
use serde::Serialize;
use serde_json::json;

use super::attribution::Operator;
use super::jobs::whose;
use super::page::Page;
use super::{App, accept, media_type, no_store};
use crate::id::Id;
use crate::parties::{Caller, Scope};
use crate::problem::{Problem, ProblemCode};
use crate::store::StoredReceipt;
use crate::store::jobs::{JobReceipt, JobStore};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Of a receipt: nothing takes it back.
const HOLDS: &str = "holds";
/// The job that it came of is not over, and may find the work wrong yet.
const PROVISIONAL: &str = "provisional";
/// The job found the work wrong.
const REVOKED: &str = "revoked";
/// What the service says of a receipt that its token cannot.
pub(super) const STANDINGS: [&str; 3] = [HOLDS, PROVISIONAL, REVOKED];

/// Whether a receipt holds, in the form of the token too.
const STATUS: HeaderName = HeaderName::from_static("pogw-receipt-status");
/// Since when a receipt holds no more; absent of one that was not revoked.
const REVOKED_AT: HeaderName = HeaderName::from_static("pogw-receipt-revoked-at");
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;

/// The forms of a receipt, the default first.
const FORMS: [&str; 2] = [media_type::EAT_JWT, media_type::JSON];

type Named = Result<Path<String>, PathRejection>;

#[derive(Debug, Serialize)]
struct ReceiptJson<'a> {
    id: String,
    receipt: &'a str,
    issued_at: UnixTime,
    /// One of [`STANDINGS`].
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixTime>,
}

#[derive(Serialize)]
struct ListedReceipt {
    id: Id,
    job: JobId,
    assignment: AssignmentId,
    issued_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixTime>,
}

/// Takes a bundle and answers with its receipt: 201 if this request made it, 200 if an earlier one did.
pub(super) async fn submit(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    // What can be said without the body is said first, and before anything is spent.
    media_type::require(request.headers(), media_type::BUNDLE)?;
    let form = accept::choose(request.headers(), &FORMS)?;
    let idempotency_key = idempotency_key(request.headers())?;
    let body = app
        .bodies
        .read(request, app.config.body_limit_bytes)
        .await?;
    let outcome = app.desk.submit(body, idempotency_key).await?;
    let status = match outcome.fresh {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let location = [(
        header::LOCATION,
        format!("/v1/receipts/{}", outcome.receipt.id),
    )];
    Ok((status, location, in_form(form, &outcome.receipt)).into_response())
}

/// A receipt by its name.
pub(super) async fn read(
    State(app): State<App>,
    id: Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = named(id)?;
    let form = accept::choose(&headers, &FORMS)?;
    let receipt = app.store.receipt(id).await?.ok_or_else(not_found)?;
    Ok(in_form(form, &receipt))
}

/// A receipt and all that it rests on. Evidence says which device it is of, for ever, and has what outputs were handed over:
/// so the operator decides who gets it.
pub(super) async fn archive(
    State(app): State<App>,
    Operator(_): Operator,
    id: Named,
) -> Result<Response, Problem> {
    let id = named(id)?;
    let archive = app.archivist.of(id).await?.ok_or_else(not_found)?;
    let file = format!("attachment; filename=\"receipt-{id}.tar\"");
    let headers = [
        (header::CONTENT_TYPE, media_type::TAR.to_owned()),
        (header::CONTENT_DISPOSITION, file),
    ];
    Ok(no_store((headers, archive)))
}

/// A page of the receipts that came of the caller's jobs, or of everybody's for a marketplace. The tokens are read one by one.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    page: Result<Page, Problem>,
) -> Result<Response, Problem> {
    caller.may(Scope::JobsRead)?;
    let page = page?;
    let tenant = whose(&caller)?;
    let found = app
        .clerk
        .store()
        .receipts_of(tenant.as_ref(), page.to_ask_by_name());
    let (found, next) = page.cut(found.await?, |receipt| (receipt.issued_at, receipt.id));
    let found: Vec<_> = found.into_iter().map(ListedReceipt::of).collect();
    Ok(no_store(Json(json!({ "receipts": found, "next": next }))))
}

impl ListedReceipt {
    fn of(receipt: JobReceipt) -> Self {
        Self {
            id: receipt.id,
            job: receipt.job,
            assignment: receipt.assignment,
            issued_at: receipt.issued_at,
            revoked_at: receipt.revoked_at,
        }
    }
}

fn named(id: Named) -> Result<Id, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::ReceiptNotFound)
}

const fn standing(receipt: &StoredReceipt) -> &'static str {
    match (receipt.revoked_at, receipt.provisional) {
        (Some(_), _) => REVOKED,
        (None, true) => PROVISIONAL,
        (None, false) => HOLDS,
    }
}

fn in_form(form: &'static str, receipt: &StoredReceipt) -> Response {
    let status = standing(receipt);
    let mut response = if form == media_type::JSON {
        let json = ReceiptJson {
            id: receipt.id.to_string(),
            receipt: &receipt.token,
            issued_at: receipt.issued_at,
            status,
            revoked_at: receipt.revoked_at,
        };
        Json(json).into_response()
    } else {
        ([(header::CONTENT_TYPE, form)], receipt.token.clone()).into_response()
    };
    let headers = response.headers_mut();
    // The token is what it was when it was issued, and validates still.
    headers.insert(STATUS, HeaderValue::from_static(status));
    let revoked_at = receipt.revoked_at.map(|at| at.to_string());
    if let Some(at) = revoked_at.and_then(|at| HeaderValue::try_from(at).ok()) {
        headers.insert(REVOKED_AT, at);
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    response
}

/// The client's own name for this request, if it gives one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut stated = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = stated.next() else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default();
    let is_short = (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.len());
    if is_short && key.bytes().all(|b| b.is_ascii_graphic()) && stated.next().is_none() {
        return Ok(Some(key.to_owned()));
    }
    Err(Problem::new(ProblemCode::IdempotencyKeyMalformed))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn whether_a_receipt_holds_is_said_in_either_form() {
        let mut receipt = StoredReceipt {
            id: Id::random(),
            token: "a.b.c".to_owned(),
            issued_at: UnixTime::from_secs(1_800_000_000),
            provisional: false,
            revoked_at: None,
        };
        let revoked = "2027-01-15T08:00:09Z";
        let at = Some(UnixTime::from_secs(1_800_000_009));
        for (provisional, revoked_at, status, header) in [
            (false, None, "holds", None),
            (true, None, "provisional", None),
            (true, at, "revoked", Some(revoked)),
            (false, at, "revoked", Some(revoked)),
        ] {
            receipt.provisional = provisional;
            receipt.revoked_at = revoked_at;
            for form in FORMS {
                let response = in_form(form, &receipt);
                let said = response.headers().get(REVOKED_AT);
                assert_eq!(said.map(|at| at.to_str().unwrap()), header, "{form}");
                assert_eq!(response.headers()[STATUS], status, "{form}");
                let body = to_bytes(response.into_body(), 10_000).await.unwrap();
                if form == media_type::JSON {
                    let json: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(json["status"], status);
                    assert_eq!(json.get("revoked_at").and_then(Value::as_str), header);
                } else {
                    assert_eq!(body, "a.b.c");
                }
            }
        }
    }
}
