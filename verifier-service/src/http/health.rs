//! `/healthz` and `/readyz`: is the process up, and can it issue receipts?
//!
//! Key and policy are loaded before the service listens, so a service that answers has both; what can fail later is
//! the store, and a policy that another verifier activated and this one cannot use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::App;
use crate::problem::{Problem, ProblemCode};

/// How long a good answer is repeated without asking again: anybody may ask, and each question is a write.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// Seconds after which the store may be well again.
const STORE_RETRY_S: u32 = 5;

/// When the store was last seen to work.
#[derive(Clone, Debug, Default)]
pub(super) struct Readiness {
    seen: Arc<Mutex<Option<Instant>>>,
}

/// The process is up.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The store takes writes, a key may sign, and what was activated last decides. Those who ask at once share one write.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    if app.book.is_behind() {
        let detail = "the policy version activated last cannot be used by this verifier";
        return Err(Problem::new(ProblemCode::PolicyFailed).detail(detail));
    }
    if let Err(none) = app.keys.signer_at(app.clock.now()) {
        return Err(Problem::caused(ProblemCode::NoSigningKey, none).retry_after_s(STORE_RETRY_S));
    }
    let mut seen = app.readiness.seen.lock().await;
    if seen.is_none_or(|at| at.elapsed() > REMEMBERED_FOR) {
        *seen = None;
        let probed = app.store.probe(app.clock.now()).await;
        probed.map_err(|error| {
            Problem::caused(ProblemCode::StoreUnavailable, error).retry_after_s(STORE_RETRY_S)
        })?;
        *seen = Some(Instant::now());
    }
    Ok(Json(json!({ "status": "ready" })))
}
