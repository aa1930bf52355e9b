//! Fetching a key set, or the archive of a receipt, over HTTP.

use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;

use crate::failure::Failure;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Text fetched, and where it came from.
pub(crate) struct Fetched {
    pub(crate) text: String,
    pub(crate) origin: String,
}

/// Fetches text of at most `limit` bytes and says from which origin.
///
/// Keys decide what is believed, so they come over TLS; plain HTTP is for this machine alone.
pub(crate) async fn get(url: &str, limit: usize) -> Result<Fetched, Failure> {
    let parsed = trustworthy(url)?;
    let origin = parsed.origin().ascii_serialization();
    let text = String::from_utf8(fetch(parsed, None, limit).await?)
        .map_err(|_| Failure::unreadable(url, &"expected UTF-8 text"))?;
    Ok(Fetched { text, origin })
}

/// Fetches at most `limit` bytes with a bearer token.
pub(crate) async fn with_token(url: &str, token: &str, limit: usize) -> Result<Vec<u8>, Failure> {
    fetch(trustworthy(url)?, Some(token), limit).await
}

fn trustworthy(url: &str) -> Result<Url, Failure> {
    let parsed = Url::parse(url).map_err(|error| Failure::Usage(format!("{url}: {error}")))?;
    if parsed.scheme() != "https" && !is_this_machine(&parsed) {
        let message = format!("{url}: expected https, or http to this machine");
        return Err(Failure::Usage(message));
    }
    Ok(parsed)
}

async fn fetch(url: Url, token: Option<&str>, limit: usize) -> Result<Vec<u8>, Failure> {
    let name = url.to_string();
    let unavailable = |error: reqwest::Error| {
        Failure::Unavailable(format!("cannot fetch {name}: {}", chain(&error)))
    };
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .build()
        .map_err(unavailable)?;
    let request = match token {
        Some(token) => client.get(url).bearer_auth(token),
        None => client.get(url),
    };
    let answer = request.send().await.map_err(unavailable)?;
    let mut answer = answer.error_for_status().map_err(unavailable)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            let why = format!("expected at most {limit} bytes");
            return Err(Failure::unreadable(name, &why));
        }
    }
    Ok(body)
}

pub(crate) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|a| a.is_loopback()))
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
