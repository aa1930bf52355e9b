//! Manifests, answers about revocation, chains of devices.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramVec, IntCounter, IntCounterVec};

use super::super::table;
use super::{Meters, collectors, seconds};
use crate::upstream::Failure;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CollateralKind {
    /// A reference manifest.
    Rim,
    /// An answer about revocation.
    Ocsp,
    /// The chain of a device.
    Chain,
}

/// What a look-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupOutcome {
    /// The operator's directory has it.
    Directory,
    /// It is kept, and fresh.
    Fresh,
    /// It is kept, and its source could not be asked since it was fresh.
    Stale,
    /// It is known not to be available.
    Absent,
    /// It has to be fetched, or, a chain, to be examined.
    Missed,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// For manifests.
    RimService,
    /// About revocation.
    OcspResponder,
}

/// Look-ups and fetches. A look-up is on the way of every appraisal, so its counters are at hand.
#[derive(Clone, Debug)]
pub(crate) struct CollateralMeters {
    lookups: IntCounterVec,
    looked_up: [[IntCounter; OUTCOMES.len()]; KINDS.len()],
    fetches: IntCounterVec,
    times: HistogramVec,
    refused: IntCounterVec,
}

const KINDS: [CollateralKind; 3] = [
    CollateralKind::Rim,
    CollateralKind::Ocsp,
    CollateralKind::Chain,
];
const OUTCOMES: [LookupOutcome; 5] = [
    LookupOutcome::Directory,
    LookupOutcome::Fresh,
    LookupOutcome::Stale,
    LookupOutcome::Absent,
    LookupOutcome::Missed,
];

impl Default for CollateralMeters {
    fn default() -> Self {
        let lookups = table::LOOKUPS.counter();
        let of = |kind: CollateralKind, outcome: LookupOutcome| {
            lookups.with_label_values(&[kind.as_str(), outcome.as_str()])
        };
        Self {
            looked_up: KINDS.map(|kind| OUTCOMES.map(|outcome| of(kind, outcome))),
            lookups,
            fetches: table::FETCHES.counter(),
            times: table::FETCH_SECONDS.histogram(),
            refused: table::REFUSED.counter(),
        }
    }
}

impl CollateralMeters {
    /// Something was looked for.
    pub(crate) fn looked_up(&self, kind: CollateralKind, outcome: LookupOutcome) {
        // Both arrays are in the order of the words.
        self.looked_up[kind as usize][outcome as usize].inc();
    }

    /// A source was asked.
    pub(crate) fn fetched<T>(&self, source: Source, came: Result<&T, &Failure>, took: Duration) {
        let outcome = match came {
            Ok(_) => "delivered",
            Err(Failure::Missing { .. }) => "missing",
            Err(Failure::Forbidden(_)) => "forbidden",
            Err(Failure::Unavailable { .. }) => "unavailable",
            Err(Failure::Unusable(_)) => "unusable",
        };
        let source = source.as_str();
        self.fetches.with_label_values(&[source, outcome]).inc();
        let times = self.times.with_label_values(&[source]);
        times.observe(seconds(took));
    }

    /// What came is of no use.
    pub(crate) fn refused(&self, kind: CollateralKind) {
        self.refused.with_label_values(&[kind.as_str()]).inc();
    }
}

impl CollateralKind {
    /// The label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rim => "rim",
            Self::Ocsp => "ocsp",
            Self::Chain => "chain",
        }
    }
}

impl LookupOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Absent => "absent",
            Self::Missed => "missed",
        }
    }
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::RimService => "rim_service",
            Self::OcspResponder => "ocsp_responder",
        }
    }
}

impl Meters for CollateralMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        collectors![self.lookups, self.fetches, self.times, self.refused]
    }
}
