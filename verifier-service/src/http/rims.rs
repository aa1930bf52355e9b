//! `/v1/rim`: the manifests at hand, in the form of NVIDIA's RIM service (nvidia-evidence 6.1), for its clients.
//!
//! It hands out what is authentic and what the operator filed: an operator may know of a signer before this verifier
//! does, and clients verify what they get. A manifest that is neither at hand nor filed is fetched, if a device could
//! ask for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::device::is_rim_id;
use evidence::work::{Blob, Hex};
use evidence::{Code, Reason, UnixTime};
use serde::Serialize;
use serde_json::{Value, json};

use super::{App, etag};
use crate::collateral::{Absence, AbsenceKind, Lookup, RimAtHand};
use crate::problem::{Problem, ProblemCode};
use crate::random;

/// Manifests are issued anew under the same id, so nobody keeps one for long without asking.
const CACHE_CONTROL: &str = "public, max-age=300";
/// Seconds after which a source may be well again.
const UNAVAILABLE_RETRY_S: u32 = 10;

/// The answer of NVIDIA's service.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    rim: Blob,
    sha256: Hex<32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_updated: Option<UnixTime>,
    rim_format: &'static str,
    request_id: String,
}

/// The manifest of an id, or 304 if the client has it.
pub(super) async fn read(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Ok(Path(id)) = id else {
        return Err(Problem::new(ProblemCode::RimNotFound));
    };
    let [(id, found)]: [_; 1] = match obtain(&app, vec![id]).await.try_into() {
        Ok(one) => one,
        Err(_) => return Err(Problem::new(ProblemCode::RimNotFound)),
    };
    let rim = found.map_err(|absence| absent(&absence))?;
    // The answer has a request id in it, so it is the manifest that stays the same, not the bytes.
    let tag = format!("W/\"{}\"", Hex(rim.sha256));
    let caching = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, cache_control(&rim).to_owned()),
    ];
    if etag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let answer = Answer {
        id: &id,
        rim: Blob(rim.document.to_vec()),
        sha256: Hex(rim.sha256),
        last_updated: rim.last_updated,
        rim_format: "TCG",
        request_id: request_id(),
    };
    Ok((caching, Json(answer)).into_response())
}

/// What manifests there are, as far as is known.
pub(super) struct KnownIds {
    /// Those at hand, then those that the service lists, in order.
    pub(super) ids: Vec<String>,
    /// Why the service's are not among them.
    pub(super) unlisted: Option<Absence>,
}

/// The ids of the manifests at hand and of those that the service lists. Where it cannot be asked there may be more.
pub(super) async fn ids(State(app): State<App>) -> Result<Response, Problem> {
    let KnownIds { mut ids, .. } = known_ids(&app).await?;
    ids.sort_unstable();
    let body: Value = json!({ "ids": ids, "request_id": request_id() });
    let caching = [(
        header::CACHE_CONTROL,
        HeaderValue::from_static(CACHE_CONTROL),
    )];
    Ok((caching, Json(body)).into_response())
}

/// The ids of the manifests that are known to be there.
pub(super) async fn known_ids(app: &App) -> Result<KnownIds, Problem> {
    let listed = app.collateral.listed(app.collateral_deadline()).await;
    let (collateral, now) = (app.collateral.clone(), app.clock.now());
    let at_hand = app.workers.run(move || collateral.rim_ids(now)).await;
    let at_hand = at_hand.map_err(|error| {
        Problem::caused(ProblemCode::RimUnavailable, error).retry_after_s(UNAVAILABLE_RETRY_S)
    })?;
    let (listed, unlisted) = match listed {
        Ok(listed) => (listed, None),
        Err(absence) => (Arc::default(), Some(absence)),
    };
    let others = listed.iter().filter(|id| !at_hand.contains(*id)).cloned();
    let others: BTreeSet<_> = others.collect();
    Ok(KnownIds {
        ids: at_hand.into_iter().chain(others).collect(),
        unlisted,
    })
}

/// Looks up manifests, fetches those that are asked for, looks again.
pub(super) async fn obtain(
    app: &App,
    ids: Vec<String>,
) -> Vec<(String, Result<RimAtHand, Absence>)> {
    let (collateral, now) = (app.collateral.clone(), app.clock.now());
    let needs = move |ids: &[String]| -> Vec<String> {
        // Anybody may ask here; the service is not asked for what no device asks for.
        let is_asked_for = |id: &&String| {
            is_rim_id(id) && matches!(collateral.look_up_mirrored(id, now), Lookup::Ask(_))
        };
        ids.iter().filter(is_asked_for).cloned().collect()
    };
    let (ids, needs) = app
        .workers
        .run(move || {
            let needs = needs(&ids);
            (ids, needs)
        })
        .await;
    if !needs.is_empty() {
        let deadline = app.collateral_deadline();
        app.collateral.mirror(needs, deadline).await;
    }
    let (collateral, now) = (app.collateral.clone(), app.clock.now());
    let settle = move |id: String| {
        let found = collateral.settle_mirrored(&id, now);
        let unasked = || Absence {
            kind: AbsenceKind::Missing,
            reason: Reason::new(Code::RimNotAvailable, "no device asks for such an id"),
        };
        let found = found.map_err(|absence| match is_rim_id(&id) {
            true => absence,
            false => unasked(),
        });
        (id, found)
    };
    app.workers
        .run(move || ids.into_iter().map(settle).collect())
        .await
}

fn absent(absence: &Absence) -> Problem {
    match absence.kind {
        AbsenceKind::NotConfigured | AbsenceKind::Missing => Problem::new(ProblemCode::RimNotFound),
        AbsenceKind::Refused | AbsenceKind::Unreachable => {
            let problem = Problem::new(ProblemCode::RimUnavailable);
            let detail = absence.reason.message.clone();
            problem.detail(detail).retry_after_s(UNAVAILABLE_RETRY_S)
        }
    }
}

/// A stale copy is for this once.
fn cache_control(rim: &RimAtHand) -> &'static str {
    match rim.is_stale() {
        true => "no-cache",
        false => CACHE_CONTROL,
    }
}

fn request_id() -> String {
    Hex(random::bytes::<16>()).to_string()
}
