//! Requests whose body is JSON of ours.

use axum::extract::Request;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::{App, media_type};
use crate::malformed;
use crate::problem::{Problem, ProblemCode};

/// Reads a body of at most `limit` bytes as `T`.
///
/// # Errors
/// 400, 408, 413, 415, 503.
pub(super) async fn read<T: DeserializeOwned>(
    app: &App,
    request: Request,
    limit: usize,
) -> Result<T, Problem> {
    media_type::require(request.headers(), media_type::JSON)?;
    let body = app.bodies.read(request, app.body_limit(limit)).await?;
    serde_json::from_slice(body.bytes())
        .map_err(|error| malformed::problem(ProblemCode::RequestMalformed, &error))
}

/// For optional members: absent or of their type. `null` would be a second way to be absent.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
