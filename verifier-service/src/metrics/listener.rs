//! `GET /metrics`, on an address that nothing else is served on.
//!
//! No credential is asked for, as with every exporter: whoever can reach the address can read. It is off unless
//! configured.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutLayer;

use super::readings::Exposition;

/// Of the text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Scrapes at one time; a second Prometheus is common, a third is told to come again.
const SCRAPES_AT_ONCE: usize = 2;
/// Longest time for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A listener for scrapes.
pub(crate) struct Listener(TcpListener);

struct Served {
    exposition: Exposition,
    places: Semaphore,
}

impl Listener {
    /// Listens; nothing is answered yet.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// Where.
    ///
    /// # Errors
    /// The system does not say.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers scrapes until it is dropped.
    ///
    /// # Errors
    /// The listener failed.
    pub(crate) async fn serve(self, exposition: Exposition) -> io::Result<()> {
        axum::serve(self.0, router(exposition)).await
    }
}

pub(super) fn router(exposition: Exposition) -> Router {
    let served = Served {
        exposition,
        places: Semaphore::new(SCRAPES_AT_ONCE),
    };
    Router::new()
        .route("/metrics", get(scrape))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            TIMEOUT,
        ))
        .with_state(Arc::new(served))
}

async fn scrape(State(served): State<Arc<Served>>) -> Response {
    let Ok(_place) = served.places.try_acquire() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match served.exposition.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(cause = %error, "figures cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
