//! Our reasons in NVIDIA's numbers: the claim `x-nvidia-error-details` of a device, and the answers to requests that
//! cannot be served (nvidia-evidence 9.4).
//!
//! NVIDIA's clients know the codes below and take any other for an internal error of the service. [`ErrorCode::Refuted`]
//! and [`ErrorCode::Unverifiable`] are numbers of ours in NVIDIA's two ranges, for reasons it has no number for; `message`
//! then is our own word for the reason, in capitals.
//!
//! As in NVIDIA's verifiers, what has claims of its own is no error: a measurement that differs, a certificate that has
//! expired or was revoked. A manifest of another version is an error to NVIDIA's C++ verifier and none to its Python
//! one. A comparison that means nothing (an index in two manifests, none in any, a decoder without a state) has no
//! claim that a published policy reads, so it is an error.

use evidence::appraise::{DIFFERENCES, DeviceAppraisal};
use evidence::{CheckId, Code, Status};
use serde::Serialize;

/// NVIDIA's codes, and two of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The evidence is refuted for a reason NVIDIA has no number for.
    Refuted,
    /// The nonce of the request is none.
    InvalidNonce,
    /// The certificate chain cannot be read.
    InvalidCertificateChain,
    /// The nonce in the report is another one.
    NonceNotMatching,
    /// The report is not signed by the device.
    InvalidEvidenceSignature,
    /// The device chain is not one.
    InvalidAttestationCertificateChain,
    /// The chain of a manifest is not one.
    InvalidRimCertificateChain,
    /// Something needed to judge the evidence is not at hand.
    Unverifiable,
    /// A manifest is not signed.
    InvalidRimSignature,
}

/// The claim, and the heart of an error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// The number.
    pub code: u32,
    /// The name of an HTTP status.
    pub http_status: &'static str,
    /// The word for it.
    pub message: String,
    /// A sentence.
    pub description: String,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::Refuted,
        Self::InvalidNonce,
        Self::InvalidCertificateChain,
        Self::NonceNotMatching,
        Self::InvalidEvidenceSignature,
        Self::InvalidAttestationCertificateChain,
        Self::InvalidRimCertificateChain,
        Self::Unverifiable,
        Self::InvalidRimSignature,
    ];

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Refuted => 4000,
            Self::InvalidNonce => 4003,
            Self::InvalidCertificateChain => 4007,
            Self::NonceNotMatching => 4010,
            Self::InvalidEvidenceSignature => 4013,
            Self::InvalidAttestationCertificateChain => 4014,
            Self::InvalidRimCertificateChain => 4015,
            Self::Unverifiable => 5000,
            Self::InvalidRimSignature => 5013,
        }
    }

    /// NVIDIA's word; `None` for the two that stand for many reasons.
    const fn message(self) -> Option<&'static str> {
        match self {
            Self::Refuted | Self::Unverifiable => None,
            Self::InvalidNonce => Some("INVALID_NONCE"),
            Self::InvalidCertificateChain => Some("INVALID_CERTIFICATE_CHAIN"),
            Self::NonceNotMatching => Some("NONCE_NOT_MATCHING"),
            Self::InvalidEvidenceSignature => Some("INVALID_EVIDENCE_SIGNATURE"),
            Self::InvalidAttestationCertificateChain => {
                Some("INVALID_ATTESTATION_CERTIFICATE_CHAIN")
            }
            Self::InvalidRimCertificateChain => Some("INVALID_RIM_CERTIFICATE_CHAIN"),
            Self::InvalidRimSignature => Some("INVALID_RIM_SIGNATURE"),
        }
    }

    const fn http_status(self) -> &'static str {
        match self {
            Self::Unverifiable => "SERVICE_UNAVAILABLE",
            _ => "BAD_REQUEST",
        }
    }

    /// The error, described in a sentence; `word` is our own for the reason.
    pub(crate) fn details(self, word: &str, description: impl Into<String>) -> ErrorDetails {
        ErrorDetails {
            code: self.number(),
            http_status: self.http_status(),
            message: self
                .message()
                .map_or_else(|| word.to_ascii_uppercase(), str::to_owned),
            description: description.into(),
        }
    }
}

