//! What values must be, beyond their types.

use receipt::limits::{MAX_AUDIENCES, MAX_TEXT_BYTES};
use receipt::{Audience, Text};

use super::Config;

/// Longest time for a challenge, in seconds: a day. What takes longer is asked for in parts.
const MAX_CHALLENGE_LIFETIME_S: u32 = 86_400;
/// Largest body, in bytes: SQLite's own bound on one value is 1 000 000 000.
const MAX_BODY_BYTES: usize = 900 * 1024 * 1024;
/// Longest time for a request, in seconds; no proxy waits longer.
const MAX_REQUEST_S: u32 = 3600;

const _: () = assert!(
    MAX_AUDIENCES == 16 && MAX_TEXT_BYTES == 512,
    "a rule below names both"
);

/// The rules that `c` breaks.
pub(super) fn broken(c: &Config) -> impl Iterator<Item = &'static str> {
    #[rustfmt::skip]
    let rules = [
        (is_http_url(&c.issuer), "issuer must be an http or https URL without user name, password, query and fragment"),
        (is_audience(&c.audience), "audience must be 1 to 16 different names of 1 to 512 bytes"),
        (c.challenge_lifetime_s >= 1, "challenge_lifetime_s must be at least 1"),
        (c.challenge_lifetime_s <= MAX_CHALLENGE_LIFETIME_S, "challenge_lifetime_s must be at most 86400"),
        (c.receipt_lifetime_s != Some(0), "receipt_lifetime_s must be at least 1"),
        (c.body_limit_bytes >= 1, "body_limit_bytes must be at least 1"),
        (c.body_limit_bytes <= MAX_BODY_BYTES, "body_limit_bytes must be at most 943718400"),
        // A part is for small bodies alone; one of the largest must fit into the rest.
        (c.body_budget_bytes / 2 >= c.body_limit_bytes, "body_budget_bytes must be at least twice body_limit_bytes"),
        (c.body_timeout_s >= 1, "body_timeout_s must be at least 1"),
        (c.request_timeout_s > c.body_timeout_s, "request_timeout_s must be more than body_timeout_s"),
        (c.request_timeout_s <= MAX_REQUEST_S, "request_timeout_s must be at most 3600"),
        // A challenge must not be forgotten while an answer that came in time is being appraised.
        (c.challenge_retention_s >= c.request_timeout_s, "challenge_retention_s must be at least request_timeout_s"),
    ];
    rules
        .into_iter()
        .filter(|(kept, _)| !kept)
        .map(|(_, rule)| rule)
}

/// Whether relying parties can find a key set under it.
pub(super) fn is_http_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<axum::http::Uri>() else {
        return false;
    };
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let has_user = uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    let is_plain = uri.query().is_none() && !text.contains('#') && Text::new(text).is_ok();
    is_http && has_host && !has_user && is_plain
}

fn is_audience(names: &[String]) -> bool {
    let names: Result<Vec<_>, _> = names.iter().map(Text::new).collect();
    names.is_ok_and(|names| Audience::new(names).is_ok())
}
