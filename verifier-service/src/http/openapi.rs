//! `/openapi.json`: what this interface is, for programs.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{api, encoding, etag, media_type};

/// The document, or 304 if the client has it. It changes with the program. Compressed, it is another form under another
/// tag, for those who take it.
pub(super) async fn read(headers: HeaderMap) -> Response {
    let document = api::document();
    let compressed = encoding::is_taken(&headers, "gzip");
    let tag = match compressed {
        true => &document.gzip_etag,
        false => &document.etag,
    };
    let caching = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-encoding"),
        (header::ETAG, tag),
    ];
    if etag::is_known(&headers, tag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, media_type::JSON)];
    if compressed {
        let encoded = [(header::CONTENT_ENCODING, "gzip")];
        return (content_type, encoded, caching, document.gzip.as_slice()).into_response();
    }
    (content_type, caching, document.json.as_str()).into_response()
}
