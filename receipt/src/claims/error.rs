//! Why claims contradict themselves.

use super::assurance::Shortfall;
use super::{CertificateStatus, Level, Method, Source, Status, Tier};
use crate::code::codes;
use crate::value::Text;

/// A contradiction among claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The receipt ends before it begins to count.
    #[error("exp {exp} is not after both iat {iat} and nbf {nbf}")]
    ExpiryNotAfterIssue {
        /// When it was issued, in seconds since the Unix epoch.
        iat: u64,
        /// From when it counts.
        nbf: u64,
        /// Until when it counts.
        exp: u64,
    },
    /// There is more of something than anyone needs.
    #[error("{what}: expected at most {limit}, got {actual}")]
    TooMany {
        /// The claim.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// How many there are.
        actual: usize,
    },
    /// No device at all: an attestation result is about at least one attester.
    #[error("no devices")]
    DevicesMissing,
    /// Two devices share an id or a submodule.
    #[error("device {id} shares its id or its submodule {submod} with another")]
    DeviceDuplicate {
        /// The second device.
        id: Text,
        /// Its submodule.
        submod: Text,
    },
    /// A device names a submodule that does not exist.
    #[error("device {id} names submodule {submod}, which does not exist")]
    DeviceSubmodMissing {
        /// The device.
        id: Text,
        /// The submodule.
        submod: Text,
    },
    /// A submodule belongs to no device.
    #[error("submodule {submod} belongs to no device")]
    SubmodWithoutDevice {
        /// The submodule.
        submod: Text,
    },
    /// An appraisal names no policy.
    #[error("submodule {submod} names no policy")]
    PolicyIdsMissing {
        /// The submodule.
        submod: Text,
    },
    /// A simulated device is presented as genuine.
    #[error("submodule {submod} affirms a simulated device")]
    SimulatedDeviceAffirmed {
        /// The submodule.
        submod: Text,
    },
    /// A simulated device has vendor claims, by which a reader of the vendor's names would take it for a genuine one.
    #[error(
        "submodule {submod} states {claim} for a simulated device: expected at most an hwmodel with the word SIMULATED"
    )]
    SimulatedVendorClaim {
        /// The submodule.
        submod: Text,
        /// The beginning of the first such claim's name.
        claim: String,
    },
    /// A device report is said to cover what runs after boot.
    #[error(
        "submodule {submod} says executables 2, expected 3 at best: a report says nothing about kernels run later"
    )]
    ExecutablesOverstated {
        /// The submodule.
        submod: Text,
    },
    /// The measurements differ from the reference values, and yet the executables are affirmed.
    #[error("submodule {submod} affirms executables although measres is fail")]
    MeasurementContradiction {
        /// The submodule.
        submod: Text,
    },
    /// Certificates were asked about, and yet revocation is said not to have been requested.
    #[error("revocation lists certificates although the method is not_requested")]
    RevocationNotRequested,
    /// Revocation is affirmed and no certificate was asked about.
    #[error("revocation is affirmed without a certificate that was asked about")]
    RevocationUnshown,
    /// Revocation is affirmed and a certificate is not in order.
    #[error("revocation is affirmed although certificate {subject} is {status}")]
    RevocationContradiction {
        /// Its common name.
        subject: Text,
        /// What is said about it.
        status: CertificateStatus,
    },
    /// A status is better than what it sums up.
    #[error("ear_status of {place}: expected at best {bound}, got {actual}")]
    StatusTooGood {
        /// `the receipt`, or the name of a submodule.
        place: String,
        /// The best status allowed.
        bound: Tier,
        /// The status stated.
        actual: Tier,
    },
    /// Two outputs share a name.
    #[error("output {name} occurs twice")]
    OutputDuplicate {
        /// The name.
        name: Text,
    },
    /// A method occurs twice.
    #[error("method {method} occurs twice")]
    MethodDuplicate {
        /// The method.
        method: Method,
    },
    /// A finding rests on a word that cannot carry it.
    #[error("method {method} cannot rest on {actual}")]
    MethodSource {
        /// The method.
        method: Method,
        /// The source stated.
        actual: Source,
    },
    /// A finding about simulated hardware is said to rest on hardware.
    #[error("method {method} cannot rest on hardware: device {device} is simulated")]
    SimulatedHardware {
        /// The method.
        method: Method,
        /// A simulated device.
        device: Text,
    },
    /// A strength is stated for a finding that has none.
    #[error("method {method} is {status}: only an affirmed recomputation has a log2_error")]
    StrengthNotAllowed {
        /// The method.
        method: Method,
        /// How it came out.
        status: Status,
    },
    /// An audit states a strength and not for which wrong share, or something else states a share.
    #[error(
        "method {method}: an audit states log2_error and wrong_ppm together, and nothing else states wrong_ppm"
    )]
    WrongShare {
        /// The method.
        method: Method,
    },
    /// Points are said to build on each other, and no share of them was audited.
    #[error("method {method}: chain stands beside the wrong_ppm of an audit, and nowhere else")]
    ChainWithoutShare {
        /// The method.
        method: Method,
    },
    /// Replicas are affirmed and not counted, or something else counts some.
    #[error("method {method}: affirmed replicas state how many agree, and nothing else does")]
    AgreeingCount {
        /// The method.
        method: Method,
    },
    /// Outputs are said to be committed, and there are none.
    #[error("output_commitment is affirmed without outputs")]
    OutputsMissing,
    /// A kernel and a program are said to have run, and a reader would take the one it looked for.
    #[error("pogw: expected a kernel or a program, got both")]
    ProgramBesideKernel,
    /// What nobody but the guest or the provider can say is said to rest on another word.
    #[error("{claim}: expected the provider's or guest's word, got {actual}")]
    AssertedSource {
        /// The claim.
        claim: &'static str,
        /// The source stated.
        actual: Source,
    },
    /// The times of the work run backwards, or rest on a word that is not the guest's or the provider's.
    #[error(
        "timings: expected an end after the start on the provider's or guest's word, got {started_unix_ms} to {finished_unix_ms} on {source_word}"
    )]
    TimingsInvalid {
        /// The start, in milliseconds since the Unix epoch.
        started_unix_ms: u64,
        /// The end, in milliseconds since the Unix epoch.
        finished_unix_ms: u64,
        /// Whose word it is said to be.
        source_word: Source,
    },
    /// The place in the batch lies outside it.
    #[error("batch: index {index} is not below size {size}")]
    BatchIndex {
        /// The place.
        index: u64,
        /// The size.
        size: u64,
    },
    /// A result check is claimed that was not affirmed.
    #[error("assurance claims {method}, which is not affirmed")]
    ResultNotAffirmed {
        /// The method.
        method: Method,
    },
    /// A result check is claimed although another one failed.
    #[error("assurance claims result checks although {method} is refuted")]
    ResultContradicted {
        /// The method that failed.
        method: Method,
    },
    /// The level is higher than devices and findings support.
    #[error("assurance level: expected at most {supported}, got {claimed}: {shortfall}")]
    LevelUnsupported {
        /// The highest level supported.
        supported: Level,
        /// The level claimed.
        claimed: Level,
        /// What the next level lacks.
        shortfall: Shortfall,
    },
}

