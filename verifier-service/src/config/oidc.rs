//! Which issuer's tokens are accepted beside API keys, and what must be in them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::UpstreamSettings;

/// One OpenID issuer (OpenID Connect Discovery 1.0). Without `issuer`, API keys alone count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcSettings {
    /// Its URL, exactly as `iss` of its tokens has it; its keys are found below it.
    pub issuer: Option<String>,
    /// What `aud` of a token must name, one of them.
    pub audience: Vec<String>,
    /// What a token may be signed with.
    pub algorithms: Vec<TokenAlgorithm>,
    /// The claim that names the party, by the `oidc_name` the party was added with.
    pub party_claim: String,
    /// The claim that lists scopes: text with spaces between, or a list.
    pub scope_claim: String,
    /// Seconds that clocks may differ by.
    pub leeway_s: u32,
    /// Seconds after which keys are fetched again, in the background.
    pub jwks_fresh_s: u32,
    /// Seconds after which keys are not used any more, if they could not be fetched again.
    pub jwks_max_stale_s: u32,
    /// Seconds a request for keys may take.
    pub timeout_s: u32,
    /// PEM file with the roots to trust for TLS instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Proxy to go through; that of the environment is not used.
    pub proxy: Option<String>,
}

/// What a token can be signed with (RFC 7518 3.1, RFC 8037). Signatures by a shared secret are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names of the specification")]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Default for OidcSettings {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            algorithms: vec![TokenAlgorithm::RS256, TokenAlgorithm::ES256],
            party_claim: "sub".into(),
            scope_claim: "scope".into(),
            leeway_s: 30,
            jwks_fresh_s: 3600,
            jwks_max_stale_s: 24 * 3600,
            timeout_s: 5,
            ca_file: None,
            proxy: None,
        }
    }
}

impl OidcSettings {
    pub(crate) fn upstream(&self) -> UpstreamSettings<'_> {
        UpstreamSettings {
            service_key_file: None,
            ca_file: self.ca_file.as_deref(),
            proxy: self.proxy.as_deref(),
            timeout_s: self.timeout_s,
        }
    }
}
