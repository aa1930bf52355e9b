//! `/.well-known/jwks.json`: the keys that verify our receipts, and the one that verifies our tokens in NVIDIA's form.
//! Readers of receipts ignore the latter, since it comes with a certificate; NVIDIA's clients look only for it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::crypto;
use evidence::work::Hex;
use receipt::Jwks;
use serde_json::Value;

use super::{App, etag, media_type};

/// The key set, or 304 if the client has it. It may be kept for a part of the time in which a new key is published before
/// its first use.
pub(super) async fn jwks(State(app): State<App>, headers: HeaderMap) -> Response {
    let json = key_set(&app.keys.published(), app.nvidia.jwk());
    let etag = format!("\"{}\"", Hex(crypto::sha256(json.as_bytes())));
    let cache_control = format!("public, max-age={}", app.keys.max_age_s());
    let caching = [
        (header::CACHE_CONTROL, cache_control),
        (header::ETAG, etag.clone()),
    ];
    if etag::is_known(&headers, &etag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, media_type::JWK_SET)];
    (content_type, caching, json).into_response()
}

fn key_set(keys: &Jwks, nvidia: &Value) -> String {
    let mut set: Value = keys.to_json().parse().unwrap_or_default();
    if let Some(keys) = set["keys"].as_array_mut() {
        keys.push(nvidia.clone());
    }
    set.to_string()
}
