//! How clients connect.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How clients connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// TLS, where this service speaks it itself.
    pub tls: TlsSettings,
}

/// TLS without a proxy. Both files are read again when one of them changes, and on SIGHUP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// PEM file with the certificate and those between it and the root; without it, HTTP in the clear.
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key, not open to others.
    pub key: Option<PathBuf>,
}

impl TlsSettings {
    /// Whether both are there, or none.
    pub(super) fn is_whole(&self) -> bool {
        self.certificate.is_some() == self.key.is_some()
    }
}
