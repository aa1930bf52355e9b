//! From steps that ended to the collector.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData,
    SpanExporter, SpanProcessor,
};
use thiserror::Error;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::TARGET;
use crate::client::{OnRuntime, TIMEOUT};
use crate::headers::{self, HeadersError};
use crate::settings::TelemetrySettings;

/// Spans that wait for the collector, at most: about 4 MiB. More are dropped.
const QUEUE: usize = 4096;
/// Spans in one request.
const BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(2);

/// Why no traces can be exported as configured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The address cannot be used.
    #[error("telemetry.otlp_endpoint cannot be used: {0}")]
    Endpoint(String),
    /// What the collector is to be sent beside spans is not there.
    #[error("telemetry.headers_file: {0}")]
    Headers(#[from] HeadersError),
    /// There is no client.
    #[error("no client for the collector of traces: {0}")]
    Client(#[from] reqwest::Error),
}

/// What became of spans since the process began. What ended and is in neither of the others waits, or found the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// Steps that ended and were to be exported.
    pub ended: u64,
    /// Those that the collector took.
    pub exported: u64,
    /// Those that it did not take.
    pub failed: u64,
}

static ENDED: AtomicU64 = AtomicU64::new(0);
static EXPORTED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

/// Whether spans of this process go anywhere.
static EXPORTING: AtomicBool = AtomicBool::new(false);

/// Whether steps of this process are taken by an exporter.
#[must_use]
pub fn is_exporting() -> bool {
    EXPORTING.load(Ordering::Relaxed)
}

/// What became of the spans of this process.
#[must_use]
pub fn spans() -> Spans {
    Spans {
        ended: ENDED.load(Ordering::Relaxed),
        exported: EXPORTED.load(Ordering::Relaxed),
        failed: FAILED.load(Ordering::Relaxed),
    }
}

/// The way to the collector.
#[derive(Clone, Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// The way to the collector of the settings, if they name one. Needs a runtime that goes on for as long as it is used.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn open(
        settings: &TelemetrySettings,
        service: &'static str,
        version: &'static str,
    ) -> Result<Option<Self>, TelemetryError> {
        let Some(address) = settings.address() else {
            return Ok(None);
        };
        let headers = settings.headers_file.as_deref().map(headers::read);
        let otlp = Otlp::builder()
            .with_http()
            .with_headers(headers.transpose()?.unwrap_or_default())
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(OnRuntime::new(&address, service)?)
            .with_endpoint(address)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| TelemetryError::Endpoint(error.to_string()))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(Counted(otlp)).with_batch_config(batches);
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(opentelemetry::KeyValue::new("service.version", version))
            .build();
        let share = Sampler::TraceIdRatioBased(settings.ratio());
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Counting(processor.build()))
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(resource)
            .build();
        Ok(Some(Self(provider)))
    }

    /// Takes steps ([`span!`](crate::span)), and spans of this name that other layers see too.
    pub fn layer<S>(&self, also: &'static str) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        EXPORTING.store(true, Ordering::Relaxed);
        let is_step = move |metadata: &Metadata<'_>| {
            metadata.is_span() && (metadata.target() == TARGET || metadata.name() == also)
        };
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("pogw"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(filter_fn(is_step))
    }

    /// Sends what waits, within a time, and takes nothing more.
    pub async fn close(self, within: Duration) {
        let closing = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(within));
        match tokio::time::timeout(within, closing).await {
            Ok(Ok(Ok(()))) => {}
            _ => tracing::warn!("the last spans did not reach the collector of traces"),
        }
    }
}

/// Counts what becomes of batches.
#[derive(Debug)]
struct Counted<E>(E);

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let exported = self.0.export(batch).await;
        let counter = match exported {
            Ok(()) => &EXPORTED,
            Err(_) => &FAILED,
        };
        counter.fetch_add(count, Ordering::Relaxed);
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Counts what ends.
#[derive(Debug)]
struct Counting<P>(P);

impl<P: SpanProcessor> SpanProcessor for Counting<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            ENDED.fetch_add(1, Ordering::Relaxed);
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_is_away_costs_its_spans_and_nothing_else() {
        let settings = TelemetrySettings {
            // Nobody listens there.
            otlp_endpoint: Some("http://127.0.0.1:1/".to_owned()),
            ..TelemetrySettings::default()
        };
        let exporter = Exporter::open(&settings, "test", "0").unwrap().unwrap();
        let subscriber = tracing_subscriber::registry().with(exporter.layer("request"));
        let mut trace = None;
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..10 {
                let step = crate::span!("step", number = 1);
                step.in_scope(|| trace = crate::outgoing());
            }
            // Neither steps nor named so.
            tracing::info_span!("other").in_scope(|| {});
        });
        assert_eq!(trace.unwrap().len(), 55);
        let begun = Instant::now();
        exporter.close(Duration::from_secs(10)).await;
        assert!(begun.elapsed() < Duration::from_secs(9));
        let expected = Spans {
            ended: 10,
            exported: 0,
            failed: 10,
        };
        assert_eq!(spans(), expected);
    }

    #[test]
    fn nothing_is_opened_where_nobody_is_named() {
        let opened = Exporter::open(&TelemetrySettings::default(), "test", "0");
        assert!(opened.unwrap().is_none());
    }

    #[test]
    fn the_share_is_one() {
        for (sample_ppm, is_usable) in [(0, true), (1_000_000, true), (1_000_001, false)] {
            let settings = TelemetrySettings {
                sample_ppm,
                ..TelemetrySettings::default()
            };
            assert_eq!(settings.is_usable(), is_usable, "{sample_ppm}");
        }
    }
}
