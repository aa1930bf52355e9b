//! The verifier's HTTP interface, as a tenant or a provider uses it.
//!
//! In scope: the address, the API key, requests and their problems, patience with a service that is away for a moment.
//! Out of scope: what is asked, and how answers are shown.

mod key;
mod stream;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::Value;

use crate::Format;
use crate::failure::Failure;
use crate::fetch::{chain, is_this_machine};

pub(crate) use stream::{Event, EventStream};

/// Where to ask, as whom, and how to print the answer.
#[derive(Clone, Debug, Args)]
pub(crate) struct ApiArgs {
    /// Address of the verifier
    #[arg(long, env = "POGW_VERIFIER", value_name = "URL")]
    verifier: String,

    /// File with the API key; without it the key is read from the environment, POGW_API_KEY
    #[arg(long, env = "POGW_API_KEY_FILE", value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// How to print the answer
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// A verifier, and the key with which it is asked.
pub(crate) struct Api {
    base: Url,
    authorization: HeaderValue,
    client: Client,
}

/// A request, to be sent again where that is safe.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    accept: &'static str,
    body: Option<Vec<u8>>,
    idempotency_key: Option<String>,
    more: Vec<(&'static str, String)>,
}

impl Call {
    /// Reads something.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            accept: "application/json",
            body: None,
            idempotency_key: None,
            more: Vec::new(),
        }
    }

    /// Hands in a JSON text.
    pub(crate) fn post(path: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }

    /// With a parameter, where there is a value.
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query
            .extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// With a key under which the same request is done once.
    pub(crate) fn once(self, key: String) -> Self {
        let idempotency_key = Some(key);
        Self {
            idempotency_key,
            ..self
        }
    }

    /// An answer of another type.
    pub(crate) fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// With a header field.
    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.more.push((name, value));
        self
    }

    /// Whether nothing is done twice by sending it twice.
    fn is_repeatable(&self) -> bool {
        self.method == Method::GET || self.idempotency_key.is_some()
    }
}

impl Api {
    pub(crate) fn new(args: &ApiArgs) -> Result<Self, Failure> {
        let base = base_of(&args.verifier)?;
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(READ_TIMEOUT)
            .redirect(Policy::none())
            .build()
            .map_err(|error| Failure::Unavailable(format!("cannot use HTTP: {}", chain(&error))))?;
        Ok(Self {
            base,
            authorization: key::authorization(args.api_key_file.as_deref())?,
            client,
        })
    }

    /// The JSON of an answer; null where it has none.
    pub(crate) async fn json(&self, call: &Call) -> Result<Value, Failure> {
        let body = self.body(call).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        let json = serde_json::from_slice(&body);
        json.map_err(|error| Failure::unreadable("the verifier's answer", &error))
    }

    /// The bytes of an answer.
    pub(crate) async fn body(&self, call: &Call) -> Result<Vec<u8>, Failure> {
        let mut waits = if call.is_repeatable() {
            PATIENCE.as_slice()
        } else {
            &[]
        }
        .iter();
        loop {
            let failed = match self.send(call).await {
                Ok(answer) => match read(answer, MAX_ANSWER_BYTES).await {
                    Ok(body) => return Ok(body),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            match (&failed, waits.next()) {
                (Failure::Unavailable(_), Some(wait)) => tokio::time::sleep(*wait).await,
                _ => return Err(failed),
            }
        }
    }

    /// Sends a request once; an answer that is no success is a failure.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response, Failure> {
        let mut url = self.base.join(&call.path).map_err(Failure::usage)?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.client.request(call.method.clone(), url);
        request = request
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, call.accept);
        for (name, value) in &call.more {
            request = request.header(*name, value);
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let answer = request.send().await.map_err(|error| unavailable(&error))?;
        match answer.status().is_success() {
            true => Ok(answer),
            false => Err(problem(answer).await),
        }
    }
}

/// An API key goes over TLS alone, except on this machine.
fn base_of(address: &str) -> Result<Url, Failure> {
    let mut base =
        Url::parse(address).map_err(|error| Failure::Usage(format!("--verifier: {error}")))?;
    if base.scheme() != "https" && !is_this_machine(&base) {
        return Err(Failure::Usage(
            "--verifier: expected https, or http to this machine".to_owned(),
        ));
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(base)
}

fn unavailable(error: &reqwest::Error) -> Failure {
    Failure::Unavailable(format!("the verifier cannot be asked: {}", chain(error)))
}

async fn read(mut answer: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unavailable(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            let why = format!("expected at most {limit} bytes");
            return Err(Failure::unreadable("the verifier's answer", &why));
        }
    }
    Ok(body)
}

/// What the verifier says instead of an answer (RFC 9457): refused by it, or not possible now.
async fn problem(answer: Response) -> Failure {
    let status = answer.status();
    let said = read(answer, MAX_PROBLEM_BYTES).await.unwrap_or_default();
    let said: Value = serde_json::from_slice(&said).unwrap_or_default();
    let text = |member: &str| said.get(member).and_then(Value::as_str).map(printable);
    let code = text("code").unwrap_or_else(|| "no reason given".to_owned());
    let detail = text("detail")
        .or_else(|| text("title"))
        .map(|detail| format!(": {detail}"));
    let message = format!(
        "HTTP {} {code}{}",
        status.as_u16(),
        detail.unwrap_or_default()
    );
    let passing = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    match passing {
        true => Failure::Unavailable(message),
        false => Failure::Refused(message),
    }
}

/// A service's text without control characters, which a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(MAX_TEXT_CHARS).map(shown).collect()
}

/// Waits before a request that is safe to repeat is repeated.
const PATIENCE: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// Longest silence within an answer. A stream of events is never silent for so long.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer: a statement of a provider over a year.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
const MAX_PROBLEM_BYTES: usize = 1024 * 1024;
/// Longest text of a service that is shown, in characters.
const MAX_TEXT_CHARS: usize = 1000;
