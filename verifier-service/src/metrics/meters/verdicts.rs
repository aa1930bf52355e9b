//! Verdicts, and the places they are reached in.

use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramVec, IntCounterVec};

use super::super::table;
use super::{Meters, collectors, seconds};
use crate::problem::ProblemCode;
use crate::statistics::{GRANTED, Subject};

/// Verdicts by what was judged, what came of it and why.
#[derive(Clone, Debug)]
pub(crate) struct VerdictMeters {
    verdicts: IntCounterVec,
    times: HistogramVec,
}

/// Places that refuse whom they have no room for.
#[derive(Clone, Debug)]
pub(crate) struct PoolMeters {
    refused: IntCounterVec,
    name: &'static str,
}

impl Default for VerdictMeters {
    fn default() -> Self {
        Self {
            verdicts: table::VERDICTS.counter(),
            times: table::VERDICT_SECONDS.histogram(),
        }
    }
}

impl VerdictMeters {
    /// A verdict was reached: granted, or the code of the first reason.
    pub(crate) fn note(&self, subject: Subject, word: &'static str, took: Duration) {
        let (subject, (verdict, reason)) = (subject.as_str(), split(word));
        let labels = [subject, verdict, reason];
        self.verdicts.with_label_values(&labels).inc();
        let times = self.times.with_label_values(&[subject]);
        times.observe(seconds(took));
    }
}

fn split(word: &'static str) -> (&'static str, &'static str) {
    match word {
        GRANTED => (GRANTED, "none"),
        word if word == ProblemCode::Unverifiable.as_str() => (word, word),
        code => ("refused", code),
    }
}

impl PoolMeters {
    /// Of the places of this name.
    pub(crate) fn of(name: &'static str) -> Arc<Self> {
        let refused = table::PLACES_REFUSED.counter();
        // From the beginning, so that the first refusal is an increase.
        refused.with_label_values(&[name]);
        Arc::new(Self { refused, name })
    }

    /// Of places of another name, in the same figures.
    pub(crate) fn beside(&self, name: &'static str) -> Arc<Self> {
        let refused = self.refused.clone();
        refused.with_label_values(&[name]);
        Arc::new(Self { refused, name })
    }

    /// Somebody found no room.
    pub(crate) fn refuse(&self) {
        self.refused.with_label_values(&[self.name]).inc();
    }
}

impl Meters for VerdictMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        collectors![self.verdicts, self.times]
    }
}

impl Meters for PoolMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        collectors![self.refused]
    }
}
