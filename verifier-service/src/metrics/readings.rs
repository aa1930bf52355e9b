//! What is read when somebody asks, and the text of everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evidence::UnixTime;
use jobs::JobStatus;
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, GaugeVec, Opts, Registry, TextEncoder};
use tokio::time::timeout;

use super::meters::Meters;
use super::process::Usage;
use super::table::{self, Row};
use crate::agents::PRESENT_FOR_S;
use crate::clock::Clock;
use crate::collateral::Collateral;
use crate::connections::Certificates;
use crate::hub::Hub;
use crate::judge::Proceedings;
use crate::keys::Keys;
use crate::store::{Counts, SqlStore};
use crate::workers::Workers;

/// How long the store may take for its part of a scrape. Prometheus waits ten seconds unless told otherwise.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// Stati of jobs that have not ended.
const LIVING: [&str; 4] = [
    JobStatus::Open.as_str(),
    JobStatus::Opening.as_str(),
    JobStatus::Disputed.as_str(),
    JobStatus::Accepted.as_str(),
];

/// What is read when somebody asks.
pub(crate) struct Readings {
    /// Places to compute in.
    pub(crate) proceedings: Proceedings,
    /// The same for the openings of jobs.
    pub(crate) of_jobs: Proceedings,
    /// What is kept of manifests and answers.
    pub(crate) collateral: Arc<Collateral>,
    /// The keys that sign.
    pub(crate) keys: Keys,
    /// What TLS is spoken with, where it is.
    pub(crate) certificates: Option<Certificates>,
    /// Who waits.
    pub(crate) hub: Hub,
    /// Jobs, agents, messages.
    pub(crate) store: SqlStore,
    /// Says when.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Every figure of a service, as text.
pub(crate) struct Exposition {
    registry: Registry,
    readings: Readings,
}

impl Exposition {
    /// Over these meters, each of them once.
    pub(crate) fn new(readings: Readings, meters: &[&dyn Meters]) -> Self {
        let registry = Registry::new();
        for collector in meters.iter().flat_map(|meters| meters.collectors()) {
            registry
                .register(collector)
                .expect("every row of the table is metered once");
        }
        Self { registry, readings }
    }

    /// What a scrape gets. A store that does not answer in time costs its own figures.
    pub(crate) async fn text(&self) -> prometheus::Result<String> {
        let now = self.readings.clock.now();
        let since = UnixTime::from_secs(now.secs().saturating_sub(PRESENT_FOR_S));
        let counts = timeout(STORE_PATIENCE, self.readings.store.counts(since)).await;
        let counts = counts.ok().and_then(Result::ok);
        let mut families = self.registry.gather();
        families.extend(self.readings.read(now, counts.as_ref()).families());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        TextEncoder::new().encode_to_string(&families)
    }
}

impl Readings {
    fn read(&self, now: UnixTime, counts: Option<&Counts>) -> Reading {
        let mut reading = Reading::default();
        reading.set(table::BUILD, &[env!("CARGO_PKG_VERSION")], 1);
        reading.set(table::CLOCK, &[], now.secs());
        reading.process(&Usage::now());
        reading.traces(telemetry::spans());
        for (proceedings, appraisals, result_checks) in [
            (&self.proceedings, "appraisals", "result_checks"),
            (&self.of_jobs, "job_appraisals", "job_result_checks"),
        ] {
            reading.workers(appraisals, &proceedings.workers);
            reading.workers(result_checks, proceedings.result_checks.workers());
        }
        reading.set(table::LONG_POLLS, &[], signed(self.hub.agents_waiting()));
        reading.collateral(&self.collateral, now);
        reading.keys(&self.keys, now);
        if let Some(at) = self.certificates.as_ref().and_then(Certificates::expires) {
            reading.set(table::TLS_EXPIRY, &[], at.secs());
        }
        reading.store(&self.store, counts);
        reading
    }
}

/// The figures of one scrape.
#[derive(Default)]
struct Reading {
    registry: Registry,
    gauges: BTreeMap<&'static str, GaugeVec>,
}

impl Reading {
    fn set(&mut self, row: Row, labels: &[&str], value: i64) {
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        self.set_real(row, labels, value as f64);
    }

