//! What was checked, how it came out, and on whose word.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::value::{InvalidValue, present, words};

words! {
    /// How a check came out. Unavailable is a finding, never a pass.
    Status, "status":
    /// The check was made and held.
    Affirmed = "affirmed",
    /// The check was made and failed.
    Refuted = "refuted",
    /// The check was wanted and could not be made.
    Unverifiable = "unverifiable",
    /// Nobody asked for the check.
    NotRequested = "not_requested",
}

words! {
    /// On whose word a finding rests.
    Source, "source":
    /// A key certified by the device's or the processor's manufacturer.
    Hardware = "hardware",
    /// The verifier computed it again.
    Recomputation = "recomputation",
    /// Independent executions agree.
    Replicas = "replicas",
    /// The verifier's own clock.
    VerifierClock = "verifier_clock",
    /// Software in a measured guest says so.
    GuestAsserted = "guest_asserted",
    /// The provider says so; the host can forge it.
    ProviderAsserted = "provider_asserted",
}

/// A check by name.
///
/// What each proves, and does not, is the table in this crate's README.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A device report with our nonce: chain, signature and nonce hold.
    DeviceReport,
    /// Firmware and driver equal the vendor's reference values.
    ReferenceMeasurements,
    /// The certificates are not revoked.
    Revocation,
    /// The nonce of the report commits to job and outputs.
    OutputCommitment,
    /// A CPU TEE quote covers the same statement and the reports.
    GuestQuote,
    /// Sampled elements of the output were recomputed.
    Audit,
    /// Freivalds' check of a matrix product.
    Freivalds,
    /// A sumcheck proof of a matrix product.
    Sumcheck,
    /// Independent executions that committed before they revealed agree.
    Replicas,
    /// The time between challenge and commitment fits the claimed class of hardware.
    Timing,
    /// Counters of the driver fit the work. The host can forge them.
    Telemetry,
    /// A check this version does not know; it never counts towards an assurance.
    Other(OtherMethod),
}

/// The name of a check this version does not know: 1 to 64 lower-case letters, digits and underscores.
///
/// Made by reading a [`Method`], so that it never hides a name that is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherMethod(String);

