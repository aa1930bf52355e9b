//! Evidence in over HTTP, receipts out.
//!
//! # What's in scope
//!
//! * [`Service`], [`serve`]: the whole service on a listener, until it is told to stop. `main.rs` adds command line
//!   and signals; tests and demonstrations start it in their own process.
//! * [`Config`]: its settings, from file and environment.
//! * [`Appraiser`]: from evidence to a decision, also without a service around it.
//! * [`mod@issue`]: from a granted appraisal to a signed receipt.
//! * [`policies`]: which policy decides; its versions are uploaded, simulated and activated over HTTP.
//! * [`nvidia`]: the same appraisal in the words of NVIDIA's attestation service, and tokens of that form checked.
//! * [`ProblemCode`]: the words of the errors that are the service's own.
//! * [`Clock`]: where it gets the time from, so that a test can let a challenge expire.
//!
//! Between them, private: the HTTP interface, the store (SQLite or PostgreSQL), the signing keys, who may ask
//! (`parties`, `agents`), who waits for what (`hub`), and the steps that a bundle passes (`submission.rs`).
//!
//! # What's out of scope
//!
//! * Whether evidence is good: `evidence` says so. What a receipt may say: `receipt` says so.
//! * Rate limits: a reverse proxy sets them. Challenges and receipts need no credential: what can be fetched by name
//!   here has a name that nobody can guess, or is a policy or a manifest. Everything else needs the operator token, the
//!   credential of a party, or the signature of an agent.
//! * What collateral is worth: [`collateral`] fetches and keeps it, `evidence` judges it.

mod agents;
pub mod anchors;
pub mod appraiser;
mod archive;
mod audit;
mod bearer;
mod body;
mod books;
mod bounded;
mod budget;
mod clerk;
mod clock;
pub mod collateral;
mod config;
mod connections;
#[cfg(test)]
mod fixture;
mod flights;
mod http;
mod hub;
mod id;
pub mod issue;
mod judge;
mod keys;
mod label;
mod lock;
mod logging;
mod malformed;
mod metrics;
pub mod nvidia;
mod operator;
mod parties;
pub mod policies;
mod private_files;
mod problem;
mod random;
pub mod report;
mod result_checks;
mod service;
mod statistics;
mod store;
mod submission;
mod trace;
mod turnstile;
mod upstream;
mod webhooks;
pub mod work;
mod workers;

pub use appraiser::Appraiser;
pub use audit::{AuditDesk, AuditError, Finding, Head, NotAHead, Walked};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{
    AppraisalSettings, Config, ConfigError, ENV_PREFIX, HttpSettings, KeySettings, LogLevel,
    MetricsSettings, NvidiaSettings, OcspSettings, OidcSettings, Pkcs11Settings,
    RimServiceSettings, StoreSettings, StoreUrl, TlsSettings, TokenAlgorithm,
};
pub use connections::{CertificateFileError, check_certificates};
pub use keys::{KeyDesk, KeyError, ListedKey, Retirement, Rotation, Successor};
pub use logging::{init as init_logging, init_with_traces as init_logging_with_traces};
pub use operator::OperatorTokenError;
pub use private_files::PrivateFileError;
pub use problem::{ProblemCode, TYPE_PREFIX};
pub use service::{Reload, Service, ServiceError, serve};
pub use store::StoreError;
pub use telemetry::TelemetrySettings;

/// The OpenAPI 3.1 document of the HTTP interface, as `GET /openapi.json` serves it.
#[must_use]
pub fn openapi() -> &'static str {
    http::document()
}
