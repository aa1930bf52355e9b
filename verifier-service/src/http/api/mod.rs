//! The interface as a table: every endpoint once, with its handler and its whole description. The router and the
//! OpenAPI document are both made from this table, so each has exactly the routes of the other.
//!
//! In scope: which path goes where; the OpenAPI 3.1 document, its schemas, examples and codes of errors.
//!
//! Out of scope: pages for people, which are no part of the interface (`console`); whether the document is true: the
//! tests of this interface compare every answer with it.
//!
//! The schemas are written here, as JSON, and not derived from types. Most of what they describe belongs to `evidence`
//! and `jobs`, which are to know nothing of HTTP, and the bounds are in deserialisers, which no derive macro reads.

mod codes;
mod document;
mod endpoint;
mod endpoints;
mod examples;
mod schema;
mod schemas;

use std::io::Write as _;
use std::sync::LazyLock;

use axum::Router;
use evidence::crypto;
use evidence::work::Hex;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::App;
use endpoint::Endpoint;

/// The document, as it is served.
pub(super) struct Document {
    /// Its text.
    pub(super) json: String,
    /// The tag of its bytes, with its quotes.
    pub(super) etag: String,
    /// Its text in gzip (RFC 1952).
    pub(super) gzip: Vec<u8>,
    /// The tag of these bytes.
    pub(super) gzip_etag: String,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let json = format!("{}\n", document::of_table(&endpoints::all()));
    let digest = Hex(crypto::sha256(json.as_bytes()));
    Document {
        etag: format!("\"{digest}\""),
        gzip: compressed(json.as_bytes()),
        gzip_etag: format!("\"{digest}-gzip\""),
        json,
    }
});

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    // A `Vec` takes everything.
    let written = gzip.write_all(bytes).and_then(|()| gzip.finish());
    written.unwrap_or_default()
}

/// The document, made when it is asked for first.
pub(super) fn document() -> &'static Document {
    &DOCUMENT
}

/// Every endpoint, routed.
pub(super) fn routes() -> Router<App> {
    let mut endpoints = endpoints::all();
    // `Allow` names methods in this order: reading, changing, ending.
    endpoints.sort_by_key(|endpoint| (endpoint.method == "delete", endpoint.method));
    let routed = endpoints.into_iter().map(Endpoint::into_route);
    routed.fold(Router::new(), |router, (path, route)| {
        router.route(path, route)
    })
}

/// Methods and paths of all that may change something.
#[cfg(test)]
pub(super) fn changing() -> Vec<(&'static str, &'static str)> {
    let endpoints = endpoints::all().into_iter();
    let changing = endpoints.filter(|endpoint| endpoint.method != "get");
    changing
        .map(|endpoint| (endpoint.method, endpoint.into_route().0))
        .collect()
}

#[cfg(test)]
mod tests;