impl Method {
    /// Every check this version knows.
    pub const KNOWN: &'static [Self] = &[
        Self::DeviceReport,
        Self::ReferenceMeasurements,
        Self::Revocation,
        Self::OutputCommitment,
        Self::GuestQuote,
        Self::Audit,
        Self::Freivalds,
        Self::Sumcheck,
        Self::Replicas,
        Self::Timing,
        Self::Telemetry,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::DeviceReport => "device_report",
            Self::ReferenceMeasurements => "reference_measurements",
            Self::Revocation => "revocation",
            Self::OutputCommitment => "output_commitment",
            Self::GuestQuote => "guest_quote",
            Self::Audit => "audit",
            Self::Freivalds => "freivalds",
            Self::Sumcheck => "sumcheck",
            Self::Replicas => "replicas",
            Self::Timing => "timing",
            Self::Telemetry => "telemetry",
            Self::Other(other) => &other.0,
        }
    }

    /// The sources a finding of this method may have.
    #[must_use]
    pub const fn sources(&self) -> &'static [Source] {
        match self {
            // `provider_asserted` is what a simulated device can say for itself.
            Self::DeviceReport
            | Self::ReferenceMeasurements
            | Self::Revocation
            | Self::GuestQuote => &[Source::Hardware, Source::ProviderAsserted],
            Self::OutputCommitment => &[
                Source::Hardware,
                Source::GuestAsserted,
                Source::ProviderAsserted,
            ],
            Self::Audit | Self::Freivalds | Self::Sumcheck => &[Source::Recomputation],
            Self::Replicas => &[Source::Replicas],
            Self::Timing => &[
                Source::VerifierClock,
                Source::GuestAsserted,
                Source::ProviderAsserted,
            ],
            Self::Telemetry => &[Source::GuestAsserted, Source::ProviderAsserted],
            Self::Other(_) => Source::ALL,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        if let Some(known) = Self::KNOWN.iter().find(|known| known.as_str() == text) {
            return Ok(known.clone());
        }
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if (1..=64).contains(&text.len()) && text.chars().all(is_word) {
            Ok(Self::Other(OtherMethod(text.to_owned())))
        } else {
            Err(InvalidValue::new(
                "method",
                "1 to 64 lower-case letters, digits and underscores",
                text,
            ))
        }
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The base-2 logarithm of the probability that the check passes although the output is wrong; rounded up, so that
/// the stated bound holds. `-124` is better than `-20`; `0` bounds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i32")]
pub struct Log2Error(i32);

impl Log2Error {
    /// The strength of a check.
    ///
    /// # Errors
    /// [`InvalidValue`] above 0 (a probability is at most 1) or below -4096 (no check we know is near it).
    pub fn new(log2_error: i32) -> Result<Self, InvalidValue> {
        if (-4096..=0).contains(&log2_error) {
            Ok(Self(log2_error))
        } else {
            let actual = log2_error.to_string();
            Err(InvalidValue::new("log2_error", "-4096 to 0", &actual))
        }
    }

    /// The logarithm.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Log2Error {
    type Error = InvalidValue;

    fn try_from(log2_error: i32) -> Result<Self, InvalidValue> {
        Self::new(log2_error)
    }
}

/// A share of an output in parts per million, 1 to 1 000 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct PartsPerMillion(u32);

impl PartsPerMillion {
    /// A share.
    ///
    /// # Errors
    /// [`InvalidValue`] for nothing, and for more than all.
    pub fn new(parts: u32) -> Result<Self, InvalidValue> {
        if (1..=1_000_000).contains(&parts) {
            Ok(Self(parts))
        } else {
            let actual = parts.to_string();
            Err(InvalidValue::new(
                "parts per million",
                "1 to 1000000",
                &actual,
            ))
        }
    }

    /// The number of parts.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for PartsPerMillion {
    type Error = InvalidValue;

    fn try_from(parts: u32) -> Result<Self, InvalidValue> {
        Self::new(parts)
    }
}

/// How the points that an audit draws from build on each other.
///
/// An audited point is right if it follows from what it is computed from. Where that is another claimed point, a single
/// made-up one makes all that follow it wrong, and none of those fails. Of [`points`](Self::points),
/// [`drawn`](Self::drawn) find the made-up one with probability 1 − (1 − 1/points)^drawn, whatever `log2_error` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "ChainParts")]
pub struct Chain {
    steps: u64,
    points: u64,
    drawn: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainParts {
    steps: u64,
    points: u64,
    drawn: u32,
}

impl Chain {
    /// Points that build on each other.
    ///
    /// # Errors
    /// [`InvalidValue`] for a chain of fewer than two steps, and where there are no points or none was drawn.
    pub fn new(steps: u64, points: u64, drawn: u32) -> Result<Self, InvalidValue> {
        if steps >= 2 && points >= 1 && drawn >= 1 {
            return Ok(Self {
                steps,
                points,
                drawn,
            });
        }
        let actual = format!("{steps} steps, {points} points, {drawn} drawn");
        let expected = "at least 2 steps, 1 point, 1 drawn";
        Err(InvalidValue::new("chain", expected, &actual))
    }

    /// How many points in a row follow from one another, at most.
    #[must_use]
    pub const fn steps(self) -> u64 {
        self.steps
    }

    /// Points of the output that has the most: among so many, at most, a single made-up point hides.
    #[must_use]
    pub const fn points(self) -> u64 {
        self.points
    }

    /// Points drawn of each output.
    #[must_use]
    pub const fn drawn(self) -> u32 {
        self.drawn
    }
}

impl TryFrom<ChainParts> for Chain {
    type Error = InvalidValue;

    fn try_from(parts: ChainParts) -> Result<Self, InvalidValue> {
        Self::new(parts.steps, parts.points, parts.drawn)
    }
}

/// A number of executions that agree: 2 to 8. One alone agrees with nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct Agreeing(u32);

impl Agreeing {
    /// A number of executions.
    ///
    /// # Errors
    /// [`InvalidValue`] below 2 and above 8.
    pub fn new(executions: u32) -> Result<Self, InvalidValue> {
        if (2..=8).contains(&executions) {
            Ok(Self(executions))
        } else {
            let actual = executions.to_string();
            Err(InvalidValue::new("agreeing", "2 to 8", &actual))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Agreeing {
    type Error = InvalidValue;

    fn try_from(executions: u32) -> Result<Self, InvalidValue> {
        Self::new(executions)
    }
}

/// One check: how it came out, on whose word, and how strong it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Which check.
    pub method: Method,
    /// How it came out; over several devices, the worst of them.
    pub status: Status,
    /// On whose word.
    pub source: Source,
    /// Its strength, where a number exists.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub log2_error: Option<Log2Error>,
    /// The smallest wrong share of the points of an output that `log2_error` speaks of, for an audit of a sample; an output
    /// that is wrong in fewer points passes more often. Absent where `log2_error` speaks of any wrong output.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub wrong_ppm: Option<PartsPerMillion>,
    /// How the points build on each other, for an audit whose points are computed from one another. Absent where every
    /// point follows from the inputs alone, and only there.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub chain: Option<Chain>,
    /// How many independent executions agree, of an affirmed [`Method::Replicas`] and of nothing else: this one and the
    /// others. The result is right if one of them is honest.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub agreeing: Option<Agreeing>,
}

impl Finding {
    /// A finding whose strength is not a number.
    #[must_use]
    pub const fn new(method: Method, status: Status, source: Source) -> Self {
        Self {
            method,
            status,
            source,
            log2_error: None,
            wrong_ppm: None,
            chain: None,
            agreeing: None,
        }
    }

    /// So many executions agree.
    #[must_use]
    pub const fn replicas(agreeing: Agreeing) -> Self {
        let mut finding = Self::new(Method::Replicas, Status::Affirmed, Source::Replicas);
        finding.agreeing = Some(agreeing);
        finding
    }

    pub(crate) fn is_affirmed_by(&self, source: Source) -> bool {
        self.status == Status::Affirmed && self.source == source
    }
}
