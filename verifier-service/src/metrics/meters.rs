//! Counters and latencies, by the part of the service that has them. Copies share their numbers.

mod collateral;
mod http;
mod jobs;
mod signing;
mod store;
mod verdicts;
mod webhooks;

use std::time::Duration;

use prometheus::core::Collector;

pub(crate) use collateral::{CollateralKind, CollateralMeters, LookupOutcome, Source};
pub(crate) use http::{HttpMeters, OpenStream};
pub(crate) use jobs::JobMeters;
pub(crate) use signing::SigningMeters;
pub(crate) use store::{InUse, StoreMeters, StoreOperation};
pub(crate) use verdicts::{PoolMeters, VerdictMeters};
pub(crate) use webhooks::WebhookMeters;

/// What has meters to show.
pub(crate) trait Meters {
    /// Its metrics, for the registry.
    fn collectors(&self) -> Vec<Box<dyn Collector>>;
}

/// Boxes copies, which share their numbers.
macro_rules! collectors {
    ($($meter:expr),* $(,)?) => { vec![$(Box::new($meter.clone())),*] };
}
use collectors;

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
