//! Connections of the HTTP interface: TLS, for a verifier without a proxy, or none.
//!
//! # In scope
//!
//! * [`Certificates`]: chain and key from two PEM files, read again when one of them changes or somebody asks. Files
//!   that cannot be used change nothing: the old ones stay in use, and the log says why.
//! * [`serve`]: connections. Over TLS the time for the handshake and for the headers of a request is bounded, and so is
//!   the number of connections. Those that are open when the certificate changes keep the old one.
//! * [`Line`]: whether the answers on a connection move, over TLS or not; one on which they do not is ended.
//!
//! # Out of scope
//!
//! Client certificates, OCSP stapling, getting certificates (ACME), rates of requests: a proxy or other programs do
//! that.

mod attended;
mod certificates;
mod line;
mod serve;

pub(crate) use certificates::Certificates;
pub use certificates::{CertificateFileError, check_certificates};
pub(crate) use line::{Line, OpenAnswer};
pub(crate) use serve::serve;

#[cfg(test)]
pub(crate) mod tests;
