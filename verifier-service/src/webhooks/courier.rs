//! One attempt: a message posted to its webhook.
//!
//! Only the status counts. The body of the answer is not read, no redirect is followed, no proxy of the environment is
//! used, and the outcome of an attempt is put into words that a party may read: whoever chose the address learns a
//! status and nothing of what is behind it.

use std::time::{Duration, SystemTime};

use evidence::UnixTime;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, Response, Url, redirect};

use super::Vault;
use super::message::{Message, MessageId};
use super::reach::{Addresses, Reach};
use super::resolver::Resolver;
use super::signature::signatures;
use crate::store::outbox::Delivery;
use crate::upstream;

const USER_AGENT: &str = concat!("pogw-verifier/", env!("CARGO_PKG_VERSION"));
/// Longest time for an attempt.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Posts messages. Copies share their connections.
#[derive(Clone)]
pub(crate) struct Courier {
    reach: Reach,
    https: Client,
    http: Client,
    timeout: Duration,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver took it.
    Taken,
    /// The receiver wants nothing more (410).
    Gone,
    /// It did not arrive.
    Failed {
        /// In words for the webhook's party.
        why: String,
        /// When the receiver wants to be asked again at the earliest.
        retry_after: Option<Duration>,
    },
}

impl Courier {
    /// A courier that goes as far as `reach`, to receivers whose certificates lead to the roots of this machine.
    ///
    /// # Errors
    /// There are no roots to trust, or TLS cannot be had.
    pub(crate) fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        Self::with(reach, TIMEOUT, [])
    }

    /// The same with a time for each attempt, and with roots beside those of this machine.
    pub(super) fn with(
        reach: Reach,
        timeout: Duration,
        roots: impl IntoIterator<Item = Certificate>,
    ) -> Result<Self, reqwest::Error> {
        let by_https = match reach.to_private {
            true => Addresses::AlsoPrivate,
            false => Addresses::Public,
        };
        Ok(Self {
            reach,
            https: client(by_https, timeout)
                .https_only(true)
                .tls_certs_merge(roots)
                .build()?,
            // No roots: it never speaks TLS.
            http: client(Addresses::Loopback, timeout)
                .tls_certs_only([])
                .build()?,
            timeout,
        })
    }

    /// Posts the message of a delivery.
    pub(super) async fn post(&self, delivery: &Delivery, vault: &Vault, now: UnixTime) -> Outcome {
        // The configuration may allow less than when the webhook was registered.
        let url = match self.reach.url(&delivery.webhook.url) {
            Ok(url) => url,
            Err(error) => return failed(error.to_string()),
        };
        let id = MessageId::of(delivery);
        let body = Message::of(&delivery.event).text();
        let signed = signatures(vault, &delivery.webhook, &id, now, &body);
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => {
                tracing::error!(webhook = %delivery.webhook.id, cause = %error, "webhook cannot be told");
                return failed("this verifier cannot sign for the webhook".to_owned());
            }
        };
        let request = self
            .client(&url)
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", now.secs().to_string())
            .header("webhook-signature", signed)
            .body(body);
        match request.send().await {
            Ok(response) => outcome(&response),
            Err(error) => failed(self.reason(&error)),
        }
    }

    fn client(&self, url: &Url) -> &Client {
        match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        }
    }

    /// The same words for a name that does not exist and one that leads inside, so that nobody learns names from it.
    fn reason(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs())
        } else if error.is_connect() {
            "no connection, or no address that may be told".to_owned()
        } else {
            "the answer broke off or was not HTTP".to_owned()
        }
    }
}

fn client(addresses: Addresses, timeout: Duration) -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
        .dns_resolver(Resolver(addresses))
}

fn outcome(response: &Response) -> Outcome {
    match response.status().as_u16() {
        200..=299 => Outcome::Taken,
        410 => Outcome::Gone,
        status @ 300..=399 => failed(format!(
            "status {status}: a redirect, which is not followed"
        )),
        status => Outcome::Failed {
            why: format!("status {status}"),
            retry_after: upstream::retry_after(response.headers(), SystemTime::now()),
        },
    }
}

fn failed(why: String) -> Outcome {
    Outcome::Failed {
        why,
        retry_after: None,
    }
}
