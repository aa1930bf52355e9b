//! The configuration: defaults, then a TOML file, then its drop-ins (`conf.d/*.toml` beside it), then the environment,
//! into one typed struct.
//!
//! `POGW_VERIFIER__ISSUER` overrides `issuer`, `POGW_VERIFIER__APPRAISAL__RIM_DIR` overrides `appraisal.rim_dir`. A
//! key nobody knows is refused wherever it stands: a misspelt limit must not leave the default in force unseen.
//! `config.example.toml` explains every key.

mod collateral;
mod http;
mod keys;
mod metrics;
mod oidc;
mod rules;
mod store;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::{LayerError, Layers};
use receipt::Algorithm;
use serde::{Deserialize, Serialize};
use telemetry::TelemetrySettings;
use thiserror::Error;

pub(crate) use collateral::UpstreamSettings;
pub use collateral::{OcspSettings, RimServiceSettings};
pub use http::{HttpSettings, TlsSettings};
pub use keys::{KeySettings, Pkcs11Settings};
pub use metrics::MetricsSettings;
pub use oidc::{OidcSettings, TokenAlgorithm};
pub use store::{StoreSettings, StoreUrl};

/// What the names of environment variables start with.
pub const ENV_PREFIX: &str = "POGW_VERIFIER__";

const MIB: usize = 1024 * 1024;
/// Permission of everybody to read a file.
const READ_BY_OTHERS: u32 = 0o004;

/// The settings of one verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on; without [`TlsSettings`] for HTTP in the clear.
    pub listen: SocketAddr,
    /// Directory of keys and, without [`StoreSettings::url`], of the database; mode 0700, made if it is missing.
    pub state_dir: PathBuf,
    /// `iss` of the receipts: the URL under which relying parties know this verifier.
    pub issuer: String,
    /// `aud` of the receipts: who may rely on them.
    pub audience: Vec<String>,
    /// Algorithm of signing keys that are made.
    pub signing_algorithm: Algorithm,
    /// Seconds from issue to `exp` of a receipt; without it receipts do not expire.
    pub receipt_lifetime_s: Option<u32>,
    /// Seconds a challenge can be answered for.
    pub challenge_lifetime_s: u32,
    /// Seconds an expired challenge is remembered for, so that late answers are told why they are.
    pub challenge_retention_s: u32,
    /// Seconds that openings and answers are kept after their job ended.
    pub opening_retention_s: u32,
    /// Most challenges waiting for an answer.
    pub max_open_challenges: NonZeroU32,
    /// Most of them for one agent key.
    pub max_open_challenges_per_agent: NonZeroU32,
    /// Most jobs of one tenant whose results are not accepted.
    pub max_open_jobs_per_tenant: NonZeroU32,
    /// File with the token that lets its bearer change policies; without it, one is made in the state directory.
    pub operator_token_file: Option<PathBuf>,
    /// Largest body of a request.
    pub body_limit_bytes: usize,
    /// Most bytes of bodies held at one time; a request beyond it is asked to come again.
    pub body_budget_bytes: usize,
    /// Seconds a request may take to send its body.
    pub body_timeout_s: u32,
    /// Seconds a request may take in all.
    pub request_timeout_s: u32,
    /// Seconds requests in progress get to finish when the service is stopped.
    pub shutdown_timeout_s: u32,
    /// Most appraisals at one time; without it, one for each processor.
    pub max_concurrent_appraisals: Option<NonZeroUsize>,
    /// Most results checked at one time, by audit or Freivalds' check, beside the appraisals; without it, one for every two
    /// processors.
    pub max_concurrent_result_checks: Option<NonZeroUsize>,
    /// Whether webhooks may go to this machine over http.
    pub danger_webhooks_over_http: bool,
    /// Whether webhooks may go, over https, to private, loopback and link-local addresses.
    pub danger_webhooks_to_private_addresses: bool,
    /// Whether there are pages for people, at `/console/`.
    pub console: bool,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Where signing keys are.
    pub keys: KeySettings,
    /// Where the service keeps what it remembers.
    pub store: StoreSettings,
    /// Whose tokens are taken beside API keys.
    pub oidc: OidcSettings,
    /// How clients connect.
    pub http: HttpSettings,
    /// Where figures are.
    pub metrics: MetricsSettings,
    /// Where traces go.
    pub telemetry: TelemetrySettings,
    /// What evidence is judged by.
    pub appraisal: AppraisalSettings,
    /// What the endpoints in NVIDIA's form say.
    pub nvidia: NvidiaSettings,
}

/// What evidence is judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppraisalSettings {
    /// Directory of reference manifests, `<id>.xml`; without it no measurement can be compared.
    pub rim_dir: Option<PathBuf>,
    /// A built-in policy by name; without this and `policy_file`, `default`, which wants everything affirmed.
    pub policy: Option<String>,
    /// A Rego policy in a file, instead of a built-in one.
    pub policy_file: Option<PathBuf>,
    /// Whether the policy named here decides whatever was activated over HTTP, and nothing can be.
    pub policy_pinned: bool,
    /// Files with roots of software devices to trust. Receipts for such devices say `simulated`.
    pub simulated_anchors: Vec<PathBuf>,
    /// Where manifests come from that are not in the directory.
    pub rim_service: RimServiceSettings,
    /// Where answers about revocation come from.
    pub ocsp: OcspSettings,
}

