//! Posts to the collector with the client that both services use: TLS by rustls, the roots of this machine, no proxy of the
//! environment, no redirect.

use std::pin::Pin;
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, redirect};
use tokio::runtime::Handle;

/// Longest time for one request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer read; a collector says which spans it refused, in a few words.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A client whose requests are made on a runtime: whoever exports has a thread of its own without one.
#[derive(Debug)]
pub(crate) struct OnRuntime {
    client: Client,
    runtime: Handle,
}

impl OnRuntime {
    /// On the runtime that this is called from.
    pub(crate) fn new(address: &str, user_agent: &'static str) -> Result<Self, reqwest::Error> {
        let mut builder = Client::builder()
            .user_agent(user_agent)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT);
        if address.starts_with("http:") {
            // None are needed, so that a container without a certificate store can reach a collector beside it.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            client: builder.build()?,
            runtime: Handle::current(),
        })
    }
}

impl HttpClient for OnRuntime {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let sent = self.runtime.spawn(post(self.client.clone(), request));
        Box::pin(async move { sent.await? })
    }
}

async fn post(client: Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut response = client.execute(request.try_into()?).await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
            return Err("the answer of the collector is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    let answer = Response::builder().status(response.status());
    Ok(answer.body(body.into())?)
}
