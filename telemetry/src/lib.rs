//! Traces of both services: which steps a request or an assignment went through, and how long each took, across processes.
//!
//! ```text
//! span!(…) ──▶ Exporter::layer ──▶ bounded queue ──▶ OTLP over HTTP ──▶ a collector
//! traceparent (W3C Trace Context) comes in by adopt(…), goes out by outgoing()
//! ```
//!
//! # What's in scope
//!
//! * [`TelemetrySettings`]: off unless a collector is named; which share of traces is kept.
//! * [`Exporter`]: the way to the collector. Its queue is bounded; a collector that is away costs its spans, and a counter
//!   ([`spans`]). It ends within a time.
//! * [`span!`]: a step. Where nothing is exported it costs a load and a branch.
//! * [`adopt`], [`outgoing`]: the trace that a request belongs to, by the header of the W3C.
//!
//! # What's out of scope
//!
//! * The log: steps are not in it, and lines of the log are not in traces.
//! * What may be in a trace: names of steps, routes, statuses, names of jobs and assignments. Never bodies, tokens, keys,
//!   names of receipts and challenges, identities of devices.

mod client;
mod context;
mod exporter;
mod headers;
mod settings;

pub use context::{Incoming, adopt, attribute, name, outgoing};
pub use exporter::{Exporter, Spans, TelemetryError, is_exporting, spans};
pub use headers::HeadersError;
pub use settings::TelemetrySettings;
#[doc(hidden)]
pub use tracing;

/// The target of steps: in traces, and not in the log.
pub const TARGET: &str = "pogw_trace";

/// A step of a trace, below the one that is under way.
///
/// ```
/// let job = "j1";
/// let step = telemetry::span!("judge", job);
/// step.in_scope(|| {});
/// ```
#[macro_export]
macro_rules! span {
    (parent: $parent:expr, $name:literal $(, $($fields:tt)*)?) => {
        $crate::tracing::info_span!(target: "pogw_trace", parent: $parent, $name $(, $($fields)*)?)
    };
    ($name:literal $(, $($fields:tt)*)?) => {
        $crate::tracing::info_span!(target: "pogw_trace", $name $(, $($fields)*)?)
    };
}
