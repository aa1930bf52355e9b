//! Why a check came out as it did: one stable word per reason.
//!
//! The same snake_case word is the `code` in JSON answers, the last part of the problem type, the metric label, the
//! `expect` of a test vector and the row in `docs/reasons.md`; a test walks all of them. Codes are never renamed and
//! never reused.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::limits::{MAX_MESSAGE_CHARS, MAX_VALUE_CHARS};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// The reason for a finding: one stable word each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code with its one-line meaning, in the order of the checks.
            pub const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$variant, concat!($($doc),+)),)+];

            /// The stable snake_case word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

codes! {
    // parse
    /// The report is longer than any device writes.
    ReportTooLarge = "report_too_large",
    /// The report ends inside a field.
    ReportTooShort = "report_too_short",
    /// The SPDM version is not 1.1, the only one NVIDIA devices speak.
    SpdmVersionUnsupported = "spdm_version_unsupported",
    /// The message is not a GET_MEASUREMENTS request followed by a MEASUREMENTS response.
    SpdmMessageUnexpected = "spdm_message_unexpected",
    /// The measurement record does not consist of exactly the stated blocks.
    MeasurementRecordMalformed = "measurement_record_malformed",
    /// A measurement block is not a DMTF block whose sizes agree.
    MeasurementBlockMalformed = "measurement_block_malformed",
    /// A measurement block has index 0 or repeats an index.
    MeasurementIndexInvalid = "measurement_index_invalid",
    /// The opaque data are not a sequence of complete fields.
    OpaqueMalformed = "opaque_malformed",
    /// An opaque field has an id unknown for this kind of device.
    OpaqueFieldUnknown = "opaque_field_unknown",
    /// An opaque field occurs twice.
    OpaqueFieldDuplicate = "opaque_field_duplicate",
    /// An opaque field has the wrong width or text that is not printable ASCII.
    OpaqueFieldInvalid = "opaque_field_invalid",
    /// An opaque field this kind of device must report is missing.
    OpaqueFieldMissing = "opaque_field_missing",
    /// The opaque data are of a version newer than this verifier knows.
    OpaqueVersionUnsupported = "opaque_version_unsupported",
    /// Bytes follow the signature of the report.
    TrailingBytes = "trailing_bytes",

    // nonce
    /// The nonce in the report is not the expected one.
    NonceMismatch = "nonce_mismatch",

    // chain
    /// The certificate chain text is longer than any chain.
    ChainTooLarge = "chain_too_large",
    /// The chain is not PEM text of certificates alone.
    PemMalformed = "pem_malformed",
    /// A certificate is not DER of X.509 version 3.
    CertificateMalformed = "certificate_malformed",
    /// The chain does not have the number of certificates of its kind.
    ChainLength = "chain_length",
    /// The last certificate is not the pinned root.
    ChainRootUntrusted = "chain_root_untrusted",
    /// A certificate's issuer is not the subject of the next one.
    ChainOrder = "chain_order",
    /// A certificate is not signed by the next one.
    CertificateSignatureInvalid = "certificate_signature_invalid",
    /// A certificate uses another algorithm than ecdsa-with-SHA384 over P-384.
    CertificateAlgorithm = "certificate_algorithm",
    /// An issuing certificate is not a CA, or the leaf is one.
    CertificateBasicConstraints = "certificate_basic_constraints",
    /// A certificate may not be used for what it is used for here.
    CertificateKeyUsage = "certificate_key_usage",
    /// More CA certificates follow than a path length allows.
    CertificatePathLength = "certificate_path_length",
    /// A certificate has a critical extension this verifier does not process.
    CertificateExtensionCritical = "certificate_extension_critical",
    /// A certificate is not valid yet at the time of appraisal.
    CertificateNotYetValid = "certificate_not_yet_valid",
    /// A certificate is no longer valid at the time of appraisal.
    CertificateExpired = "certificate_expired",
    /// The chip named by the certificates is not of the architecture claimed.
    ArchitectureMismatch = "architecture_mismatch",
    /// The certificates name no chip this verifier knows.
    ArchitectureUnknown = "architecture_unknown",
    /// The device identity in the report is not the one in the certificate.
    PdiMismatch = "pdi_mismatch",

    // report signature
    /// The report is not signed by the first certificate of its chain.
    ReportSignatureInvalid = "report_signature_invalid",
    /// There is no certificate whose key could verify the signature.
    SigningKeyUnavailable = "signing_key_unavailable",

    // fwid
    /// The firmware id in the report is not the one in the certificate.
    FwidMismatch = "fwid_mismatch",
    /// The leaf certificate has no firmware id.
    FwidAbsentInCertificate = "fwid_absent_in_certificate",
    /// The report has no firmware id; nothing was compared.
    FwidAbsentInReport = "fwid_absent_in_report",
    /// The firmware id extension is not what the DICE profile describes, or occurs twice.
    FwidMalformed = "fwid_malformed",

    // mode
    /// The report states a mode of operation that this verifier does not know.
    FeatureFlagUnknown = "feature_flag_unknown",
    /// Two fields of the report, or two GPUs of one system, state different modes of operation.
    FeatureFlagMismatch = "feature_flag_mismatch",

    // rims
    /// No reference manifest was at hand.
    RimNotAvailable = "rim_not_available",
    /// The RIM service's answer is not the JSON of one manifest.
    RimServiceMalformed = "rim_service_malformed",
    /// The RIM service answered with the manifest of another id.
    RimServiceIdMismatch = "rim_service_id_mismatch",
    /// The manifest in the RIM service's answer does not have the digest stated beside it.
    RimServiceDigestMismatch = "rim_service_digest_mismatch",
    /// The manifest is longer than any manifest.
    RimTooLarge = "rim_too_large",
    /// The manifest is not the restricted XML of an NVIDIA RIM.
    RimMalformed = "rim_malformed",
    /// The manifest is signed with algorithms or a structure other than the one fixed.
    RimSignatureMethod = "rim_signature_method",
    /// The manifest's text is not the text that was signed.
    RimDigestMismatch = "rim_digest_mismatch",
    /// The manifest is not signed by the leaf of its chain.
    RimSignatureInvalid = "rim_signature_invalid",
    /// The manifest was filed under another id than the device asks for.
    RimIdMismatch = "rim_id_mismatch",
    /// The manifest was handed over without the id that binds it to a board.
    RimIdUnbound = "rim_id_unbound",
    /// The manifest is for another version than the report states.
    RimVersionMismatch = "rim_version_mismatch",
    /// The manifest is for another chip than the device.
    RimProductMismatch = "rim_product_mismatch",
    /// A software device's evidence and a vendor's manifest, or the reverse, were put together.
    RimAnchorMismatch = "rim_anchor_mismatch",

    // revocation
    /// No answer about a certificate's revocation was at hand.
    OcspNotAvailable = "ocsp_not_available",
    /// The OCSP message is longer than any.
    OcspTooLarge = "ocsp_too_large",
    /// The OCSP message is not a request or a basic response about one certificate.
    OcspMalformed = "ocsp_malformed",
    /// The OCSP responder did not answer the question.
    OcspResponseUnsuccessful = "ocsp_response_unsuccessful",
    /// The OCSP message has a critical extension this verifier does not process.
    OcspExtensionCritical = "ocsp_extension_critical",
    /// The OCSP response is about another certificate than the one asked about.
    OcspCertificateMismatch = "ocsp_certificate_mismatch",
    /// The OCSP responder is neither the issuer of the certificate nor authorised by it.
    OcspResponderUntrusted = "ocsp_responder_untrusted",
    /// The OCSP responder's certificate may not be used for signing answers.
    OcspResponderUsage = "ocsp_responder_usage",
    /// The OCSP response is signed with another algorithm than ecdsa-with-SHA384.
    OcspSignatureMethod = "ocsp_signature_method",
    /// The OCSP response is not signed by its responder.
    OcspSignatureInvalid = "ocsp_signature_invalid",
    /// The OCSP response is for a time after the appraisal.
    OcspNotYetValid = "ocsp_not_yet_valid",
    /// The OCSP response is for a time before the appraisal.
    OcspStale = "ocsp_stale",
    /// The certificate of the OCSP responder is no longer valid at the time of appraisal.
    OcspResponderExpired = "ocsp_responder_expired",
    /// The OCSP response is older than the caller allows.
    OcspTooOld = "ocsp_too_old",
    /// The times in the OCSP response contradict each other.
    OcspTimesImplausible = "ocsp_times_implausible",
    /// The OCSP response repeats another nonce than the one sent.
    OcspNonceMismatch = "ocsp_nonce_mismatch",
    /// The OCSP response repeats no nonce, though one was sent.
    OcspNonceAbsent = "ocsp_nonce_absent",
    /// The certificate was revoked.
    CertificateRevoked = "certificate_revoked",
    /// The certificate is on hold: revoked for the time being.
    CertificateOnHold = "certificate_on_hold",
    /// The responder does not know the certificate.
    CertificateStatusUnknown = "certificate_status_unknown",

    // measurements
    /// A measurement is none of its reference values.
    MeasurementMismatch = "measurement_mismatch",
    /// The report lacks a measurement the manifest demands.
    MeasurementMissing = "measurement_missing",
    /// A measurement differs from a manifest that itself failed its checks.
    UnverifiedReferenceMismatch = "unverified_reference_mismatch",
    /// The manifest compared against failed its own checks.
    ReferenceNotVerified = "reference_not_verified",
    /// An index is active in both manifests.
    ReferenceConflict = "reference_conflict",
    /// The manifests name no measurement at all.
    ReferenceEmpty = "reference_empty",
    /// The state of the video decoder is neither enabled nor disabled.
    Nvdec0StatusInvalid = "nvdec0_status_invalid",
    /// The report could not be read, so nothing could be judged.
    ReportUnreadable = "report_unreadable",

    // bundle and statement
    /// The same device was handed in twice.
    DeviceRepeated = "device_repeated",
    /// No device was handed in.
    DeviceMissing = "device_missing",
    /// A device is linked to others than those that were handed in.
    TopologyMismatch = "topology_mismatch",
    /// The certificate of a device does not hold its identity in the known form.
    PdiUndeterminable = "pdi_undeterminable",
    /// The job in the bundle is not the one the statement names.
    JobDigestMismatch = "job_digest_mismatch",
    /// The statement answers another challenge than the one expected.
    ChallengeMismatch = "challenge_mismatch",
    /// The bundle is not signed by the agent key in the statement.
    AgentSignatureInvalid = "agent_signature_invalid",
    /// The kernel of the job is not one this verifier knows.
    KernelUnknown = "kernel_unknown",
    /// The statement names another kernel specification than the one in force.
    KernelMismatch = "kernel_mismatch",
    /// The statement is about a kernel where the job is a command, about a command where it is a kernel, or about another
    /// command.
    ProgramMismatch = "program_mismatch",
    /// The program ended with another exit status than 0.
    ProgramFailed = "program_failed",
    /// The statement commits to more or fewer states on the way than the kernel marks.
    TraceUnexpected = "trace_unexpected",
    /// The job asks for a check that its kernel or command does not have: a command cannot be recomputed.
    CheckNotAvailable = "check_not_available",
    /// The job asks for a check that would cost the verifier more than it spends on one.
    CheckTooCostly = "check_too_costly",
    /// The outputs stated are not those the job has.
    OutputsUnexpected = "outputs_unexpected",
    /// The job's parameters are not those of its kernel.
    JobParametersInvalid = "job_parameters_invalid",
    /// An output was not handed over, so its content could not be checked.
    OutputNotProvided = "output_not_provided",
    /// An input the job names was not handed over.
    InputNotProvided = "input_not_provided",
    /// The bytes handed over do not have the stated length or digest.
    OutputDigestMismatch = "output_digest_mismatch",
    /// The input bytes handed over do not have the stated length or digest.
    InputDigestMismatch = "input_digest_mismatch",
    /// The output is not the product of the inputs.
    FreivaldsRefuted = "freivalds_refuted",
    /// A point of the output is not what the kernel's specification makes of the inputs.
    AuditRefuted = "audit_refuted",

    /// The evidence was refuted by a cheaper check, so this one was not run.
    EvidenceRefuted = "evidence_refuted",

    // forms of serialised evidence
    /// The file is larger, deeper or of more values than evidence of as many devices as there may be.
    EvidenceTooLarge = "evidence_too_large",
    /// The file is not JSON.
    EvidenceNotJson = "evidence_not_json",
    /// An object has a member more than once.
    MemberRepeated = "member_repeated",
    /// The document is none of the known forms of evidence.
    FormUnknown = "form_unknown",
    /// The document, or a part of it, could be read in two ways.
    FormAmbiguous = "form_ambiguous",
    /// The tool that was to collect the evidence reports that it failed.
    CollectionFailed = "collection_failed",
    /// The file lists more devices than any system has.
    TooManyDevices = "too_many_devices",
    /// A member that the form demands is missing.
    MemberMissing = "member_missing",
    /// A member is not one of our own form.
    MemberUnexpected = "member_unexpected",
    /// A member is of the wrong kind, or its text is not in the encoding of the form.
    MemberInvalid = "member_invalid",
    /// A nonce stated beside the reports is not 32 bytes in hexadecimal.
    NonceMalformed = "nonce_malformed",
    /// The nonces stated beside the reports are not all the same.
    NoncesDiffer = "nonces_differ",
    /// The architecture claimed is none this verifier knows.
    ArchitectureUnsupported = "architecture_unsupported",
    /// The claims asked for are of a version this verifier does not write.
    ClaimsVersionUnsupported = "claims_version_unsupported",
    /// A version stated beside the report is not the one in it.
    StatedVersionMismatch = "stated_version_mismatch",

    // decide
    /// The policy is not Rego this engine can evaluate.
    PolicyInvalid = "policy_invalid",
    /// The claims of the devices do not match a relying-party policy.
    RelyingPartyMismatch = "relying_party_mismatch",
    /// A check no policy can waive is not affirmed.
    CoreCheckNotAffirmed = "core_check_not_affirmed",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Code {
    /// What a person can do about this very reason, where that is something else than about any other of its check
    /// ([`Check::remedy`](crate::Check::remedy)).
    #[must_use]
    pub const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::CertificateNotYetValid => {
                "set the verifier's clock, or appraise as of a time when it is valid"
            }
            Self::CertificateExpired => {
                "get what is signed by a certificate that still lives, such as the newest manifest; \
                 or appraise as of a time when this one was valid"
            }
            Self::ChainRootUntrusted => {
                "send the chain of a genuine device; the roots of software devices are trusted where the \
                 configuration names them"
            }
            Self::ArchitectureMismatch => "state the architecture that the certificates name",
            Self::FeatureFlagMismatch => "set the same multi-GPU mode on every GPU of the system",
            Self::RimNotAvailable => {
                "file the manifest of this id, or name a RIM service that has it"
            }
            Self::RimServiceMalformed
            | Self::RimServiceIdMismatch
            | Self::RimServiceDigestMismatch => {
                "look at the RIM service or the proxy before it: what it sends is not what was asked for"
            }
            Self::RimVersionMismatch | Self::RimIdMismatch | Self::RimProductMismatch => {
                "provide the manifest of the version and chip in the report"
            }
            Self::RimDigestMismatch | Self::RimSignatureInvalid | Self::RimMalformed => {
                "get the manifest again from NVIDIA, unchanged: a byte altered on the way breaks it"
            }
            Self::OcspNotAvailable => {
                "make an OCSP responder reachable, or file its answers; or decide by a policy that does not ask"
            }
            Self::OcspStale | Self::OcspTooOld | Self::OcspResponderExpired => {
                "get a newer answer from the responder"
            }
            Self::OcspNotYetValid => {
                "set the verifier's clock; for an appraisal of the past, file an answer of that day"
            }
            Self::OcspNonceAbsent | Self::OcspNonceMismatch => {
                "ask the responder itself: an answer from a cache is none to our question"
            }
            Self::CertificateRevoked => {
                "replace what this certificate stands for: its issuer took it back for good"
            }
            Self::CertificateOnHold => {
                "wait until its issuer releases it, or use a policy with allow_hold if it signs manifests"
            }
            Self::ReferenceNotVerified => {
                "mend what is wrong with the manifest first: see its own check"
            }
            Self::ReportUnreadable | Self::SigningKeyUnavailable | Self::EvidenceRefuted => {
                "mend what the earlier checks say: this one could not be made because of them"
            }
            Self::DeviceRepeated => "send each device once",
            Self::DeviceMissing => "send the evidence of at least one device",
            Self::ChallengeMismatch => "ask for a challenge and answer that one",
            Self::OutputNotProvided => {
                "hand over the output with the bundle: a check the job asks for needs it"
            }
            Self::InputNotProvided => "hand over the inputs the job names by digest",
            Self::JobParametersInvalid => "correct the parameters of the job",
            _ => return None,
        })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One finding: a code, a sentence, and the values expected and found where there are such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The stable word.
    pub code: Code,
    /// Lower-case sentence without full stop, naming the field; shortened to [`MAX_MESSAGE_CHARS`].
    pub message: String,
    /// What would have been right; `null` in JSON where there is no such value.
    pub expected: Option<String>,
    /// What was found, shortened to [`MAX_VALUE_CHARS`]; `null` in JSON where there is no such value.
    pub actual: Option<String>,
}

