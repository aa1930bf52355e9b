//! `/v1/ocsp` and `/ocsp`: questions to the OCSP responder, passed on (RFC 6960 A.1, RFC 5019).
//!
//! The relay vouches for nothing: clients verify the answers. It takes well-formed questions about one certificate,
//! writes them anew, and sends them to the one responder of the configuration.

use std::time::{Duration, SystemTime};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use evidence::limits::MAX_OCSP_BYTES;
use evidence::ocsp::OcspRequest;
use evidence::work::Hex;
use evidence::{UnixTime, crypto};

use super::{App, media_type};
use crate::collateral::Relayed;
use crate::problem::{Problem, ProblemCode};

/// `OCSPResponse` with status malformedRequest, tryLater and unauthorized, which is the word of a responder that cannot
/// answer about a certificate (RFC 6960 2.3); no response bytes (RFC 6960 4.2.1).
const MALFORMED_REQUEST: [u8; 5] = [0x30, 0x03, 0x0a, 0x01, 0x01];
const TRY_LATER: [u8; 5] = [0x30, 0x03, 0x0a, 0x01, 0x03];
const UNAUTHORIZED: [u8; 5] = [0x30, 0x03, 0x0a, 0x01, 0x06];

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A question in the body of a POST.
pub(super) async fn relay(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    media_type::require(request.headers(), media_type::OCSP_REQUEST)?;
    let limit = app.body_limit(MAX_OCSP_BYTES);
    let body = app.bodies.read(request, limit).await?;
    answer(&app, body.bytes()).await
}

/// A question in the path of a GET, base64 (RFC 6960 A.1).
pub(super) async fn relay_in_path(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Ok(Path(text)) = path else {
        return Ok(without_caching(MALFORMED_REQUEST));
    };
    answer(&app, &BASE64.decode(text).unwrap_or_default()).await
}

async fn answer(app: &App, der: &[u8]) -> Result<Response, Problem> {
    let Ok(request) = OcspRequest::parse(der) else {
        return Ok(without_caching(MALFORMED_REQUEST));
    };
    let deadline = app.collateral_deadline();
    match app.collateral.relay(&request, deadline).await {
        Relayed::NotConfigured => {
            let problem = Problem::new(ProblemCode::NotFound);
            Err(problem.detail("no OCSP responder is configured"))
        }
        Relayed::TryLater => Ok(without_caching(TRY_LATER)),
        Relayed::Unauthorized => Ok(without_caching(UNAUTHORIZED)),
        Relayed::Answer(answer) => Ok(match answer.current {
            Some(window) => with_caching(&answer.der, window, app.clock.now()),
            None => without_caching(answer.der.to_vec()),
        }),
    }
}

fn without_caching(der: impl Into<Vec<u8>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type::OCSP_RESPONSE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, der.into()).into_response()
}

/// RFC 5019 6.2: caches on the way may keep an answer as long as it is current.
fn with_caching(der: &[u8], window: (UnixTime, UnixTime), now: UnixTime) -> Response {
    let (this_update, valid_until) = window;
    let max_age = valid_until.secs().saturating_sub(now.secs()).max(0);
    let caching = format!("max-age={max_age}, public, no-transform, must-revalidate");
    let headers: [(HeaderName, String); 5] = [
        (header::CONTENT_TYPE, media_type::OCSP_RESPONSE.to_owned()),
        (header::CACHE_CONTROL, caching),
        (header::EXPIRES, http_date(valid_until)),
        (header::LAST_MODIFIED, http_date(this_update)),
        (header::ETAG, format!("\"{}\"", Hex(crypto::sha256(der)))),
    ];
    (headers, der.to_vec()).into_response()
}

fn http_date(time: UnixTime) -> String {
    let since_1970 = u64::try_from(time.secs()).unwrap_or_default();
    let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since_1970));
    date.filter(|_| since_1970 <= LAST_HTTP_DATE)
        .map_or_else(String::new, httpdate::fmt_http_date)
}

/// 9999-12-31T23:59:59Z: years of HTTP dates have four digits.
const LAST_HTTP_DATE: u64 = 253_402_300_799;
