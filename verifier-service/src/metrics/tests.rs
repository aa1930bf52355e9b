//! The table, the page and the exposition say the same; a scrape costs no more than it says and hides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use evidence::UnixTime;
use prometheus::core::Collector;
use tempfile::TempDir;

use super::meters::Meters;
use super::table::{ALL, Kind, LATENCY_S, Row};
use super::*;
use crate::clock::ManualClock;
use crate::config::{Config, MetricsSettings};
use crate::service::Service;
use crate::statistics::Subject;
use crate::store::outbox::Attempt;

const PAGE: &str = include_str!("../../../docs/observability.md");

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A service that answers requests and scrapes, until the runtime ends.
struct Watched {
    service: std::net::SocketAddr,
    scrapes: std::net::SocketAddr,
    folder: TempDir,
}

impl Watched {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            state_dir: folder.path().join("state"),
            issuer: "https://verifier.example".into(),
            audience: vec!["https://market.example".into()],
            metrics: MetricsSettings {
                listen: Some("127.0.0.1:0".parse().unwrap()),
            },
            ..Config::default()
        };
        let clock = ManualClock::new(UnixTime::from_secs(1_800_000_000));
        let service = Service::open(config, std::sync::Arc::new(clock))
            .await
            .unwrap();
        let scrapes = service.metrics_address().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(service.serve(listener, std::future::pending()));
        Self {
            service: address,
            scrapes,
            folder,
        }
    }

    async fn get(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.service);
        reqwest::get(url).await.unwrap().status().as_u16()
    }

    async fn scrape(&self) -> Scrape {
        let url = format!("http://{}/metrics", self.scrapes);
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.status(), 200);
        let media_type = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8");
        Scrape(answer.text().await.unwrap())
    }
}

struct Scrape(String);

impl Scrape {
    /// The value of a sample, by its name with labels.
    fn value(&self, sample: &str) -> Option<f64> {
        let mut lines = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        let (_, value) = lines.find(|(name, _)| *name == sample)?;
        Some(value.parse().unwrap())
    }

    /// The types that are stated, by name.
    fn types(&self) -> BTreeMap<&str, &str> {
        let types = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| line.split_once(' ')).collect()
    }
}

/// The rows of the page's tables that are about metrics: name, kind, labels.
fn rows_of_page() -> Vec<[String; 3]> {
    let cells = |line: &str| {
        let mut cells = line.trim_matches('|').split(" | ").map(|cell| {
            let cell = cell.trim().trim_matches('`');
            cell.replace('`', "")
        });
        Some([cells.next()?, cells.next()?, cells.next()?])
    };
    let lines = PAGE.lines().filter(|line| {
        line.starts_with("| `pogw_") && !line.contains("pogw_agent_")
            || line.starts_with("| `process_")
    });
    lines.filter_map(cells).collect()
}

#[test]
fn the_page_has_every_metric_as_it_is() {
    let of_table = |row: &Row| {
        let labels = match row.labels {
            [] => String::new(),
            labels => labels.join(", "),
        };
        [row.name.to_owned(), row.kind.as_str().to_owned(), labels]
    };
    let table: Vec<_> = ALL.iter().map(of_table).collect();
    assert_eq!(rows_of_page(), table);
}

