//! One request to somebody else's service, within limits of size and time: sources of collateral, an OIDC issuer.
//!
//! In scope: the HTTP client, answers read as they arrive and no further than their limit, kinds of failures by what
//! follows from them. Out of scope: what an answer means.
//!
//! Names of hosts, and what they answered beyond a status, go only to the log; the errors of this module reach clients.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Proxy, RequestBuilder, Response, Url, redirect};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::bounded::read_bounded;
use crate::config::UpstreamSettings;

const USER_AGENT: &str = concat!("pogw-verifier/", env!("CARGO_PKG_VERSION"));
/// Longest time to connect, and between two pieces of an answer.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest service key file read; NVIDIA's keys have about 70 characters.
const MAX_KEY_BYTES: usize = 8 * 1024;
/// Longest file of roots read; all public roots together have about 250 KiB.
const MAX_ROOTS_BYTES: usize = 1024 * 1024;
/// The longest words beside a status that are read.
const MAX_WORDS_BYTES: usize = 4 * 1024;
/// Permissions of all others on the machine.
const OF_OTHERS: u32 = 0o007;

/// Why a service of others cannot be asked as configured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// A file cannot be read.
    #[error("cannot read {what} from {path}: {source}")]
    Io {
        /// What is in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file of a service key is open to all.
    #[error("mode of {path} must not let others use it, got {actual:04o}: chmod o= {path}")]
    KeyFileOpen {
        /// The file.
        path: PathBuf,
        /// The mode found.
        actual: u32,
    },
    /// The file holds no service key.
    #[error("{path} must hold one service key of 1 to 8192 visible ASCII characters")]
    KeyMalformed {
        /// The file.
        path: PathBuf,
    },
    /// Address, proxy or roots cannot be used.
    #[error("cannot use {what} of {service}: {source}")]
    Client {
        /// The key of the configuration.
        what: &'static str,
        /// The service.
        service: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A service of others.
#[derive(Debug)]
pub(crate) struct Upstream {
    client: Client,
    base: Url,
    key: Option<ServiceKey>,
    timeout: Duration,
}

/// `Bearer` and the key. Never printed.
struct ServiceKey(Zeroizing<String>);

impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceKey(…)")
    }
}

/// An answer of status 200.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    /// Its media type in a few characters, for a reason.
    pub(crate) media_type: String,
}

/// Why there is no answer, by what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The status says that there is no such thing. Whoever answers for a service that is away may say so too, and what
    /// it says beside it, as far as it was read, can tell the two apart.
    Missing { said: Vec<u8> },
    /// It does not want to tell us.
    Forbidden(u16),
    /// It cannot say now.
    Unavailable {
        what: String,
        retry_after: Option<Duration>,
    },
    /// What it says is of no use.
    Unusable(String),
}

