//! One request, sent until it is answered or its time is over.
//!
//! In scope: the HTTP client and its limits, which failures are tried again ([`retry`](crate::retry)
//! says when), reading answers within a size.
//!
//! Out of scope: what requests and answers mean ([`verifier`](crate::verifier)).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use evidence::UnixTime;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Request, Response, Url, redirect};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock};
use crate::files;
use crate::problem::Problem;
use crate::progress::{Progress, Step};
use crate::retry::{self, RetryPolicy};
use crate::verifier::VerifierError;

/// How to reach a verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Longest time to connect, seconds.
    pub connect_timeout_s: u64,
    /// Longest time from the start of a request to the end of its answer, seconds. A bundle that
    /// carries a large output takes its time.
    pub timeout_s: u64,
    /// PEM file with the roots to trust instead of the system's, for a verifier with its own.
    pub ca_file: Option<PathBuf>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout_s: 5,
            timeout_s: 120,
            ca_file: None,
        }
    }
}

/// A client for one verifier.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    retry: RetryPolicy,
}

/// An answer, its body read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// When its head arrived.
    pub(crate) received: Instant,
}

/// The answer to a request, and what came before it.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) answer: Answer,
    /// How many attempts it took.
    pub(crate) attempts: u32,
    /// The last attempt before it that was answered with 503, if one was.
    pub(crate) unable: Option<Failure>,
}

impl Answer {
    /// The time on the clock of whoever answered.
    pub(crate) fn date(&self) -> Option<UnixTime> {
        retry::parse_date(self.header(DATE))
    }

    /// A header's text; empty if it is absent or not text.
    pub(crate) fn header(&self, name: HeaderName) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn problem(&self) -> Problem {
        Problem::read(self.status, self.header(CONTENT_TYPE), &self.body)
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry::parse_retry_after(self.header(RETRY_AFTER), now())
    }
}

/// How an attempt ended.
enum Attempt {
    Answered(Answer),
    Failed(Failure),
}

/// An attempt worth repeating.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Option<u16>,
    pub(crate) cause: String,
    retry_after: Option<Duration>,
    pub(crate) problem: Option<Box<Problem>>,
}

