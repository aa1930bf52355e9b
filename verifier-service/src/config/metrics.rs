//! Where figures are served.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where figures are for whoever scrapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Address and port of `GET /metrics`; without it there is none. Nobody is asked for a credential there.
    pub listen: Option<SocketAddr>,
}
