//! `/openapi.json`: what this interface is, for programs.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{api, etag, media_type};

/// The document, or 304 if the client has it. It changes with the program.
pub(super) async fn read(headers: HeaderMap) -> Response {
    let document = api::document();
    let caching = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, &document.etag),
    ];
    if etag::is_known(&headers, &document.etag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, media_type::JSON)];
    (content_type, caching, document.json.as_str()).into_response()
}
