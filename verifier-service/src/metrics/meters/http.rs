//! Requests of clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::super::table;
use super::{Meters, collectors, seconds};

/// Requests, their times and sizes. A copy is one pointer: every request has several.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpMeters(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    requests: IntCounterVec,
    times: HistogramVec,
    in_flight: IntGaugeVec,
    abandoned: IntCounterVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    streams: IntGaugeVec,
    // The single values of those without labels.
    now: IntGauge,
    left: IntCounter,
    bytes_in: IntCounter,
    bytes_out: IntCounter,
    open_streams: IntGauge,
}

/// A request from its beginning; one that is dropped without an answer was abandoned.
#[derive(Debug)]
pub(crate) struct InFlight {
    meters: HttpMeters,
    begun: Instant,
    is_answered: bool,
}

/// A history of a job that somebody follows, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream(IntGauge);

impl Default for Numbers {
    fn default() -> Self {
        let (in_flight, streams) = (table::HTTP_IN_FLIGHT.count(), table::EVENT_STREAMS.count());
        let abandoned = table::HTTP_ABANDONED.counter();
        let (received, sent) = (table::HTTP_RECEIVED.counter(), table::HTTP_SENT.counter());
        Self {
            now: in_flight.with_label_values(NO_LABELS),
            left: abandoned.with_label_values(NO_LABELS),
            bytes_in: received.with_label_values(NO_LABELS),
            bytes_out: sent.with_label_values(NO_LABELS),
            open_streams: streams.with_label_values(NO_LABELS),
            requests: table::HTTP_REQUESTS.counter(),
            times: table::HTTP_SECONDS.histogram(),
            in_flight,
            abandoned,
            received,
            sent,
            streams,
        }
    }
}

const NO_LABELS: &[&str] = &[];

impl HttpMeters {
    /// A request begins.
    pub(crate) fn begin(&self) -> InFlight {
        self.0.now.inc();
        InFlight {
            meters: self.clone(),
            begun: Instant::now(),
            is_answered: false,
        }
    }

    /// A body was read.
    pub(crate) fn received(&self, bytes: usize) {
        self.0.bytes_in.inc_by(count(bytes));
    }

    /// Somebody follows a job.
    pub(crate) fn follow(&self) -> OpenStream {
        self.0.open_streams.inc();
        OpenStream(self.0.open_streams.clone())
    }
}

impl InFlight {
    /// How long it takes so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// It is answered. `route` is the pattern that matched, never the path that was asked for.
    pub(crate) fn answered(
        mut self,
        method: &Method,
        route: &str,
        status: StatusCode,
        bytes: Option<u64>,
    ) {
        self.is_answered = true;
        let (method, meters) = (known(method), &self.meters.0);
        let labels = [method, route, class(status)];
        meters.requests.with_label_values(&labels).inc();
        let times = meters.times.with_label_values(&[method, route]);
        times.observe(seconds(self.begun.elapsed()));
        meters.bytes_out.inc_by(bytes.unwrap_or_default());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.meters.0.now.dec();
        if !self.is_answered {
            self.meters.0.left.inc();
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Meters for HttpMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let numbers = &*self.0;
        collectors![
            numbers.requests,
            numbers.times,
            numbers.in_flight,
            numbers.abandoned,
            numbers.received,
            numbers.sent,
            numbers.streams
        ]
    }
}

/// Clients may send any word for a method.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("other")
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