codes! { ClaimsError:
    ExpiryNotAfterIssue = "expiry_not_after_issue",
    TooMany = "too_many_entries",
    DevicesMissing = "devices_missing",
    DeviceDuplicate = "device_duplicate",
    DeviceSubmodMissing = "device_submod_missing",
    SubmodWithoutDevice = "submod_without_device",
    PolicyIdsMissing = "policy_ids_missing",
    SimulatedDeviceAffirmed = "simulated_device_affirmed",
    SimulatedVendorClaim = "simulated_vendor_claim",
    ExecutablesOverstated = "executables_overstated",
    MeasurementContradiction = "measurement_contradiction",
    StatusTooGood = "ear_status_too_good",
    OutputDuplicate = "output_duplicate",
    MethodDuplicate = "method_duplicate",
    MethodSource = "method_source_not_allowed",
    SimulatedHardware = "simulated_hardware_source",
    StrengthNotAllowed = "strength_not_allowed",
    WrongShare = "strength_share",
    ChainWithoutShare = "strength_chain",
    AgreeingCount = "agreeing_count",
    RevocationNotRequested = "revocation_not_requested",
    RevocationUnshown = "revocation_unshown",
    RevocationContradiction = "revocation_contradiction",
    OutputsMissing = "outputs_missing",
    ProgramBesideKernel = "program_beside_kernel",
    AssertedSource = "asserted_source_not_allowed",
    TimingsInvalid = "timings_invalid",
    BatchIndex = "batch_index_out_of_range",
    ResultNotAffirmed = "assurance_result_not_affirmed",
    ResultContradicted = "assurance_result_contradicted",
    LevelUnsupported = "assurance_level_unsupported",
}