    fn set_real(&mut self, row: Row, labels: &[&str], value: f64) {
        let registry = &self.registry;
        let gauge = self.gauges.entry(row.name).or_insert_with(|| {
            let gauge = row.gauge();
            // A name is new here, and the registry of this scrape alone.
            let _ = registry.register(Box::new(gauge.clone()));
            gauge
        });
        gauge.with_label_values(labels).set(value);
    }

    /// Something that only grows and is counted elsewhere.
    fn count(&mut self, row: Row, values: &[(&[&str], f64)]) {
        let Ok(counter) = CounterVec::new(Opts::new(row.name, row.help), row.labels) else {
            return;
        };
        for (labels, value) in values {
            counter.with_label_values(labels).inc_by(*value);
        }
        let _ = self.registry.register(Box::new(counter));
    }

    fn process(&mut self, usage: &Usage) {
        let gauges = [
            (table::PROCESS_MEMORY, usage.resident_bytes),
            (table::PROCESS_FDS, usage.fds),
            (table::PROCESS_FDS_MAX, usage.max_fds),
            (table::PROCESS_START, usage.started_s),
        ];
        for (row, value) in gauges {
            if let Some(value) = value {
                self.set_real(row, &[], value);
            }
        }
        if let Some(cpu_s) = usage.cpu_s {
            self.count(table::PROCESS_CPU, &[(&[], cpu_s)]);
        }
    }

    fn traces(&mut self, spans: telemetry::Spans) {
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let real = |count: u64| count as f64;
        let values: [(&[&str], f64); 3] = [
            (&["ended"], real(spans.ended)),
            (&["exported"], real(spans.exported)),
            (&["failed"], real(spans.failed)),
        ];
        self.count(table::TRACE_SPANS, &values);
    }

    fn workers(&mut self, pool: &str, workers: &Workers) {
        let load = workers.load();
        self.set(table::PLACES, &[pool], signed(load.places));
        self.set(table::PLACES_USED, &[pool], signed(load.in_use));
        self.set(table::PLACES_AWAITED, &[pool], signed(load.waiting));
    }

    fn collateral(&mut self, collateral: &Collateral, now: UnixTime) {
        for (kind, kept) in collateral.kept(now) {
            let kind = kind.as_str();
            self.set(table::KEPT, &[kind, "fresh"], signed(kept.fresh));
            self.set(table::KEPT, &[kind, "stale"], signed(kept.stale));
            if let Some(oldest_s) = kept.oldest_s {
                self.set(table::OLDEST, &[kind], oldest_s);
            }
        }
    }

    fn keys(&mut self, keys: &Keys, now: UnixTime) {
        let standing = keys.standing(now);
        for (stage, count) in standing.stages {
            self.set(table::KEYS, &[stage.as_str()], signed(count));
        }
        for (row, at) in [
            (table::KEY_SINCE, standing.since),
            (table::KEY_NEXT, standing.next),
        ] {
            if let Some(at) = at {
                self.set(row, &[], at.secs());
            }
        }
    }

    fn store(&mut self, store: &SqlStore, counts: Option<&Counts>) {
        let pool = store.pool();
        self.set(table::STORE_CONNECTIONS, &["idle"], signed(pool.idle));
        self.set(table::STORE_CONNECTIONS, &["in_use"], signed(pool.in_use));
        self.set(table::STORE_CONNECTIONS_MAX, &[], signed(pool.most));
        self.set(table::STORE_UP, &[], counts.is_some().into());
        let Some(counts) = counts else { return };
        self.set(table::STORE_BYTES, &[], counts.bytes);
        for (row, groups, known) in [
            (table::JOBS, &counts.jobs, &LIVING[..]),
            (table::ASSIGNMENTS, &counts.assignments, &[]),
            (table::AGENTS, &counts.agents, &["present", "absent"]),
            (table::OUTBOX, &counts.outbox, &[]),
        ] {
            // None is a number, and what was there and is gone shall not be absent.
            for word in known {
                self.set(row, &[*word], 0);
            }
            for (label, count) in groups {
                self.set(row, &[label.as_str()], *count);
            }
        }
    }

    fn families(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
