//! Whether a certificate was revoked, by OCSP (RFC 6960, RFC 9654; nvidia-evidence 5, rows 58 to 73).
//!
//! In scope: what there is to ask about ([`Link`]), the question ([`OcspRequest`]), reading the answer
//! ([`OcspResponse::parse`]), checking that it is about this certificate and by a responder its issuer stands behind
//! ([`authenticate`](crate::Unverified::authenticate)), its window in time ([`Expires`](crate::Expires)), its nonce,
//! which of several answers counts ([`Worth`]), the judgement about one certificate and about several
//! ([`RevocationFinding`]).
//! Out of scope: fetching and caching, drawing nonces, answering others, CRLs (row 74), asking about the responder's
//! own certificate (row 73: recorded, in [`OcspResponse::responder_no_check`]).
//!
//! Everything here presumes an issuer whose chain is authentic. A [`Link`] guarantees it, and nothing is judged without
//! one.
//!
//! An answer that is missing, damaged, forged, out of date or about something else is no evidence for or against the
//! certificate: whoever delivers answers can drop or spoil them. It leaves the status
//! [`NotChecked`](RevocationStatus::NotChecked), which is never a pass.

mod asn1;
mod authenticity;
mod certificate_id;
mod choice;
mod finding;
mod freshness;
mod link;
mod request;
mod response;
mod responses;
mod status;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use certificate_id::{CertificateId, IdHash};
pub use choice::{Best, Worth, best_of};
pub use finding::{Answer, Hold, RevocationFinding, RevocationStatus, Terms};
pub use freshness::{DEFAULT_LIFETIME_SECS, MAX_CLOCK_SKEW_SECS};
pub use link::{Link, OwnedLink};
pub use request::OcspRequest;
pub use response::{NonceVerdict, OcspResponse};
pub use responses::{AtHand, Responses};
pub use status::{CertificateStatus, RevocationReason};
