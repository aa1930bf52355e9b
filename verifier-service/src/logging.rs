//! The log: JSON lines on standard error. The README of this crate lists them.
//!
//! Never in it: evidence, device identities, bodies, tokens, keys.

use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing::subscriber::set_global_default;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogLevel;

/// Starts logging, panics included. A second call changes nothing.
pub fn init(level: LogLevel) {
    if set_global_default(subscriber(level, std::io::stderr)).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// The form of the log, written to `writer`.
pub(crate) fn subscriber<W>(level: LogLevel, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Of dependencies warnings alone: at lower levels some log what they are handed.
    let filter = EnvFilter::new(format!("warn,verifier_service={}", level.as_str()));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer)
        .with_env_filter(filter)
        .finish()
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
