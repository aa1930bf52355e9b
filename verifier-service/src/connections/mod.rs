//! Connections of the HTTP interface: TLS, for a verifier without a proxy, or none.
//!
//! # In scope
//!
//! * [`Certificates`]: chain and key from two PEM files, read again when one of them changes or somebody asks. Files that
//!   cannot be used change nothing: the old ones go on, and the log says why.
//! * [`serve`]: connections. Over TLS each is bounded in the time it may take to shake hands and to send the headers of a
//!   request, and all in their number; those that are open when the certificate changes keep theirs.
//! * [`Line`]: whether the answers on a connection move, over TLS or not; one on which they do not is ended.
//!
//! # Out of scope
//!
//! Client certificates, OCSP stapling, getting certificates (ACME), rates of requests: a proxy's, or other programs'.

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
