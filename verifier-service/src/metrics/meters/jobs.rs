//! What happens to jobs.

use jobs::Event;
use prometheus::IntCounterVec;
use prometheus::core::Collector;

use super::super::table;
use super::{Meters, collectors};

/// Events and failures.
#[derive(Clone, Debug)]
pub(crate) struct JobMeters {
    events: IntCounterVec,
    failures: IntCounterVec,
}

impl Default for JobMeters {
    fn default() -> Self {
        let failures = table::JOB_FAILURES.counter();
        failures.with_label_values::<&str>(&[]);
        Self {
            events: table::JOB_EVENTS.counter(),
            failures,
        }
    }
}

impl JobMeters {
    /// These events were written here.
    pub(crate) fn happened(&self, events: &[Event]) {
        for event in events {
            let kind = [event.kind.as_str()];
            self.events.with_label_values(&kind).inc();
        }
    }

    /// A job failed to go on.
    pub(crate) fn failed(&self) {
        self.failures.with_label_values::<&str>(&[]).inc();
    }

    /// How often jobs failed to go on.
    #[cfg(test)]
    pub(crate) fn failures(&self) -> u64 {
        self.failures.with_label_values::<&str>(&[]).get()
    }
}

impl Meters for JobMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        collectors![self.events, self.failures]
    }
}
