//! Every metric there is, at a glance. The table in `docs/observability.md` says the same; a test compares the two, and both
//! with what is served.
//!
//! Names follow Prometheus' conventions: base units, `_total` for what only grows. The figures of the process bear the names
//! that every exporter gives them.

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts};

/// Bounds of every latency, in seconds: from 100 µs, below which nothing here that is asked for over HTTP ends, to 60 s, the
/// longest a request takes unless configured otherwise. Two or three for each decade, so that a quantile is off by a factor
/// of 2.5 at most.
pub(super) const LATENCY_S: [f64; 18] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, and begins anew with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Latencies, in the bounds of [`LATENCY_S`].
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

macro_rules! table {
    ($($row:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $row: Row = Row {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*
        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[Row] = &[$($row),*];
    };
}

#[rustfmt::skip]
table! {
    // HTTP
    HTTP_REQUESTS: Counter "pogw_http_requests_total" ["method", "route", "status"] "Requests answered.";
    HTTP_SECONDS: Histogram "pogw_http_request_duration_seconds" ["method", "route"] "Time from a request to the head of its answer.";
    HTTP_IN_FLIGHT: Gauge "pogw_http_requests_in_flight" [] "Requests being answered now.";
    HTTP_ABANDONED: Counter "pogw_http_requests_abandoned_total" [] "Requests whose client went away before the answer.";
    HTTP_RECEIVED: Counter "pogw_http_received_bytes_total" [] "Bytes of bodies read.";
    HTTP_SENT: Counter "pogw_http_sent_bytes_total" [] "Bytes of answers whose length is known when they begin.";
    LONG_POLLS: Gauge "pogw_long_polls_held" [] "Requests of agents that wait for something to do.";
    EVENT_STREAMS: Gauge "pogw_event_streams_open" [] "Histories of jobs that somebody follows.";
    TLS_EXPIRY: Gauge "pogw_tls_certificate_expiry_timestamp_seconds" [] "When the first certificate of the chain in use expires. Absent without TLS of the service's own.";
    // Verdicts
    VERDICTS: Counter "pogw_verdicts_total" ["subject", "verdict", "reason"] "Verdicts reached.";
    VERDICT_SECONDS: Histogram "pogw_verdict_duration_seconds" ["subject"] "Time from evidence to a verdict, with waiting for a place and for collateral.";
    PLACES: Gauge "pogw_worker_places" ["pool"] "Places to compute in.";
    PLACES_USED: Gauge "pogw_worker_places_in_use" ["pool"] "Places that are taken.";
    PLACES_AWAITED: Gauge "pogw_worker_waiting" ["pool"] "Computations that wait for a place.";
    PLACES_REFUSED: Counter "pogw_worker_refused_total" ["pool"] "Computations that found no room to wait in.";
    // Collateral
    LOOKUPS: Counter "pogw_collateral_lookups_total" ["kind", "outcome"] "Look-ups of collateral for appraisals.";
    FETCHES: Counter "pogw_collateral_fetches_total" ["source", "outcome"] "Requests to sources of collateral.";
    FETCH_SECONDS: Histogram "pogw_collateral_fetch_duration_seconds" ["source"] "Time of a request to a source of collateral.";
    REFUSED: Counter "pogw_collateral_refused_total" ["kind"] "Documents that came and are of no use.";
    KEPT: Gauge "pogw_collateral_kept" ["kind", "freshness"] "Documents kept that were fetched.";
    OLDEST: Gauge "pogw_collateral_oldest_age_seconds" ["kind"] "Time since the oldest usable document that is kept was fetched.";
    // Signing
    SIGNATURES: Counter "pogw_signatures_total" ["algorithm", "outcome"] "Signatures under receipts that were asked for.";
    SIGNATURE_SECONDS: Histogram "pogw_signature_duration_seconds" ["algorithm"] "Time of a signature.";
    KEYS: Gauge "pogw_signing_keys" ["stage"] "Keys of the service by where they stand in their life.";
    KEY_SINCE: Gauge "pogw_signing_key_since_timestamp_seconds" [] "Since when the key that signs may sign. Absent where none may.";
    KEY_NEXT: Gauge "pogw_signing_key_next_timestamp_seconds" [] "From when its successor will sign. Absent where none is announced.";
    // Store
    STORE_SECONDS: Histogram "pogw_store_session_duration_seconds" ["operation"] "Time that a connection was used for one operation.";
    STORE_WAIT_SECONDS: Histogram "pogw_store_wait_duration_seconds" ["operation"] "Time until an operation had its connection.";
    STORE_FAILURES: Counter "pogw_store_failures_total" ["kind"] "Operations that failed, those tried again included.";
    STORE_CONNECTIONS: Gauge "pogw_store_connections" ["state"] "Connections of the pool.";
    STORE_CONNECTIONS_MAX: Gauge "pogw_store_connections_max" [] "Most connections of the pool.";
    STORE_WAITING: Gauge "pogw_store_waiting" ["operation"] "Operations that wait for a connection.";
    STORE_UP: Gauge "pogw_store_up" [] "1 where the store answered for this scrape in time, else 0; then what it would have said is absent.";
    STORE_BYTES: Gauge "pogw_store_size_bytes" [] "Size of the database.";
    // Jobs
    JOBS: Gauge "pogw_jobs_living" ["status"] "Jobs that have not ended, of all verifiers on the store.";
    ASSIGNMENTS: Gauge "pogw_assignments_open" ["status"] "Assignments of which something may still be asked, of all verifiers on the store.";
    AGENTS: Gauge "pogw_agents" ["state"] "Agents enrolled, by whether they were heard of lately.";
    JOB_EVENTS: Counter "pogw_job_events_total" ["event"] "What happened to jobs at this verifier; assignment_expired counts leases that ran out.";
    JOB_FAILURES: Counter "pogw_job_failures_total" [] "Jobs that failed to go on and were put off.";
    // Webhooks
    WEBHOOK_ATTEMPTS: Counter "pogw_webhook_attempts_total" ["outcome"] "Attempts to tell a webhook.";
    WEBHOOK_SECONDS: Histogram "pogw_webhook_attempt_duration_seconds" [] "Time of an attempt.";
    OUTBOX: Gauge "pogw_webhook_outbox" ["status"] "Messages that are still to be delivered, and those given up.";
    // Traces
    TRACE_SPANS: Counter "pogw_trace_spans_total" ["outcome"] "Steps of traces that ended, that the collector took, that it did not take.";
    // Process
    BUILD: Gauge "pogw_build_info" ["version"] "1, with the version.";
    CLOCK: Gauge "pogw_clock_timestamp_seconds" [] "The clock that receipts are dated by.";
    PROCESS_CPU: Counter "process_cpu_seconds_total" [] "Processor time, of user and system.";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" [] "Resident memory.";
    PROCESS_FDS: Gauge "process_open_fds" [] "Open file descriptors.";
    PROCESS_FDS_MAX: Gauge "process_max_fds" [] "Most file descriptors.";
    PROCESS_START: Gauge "process_start_time_seconds" [] "When the process began.";
}

/// Why a row makes a metric: the test of the table makes every one.
const IS_VALID: &str = "names and labels of the table are valid";

impl Row {
    pub(super) fn counter(self) -> IntCounterVec {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        IntCounterVec::new(self.opts(), self.labels).expect(IS_VALID)
    }

    pub(super) fn count(self) -> IntGaugeVec {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        IntGaugeVec::new(self.opts(), self.labels).expect(IS_VALID)
    }

    pub(super) fn gauge(self) -> GaugeVec {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        GaugeVec::new(self.opts(), self.labels).expect(IS_VALID)
    }

    pub(super) fn histogram(self) -> HistogramVec {
        debug_assert_eq!(self.kind, Kind::Histogram, "{}", self.name);
        let opts = HistogramOpts::from(self.opts()).buckets(LATENCY_S.into());
        HistogramVec::new(opts, self.labels).expect(IS_VALID)
    }

    fn opts(self) -> Opts {
        Opts::new(self.name, self.help)
    }
}
