//! TLS in front of the HTTP interface, for a verifier without a proxy.
//!
//! # In scope
//!
//! * [`Certificates`]: chain and key from two PEM files, read again when one of them changes or somebody asks. Files that
//!   cannot be used change nothing: the old ones go on, and the log says why.
//! * [`serve`]: connections, each bounded in the time it may take to shake hands and to send the headers of a request, and
//!   in their number. Those that are open when the certificate changes keep theirs.
//!
//! # Out of scope
//!
//! Client certificates, OCSP stapling, getting certificates (ACME), rates of requests: a proxy's, or other programs'.

mod attended;
mod certificates;
mod connections;

pub(crate) use certificates::Certificates;
pub use certificates::{CertificateFileError, check_certificates};
pub(crate) use connections::serve;

#[cfg(test)]
mod tests;
