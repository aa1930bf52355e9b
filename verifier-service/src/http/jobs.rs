//! `/v1/jobs`: work offered by tenants, and what becomes of it.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use evidence::UnixTime;
use evidence::crypto::sha256;
use evidence::work::{Hex, JobSpec};
use jobs::view::TenantView;
use jobs::{AssignmentId, Job, JobId, PartyId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::page::Page;
use super::receipts::idempotency_key;
use super::{App, media_type, no_store};
use crate::clerk::{ClerkError, Deed, NewOffer, Offered};
use crate::id::Id;
use crate::malformed;
use crate::parties::{Caller, Kind, Scope};
use crate::problem::{Problem, ProblemCode};
use crate::store::jobs::{JobReceipt, JobStore, JobSummary};
use crate::store::{self, Store};

/// A command may have many arguments and files; a kernel's parameters are short.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

pub(super) type Named = Result<Path<String>, PathRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewJob {
    spec: JobSpec,
    terms: Value,
}

#[derive(Serialize)]
struct ListedJob {
    id: JobId,
    digest: Hex<32>,
    status: String,
    created_at: UnixTime,
}

#[derive(Serialize)]
struct ShownReceipt {
    id: Id,
    assignment: AssignmentId,
    receipt: String,
    issued_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixTime>,
}

/// Takes a job: 201, or 200 if the same request made it before.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.is(Kind::Tenant)?;
    caller.may(Scope::JobsWrite)?;
    media_type::require(request.headers(), media_type::JSON)?;
    let key = idempotency_key(request.headers())?;
    let body = app
        .bodies
        .read(request, app.body_limit(MAX_BODY_BYTES))
        .await?;
    let new: NewJob = serde_json::from_slice(body.bytes())
        .map_err(|error| malformed::problem(ProblemCode::RequestMalformed, &error))?;
    let offer = NewOffer {
        tenant: party_of(&caller)?,
        spec: new.spec,
        terms: new.terms,
        idempotency: key.map(|key| (key, sha256(body.bytes()))),
        by: caller.by,
    };
    let (status, job) = match app.clerk.take(offer).await? {
        Offered::New(job) => (StatusCode::CREATED, job),
        Offered::Before(job) => (StatusCode::OK, job),
    };
    tracing::info!(job = %job.id(), tenant = %caller.party, "job taken");
    let location = [(header::LOCATION, format!("/v1/jobs/{}", job.id()))];
    Ok(no_store((status, location, Json(TenantView::of(&job)))))
}

/// A page of the tenant's jobs, or of everybody's for a marketplace.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    page: Result<Page, Problem>,
) -> Result<Response, Problem> {
    caller.may(Scope::JobsRead)?;
    let page = page?;
    let asked = page.to_ask();
    let asked = store::Page {
        after: asked.after.map(|(at, id)| (at, id.to_string())),
        limit: asked.limit,
    };
    let tenant = whose(&caller)?;
    let found = app.clerk.store().jobs(tenant.as_ref(), asked).await?;
    let place = |job: &JobSummary| (job.created_at, job.id.to_string());
    let (found, next) = page.cut_by_name(found, place);
    let found: Vec<_> = found.into_iter().map(ListedJob::of).collect();
    Ok(no_store(Json(json!({ "jobs": found, "next": next }))))
}

/// One job.
pub(super) async fn read(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    caller.may(Scope::JobsRead)?;
    let job = seen_by(&app, &caller, id).await?;
    Ok(no_store(Json(TenantView::of(&job))))
}

/// Takes a job back, while nobody has committed to a result.
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    caller.is(Kind::Tenant)?;
    caller.may(Scope::JobsWrite)?;
    let job = seen_by(&app, &caller, id).await?;
    let job = app.clerk.act(job.id(), Deed::cancel(caller.by)).await?;
    Ok(no_store(Json(TenantView::of(&job))))
}

/// Has the results audited again, within the dispute window.
pub(super) async fn dispute(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    caller.may(Scope::JobsWrite)?;
    let job = seen_by(&app, &caller, id).await?;
    let deed = Deed::dispute(party_of(&caller)?, caller.by);
    let job = app.clerk.act(job.id(), deed).await?;
    Ok(no_store((StatusCode::ACCEPTED, Json(TenantView::of(&job)))))
}

/// The receipts that came of a job.
pub(super) async fn receipts(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    caller.may(Scope::JobsRead)?;
    let job = seen_by(&app, &caller, id).await?;
    let mut shown = Vec::new();
    for receipt in app.clerk.store().job_receipts(job.id()).await? {
        shown.extend(ShownReceipt::of(&app, receipt).await?);
    }
    Ok(no_store(Json(json!({ "receipts": shown }))))
}

/// A job that the caller may see: its own, or any for a marketplace, which brings both sides together.
pub(super) async fn seen_by(app: &App, caller: &Caller, id: Named) -> Result<Job, Problem> {
    let not_found = || Problem::new(ProblemCode::JobNotFound);
    let id = id.ok().and_then(|Path(id)| JobId::parse(&id).ok());
    let id = id.ok_or_else(not_found)?;
    let job = app.clerk.store().job(&id).await?.ok_or_else(not_found)?;
    match whose(caller)?.is_none_or(|tenant| tenant == *job.tenant()) {
        true => Ok(job),
        false => Err(not_found()),
    }
}

/// Whose jobs the caller sees: its own, or everybody's (`None`) where it is a marketplace.
pub(super) fn whose(caller: &Caller) -> Result<Option<PartyId>, Problem> {
    match caller.kind {
        Kind::Marketplace => Ok(None),
        Kind::Tenant | Kind::Provider => party_of(caller).map(Some),
    }
}

/// The caller by the name that the rules of jobs know it by.
pub(super) fn party_of(caller: &Caller) -> Result<PartyId, Problem> {
    let party = PartyId::parse(&caller.party.to_string());
    party.map_err(|error| Problem::caused(ProblemCode::Internal, error))
}

impl ListedJob {
    fn of(job: JobSummary) -> Self {
        Self {
            id: job.id,
            digest: job.digest,
            status: job.status,
            created_at: job.created_at,
        }
    }
}

impl ShownReceipt {
    async fn of(app: &App, receipt: JobReceipt) -> Result<Option<Self>, ClerkError> {
        let stored = Store::receipt(app.clerk.store(), receipt.id).await?;
        Ok(stored.map(|stored| Self {
            id: receipt.id,
            assignment: receipt.assignment,
            receipt: stored.token,
            issued_at: receipt.issued_at,
            revoked_at: receipt.revoked_at,
        }))
    }
}
