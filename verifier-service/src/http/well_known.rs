//! `/.well-known/jwks.json`: the keys that verify our receipts, and the one that verifies our tokens in NVIDIA's form. A
//! reader of receipts passes that one over, since it comes with a certificate; NVIDIA's clients look for it alone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::crypto;
use evidence::work::Hex;
use receipt::Jwks;
use serde_json::Value;

use super::{App, etag, media_type};

/// Five minutes: short against the overlap in which a new key is published before its first use.
const CACHE_CONTROL: &str = "public, max-age=300";

/// The key set as it is sent. It changes with a restart only.
#[derive(Clone, Debug)]
pub(super) struct KeySet {
    json: Arc<str>,
    etag: Arc<str>,
}

impl KeySet {
    /// Writes the set once.
    pub(super) fn new(keys: &Jwks, nvidia: &Value) -> Self {
        let mut set: Value = keys.to_json().parse().unwrap_or_default();
        if let Some(keys) = set["keys"].as_array_mut() {
            keys.push(nvidia.clone());
        }
        let json = set.to_string();
        let digest = Hex(crypto::sha256(json.as_bytes()));
        Self {
            etag: format!("\"{digest}\"").into(),
            json: json.into(),
        }
    }
}

/// The key set, or 304 if the client has it.
pub(super) async fn jwks(State(app): State<App>, headers: HeaderMap) -> Response {
    let KeySet { json, etag } = app.key_set;
    let caching = [
        (header::CACHE_CONTROL, CACHE_CONTROL.to_owned()),
        (header::ETAG, etag.to_string()),
    ];
    if etag::is_known(&headers, &etag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, media_type::JWK_SET)];
    (content_type, caching, json.to_string()).into_response()
}
