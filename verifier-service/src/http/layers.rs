//! What every request goes through: an id, a line in the log, a time limit, a net under panics.

use std::any::Any;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use evidence::work::Hex;
use tracing::Instrument;

use crate::metrics::HttpMeters;
use crate::problem::{AnsweredCode, Cause, Problem, ProblemCode};
use crate::random;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
/// Longest id of a caller's choice that is taken over.
const MAX_REQUEST_ID_CHARS: usize = 64;
/// Seconds after which a request that took too long may be sent again.
const TIMED_OUT_RETRY_S: u32 = 5;

/// Gives the request an id and writes one line about it: route, not path; code, not detail; nothing of its body.
pub(super) async fn observe(
    State(meters): State<HttpMeters>,
    request: Request,
    next: Next,
) -> Response {
    let in_flight = meters.begin();
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span.clone()).await;

    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let duration_us = u64::try_from(in_flight.elapsed().as_micros()).unwrap_or(u64::MAX);
    let bytes = response.body().size_hint().exact();
    in_flight.answered(&method, route, response.status(), bytes);
    span.in_scope(|| log(&response, &method, route, duration_us));
    response
}

/// Bounds the time a request may take.
pub(super) async fn limit_time(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| Problem::new(ProblemCode::TimedOut).retry_after_s(TIMED_OUT_RETRY_S))
}

/// The answer in place of one that panicked. The panic hook has logged where.
pub(super) fn panicked(_payload: Box<dyn Any + Send>) -> Response {
    Problem::new(ProblemCode::Internal).into_response()
}

fn log(response: &Response, method: &axum::http::Method, route: &str, duration_us: u64) {
    let status = response.status();
    let code = response
        .extensions()
        .get::<AnsweredCode>()
        .map_or("", |code| code.0);
    let cause = response.extensions().get::<Cause>().map(Cause::chain);
    match cause {
        Some(cause) if status.is_server_error() => {
            tracing::error!(%method, route, status = status.as_u16(), duration_us, code, cause, "request failed");
        }
        _ if status == StatusCode::INTERNAL_SERVER_ERROR => {
            tracing::error!(%method, route, status = status.as_u16(), duration_us, code, "request failed");
        }
        _ => {
            tracing::info!(%method, route, status = status.as_u16(), duration_us, code, "request");
        }
    }
}

/// The caller's id if it is short and plain, else one of ours.
fn request_id(request: &Request) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let of_caller = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    let usable = of_caller
        .filter(|id| (1..=MAX_REQUEST_ID_CHARS).contains(&id.len()) && id.bytes().all(plain));
    usable.map_or_else(|| Hex(random::bytes::<8>()).to_string(), str::to_owned)
}
