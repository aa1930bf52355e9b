//! Deliveries to webhooks.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramVec, IntCounterVec};

use super::super::table;
use super::{Meters, collectors, seconds};
use crate::store::outbox::Attempt;

/// Attempts by outcome.
#[derive(Clone, Debug)]
pub(crate) struct WebhookMeters {
    attempts: IntCounterVec,
    times: HistogramVec,
}

impl Default for WebhookMeters {
    fn default() -> Self {
        let attempts = table::WEBHOOK_ATTEMPTS.counter();
        for outcome in ["delivered", "retry", "dead", "gone"] {
            attempts.with_label_values(&[outcome]);
        }
        Self {
            attempts,
            times: table::WEBHOOK_SECONDS.histogram(),
        }
    }
}

impl WebhookMeters {
    /// An attempt was made.
    pub(crate) fn attempted(&self, attempt: &Attempt, took: Duration) {
        let outcome = match attempt {
            Attempt::Delivered => "delivered",
            Attempt::Postponed { .. } => return,
            Attempt::Retry { .. } => "retry",
            Attempt::Dead { .. } => "dead",
            Attempt::Gone { .. } => "gone",
        };
        self.attempts.with_label_values(&[outcome]).inc();
        let times = self.times.with_label_values::<&str>(&[]);
        times.observe(seconds(took));
    }
}

impl Meters for WebhookMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        collectors![self.attempts, self.times]
    }
}
