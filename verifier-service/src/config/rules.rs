//! What values must be, beyond their types.

use receipt::limits::{MAX_AUDIENCES, MAX_TEXT_BYTES};
use receipt::{Audience, Text};

use super::{Config, StoreUrl, UpstreamSettings};

/// Longest time for a challenge, in seconds: a day. What takes longer is asked for in parts.
const MAX_CHALLENGE_LIFETIME_S: u32 = 86_400;
/// Largest body, in bytes: SQLite's own bound on one value is 1 000 000 000.
const MAX_BODY_BYTES: usize = 900 * 1024 * 1024;
/// Longest time for a request, in seconds; no proxy waits longer.
const MAX_REQUEST_S: u32 = 3600;
/// Longest time for a request of ours, in seconds.
const MAX_UPSTREAM_S: u32 = 60;
/// Most connections to a database server; each is a process there.
const MAX_CONNECTIONS: u32 = 1000;
/// Longest time for one statement, in seconds; no statement here needs one.
const MAX_STATEMENT_S: u32 = 60;
/// Longest time a manifest is used without being fetched again, in seconds: 30 days. Manifests are issued anew under
/// the same id (nvidia-evidence 6.1).
const MAX_STALE_S: u32 = 30 * 24 * 3600;
/// Longest time a failure is remembered, in seconds.
const MAX_NEGATIVE_S: u32 = 3600;

/// Longest time a new key waits before it signs, in seconds: a week.
const MAX_PUBLISH_S: u32 = 7 * 24 * 3600;
/// Longest difference of clocks that is tolerated, in seconds.
const MAX_LEEWAY_S: u32 = 300;
/// Longest time that keys of an issuer are used without being fetched again, in seconds: a week.
const MAX_KEYS_STALE_S: u32 = 7 * 24 * 3600;
/// Longest time for one request for keys, in seconds. Two are made while a caller waits.
const MAX_KEYS_TIMEOUT_S: u32 = 10;

const _: () = assert!(
    MAX_AUDIENCES == 16 && MAX_TEXT_BYTES == 512,
    "a rule below names both"
);

