//! What every request goes through: an id, a line in the log, a time limit, catching of panics.

use std::any::Any;
use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use evidence::work::Hex;
use telemetry::{Incoming, attribute};
use tracing::{Instrument, Span};

use super::assignments;
use super::attribution::Attribution;
use crate::logging::REQUEST;
use crate::metrics::HttpMeters;
use crate::problem::{AnsweredCode, Cause, Problem, ProblemCode};
use crate::{random, trace};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
/// Longest id of a caller's choice that is taken over.
const MAX_REQUEST_ID_CHARS: usize = 64;
/// Seconds after which a request that took too long may be sent again.
const TIMED_OUT_RETRY_S: u32 = 5;

/// Gives the request an id and writes one line about it: route, not path; code, not detail; nothing of its body.
pub(super) async fn observe(
    State(meters): State<HttpMeters>,
    mut request: Request,
    next: Next,
) -> Response {
    let in_flight = meters.begin();
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let (span, trace) = begin(&request, &id);
    request
        .extensions_mut()
        .insert(Attribution::new(&id, &trace));
    telemetry::name(&span, || format!("{method} {route}"));
    let answering = trace::within(trace.clone(), next.run(request));
    let mut response = answering.instrument(span.clone()).await;

    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Ok(value) = HeaderValue::from_str(&trace) {
        headers.insert(TRACE_ID, value);
    }
    headers.insert(CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let duration_us = u64::try_from(in_flight.elapsed().as_micros()).unwrap_or(u64::MAX);
    let bytes = response.body().size_hint().exact();
    in_flight.answered(&method, route, response.status(), bytes);
    attribute(&span, "http.request.method", || method.to_string());
    attribute(&span, "http.route", || route.to_owned());
    attribute(&span, "http.response.status_code", || {
        i64::from(response.status().as_u16())
    });
    span.in_scope(|| log(&response, &method, route, duration_us));
    response
}

/// The span of a request, and the name of its trace: the caller's, else one of ours.
fn begin(request: &Request, id: &str) -> (Span, String) {
    let header = |name| request.headers().get(name)?.to_str().ok();
    let incoming = Incoming {
        traceparent: header("traceparent"),
        tracestate: header("tracestate"),
    };
    let of_caller = incoming.trace_id();
    let is_exporting = telemetry::is_exporting();
    let known = match is_exporting {
        true => of_caller,
        false => Some(of_caller.unwrap_or_else(trace::new_id)),
    };
    let span = tracing::info_span!(
        REQUEST,
        request_id = id,
        trace_id = known.as_deref(),
        otel.kind = is_exporting.then_some("server"),
    );
    if !is_exporting {
        return (span, known.unwrap_or_default());
    }
    let trace = telemetry::adopt(&span, incoming).unwrap_or_else(trace::new_id);
    if known.is_none() {
        span.record("trace_id", trace.as_str());
    }
    (span, trace)
}

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLimits {
    /// Any.
    pub(super) all: Duration,
    /// One with which an agent hands in what it was asked for.
    pub(super) handing_in: Duration,
}

impl TimeLimits {
    fn of(self, request: &Request) -> Duration {
        let route = request.extensions().get::<MatchedPath>();
        let hands_in = route.is_some_and(|route| assignments::HANDING_IN.contains(&route.as_str()));
        match hands_in {
            true => self.handing_in,
            false => self.all,
        }
    }
}

/// Bounds the time a request may take.
pub(super) async fn limit_time(
    State(limits): State<TimeLimits>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    tokio::time::timeout(limits.of(&request), next.run(request))
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn what_agents_hand_in_may_take_longer() {
        let limits = TimeLimits {
            all: Duration::from_millis(20),
            handing_in: Duration::from_secs(60),
        };
        let slow = || async { tokio::time::sleep(Duration::from_millis(200)).await };
        let paths = [assignments::OPENING, assignments::ANSWER, "/v1/receipts"];
        let router = paths
            .into_iter()
            .fold(Router::new(), |router, path| router.route(path, post(slow)));
        let router = router.layer(from_fn_with_state(limits, limit_time));
        for (path, status) in paths.into_iter().zip([200, 200, 503]) {
            let request = Request::post(path.replace("{id}", "a"));
            let request = request.body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{path}");
        }
    }
}
