//! Media types of this interface, and the one a body must have.

use axum::http::{HeaderMap, header};

use crate::problem::{Problem, ProblemCode};

/// A receipt as the token itself (RFC 9782).
pub(super) const EAT_JWT: &str = "application/eat+jwt";
/// JSON (RFC 8259).
pub(super) const JSON: &str = "application/json";
/// Lines of fields with commas between them (RFC 7111 5.1); the first line names the fields.
pub(super) const CSV: &str = "text/csv";
/// A key set (RFC 7517 section 8.5.2).
pub(super) const JWK_SET: &str = "application/jwk-set+json";
/// A bundle.
pub(super) const BUNDLE: &str = "application/vnd.pogw.bundle+json";

/// An opening.
pub(super) const OPENING: &str = "application/vnd.pogw.opening+json";

/// A policy. Nobody registered a type for Rego; this is what editors and servers use.
pub(super) const REGO: &str = "text/x-rego";
/// A tar file. Nobody registered a type for it; this is what servers use.
pub(super) const TAR: &str = "application/x-tar";
/// Anything (RFC 2046 section 4.5.1).
pub(super) const BYTES: &str = "application/octet-stream";
/// A question to an OCSP responder, and its answer (RFC 6960 C).
pub(super) const OCSP_REQUEST: &str = "application/ocsp-request";
pub(super) const OCSP_RESPONSE: &str = "application/ocsp-response";

/// Sees that the body is of this type; parameters, such as a charset, do not matter.
///
/// # Errors
/// 415.
pub(super) fn require(headers: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    require_one_of(headers, &[expected])
}

/// Sees that the body is of one of these types.
///
/// # Errors
/// 415.
pub(super) fn require_one_of(
    headers: &HeaderMap,
    expected: &[&'static str],
) -> Result<(), Problem> {
    let mut stated = headers.get_all(header::CONTENT_TYPE).iter();
    let only = stated.next().filter(|_| stated.next().is_none());
    let is_expected = only
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            let essence = essence.trim();
            expected
                .iter()
                .any(|expected| essence.eq_ignore_ascii_case(expected))
        });
    if is_expected {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::MediaTypeUnsupported)
        .detail(format!("expected {}", expected.join(" or "))))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn parameters_and_case_do_not_matter() {
        let table = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/json ;x=y", true),
            ("application/jsonx", false),
            ("text/json", false),
            ("", false),
        ];
        for (stated, good) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(stated));
            assert_eq!(require(&headers, JSON).is_ok(), good, "{stated}");
        }
        assert!(require(&HeaderMap::new(), JSON).is_err());
    }

    #[test]
    fn two_types_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.append(header::CONTENT_TYPE, HeaderValue::from_static(BUNDLE));
        assert!(require(&headers, JSON).is_err());
    }
}
