//! Whether a client already has what it asks for (RFC 9110 section 13.1.2).

use axum::http::{HeaderMap, header};

/// Whether `If-None-Match` names this tag. A cache that compressed an answer on the way marks our tag as weak, so weak
/// and strong are one.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known.filter_map(|value| value.to_str().ok());
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let mut known = known.flat_map(|value| value.split(',')).map(opaque);
    known.any(|tag| tag == "*" || tag == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_compare_weakly() {
        let table = [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ];
        for (value, known) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            assert_eq!(is_known(&headers, "\"a\""), known, "{value}");
            assert_eq!(is_known(&headers, "W/\"a\""), known, "{value}");
        }
    }
}
