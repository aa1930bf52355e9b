//! The [`Caller`] of a request, for routes that parties use.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::App;
use crate::parties::Caller;
use crate::problem::Problem;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.credentials.caller(&parts.headers).await
    }
}