impl Reason {
    /// A reason without values.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: shorten(message, MAX_MESSAGE_CHARS),
            expected: None,
            actual: None,
        }
    }

    /// Adds what would have been right.
    #[must_use]
    pub fn expected(mut self, value: impl fmt::Display) -> Self {
        self.expected = Some(shorten(value.to_string(), MAX_VALUE_CHARS));
        self
    }

    /// Adds what was found.
    #[must_use]
    pub fn actual(mut self, value: impl fmt::Display) -> Self {
        self.actual = Some(shorten(value.to_string(), MAX_VALUE_CHARS));
        self
    }

    /// Puts a subject in front of the message, as in `certificate 2: …`.
    #[must_use]
    pub(crate) fn about(mut self, subject: &str) -> Self {
        let message = format!("{subject}: {}", self.message);
        self.message = shorten(message, MAX_MESSAGE_CHARS);
        self
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, ", expected {expected}")?;
        }
        if let Some(actual) = &self.actual {
            write!(f, ", got {actual}")?;
        }
        Ok(())
    }
}

/// Keeps text from hostile input short and printable, so that an answer or a log line cannot be flooded or forged.
pub(crate) fn shorten(text: impl Into<String>, max_chars: usize) -> String {
    let text = text.into();
    // Most text is our own: looked at, it need not be taken apart.
    if text.len() <= max_chars && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(max_chars).map(printable).collect();
    if text.chars().nth(max_chars).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_snake_case_and_explained() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for (code, meaning) in Code::ALL {
            let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(code.as_str().chars().all(snake), "{code}");
            assert!(meaning.trim().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn values_are_bounded_and_printable() {
        let reason = Reason::new(Code::NonceMismatch, "nonce").actual("a\nb".repeat(1000));
        let actual = reason.actual.unwrap_or_default();
        assert_eq!(actual.chars().count(), MAX_VALUE_CHARS + 1);
        assert!(!actual.contains('\n'));
    }

    /// A message can hold the words of a library, and these a piece of the input.
    #[test]
    fn messages_are_bounded_and_printable() {
        let hostile = "a\u{1b}[2J\n".repeat(1000);
        let reason = Reason::new(Code::PemMalformed, hostile.clone()).about(&hostile);
        assert_eq!(reason.message.chars().count(), MAX_MESSAGE_CHARS + 1);
        assert!(!reason.message.contains(char::is_control));
        let short = Reason::new(Code::PemMalformed, "no PEM").about("chain");
        assert_eq!(short.message, "chain: no PEM");
    }
}