/// What the endpoints in NVIDIA's form say where NVIDIA's own service would not. All of it is off by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NvidiaSettings {
    /// Describes software devices under NVIDIA's names, results included. Every such token says `x-pogw-simulated`.
    pub simulated_claims: bool,
    /// Lets a device pass whose revocation nobody asked about, or about which no answer counts where the policy tolerates
    /// that. Every such token says `x-pogw-revocation`.
    pub danger_result_without_revocation: bool,
    /// Heeds `X-NVIDIA-OCSP-ALLOW-CERT-HOLD`: a certificate on hold in the chain of a manifest is tolerated for clients
    /// that ask for it, where the policy allows it too.
    pub allow_cert_hold: bool,
}

/// How much is logged of this program; of its dependencies, warnings only: some log what they are handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may fail soon.
    Warn,
    /// And a line for each request and each receipt.
    Info,
    /// And steps in between.
    Debug,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file does not exist or cannot be read.
    #[error("cannot read configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Not TOML, a key nobody knows, or a value of the wrong type.
    #[error("configuration is malformed: {0}")]
    Malformed(String),
    /// A variable of the environment that is not UTF-8.
    #[error("environment variable {} is not UTF-8", .variable.display())]
    NotText {
        /// Its name.
        variable: OsString,
    },
    /// Values that cannot be used, all of them.
    #[error("configuration has {} fault(s): {}", .0.len(), .0.join("; "))]
    Faults(Vec<String>),
}

impl Default for Config {
    /// Every default; `issuer` and `audience` have none and must be set.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8477)),
            state_dir: PathBuf::from("/var/lib/pogw-verifier"),
            issuer: String::new(),
            audience: Vec::new(),
            signing_algorithm: Algorithm::Es384,
            receipt_lifetime_s: None,
            challenge_lifetime_s: 300,
            challenge_retention_s: 3600,
            opening_retention_s: 30 * 24 * 3600,
            max_open_challenges: const { NonZeroU32::new(10_000).unwrap() },
            max_open_challenges_per_agent: const { NonZeroU32::new(64).unwrap() },
            max_open_jobs_per_tenant: const { NonZeroU32::new(1000).unwrap() },
            operator_token_file: None,
            body_limit_bytes: 64 * MIB,
            body_budget_bytes: 512 * MIB,
            body_timeout_s: 30,
            request_timeout_s: 60,
            shutdown_timeout_s: 30,
            max_concurrent_appraisals: None,
            max_concurrent_result_checks: None,
            danger_webhooks_over_http: false,
            danger_webhooks_to_private_addresses: false,
            console: true,
            log_level: LogLevel::Info,
            keys: KeySettings::default(),
            store: StoreSettings::default(),
            oidc: OidcSettings::default(),
            http: HttpSettings::default(),
            metrics: MetricsSettings::default(),
            telemetry: TelemetrySettings::default(),
            appraisal: AppraisalSettings::default(),
            nvidia: NvidiaSettings::default(),
        }
    }
}

impl Config {
    /// Reads defaults, `file` if there is one, and the environment, and validates the result.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut layers = Layers::new(&Self::default());
        if let Some(file) = file {
            layers = layers.file(file)?;
        }
        Self::from_layers(layers.environment(ENV_PREFIX, std::env::vars_os())?)
    }

    /// Reads defaults, TOML text and environment variables, and validates the result.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_sources(
        toml: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let layers = Layers::new(&Self::default()).text("text", toml)?;
        Self::from_layers(layers.environment(ENV_PREFIX, variables)?)
    }

    fn from_layers(layers: Layers) -> Result<Self, ConfigError> {
        let config: Self = layers.extract()?;
        config.validate()?;
        config.keeps_its_password(layers.origin_of("store.url"))?;
        Ok(config)
    }

    /// A settings file is for everybody to read, where the service runs under an account made for it; so nothing secret
    /// stands in one that others can read.
    fn keeps_its_password(&self, origin: Option<&str>) -> Result<(), ConfigError> {
        let has_password = self.store.url.as_ref().is_some_and(StoreUrl::has_password);
        let metadata = origin
            .filter(|_| has_password)
            .and_then(|path| std::fs::metadata(path).ok());
        match metadata.is_some_and(|file| file.mode() & READ_BY_OTHERS != 0) {
            true => Err(ConfigError::Faults(vec![format!(
                "store.url has a password in it, and others can read {}: put it into the file of store.password_file",
                origin.unwrap_or_default()
            )])),
            false => Ok(()),
        }
    }

    /// Looks for values that cannot be used, and names every one.
    ///
    /// # Errors
    /// [`ConfigError::Faults`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let faults: Vec<_> = rules::broken(self).map(str::to_owned).collect();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Faults(faults)),
        }
    }

    /// Appraisals that may run at one time.
    #[must_use]
    pub fn appraisal_threads(&self) -> NonZeroUsize {
        self.max_concurrent_appraisals.unwrap_or_else(processors)
    }

    /// Results that may be checked at one time.
    #[must_use]
    pub fn result_check_threads(&self) -> NonZeroUsize {
        let half = || NonZeroUsize::new(processors().get() / 2).unwrap_or(NonZeroUsize::MIN);
        self.max_concurrent_result_checks.unwrap_or_else(half)
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_s.into())
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_s.into())
    }

    /// How long requests in progress get to finish when the service is stopped.
    #[must_use]
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_s.into())
    }
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl LogLevel {
    /// The word in configurations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl From<LayerError> for ConfigError {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Read { path, source } => Self::Read { path, source },
            LayerError::NotText { name } => Self::NotText { variable: name },
            other => Self::Malformed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
