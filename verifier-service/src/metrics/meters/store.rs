//! The store: how long it is waited for, how long it takes, how it fails.

use std::time::Instant;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};
use tracing::Span;

use super::super::table;
use super::{Meters, collectors, seconds};
use crate::store::StoreError;

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreOperation {
    /// Statements that read.
    Read,
    /// A transaction.
    Write,
}

/// Operations by kind. Copies share their numbers.
#[derive(Clone, Debug)]
pub(crate) struct StoreMeters {
    times: HistogramVec,
    waits: HistogramVec,
    waiting: IntGaugeVec,
    failures: IntCounterVec,
}

/// Somebody who waits for a connection, until it is dropped.
pub(crate) struct Queued {
    waiting: IntGauge,
    times: Histogram,
    begun: Instant,
}

/// A connection in use, until it is dropped.
pub(crate) struct InUse {
    times: Histogram,
    begun: Instant,
    _step: Span,
}

impl Default for StoreMeters {
    fn default() -> Self {
        let meters = Self {
            times: table::STORE_SECONDS.histogram(),
            waits: table::STORE_WAIT_SECONDS.histogram(),
            waiting: table::STORE_WAITING.count(),
            failures: table::STORE_FAILURES.counter(),
        };
        for kind in StoreError::METERED {
            meters.failures.with_label_values(&[kind]);
        }
        meters
    }
}

impl StoreMeters {
    /// Somebody waits for a connection.
    pub(crate) fn queue(&self, operation: StoreOperation) -> Queued {
        let operation = [operation.as_str()];
        let waiting = self.waiting.with_label_values(&operation);
        waiting.inc();
        Queued {
            waiting,
            times: self.waits.with_label_values(&operation),
            begun: Instant::now(),
        }
    }

    /// Somebody has one.
    pub(crate) fn in_use(&self, operation: StoreOperation) -> InUse {
        let operation = operation.as_str();
        InUse {
            times: self.times.with_label_values(&[operation]),
            begun: Instant::now(),
            _step: telemetry::span!("store", operation),
        }
    }

    /// Counts a failure and hands it on.
    pub(crate) fn failed(&self, error: impl Into<StoreError>) -> StoreError {
        let error = error.into();
        self.failures.with_label_values(&[error.kind()]).inc();
        error
    }
}

impl StoreOperation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.waiting.dec();
        self.times.observe(seconds(self.begun.elapsed()));
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.times.observe(seconds(self.begun.elapsed()));
    }
}

impl Meters for StoreMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        collectors![self.times, self.waits, self.waiting, self.failures]
    }
}
