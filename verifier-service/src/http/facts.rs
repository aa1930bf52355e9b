//! `/v1/service`: what somebody who validates a receipt has to know of this verifier beforehand.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::{App, no_store};

/// Who issues, for whom, and what time it is here.
pub(super) async fn read(State(app): State<App>) -> Response {
    let config = &app.config;
    no_store(Json(json!({
        "issuer": config.issuer,
        "audience": config.audience,
        "build": concat!("pogw ", env!("CARGO_PKG_VERSION")),
        "takes_simulated_devices": !config.appraisal.simulated_anchors.is_empty(),
        "now": app.clock.now(),
    })))
}