/// The name of an HTTP status, as NVIDIA's service writes it.
pub(crate) const fn http_status(status: u16) -> &'static str {
    match status {
        400 => "BAD_REQUEST",
        408 => "REQUEST_TIMEOUT",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        422 => "UNPROCESSABLE_ENTITY",
        429 => "TOO_MANY_REQUESTS",
        503 => "SERVICE_UNAVAILABLE",
        _ => "INTERNAL_SERVER_ERROR",
    }
}

/// The code for a reason of a check; `None` where the reason has a claim of its own. The one table of this mapping.
#[must_use]
pub fn code_of(check: CheckId, reason: Code) -> Option<ErrorCode> {
    use Code as R;
    use ErrorCode as E;
    let is_rim = matches!(check, CheckId::DriverRim | CheckId::VbiosRim);
    let code = match reason {
        R::CertificateExpired | R::RimVersionMismatch => return None,
        difference if DIFFERENCES.contains(&difference) => return None,
        R::NonceMalformed => E::InvalidNonce,
        R::NonceMismatch | R::NoncesDiffer => E::NonceNotMatching,
        R::ReportSignatureInvalid => E::InvalidEvidenceSignature,
        R::RimDigestMismatch | R::RimSignatureInvalid | R::RimSignatureMethod => {
            E::InvalidRimSignature
        }
        R::ChainLength
        | R::ChainRootUntrusted
        | R::ChainOrder
        | R::CertificateSignatureInvalid
        | R::CertificateAlgorithm
        | R::CertificateBasicConstraints
        | R::CertificateKeyUsage
        | R::CertificatePathLength
        | R::CertificateExtensionCritical
        | R::CertificateNotYetValid
        | R::ChainTooLarge
        | R::PemMalformed
        | R::CertificateMalformed
            if is_rim =>
        {
            E::InvalidRimCertificateChain
        }
        R::RimAnchorMismatch => E::InvalidRimCertificateChain,
        R::ChainTooLarge | R::PemMalformed | R::CertificateMalformed => E::InvalidCertificateChain,
        R::ChainLength
        | R::ChainRootUntrusted
        | R::ChainOrder
        | R::CertificateSignatureInvalid
        | R::CertificateAlgorithm
        | R::CertificateBasicConstraints
        | R::CertificateKeyUsage
        | R::CertificatePathLength
        | R::CertificateExtensionCritical
        | R::CertificateNotYetValid => E::InvalidAttestationCertificateChain,
        R::RimNotAvailable | R::OcspNotAvailable => E::Unverifiable,
        _ => E::Refuted,
    };
    Some(code)
}

/// The error claim of a device: the first refuted check, in NVIDIA's order, that ends the appraisal. `extended` as in
/// [`Form`](super::claims::Form).
#[must_use]
pub fn of(device: &DeviceAppraisal, extended: bool) -> Option<ErrorDetails> {
    const ENDING: [CheckId; 9] = [
        CheckId::Identity,
        CheckId::Parse,
        CheckId::Chain,
        CheckId::Fwid,
        CheckId::Nonce,
        CheckId::ReportSignature,
        CheckId::DriverRim,
        CheckId::VbiosRim,
        CheckId::Measurements,
    ];
    ENDING.into_iter().find_map(|id| {
        let check = device.check(id)?;
        let refuted = check.status == Status::Refuted;
        let reasons = check.reasons.iter();
        let mut reasons = reasons.filter(|it| refuted || is_meaningless(it.code));
        // Messages hold nothing of the evidence; expected and actual values may, and are left out.
        reasons.find_map(|reason| {
            let code = match reason.code {
                Code::RimVersionMismatch if extended => ErrorCode::Refuted,
                reason => code_of(id, reason)?,
            };
            Some(code.details(reason.code.as_str(), &reason.message))
        })
    })
}

