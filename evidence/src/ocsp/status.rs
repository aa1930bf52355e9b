//! What a responder says about a certificate (RFC 6960 2.2; nvidia-evidence 5.3).

use std::fmt;

use der::Enumerated;
use serde::{Serialize, Serializer};

use super::asn1::{self, CertStatus, RevokedInfo};
use crate::time::UnixTime;

/// The state of a certificate, as far as the responder knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Not revoked.
    Good,
    /// Revoked for the time being. NVIDIA puts signers of old manifests on hold as a matter of routine, so this is
    /// told apart from a revocation for good.
    OnHold {
        /// Since when.
        at: UnixTime,
    },
    /// Revoked for good.
    Revoked {
        /// Since when.
        at: UnixTime,
        /// Why, if the responder says.
        reason: Option<RevocationReason>,
    },
    /// The responder does not know the certificate.
    Unknown,
}

impl CertificateStatus {
    pub(super) fn read(status: &CertStatus) -> Self {
        match status {
            CertStatus::Good(_) => Self::Good,
            CertStatus::Unknown(_) => Self::Unknown,
            CertStatus::Revoked(revoked) => Self::of_revoked(revoked),
        }
    }

    /// Whether it says that the certificate was revoked for good by then. Nothing takes that back, so it stands however old
    /// the answer is; a hold can end.
    #[must_use]
    pub fn is_revoked_by(self, as_of: UnixTime) -> bool {
        matches!(self, Self::Revoked { at, .. } if at <= as_of)
    }

    /// A hold since 1970 is how a responder says that it never issued the certificate (RFC 6960 2.2): the issuer's key
    /// is abused. That is no hold which anybody could tolerate.
    fn of_revoked(revoked: &RevokedInfo) -> Self {
        let at = asn1::unix_time(&revoked.revocation_time);
        let reason = revoked.revocation_reason;
        let never_issued = at == UnixTime::from_secs(0);
        if reason == Some(RevocationReason::CertificateHold) && !never_issued {
            Self::OnHold { at }
        } else {
            Self::Revoked { at, reason }
        }
    }
}

/// Why a certificate was revoked (`CRLReason`, RFC 5280 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enumerated)]
#[repr(u8)]
pub enum RevocationReason {
    /// No particular reason.
    Unspecified = 0,
    /// The certificate's private key is known or suspected to be in other hands.
    KeyCompromise = 1,
    /// The private key of the CA is.
    CaCompromise = 2,
    /// The subject's name or other facts in the certificate changed.
    AffiliationChanged = 3,
    /// Replaced by another certificate.
    Superseded = 4,
    /// No longer needed.
    CessationOfOperation = 5,
    /// On hold; here only for a certificate that was never issued (RFC 6960 2.2).
    CertificateHold = 6,
    /// Taken off a list; meaningful in delta CRLs alone.
    RemoveFromCrl = 8,
    /// A privilege in the certificate was withdrawn.
    PrivilegeWithdrawn = 9,
    /// The private key of an attribute authority is known or suspected to be in other hands.
    AaCompromise = 10,
}

impl RevocationReason {
    /// The word of RFC 5280 in snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key_compromise",
            Self::CaCompromise => "ca_compromise",
            Self::AffiliationChanged => "affiliation_changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation_of_operation",
            Self::CertificateHold => "certificate_hold",
            Self::RemoveFromCrl => "remove_from_crl",
            Self::PrivilegeWithdrawn => "privilege_withdrawn",
            Self::AaCompromise => "aa_compromise",
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RevocationReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