impl Upstream {
    /// The service at `url`, the name of which in messages is `service`.
    pub(crate) fn open(
        service: &'static str,
        url: &str,
        settings: UpstreamSettings<'_>,
    ) -> Result<Self, UpstreamError> {
        let wrong = |what, source| UpstreamError::Client {
            what,
            service,
            source,
        };
        let base = Url::parse(url).map_err(|error| wrong("url", error.into()))?;
        let timeout = Duration::from_secs(settings.timeout_s.into());
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(timeout.min(STEP_TIMEOUT))
            .read_timeout(timeout.min(STEP_TIMEOUT))
            .timeout(timeout);
        if let Some(proxy) = settings.proxy {
            let proxy = Proxy::all(proxy).map_err(|error| wrong("proxy", error.into()))?;
            builder = builder.proxy(proxy);
        }
        if let Some(path) = settings.ca_file {
            let pem = read("roots", path, MAX_ROOTS_BYTES)?.1;
            let roots = Certificate::from_pem_bundle(&pem);
            let roots = roots.map_err(|error| wrong("ca_file", error.into()))?;
            builder = builder.tls_certs_only(roots);
        } else if base.scheme() == "http" {
            // None are needed, so that a container without a certificate store can reach a mirror beside it.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build();
        Ok(Self {
            client: client.map_err(|error| wrong("settings", error.into()))?,
            base,
            key: settings
                .service_key_file
                .map(ServiceKey::read)
                .transpose()?,
            timeout,
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Gets what is below the base at this path.
    pub(crate) async fn get(&self, path: &[&str], limit: usize) -> Result<Answer, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.send(self.client.get(url), limit).await
    }

    /// Gets what is at an address that the service named, over what the base is asked over. No service key goes there.
    pub(crate) async fn get_at(&self, address: &str, limit: usize) -> Result<Answer, Failure> {
        let url = Url::parse(address).ok();
        let url = url.filter(|url| url.scheme() == self.base.scheme());
        let url = url.ok_or_else(|| Failure::Unusable("no address of its kind".to_owned()))?;
        self.answered(self.client.get(url), limit).await
    }

    /// Posts to the base.
    pub(crate) async fn post(
        &self,
        media_type: &'static str,
        accept: &'static str,
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let request = self.client.post(self.base.clone()).body(body);
        let request = request
            .header(CONTENT_TYPE, media_type)
            .header(reqwest::header::ACCEPT, accept);
        self.send(request, limit).await
    }

    async fn send(&self, request: RequestBuilder, limit: usize) -> Result<Answer, Failure> {
        let request = match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.header()?),
            None => request,
        };
        self.answered(request, limit).await
    }

    async fn answered(&self, request: RequestBuilder, limit: usize) -> Result<Answer, Failure> {
        let failed = |error: reqwest::Error| self.failure(&error);
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        match status {
            200 => self.read(response, limit).await,
            404 | 410 => Err(Failure::Missing {
                said: self
                    .read(response, MAX_WORDS_BYTES)
                    .await
                    .map_or_else(|_| Vec::new(), |answer| answer.body),
            }),
            401 | 403 => Err(Failure::Forbidden(status)),
            300..=399 => Err(Failure::Unusable(format!(
                "a redirect (status {status}), which is not followed"
            ))),
            _ => Err(Failure::Unavailable {
                what: format!("status {status}"),
                retry_after: retry_after(response.headers(), SystemTime::now()),
            }),
        }
    }

    async fn read(&self, mut response: Response, limit: usize) -> Result<Answer, Failure> {
        let too_large = || Failure::Unusable(format!("an answer of more than {limit} bytes"));
        let stated = response.content_length().unwrap_or_default();
        if usize::try_from(stated).is_ok_and(|stated| stated > limit) {
            return Err(too_large());
        }
        let media_type = response.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or("unstated").chars().take(64).collect();
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| self.failure(&error))? else {
                return Ok(Answer { body, media_type });
            };
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs())
        } else if error.is_connect() {
            "no connection".to_owned()
        } else {
            "the answer broke off or was not HTTP".to_owned()
        };
        // The chain names host and path, neither of which is secret, and never a header.
        tracing::warn!(cause = chain(error), "request to another service failed");
        Failure::Unavailable {
            what,
            retry_after: None,
        }
    }
}

impl ServiceKey {
    fn read(path: &Path) -> Result<Self, UpstreamError> {
        let (mode, text) = read("service key", path, MAX_KEY_BYTES)?;
        let text = Zeroizing::new(text);
        if mode & OF_OTHERS != 0 {
            return Err(UpstreamError::KeyFileOpen {
                path: path.to_owned(),
                actual: mode & 0o7777,
            });
        }
        let key = text.trim_ascii();
        let is_key =
            !key.is_empty() && key.len() <= MAX_KEY_BYTES && key.iter().all(u8::is_ascii_graphic);
        let key = str::from_utf8(key).ok().filter(|_| is_key);
        let key = key.ok_or_else(|| UpstreamError::KeyMalformed {
            path: path.to_owned(),
        })?;
        Ok(Self(Zeroizing::new(format!("Bearer {key}"))))
    }

    fn header(&self) -> Result<HeaderValue, Failure> {
        let value = HeaderValue::from_str(&self.0);
        let mut value = value.map_err(|_| Failure::Unusable("a key no header takes".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Mode and content of a file.
fn read(what: &'static str, path: &Path, limit: usize) -> Result<(u32, Vec<u8>), UpstreamError> {
    let read = || {
        let mut file = File::open(path)?;
        let mode = file.metadata()?.mode();
        Ok((mode, read_bounded(&mut file, limit)?))
    };
    read().map_err(|source| UpstreamError::Io {
        what,
        path: path.to_owned(),
        source,
    })
}

/// Seconds or a date (RFC 9110 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// An error with its causes, which is where reqwest tells what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").unwrap();
        let table = [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            let seconds = retry_after(&headers, now).map(|wait| wait.as_secs());
            assert_eq!(seconds, expected, "{value}");
        }
    }

    #[test]
    fn a_service_key_is_one_word_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = |content: &str, mode| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            ServiceKey::read(&path)
        };
        let key = read("nvapi-secret\n", 0o640).unwrap();
        assert_eq!(key.header().unwrap(), "Bearer nvapi-secret");
        let shown = format!("{key:?} {:?}", key.header());
        assert!(!shown.contains("secret"), "{shown}");
        for (content, mode, says) in [
            (
                "nvapi-secret",
                0o644,
                "must not let others use it, got 0644",
            ),
            ("", 0o600, "must hold one service key"),
            ("two words", 0o600, "must hold one service key"),
            ("schlüssel", 0o600, "must hold one service key"),
        ] {
            let refused = read(content, mode).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
        let refused = ServiceKey::read(&folder.path().join("none")).unwrap_err();
        assert!(refused.to_string().contains("cannot read service key"));
    }
}
