//! In which content encodings a client takes an answer (RFC 9110 12.5.3).

use axum::http::{HeaderMap, header};

/// Whether this encoding is among those the client names, and not as one it refuses. `*` is not heeded: who can read an
/// encoding names it.
pub(super) fn is_taken(headers: &HeaderMap, encoding: &str) -> bool {
    let named = headers.get_all(header::ACCEPT_ENCODING).iter();
    let named = named.filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_it = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let is_refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").map(str::parse::<f32>);
            matches!(weight, Some(Ok(0.0)))
        });
        is_it && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn an_encoding_is_sent_to_those_who_take_it() {
        let table = [
            ("gzip, deflate, br, zstd", true),
            ("BR", true),
            ("br;q=0.5", true),
            ("br;q=0", false),
            ("br; q=0.000", false),
            ("gzip", false),
            ("broken", false),
            ("", false),
        ];
        for (stated, taken) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(stated));
            assert_eq!(is_taken(&headers, "br"), taken, "{stated}");
        }
        assert!(!is_taken(&HeaderMap::new(), "br"));
    }
}
