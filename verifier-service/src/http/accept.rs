//! Which form of an answer the client wants (RFC 9110 section 12.5.1).

use axum::http::{HeaderMap, header};

use crate::problem::{Problem, ProblemCode};

/// The best of `offers`, which stand in our order of preference, for this client.
///
/// # Errors
/// 406 if it wants none of them.
pub(super) fn choose(
    headers: &HeaderMap,
    offers: &[&'static str],
) -> Result<&'static str, Problem> {
    let wanted: Vec<Range> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    let unstated = !headers.contains_key(header::ACCEPT);
    let weighed = offers.iter().map(|offer| {
        (
            *offer,
            if unstated {
                1000
            } else {
                weight(&wanted, offer)
            },
        )
    });
    // Of equals the first: `max_by_key` would take the last.
    let best = weighed.rev().max_by_key(|(_, weight)| *weight);
    best.filter(|(_, weight)| *weight > 0)
        .map(|(offer, _)| offer)
        .ok_or_else(|| {
            Problem::new(ProblemCode::NotAcceptable)
                .detail(format!("available: {}", offers.join(", ")))
        })
}

/// One entry of an `Accept` header.
struct Range {
    /// `*` or a word, lower case.
    kind: String,
    subtype: String,
    /// Thousandths.
    weight: u16,
}

impl Range {
    /// Reads an entry; one that is malformed wants nothing. Parameters other than `q` are passed over: none of our
    /// types has any.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1000), |(_, value)| thousandths(value.trim()));
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            weight: weight?,
        })
    }

    /// How exactly it names the type; `None` if it does not.
    fn precision(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind.as_str(), self.subtype.as_str()) {
            (k, s) if k == kind && s == subtype => Some(2),
            (k, "*") if k == kind => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    }
}

/// The weight that the most exact entry gives to a type.
fn weight(wanted: &[Range], offer: &str) -> u16 {
    let (kind, subtype) = offer.split_once('/').unwrap_or((offer, ""));
    let matching = wanted
        .iter()
        .filter_map(|range| Some((range.precision(kind, subtype)?, range.weight)));
    matching.max().map_or(0, |(_, weight)| weight)
}

/// A weight of RFC 9110 section 12.4.2: 0 to 1 with up to three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::http::media_type::{EAT_JWT, JSON};

    #[test]
    fn choices() {
        let table = [
            ("*/*", Some(EAT_JWT)),
            ("application/*", Some(EAT_JWT)),
            ("application/eat+jwt", Some(EAT_JWT)),
            ("Application/JSON", Some(JSON)),
            ("text/html, application/json;q=0.9, */*;q=0.8", Some(JSON)),
            (
                "application/eat+jwt;q=0.5, application/json;q=0.6",
                Some(JSON),
            ),
            ("application/eat+jwt;q=0, */*", Some(JSON)),
            (
                "application/json;q=1.000,application/eat+jwt;q=0.999",
                Some(JSON),
            ),
            ("application/json;charset=utf-8", Some(JSON)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;q=2", None),
            ("application/json;q=0.1234", None),
            ("json", None),
            ("", None),
        ];
        for (accept, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(
                choose(&headers, &[EAT_JWT, JSON]).ok(),
                expected,
                "{accept}"
            );
        }
        assert_eq!(
            choose(&HeaderMap::new(), &[EAT_JWT, JSON]).ok(),
            Some(EAT_JWT)
        );
    }
}