#[test]
fn names_follow_the_conventions() {
    for row in ALL {
        let is_counter = row.kind == Kind::Counter;
        assert_eq!(row.name.ends_with("_total"), is_counter, "{}", row.name);
        assert!(row.help.ends_with('.') || row.help.contains('.') || row.name == "pogw_build_info");
        let is_latency = row.kind == Kind::Histogram;
        assert_eq!(
            row.name.ends_with("_duration_seconds"),
            is_latency,
            "{}",
            row.name
        );
    }
    assert_eq!(
        (LATENCY_S[0], LATENCY_S[LATENCY_S.len() - 1]),
        (0.0001, 60.0)
    );
    assert!(LATENCY_S.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_has_what_the_table_has_and_nothing_else() {
    let watched = Watched::start().await;
    assert_eq!(watched.get("/healthz").await, 200);
    assert_eq!(watched.get("/v1/receipts/secret-name").await, 404);
    assert_eq!(watched.get("/secret-path").await, 404);
    let scrape = watched.scrape().await;
    let types = scrape.types();
    for (name, kind) in &types {
        let row = ALL.iter().find(|row| row.name == *name);
        assert_eq!(row.map(|row| row.kind.as_str()), Some(*kind), "{name}");
    }
    // What has not happened yet has no sample, where its labels are not known beforehand.
    let unseen = [
        "pogw_assignments_open",
        "pogw_collateral_fetch_duration_seconds",
        "pogw_collateral_fetches_total",
        "pogw_collateral_oldest_age_seconds",
        "pogw_collateral_refused_total",
        "pogw_http_received_bytes_total",
        "pogw_job_events_total",
        "pogw_signature_duration_seconds",
        "pogw_signatures_total",
        "pogw_signing_key_next_timestamp_seconds",
        "pogw_tls_certificate_expiry_timestamp_seconds",
        "pogw_verdict_duration_seconds",
        "pogw_verdicts_total",
        "pogw_webhook_attempt_duration_seconds",
    ];
    let missing: Vec<_> = ALL
        .iter()
        .map(|row| row.name)
        .filter(|name| !types.contains_key(name) && !unseen.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());

    let requests = |route: &str, status: &str| {
        let sample = format!(
            "pogw_http_requests_total{{method=\"GET\",route=\"{route}\",status=\"{status}\"}}"
        );
        scrape.value(&sample)
    };
    assert_eq!(requests("/healthz", "2xx"), Some(1.0));
    assert_eq!(requests("/v1/receipts/{id}", "4xx"), Some(1.0));
    assert_eq!(requests("unmatched", "4xx"), Some(1.0));
    assert!(!scrape.0.contains("secret"), "{}", scrape.0);
    let table = [
        ("pogw_store_up", 1.0),
        ("pogw_http_requests_in_flight", 0.0),
        ("pogw_signing_keys{stage=\"usable\"}", 1.0),
        ("pogw_signing_key_since_timestamp_seconds", 1_800_000_000.0),
        ("pogw_clock_timestamp_seconds", 1_800_000_000.0),
        ("pogw_worker_waiting{pool=\"appraisals\"}", 0.0),
        ("pogw_webhook_outbox{status=\"dead\"}", 0.0),
        (
            concat!(
                "pogw_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"}"
            ),
            1.0,
        ),
    ];
    for (sample, expected) in table {
        assert_eq!(scrape.value(sample), Some(expected), "{sample}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_costs_its_own_figures() {
    use sqlx::{ConnectOptions, Connection, Executor};
    let watched = Watched::start().await;
    let database = watched.folder.path().join("state/verifier.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let mut other = options.connect().await.unwrap();
    // What is asked for is no table any more: every statement about it fails.
    let gone = "ALTER TABLE deliveries RENAME TO elsewhere";
    other.execute(sqlx::AssertSqlSafe(gone)).await.unwrap();
    other.close().await.unwrap();
    let scrape = watched.scrape().await;
    assert_eq!(scrape.value("pogw_store_up"), Some(0.0));
    assert_eq!(scrape.value("pogw_store_size_bytes"), None);
    assert!(scrape.value("pogw_store_failures_total{kind=\"failed\"}") >= Some(1.0));
    assert!(scrape.value("process_open_fds") > Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_figures_is_served_there() {
    let watched = Watched::start().await;
    for path in ["/", "/v1/service", "/healthz"] {
        let url = format!("http://{}{path}", watched.scrapes);
        assert_eq!(reqwest::get(url).await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(watched.get("/metrics").await, 404);
}

fn text_of(meters: &dyn Meters) -> Scrape {
    let collectors = meters.collectors();
    let families: Vec<_> = collectors.iter().flat_map(|c| c.collect()).collect();
    Scrape(
        prometheus::TextEncoder::new()
            .encode_to_string(&families)
            .unwrap(),
    )
}

#[test]
fn words_of_clients_make_no_series() {
    use axum::http::{Method, StatusCode};
    let meters = HttpMeters::default();
    for n in 0..100 {
        let method = Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
        meters
            .begin()
            .answered(&method, "unmatched", StatusCode::NOT_FOUND, Some(7));
    }
    drop(meters.begin());
    let text = text_of(&meters);
    let sample = "pogw_http_requests_total{method=\"other\",route=\"unmatched\",status=\"4xx\"}";
    assert_eq!(text.value(sample), Some(100.0));
    assert_eq!(text.value("pogw_http_sent_bytes_total"), Some(700.0));
    assert_eq!(text.value("pogw_http_requests_abandoned_total"), Some(1.0));
    assert_eq!(text.value("pogw_http_requests_in_flight"), Some(0.0));
}

#[test]
fn verdicts_say_what_and_why() {
    let meters = VerdictMeters::default();
    let table = [
        ("granted", "granted", "none"),
        ("unverifiable", "unverifiable", "unverifiable"),
        ("nonce_mismatch", "refused", "nonce_mismatch"),
    ];
    for (word, verdict, reason) in table {
        meters.note(Subject::Opening, word, Duration::from_millis(1));
        let sample = format!(
            "pogw_verdicts_total{{reason=\"{reason}\",subject=\"opening\",verdict=\"{verdict}\"}}"
        );
        assert_eq!(text_of(&meters).value(&sample), Some(1.0), "{word}");
    }
    let count = "pogw_verdict_duration_seconds_count{subject=\"opening\"}";
    assert_eq!(text_of(&meters).value(count), Some(3.0));
}

#[test]
fn signatures_are_counted_by_outcome() {
    use receipt::{Algorithm, Jwk, LocalSigner, SignError, Signer};
    struct Broken(std::sync::Arc<LocalSigner>);
    impl Signer for Broken {
        fn public_jwk(&self) -> &Jwk {
            self.0.public_jwk()
        }
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
            let reason = "token removed".to_owned();
            Err(SignError::Failed { reason })
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let key = crate::keys::nvidia(folder.path()).unwrap();
    let meters = SigningMeters::default();
    meters.over(key.clone()).sign(b"one").unwrap();
    meters
        .over(std::sync::Arc::new(Broken(key)))
        .sign(b"one")
        .unwrap_err();
    meters.no_key();
    let algorithm = Algorithm::Es384.as_str();
    for (algorithm, outcome) in [
        (algorithm, "signed"),
        (algorithm, "failed"),
        ("none", "no_key"),
    ] {
        let sample =
            format!("pogw_signatures_total{{algorithm=\"{algorithm}\",outcome=\"{outcome}\"}}");
        assert_eq!(text_of(&meters).value(&sample), Some(1.0), "{outcome}");
    }
}

#[test]
fn attempts_that_were_not_made_are_not_counted() {
    let meters = WebhookMeters::default();
    let took = Duration::from_millis(1);
    let until = UnixTime::from_secs(0);
    meters.attempted(&Attempt::Postponed { until }, took);
    meters.attempted(&Attempt::Delivered, took);
    let text = text_of(&meters);
    let delivered = text.value("pogw_webhook_attempts_total{outcome=\"delivered\"}");
    assert_eq!(delivered, Some(1.0));
    assert_eq!(
        text.value("pogw_webhook_attempt_duration_seconds_count"),
        Some(1.0)
    );
}

#[test]
fn every_row_makes_a_metric() {
    for row in ALL {
        let made: Box<dyn Collector> = match row.kind {
            Kind::Counter => Box::new(row.counter()),
            Kind::Gauge => Box::new(row.gauge()),
            Kind::Histogram => Box::new(row.histogram()),
        };
        assert_eq!(made.desc().len(), 1, "{}", row.name);
    }
}
