//! The log: JSON lines on standard error. The README of this crate lists them.
//!
//! Never in it: evidence, device identities, bodies, tokens, keys.

use std::panic::PanicHookInfo;

use telemetry::Exporter;
use tracing::Subscriber;
use tracing::subscriber::set_global_default;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::LogLevel;

/// The span of a request, which is in the log and in traces.
pub(crate) const REQUEST: &str = "request";

/// Starts logging, panics included. A second call changes nothing.
pub fn init(level: LogLevel) {
    init_with_traces(level, None);
}

/// The same, with traces, where they are exported.
pub fn init_with_traces(level: LogLevel, traces: Option<&Exporter>) {
    if set_global_default(subscriber(level, traces, std::io::stderr)).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// The form of the log, written to `writer`.
pub(crate) fn subscriber<W>(
    level: LogLevel,
    traces: Option<&Exporter>,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Of dependencies warnings alone: at lower levels some log what they are handed. Steps of traces are none of the log.
    let level = level.as_str();
    let filter = format!("warn,verifier_service={level},{}=off", telemetry::TARGET);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(EnvFilter::new(filter));
    let lines = tracing_subscriber::registry().with(lines);
    // A layer that may be absent would have every step that nobody takes asked about, each time.
    match traces {
        Some(traces) => Box::new(lines.with(traces.layer(REQUEST))),
        None => Box::new(lines),
    }
}

/// Where, and what if that is fixed text: a message put together at run time may hold what was being worked on.
fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(withheld)");
    tracing::error!(location, message, "panicked");
}
