//! One job's run is one trace, across agent and verifier: each is a process of its own and exports to a collector here.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Said;
use prost::Message;
use tests::scene::gemm;

use crate::place::{Market, audited};

/// The longest wait for spans.
const PATIENCE: Duration = Duration::from_secs(120);

/// A step as it was exported.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    /// Everything that is said of it, in one text.
    said: String,
}

/// Takes spans.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Listens; its address.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take));
        let router = router.with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }

    /// Every span of the trace that an agent's assignment began, once it is whole.
    async fn trace_of_assignment(&self) -> Vec<Span> {
        let started = Instant::now();
        loop {
            let spans = self.spans();
            let root = spans.iter().find(|span| span.name == "assignment");
            if let Some(root) = root {
                let of_trace = spans.iter().filter(|span| span.trace == root.trace);
                return of_trace.cloned().collect();
            }
            assert!(started.elapsed() < PATIENCE, "{spans:#?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap().attributes;
        let service = attributes
            .into_iter()
            .find(|said| said.key == "service.name");
        let service = match service.and_then(|said| said.value?.value) {
            Some(Said::StringValue(name)) => name,
            other => panic!("{other:?}"),
        };
        let spans = resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans);
        let spans = spans.map(|span| Span {
            service: service.clone(),
            said: format!("{span:?}"),
            name: span.name,
            trace: span.trace_id,
            id: span.span_id,
            parent: span.parent_span_id,
        });
        collector.0.lock().unwrap().extend(spans);
    }
}

/// The one span of this name and service; its parent, if that is exported too.
fn one<'a>(spans: &'a [Span], service: &str, name: &str) -> (&'a Span, Option<&'a Span>) {
    let mut found = spans
        .iter()
        .filter(|span| span.service == service && span.name == name);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("no {name} of {service}: {spans:#?}"));
    (span, spans.iter().find(|other| other.id == span.parent))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_is_one_trace_with_the_right_parents() {
    const AGENT: &str = "attestation-agent";
    const VERIFIER: &str = "pogw-verifier";
    let collector = Collector::default();
    let beside = format!(
        "[telemetry]\notlp_endpoint = {:?}\n",
        collector.start().await
    );
    let mut market = Market::open_with(None, &beside).await;
    let provider = market.provider().await;
    market.agent(&provider, 0).await;
    market.present(&provider, 1).await;
    let job = market.job(&gemm(64, "[]"), &audited(1)).await;
    market.until(&job, "settled").await;

    let spans = collector.trace_of_assignment().await;
    let (root, above) = one(&spans, AGENT, "assignment");
    assert!(root.parent.is_empty() && above.is_none(), "{root:?}");
    let table = [
        (AGENT, "accept", "assignment"),
        (VERIFIER, "POST /v1/assignments/{id}/accept", "accept"),
        (AGENT, "run", "assignment"),
        (AGENT, "evidence", "assignment"),
        (AGENT, "commitment", "assignment"),
        (
            VERIFIER,
            "POST /v1/assignments/{id}/commitment",
            "commitment",
        ),
        (AGENT, "open", "assignment"),
        (AGENT, "opening", "assignment"),
        (VERIFIER, "POST /v1/assignments/{id}/opening", "opening"),
        (VERIFIER, "judge", "POST /v1/assignments/{id}/opening"),
        (VERIFIER, "appraise", "judge"),
        (VERIFIER, "pass", "appraise"),
    ];
    for (service, name, parent) in table {
        let (_, above) = one(&spans, service, name);
        assert_eq!(
            above.map(|above| above.name.as_str()),
            Some(parent),
            "{name}"
        );
    }
    // What the verifier asks its store for is below what it was asked for.
    let (_, above) = one(&spans, VERIFIER, "store");
    assert!(above.is_some());
    for secret in [&market.tenant.key, &provider.key] {
        let says = |span: &Span| span.said.contains(secret.as_str());
        assert!(!collector.spans().iter().any(says));
    }
}
