//! Where collateral is fetched from, and how long it counts.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A RIM service, or a mirror of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RimServiceSettings {
    /// Address, below which `v1/rim/<id>` is asked for; without it manifests come from the directory alone.
    pub url: Option<String>,
    /// File with the service key sent as bearer token.
    pub service_key_file: Option<PathBuf>,
    /// PEM file with the roots to trust for TLS instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Proxy to go through; that of the environment is not used.
    pub proxy: Option<String>,
    /// Seconds a request may take in all.
    pub timeout_s: u32,
    /// Seconds a manifest counts as fresh.
    pub fresh_s: u32,
    /// Seconds after which a manifest is not used any more, if it could not be fetched again.
    pub max_stale_s: u32,
    /// Seconds it is remembered that there is no manifest of an id, or that access was refused.
    pub negative_s: u32,
}

/// An OCSP responder, or a relay to one, and a directory of its answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OcspSettings {
    /// Address that requests are posted to; without it answers come from the directory alone.
    pub url: Option<String>,
    /// Directory of responses, `*.der`, looked into first.
    pub dir: Option<PathBuf>,
    /// File with the service key sent as bearer token.
    pub service_key_file: Option<PathBuf>,
    /// PEM file with the roots to trust for TLS instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Proxy to go through; that of the environment is not used.
    pub proxy: Option<String>,
    /// Seconds a request may take in all.
    pub timeout_s: u32,
    /// Seconds it is remembered that the responder does not know a certificate, or refuses access.
    pub negative_s: u32,
}

/// What both have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpstreamSettings<'a> {
    pub(crate) service_key_file: Option<&'a Path>,
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) proxy: Option<&'a str>,
    pub(crate) timeout_s: u32,
}

impl Default for RimServiceSettings {
    fn default() -> Self {
        Self {
            url: None,
            service_key_file: None,
            ca_file: None,
            proxy: None,
            timeout_s: 10,
            fresh_s: 24 * 3600,
            max_stale_s: 7 * 24 * 3600,
            negative_s: 300,
        }
    }
}

impl Default for OcspSettings {
    fn default() -> Self {
        Self {
            url: None,
            dir: None,
            service_key_file: None,
            ca_file: None,
            proxy: None,
            timeout_s: 10,
            negative_s: 300,
        }
    }
}

impl RimServiceSettings {
    pub(crate) fn upstream(&self) -> UpstreamSettings<'_> {
        UpstreamSettings {
            service_key_file: self.service_key_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
            proxy: self.proxy.as_deref(),
            timeout_s: self.timeout_s,
        }
    }
}

impl OcspSettings {
    pub(crate) fn upstream(&self) -> UpstreamSettings<'_> {
        UpstreamSettings {
            service_key_file: self.service_key_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
            proxy: self.proxy.as_deref(),
            timeout_s: self.timeout_s,
        }
    }
}
