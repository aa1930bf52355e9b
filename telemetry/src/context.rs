//! Which trace something belongs to: W3C Trace Context (<https://www.w3.org/TR/trace-context/>).

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::exporter::is_exporting;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// What a request says of its trace. Headers that are malformed say nothing, as the specification wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming<'a> {
    /// `traceparent`.
    pub traceparent: Option<&'a str>,
    /// `tracestate`.
    pub tracestate: Option<&'a str>,
}

impl Incoming<'_> {
    /// The name of the trace, if there is one.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        self.traceparent?;
        named(self.context().span().span_context())
    }

    fn context(&self) -> Context {
        TraceContextPropagator::new().extract_with_context(&Context::new(), self)
    }
}

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.traceparent,
            TRACESTATE => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// Puts a span, before it is entered, into the trace that the request says it is of; else it begins one. Returns the name
/// of the trace, 32 hexadecimal digits: the caller's also where nothing is exported; `None` where there is no trace then.
pub fn adopt(span: &Span, incoming: Incoming<'_>) -> Option<String> {
    let outside = incoming.context();
    let of_caller = named(outside.span().span_context());
    // Fails where nothing is exported, or nothing of this span.
    match span.set_parent(outside) {
        Ok(()) => named(span.context().span().span_context()).or(of_caller),
        Err(_) => of_caller,
    }
}

/// `traceparent` for a request that is sent now, by the step under way; `None` where none is exported.
#[must_use]
pub fn outgoing() -> Option<String> {
    if !is_exporting() {
        return None;
    }
    let mut header = Header::default();
    TraceContextPropagator::new().inject_context(&Context::current(), &mut header);
    header.0
}

/// Gives a span the name it has in its trace, where that turns out later.
pub fn name(span: &Span, name: impl FnOnce() -> String) {
    if is_exporting() {
        span.context().span().update_name(name());
    }
}

/// Says something of a span, in its trace alone.
pub fn attribute<V: Into<Value>>(span: &Span, key: &'static str, value: impl FnOnce() -> V) {
    if is_exporting() {
        let said = KeyValue::new(key, value());
        span.context().span().set_attribute(said);
    }
}

fn named(context: &SpanContext) -> Option<String> {
    context.is_valid().then(|| context.trace_id().to_string())
}

#[derive(Default)]
struct Header(Option<String>);

impl Injector for Header {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_caller_is_believed_by_the_form_of_its_header() {
        let table = [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), Some(TRACE)),
            (format!("00-{TRACE}-00f067aa0ba902b7-00"), Some(TRACE)),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), None),
            (format!("00-{TRACE}-0000000000000000-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            (
                format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
                None,
            ),
            (format!("00-{TRACE}-00f067aa0ba902b7"), None),
            ("secret".to_owned(), None),
            (String::new(), None),
        ];
        for (header, expected) in table {
            let incoming = Incoming {
                traceparent: Some(&header),
                tracestate: None,
            };
            let named = adopt(&Span::none(), incoming);
            assert_eq!(named.as_deref(), expected, "{header}");
        }
        assert_eq!(adopt(&Span::none(), Incoming::default()), None);
        assert_eq!(outgoing(), None);
    }
}