/// The rules that `c` breaks.
pub(super) fn broken(c: &Config) -> impl Iterator<Item = &'static str> {
    let (rims, ocsp) = (&c.appraisal.rim_service, &c.appraisal.ocsp);
    let oidc = &c.oidc;
    let (rims_url, ocsp_url) = (rims.url.as_deref(), ocsp.url.as_deref());
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
        (c.opening_retention_s >= 1, "opening_retention_s must be at least 1"),
        (in_bounds(c.keys.publish_before_s, MAX_PUBLISH_S), "keys.publish_before_s must be 1 to 604800"),
        (c.keys.is_usable(), "keys.pkcs11 needs a token and a label with module, and a module for token and pin_file"),
        (c.metrics.listen != Some(c.listen), "metrics.listen must be another address than listen"),
        (c.telemetry.otlp_endpoint.as_deref().is_none_or(is_http_url), "telemetry.otlp_endpoint must be an http or https URL without user name, password, query and fragment"),
        (c.telemetry.is_usable(), "telemetry.sample_ppm must be at most 1000000"),
        (c.http.tls.is_whole(), "http.tls needs both certificate and key"),
        (c.store.url.as_ref().is_none_or(StoreUrl::is_valid), "store.url must be postgresql://user@host:port/database with no parameters but host, port, dbname, user, sslmode, sslrootcert, sslcert, sslkey, application_name"),
        (c.store.is_usable(), "store needs a url for password_file"),
        (c.store.max_connections.get() <= MAX_CONNECTIONS, "store.max_connections must be at most 1000"),
        (in_bounds(c.store.statement_timeout_s, MAX_STATEMENT_S), "store.statement_timeout_s must be 1 to 60"),
        (rims_url.is_none_or(is_http_url), "appraisal.rim_service.url must be an http or https URL without user name, password, query and fragment"),
        (is_usable(rims_url, &rims.upstream()), "appraisal.rim_service needs a url for service_key_file, ca_file and proxy"),
        (keeps_its_key(rims_url, &rims.upstream()), "appraisal.rim_service.service_key_file needs an https url, or one of this machine"),
        (rims.proxy.as_deref().is_none_or(is_http_url), "appraisal.rim_service.proxy must be an http or https URL without user name and password"),
        (in_bounds(rims.timeout_s, MAX_UPSTREAM_S), "appraisal.rim_service.timeout_s must be 1 to 60"),
        (rims.fresh_s >= 60, "appraisal.rim_service.fresh_s must be at least 60"),
        (rims.fresh_s <= rims.max_stale_s, "appraisal.rim_service.max_stale_s must be at least fresh_s"),
        (rims.max_stale_s <= MAX_STALE_S, "appraisal.rim_service.max_stale_s must be at most 2592000"),
        (in_bounds(rims.negative_s, MAX_NEGATIVE_S), "appraisal.rim_service.negative_s must be 1 to 3600"),
        (ocsp_url.is_none_or(is_http_url), "appraisal.ocsp.url must be an http or https URL without user name, password, query and fragment"),
        (is_usable(ocsp_url, &ocsp.upstream()), "appraisal.ocsp needs a url for service_key_file, ca_file and proxy"),
        (keeps_its_key(ocsp_url, &ocsp.upstream()), "appraisal.ocsp.service_key_file needs an https url, or one of this machine"),
        (ocsp.proxy.as_deref().is_none_or(is_http_url), "appraisal.ocsp.proxy must be an http or https URL without user name and password"),
        (in_bounds(ocsp.timeout_s, MAX_UPSTREAM_S), "appraisal.ocsp.timeout_s must be 1 to 60"),
        (in_bounds(ocsp.negative_s, MAX_NEGATIVE_S), "appraisal.ocsp.negative_s must be 1 to 3600"),
        (oidc.issuer.as_deref().is_none_or(is_private_url), "oidc.issuer must be an https URL, or one of this machine, without user name, password, query and fragment"),
        (oidc.issuer.is_none() || is_audience(&oidc.audience), "oidc.audience must be 1 to 16 different names of 1 to 512 bytes"),
        (!oidc.algorithms.is_empty(), "oidc.algorithms must name at least one"),
        (!oidc.party_claim.is_empty() && !oidc.scope_claim.is_empty(), "oidc.party_claim and oidc.scope_claim must not be empty"),
        (oidc.leeway_s <= MAX_LEEWAY_S, "oidc.leeway_s must be at most 300"),
        (oidc.jwks_fresh_s >= 60, "oidc.jwks_fresh_s must be at least 60"),
        (oidc.jwks_fresh_s <= oidc.jwks_max_stale_s, "oidc.jwks_max_stale_s must be at least jwks_fresh_s"),
        (oidc.jwks_max_stale_s <= MAX_KEYS_STALE_S, "oidc.jwks_max_stale_s must be at most 604800"),
        (in_bounds(oidc.timeout_s, MAX_KEYS_TIMEOUT_S), "oidc.timeout_s must be 1 to 10"),
        (is_usable(oidc.issuer.as_deref(), &oidc.upstream()), "oidc needs an issuer for ca_file and proxy"),
        (oidc.proxy.as_deref().is_none_or(is_http_url), "oidc.proxy must be an http or https URL without user name and password"),
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

fn in_bounds(seconds: u32, longest: u32) -> bool {
    (1..=longest).contains(&seconds)
}

/// Whether nothing is configured that nobody would ever use.
fn is_usable(url: Option<&str>, upstream: &UpstreamSettings<'_>) -> bool {
    let UpstreamSettings {
        service_key_file,
        ca_file,
        proxy,
        ..
    } = upstream;
    url.is_some() || (service_key_file.is_none() && ca_file.is_none() && proxy.is_none())
}

/// Whether the service key does not travel in the clear.
fn keeps_its_key(url: Option<&str>, upstream: &UpstreamSettings<'_>) -> bool {
    upstream.service_key_file.is_none() || url.is_none_or(is_private)
}

/// Whether keys found under it are the issuer's: nobody on the way can put others in their place.
fn is_private_url(url: &str) -> bool {
    is_http_url(url) && is_private(url)
}

/// Whether nobody on the way can read or change what is sent; what is no URL is none.
fn is_private(url: &str) -> bool {
    let Ok(uri) = url.parse::<axum::http::Uri>() else {
        return true;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    let is_this_machine = host == "localhost" || address.is_ok_and(|a| a.is_loopback());
    uri.scheme_str() == Some("https") || is_this_machine
}

fn is_audience(names: &[String]) -> bool {
    let names: Result<Vec<_>, _> = names.iter().map(Text::new).collect();
    names.is_ok_and(|names| Audience::new(names).is_ok())
}