impl Http {
    pub(crate) fn new(
        base: &Url,
        settings: &HttpSettings,
        retry: RetryPolicy,
    ) -> Result<Self, VerifierError> {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(Duration::from_secs(settings.connect_timeout_s))
            .timeout(Duration::from_secs(settings.timeout_s))
            // A bundle goes to the address that was configured and to no other.
            .redirect(redirect::Policy::none());
        let builder = without_proxy_on_loopback(builder, base);
        let client = with_roots(builder, base, settings)?.build();
        let client = client.map_err(|e| VerifierError::Client { detail: chain(&e) })?;
        Ok(Self { client, retry })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends `request` and repeats it, byte for byte, while the failure is one that may pass and
    /// the next attempt would not come after `until`.
    pub(crate) async fn send(
        &self,
        name: &'static str,
        request: Request,
        until: Option<Instant>,
        progress: &dyn Progress,
    ) -> Result<Settled, VerifierError> {
        let mut attempt = 1;
        let mut unable = None;
        loop {
            let failure = match self.attempt(&request).await? {
                Attempt::Answered(answer) => {
                    return Ok(Settled {
                        answer,
                        attempts: attempt,
                        unable,
                    });
                }
                Attempt::Failed(failure) => failure,
            };
            let wait = self
                .retry
                .wait_after(attempt, failure.retry_after, retry::jitter());
            let expired = comes_after(until, wait.or(failure.retry_after));
            let Some(wait) = wait.filter(|_| !expired) else {
                // What the verifier last said outlives a connection that failed after it.
                let said = unable.and_then(|earlier: Failure| earlier.problem);
                return Err(VerifierError::Unavailable {
                    request: name,
                    attempts: attempt,
                    expired,
                    cause: failure.cause,
                    retry_after: failure.retry_after,
                    problem: failure.problem.or(said),
                });
            };
            progress.step(&Step::Retrying {
                request: name,
                attempt,
                cause: &failure.cause,
                wait,
            });
            tokio::time::sleep(wait).await;
            attempt = attempt.saturating_add(1);
            if failure.status == Some(503) {
                unable = Some(failure);
            }
        }
    }

    async fn attempt(&self, request: &Request) -> Result<Attempt, VerifierError> {
        let copy = request.try_clone().ok_or_else(|| VerifierError::Client {
            detail: "the request cannot be repeated".to_owned(),
        })?;
        match self.exchange(copy).await? {
            Err(e) if e.is_builder() => Err(VerifierError::Client { detail: chain(&e) }),
            // Whatever happened on the way: sending the same bytes again is safe.
            Err(e) => Ok(Attempt::Failed(Failure {
                status: None,
                cause: chain(&e),
                retry_after: None,
                problem: None,
            })),
            Ok(answer) if is_to_be_repeated(answer.status) => Ok(Attempt::Failed(failure(&answer))),
            Ok(answer) => Ok(Attempt::Answered(answer)),
        }
    }

    /// One request and its answer. The outer error is final, the inner one may pass.
    pub(crate) async fn exchange(
        &self,
        mut request: Request,
    ) -> Result<Result<Answer, reqwest::Error>, VerifierError> {
        let trace = telemetry::outgoing().and_then(|trace| trace.try_into().ok());
        if let Some(trace) = trace {
            request.headers_mut().insert(TRACEPARENT, trace);
        }
        match self.client.execute(request).await {
            Ok(response) => read(response).await,
            Err(e) => Ok(Err(e)),
        }
    }
}

/// 202 means that the verifier has the bundle and waits for collateral: asking again with the same
/// bytes is how the receipt is fetched.
fn is_to_be_repeated(status: u16) -> bool {
    status == 202 || retry::is_transient(status)
}

fn failure(answer: &Answer) -> Failure {
    let problem = answer.problem();
    let cause = match answer.status {
        202 => "the verifier has not finished yet".to_owned(),
        _ => problem.to_string(),
    };
    Failure {
        status: Some(answer.status),
        cause,
        retry_after: answer.retry_after(),
        problem: problem.from_verifier.then(|| Box::new(problem)),
    }
}

/// Whether an attempt after this wait would come after `until`.
fn comes_after(until: Option<Instant>, wait: Option<Duration>) -> bool {
    let next = Instant::now().checked_add(wait.unwrap_or_default());
    until.is_some_and(|until| next.is_none_or(|next| next > until))
}

/// The time on this machine's clock.
pub(crate) fn now() -> UnixTime {
    let now_s = SystemClock::new().unix_ms() / 1000;
    UnixTime::from_secs(i64::try_from(now_s).unwrap_or(i64::MAX))
}

async fn read(mut response: Response) -> Result<Result<Answer, reqwest::Error>, VerifierError> {
    let received = Instant::now();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(e) => return Ok(Err(e)),
        }
        if body.len() > MAX_ANSWER_BYTES {
            return Err(VerifierError::AnswerTooLarge {
                limit: MAX_ANSWER_BYTES,
            });
        }
    }
    Ok(Ok(Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body,
        received,
    }))
}

/// A proxy of the environment cannot reach this machine's own loopback.
fn without_proxy_on_loopback(builder: ClientBuilder, base: &Url) -> ClientBuilder {
    match is_loopback(base) {
        true => builder.no_proxy(),
        false => builder,
    }
}

/// Whether the address names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<std::net::IpAddr> = address.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// The roots a TLS certificate may end in. Without TLS none are loaded, so that a container without
/// a certificate store can reach a verifier beside it.
fn with_roots(
    builder: ClientBuilder,
    base: &Url,
    settings: &HttpSettings,
) -> Result<ClientBuilder, VerifierError> {
    match &settings.ca_file {
        _ if base.scheme() == "http" => Ok(builder.tls_certs_only([])),
        None => Ok(builder),
        Some(path) => {
            let pem = files::read_bounded(path, MAX_ROOTS_BYTES)?;
            let roots = Certificate::from_pem_bundle(&pem)
                .map_err(|e| VerifierError::Client { detail: chain(&e) })?;
            Ok(builder.tls_certs_only(roots))
        }
    }
}

/// An error with its causes, which is where reqwest tells what happened.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The trace that a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const USER_AGENT: &str = concat!("pogw-attestation-agent/", env!("CARGO_PKG_VERSION"));
/// The longest answer read, in bytes. A receipt for 128 devices has about 400 KiB.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// The longest file of roots read, in bytes; all public roots together have about 250 KiB.
const MAX_ROOTS_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised_by_address_and_by_name() {
        let table = [
            ("http://127.0.0.1:8080", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:8080", true),
            ("http://localhost:8080", true),
            ("http://localhost.example", false),
            ("http://verifier:8080", false),
            ("http://10.0.0.1", false),
        ];
        for (url, expected) in table {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
