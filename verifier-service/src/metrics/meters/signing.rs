//! Signatures under receipts.

use std::sync::Arc;
use std::time::Instant;

use prometheus::core::Collector;
use prometheus::{HistogramVec, IntCounterVec};
use receipt::{Jwk, SignError, Signer};

use super::super::table;
use super::{Meters, collectors, seconds};

/// Signatures by algorithm and outcome.
#[derive(Clone, Debug)]
pub(crate) struct SigningMeters {
    signatures: IntCounterVec,
    times: HistogramVec,
}

impl Default for SigningMeters {
    fn default() -> Self {
        Self {
            signatures: table::SIGNATURES.counter(),
            times: table::SIGNATURE_SECONDS.histogram(),
        }
    }
}

impl SigningMeters {
    /// No key may sign.
    pub(crate) fn no_key(&self) {
        self.signatures.with_label_values(&["none", "no_key"]).inc();
    }

    /// The same signer, counted.
    pub(crate) fn over(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        Arc::new(Metered {
            signer,
            meters: self.clone(),
        })
    }
}

struct Metered {
    signer: Arc<dyn Signer>,
    meters: SigningMeters,
}

impl Signer for Metered {
    fn public_jwk(&self) -> &Jwk {
        self.signer.public_jwk()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let begun = Instant::now();
        let algorithm = self.public_jwk().algorithm().as_str();
        let step = telemetry::span!("sign", algorithm);
        let signed = step.in_scope(|| self.signer.sign(message));
        let outcome = match &signed {
            Ok(_) => "signed",
            Err(_) => "failed",
        };
        let meters = &self.meters;
        let labels = [algorithm, outcome];
        meters.signatures.with_label_values(&labels).inc();
        let times = meters.times.with_label_values(&[algorithm]);
        times.observe(seconds(begun.elapsed()));
        signed
    }
}

impl Meters for SigningMeters {
    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        collectors![self.signatures, self.times]
    }
}
