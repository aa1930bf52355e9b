//! What was known about the revocation of each certificate the appraisal stands on.

use serde::{Deserialize, Serialize};

use super::{ClaimsError, ClaimsParts, Method, Status};
use crate::value::{Sha256Digest, Text, UnixTime, present, words};

words! {
    /// The state of a certificate.
    CertificateStatus, "certificate status":
    /// Not revoked.
    Good = "good",
    /// Revoked for the time being; a policy may tolerate that of the signer of a manifest.
    OnHold = "on_hold",
    /// Revoked for good.
    Revoked = "revoked",
    /// Unknown to the responder.
    Unknown = "unknown",
    /// Asked about without an answer that could be believed.
    NotChecked = "not_checked",
}

/// One certificate that was asked about. Certificates that several chains share are listed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRevocation {
    /// The chain it stands in: a submodule for that of a device, the id of a RIM for that of the RIM.
    pub chain: Text,
    /// Its place in the chain; the leaf is 0.
    pub position: u8,
    /// Its common name. Serial numbers are left out: that of a device's own certificate identifies it for life.
    pub subject: Text,
    /// What was known.
    pub status: CertificateStatus,
    /// Why it is revoked, in the words of RFC 5280.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub reason: Option<Text>,
    /// SHA-256 of the OCSP response.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub sha256: Option<Sha256Digest>,
    /// The time at which the status is known to have been right.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub this_update: Option<UnixTime>,
    /// When newer information was due.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub next_update: Option<UnixTime>,
}

/// The sum and its parts agree: where `revocation` is affirmed something was asked, and nothing was found that refutes.
pub(super) fn agrees_with_its_method(claims: &ClaimsParts) -> Result<(), ClaimsError> {
    let Some(finding) = claims.pogw.finding(&Method::Revocation) else {
        return Ok(());
    };
    let certificates = &claims.pogw.revocation;
    match finding.status {
        Status::NotRequested if !certificates.is_empty() => {
            Err(ClaimsError::RevocationNotRequested)
        }
        Status::Affirmed if certificates.is_empty() => Err(ClaimsError::RevocationUnshown),
        Status::Affirmed => match certificates.iter().find(|c| !speaks_for(c)) {
            Some(certificate) => Err(ClaimsError::RevocationContradiction {
                subject: certificate.subject.clone(),
                status: certificate.status,
            }),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn speaks_for(certificate: &CertificateRevocation) -> bool {
    matches!(
        certificate.status,
        CertificateStatus::Good | CertificateStatus::OnHold
    )
}