/// Of a comparison, whatever the trust in its manifests.
const fn is_meaningless(reason: Code) -> bool {
    matches!(
        reason,
        Code::ReferenceConflict | Code::ReferenceEmpty | Code::Nvdec0StatusInvalid
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_two_ranges() {
        for code in ErrorCode::ALL {
            let same = ErrorCode::ALL
                .iter()
                .filter(|c| c.number() == code.number());
            assert_eq!(same.count(), 1, "{code:?}");
            assert!(
                matches!(code.number(), 4000..=4099 | 5000..=5099),
                "{code:?}"
            );
        }
    }

    /// nvidia-evidence 9.4, row by row.
    #[test]
    fn reasons_with_a_number_of_nvidia() {
        let table = [
            (CheckId::Nonce, Code::NonceMalformed, 4003),
            (CheckId::Nonce, Code::NonceMismatch, 4010),
            (CheckId::Nonce, Code::NoncesDiffer, 4010),
            (CheckId::Chain, Code::PemMalformed, 4007),
            (CheckId::Chain, Code::CertificateMalformed, 4007),
            (CheckId::Chain, Code::ChainTooLarge, 4007),
            (CheckId::Chain, Code::ChainLength, 4014),
            (CheckId::Chain, Code::ChainRootUntrusted, 4014),
            (CheckId::Chain, Code::CertificateSignatureInvalid, 4014),
            (CheckId::Chain, Code::CertificateNotYetValid, 4014),
            (CheckId::DriverRim, Code::ChainRootUntrusted, 4015),
            (CheckId::VbiosRim, Code::CertificateMalformed, 4015),
            (CheckId::VbiosRim, Code::RimAnchorMismatch, 4015),
            (CheckId::ReportSignature, Code::ReportSignatureInvalid, 4013),
            (CheckId::DriverRim, Code::RimSignatureInvalid, 5013),
            (CheckId::DriverRim, Code::RimDigestMismatch, 5013),
            (CheckId::VbiosRim, Code::RimSignatureMethod, 5013),
            (CheckId::DriverRim, Code::RimNotAvailable, 5000),
            (CheckId::Parse, Code::ReportTooShort, 4000),
            (CheckId::Fwid, Code::FwidMismatch, 4000),
        ];
        for (check, reason, number) in table {
            let actual = code_of(check, reason).map(ErrorCode::number);
            assert_eq!(actual, Some(number), "{check} {reason}");
        }
    }

    #[test]
    fn what_has_a_claim_of_its_own_is_no_error() {
        for reason in [Code::CertificateExpired, Code::RimVersionMismatch] {
            for check in [CheckId::Chain, CheckId::DriverRim, CheckId::VbiosRim] {
                assert_eq!(code_of(check, reason), None, "{check} {reason}");
            }
        }
    }

    /// A chain fault is never put down to the other chain, nor to a cause without a number.
    #[test]
    fn every_chain_fault_is_one_of_a_chain() {
        for (reason, _) in Code::ALL {
            let of = |check| code_of(check, *reason);
            let [device, rim] = [of(CheckId::Chain), of(CheckId::DriverRim)];
            let is_of_device = matches!(
                device,
                Some(
                    ErrorCode::InvalidCertificateChain
                        | ErrorCode::InvalidAttestationCertificateChain
                )
            );
            if is_of_device {
                assert_eq!(rim, Some(ErrorCode::InvalidRimCertificateChain), "{reason}");
            }
        }
    }

    #[test]
    fn words_are_nvidias_or_ours_in_capitals() {
        let details = ErrorCode::NonceNotMatching.details("nonce_mismatch", "nonce");
        assert_eq!(details.message, "NONCE_NOT_MATCHING");
        let details = ErrorCode::Refuted.details("fwid_mismatch", "firmware id");
        assert_eq!(details.message, "FWID_MISMATCH");
        let json = serde_json::to_value(&details).unwrap();
        assert_eq!(json["httpStatus"], "BAD_REQUEST");
    }
}
