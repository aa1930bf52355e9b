//! Fetching what is not at hand: a runtime, and the time there is.
//!
//! In scope: when it ends. Out of scope: requests, which are the verifier's own, and what comes back.

use std::time::Duration;

use reqwest::Url;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use verifier_service::appraiser::{Inquiry, Wants};
use verifier_service::collateral::Collateral;

use crate::failure::Failure;

/// How long everything may take together. A device takes two rounds of requests, of ten seconds at most each.
const PATIENCE: Duration = Duration::from_secs(30);

/// A way to the services of the command line.
pub(super) struct Network {
    /// Taken when dropped.
    runtime: Option<Runtime>,
    deadline: Instant,
}

impl Network {
    /// Starts no thread before the first name is looked up.
    pub(super) fn open() -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::Unavailable(format!("cannot prepare for requests: {error}"))
        })?;
        Ok(Self {
            runtime: Some(runtime),
            deadline: Instant::now() + PATIENCE,
        })
    }

    /// Obtains what is wanted, as far as it can be had in time.
    pub(super) fn obtain(&self, inquiry: &mut Inquiry, collateral: &Collateral, wants: Wants) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(inquiry.obtain(collateral, wants, self.deadline));
        }
    }
}

impl Drop for Network {
    /// A thread that looks up a name cannot be stopped; nobody waits for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The address of a service. Whatever comes from there is signed, so plain HTTP will do: it can hide an answer, not
/// make one.
///
/// # Errors
/// It is no address of HTTP.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(text.to_owned()),
        other => Err(format!("expected http or https, got {other}")),
    }
}
