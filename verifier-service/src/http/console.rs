//! `/console`: pages for people. They are made in the folder `console` at the root, use nothing but this
//! interface, and are part of the program: no file is read, and no other host is asked for anything.
//!
//! In scope: which bytes are at which path, for how long they may be kept, and what the pages may do (content security
//! policy). Out of scope: what they show.

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::{App, accept, encoding, etag};
use crate::problem::{Problem, ProblemCode};

/// A file of the console.
struct Asset {
    /// Its path below `/console/`.
    path: &'static str,
    media_type: &'static str,
    /// SHA-256 of its bytes, in hexadecimal.
    sha256: &'static str,
    /// Whether the path names the bytes, so that they may be kept for ever.
    is_named_by_content: bool,
    plain: &'static [u8],
    brotli: &'static [u8],
}

/// The files, as `console/build` lists them.
static ASSETS: &[Asset] = &include!("../../../console/dist/table.rs");

/// The page. The script in it shows what the path says.
const PAGE: &str = "index.html";
/// The first segments of the paths that are pages.
const PAGES: [&str; 7] = [
    "receipts",
    "jobs",
    "fleet",
    "collateral",
    "statement",
    "overview",
    "api",
];

/// Scripts, styles and answers of this origin and nothing else; no frame around it, no form out of it, and no text of ours
/// or of anybody's made into a script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";
/// A year, the longest that RFC 9111 readers heed.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

const CROSS_ORIGIN_OPENER_POLICY: header::HeaderName =
    header::HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: header::HeaderName =
    header::HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: header::HeaderName =
    header::HeaderName::from_static("permissions-policy");

/// The routes of the console.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(root))
        .route(
            "/console",
            get(|| async { Redirect::permanent("/console/") }),
        )
        .route("/console/", get(start))
        .route("/console/{*path}", get(file_or_page))
}

/// Leads people to the console. For programs there is nothing here.
async fn root(headers: HeaderMap) -> Result<Redirect, Problem> {
    match accept::choose(&headers, &["application/json", "text/html"]) {
        Ok("text/html") => Ok(Redirect::temporary("/console/")),
        _ => Err(Problem::new(ProblemCode::NotFound)),
    }
}

async fn start(headers: HeaderMap) -> Result<Response, Problem> {
    served(PAGE, &headers)
}

async fn file_or_page(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(path) = path.map_err(|_| Problem::new(ProblemCode::NotFound))?;
    let first = path.split('/').next().unwrap_or_default();
    match PAGES.contains(&first) {
        true => served(PAGE, &headers),
        false => served(&path, &headers),
    }
}

fn served(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.path == path);
    let asset = asset.ok_or_else(|| Problem::new(ProblemCode::NotFound))?;
    let in_brotli = encoding::is_taken(headers, "br");
    let tag = match in_brotli {
        true => format!("\"{}-br\"", asset.sha256),
        false => format!("\"{}\"", asset.sha256),
    };
    let mut response = match etag::is_known(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => asset.body(in_brotli),
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    let caching = match asset.is_named_by_content {
        true => FOR_EVER,
        false => "no-cache",
    };
    let fixed = [
        (header::CACHE_CONTROL, caching),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (
            PERMISSIONS_POLICY,
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

impl Asset {
    fn body(&self, in_brotli: bool) -> Response {
        let content_type = [(header::CONTENT_TYPE, self.media_type)];
        match in_brotli {
            true => {
                let encoding = [(header::CONTENT_ENCODING, "br")];
                (content_type, encoding, self.brotli).into_response()
            }
            false => (content_type, self.plain).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_once_and_every_other_file_is_named_by_its_content() {
        let pages = ASSETS.iter().filter(|asset| !asset.is_named_by_content);
        assert_eq!(pages.map(|asset| asset.path).collect::<Vec<_>>(), [PAGE]);
        for asset in ASSETS {
            let digest = evidence::crypto::sha256(asset.plain);
            assert_eq!(hex::encode(digest), asset.sha256, "{}", asset.path);
        }
    }
}
