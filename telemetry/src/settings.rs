//! Where traces go.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// All of it.
const MILLION: u32 = 1_000_000;

/// Where traces go, and which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// Address of a collector that speaks OTLP over HTTP; spans are posted to `<it>/v1/traces`. Without it there are none.
    pub otlp_endpoint: Option<String>,
    /// File of headers for the collector, such as a token: one a line, `Name: value`.
    pub headers_file: Option<PathBuf>,
    /// How many in a million of the traces that begin here are kept. Whoever began a trace elsewhere has decided.
    pub sample_ppm: u32,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            headers_file: None,
            sample_ppm: MILLION,
        }
    }
}

impl TelemetrySettings {
    /// Whether the share is one.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.sample_ppm <= MILLION
    }

    pub(crate) fn ratio(&self) -> f64 {
        f64::from(self.sample_ppm) / f64::from(MILLION)
    }

    /// The address that spans are posted to.
    pub(crate) fn address(&self) -> Option<String> {
        let base = self.otlp_endpoint.as_deref()?;
        Some(format!("{}/v1/traces", base.trim_end_matches('/')))
    }
}
