//! The [`Caller`] of a request, for routes that parties use.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::App;
use super::attribution::Attribution;
use crate::parties::Caller;
use crate::problem::Problem;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let mut caller = app.credentials.caller(&parts.headers).await?;
        let attribution = Attribution::of(parts);
        attribution.is_of(&caller.by.actor);
        caller.by.asked = attribution.asked();
        Ok(caller)
    }
}
