//! What a tenant offers beside the work: how many replicas, which audit, which devices, what is paid, what is at stake,
//! how long each step may take.
//!
//! In scope: the JSON form, its rules (one code each), its digest. Out of scope: whether the policy exists, whether the
//! tenant can pay.

mod form;
mod rules;
mod shown;
#[cfg(test)]
mod tests;

use evidence::crypto::sha256;
use evidence::device::{Architecture, DeviceKind};
use evidence::work::wire::TermsShown;
use evidence::work::{Hex, canonical_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::money::{Amount, Currency, Money};
use form::TermsForm;

/// Most replicas of one job.
pub const MAX_REPLICAS: u32 = 8;

/// Most assignments of one job for each replica asked for: the first and three replacements.
pub const ASSIGNMENTS_PER_REPLICA: u32 = 4;

/// Longest time of any step: 30 days, in seconds.
pub const MAX_STEP_S: u32 = 30 * 24 * 60 * 60;

/// The terms of a job; every rule holds of a value of this type.
///
/// ```json
/// {"replicas": {"count": 2, "adaptive": false, "min_agreeing": 2},
///  "audit": {"wrong_ppm": 50000, "log2_miss": -20},
///  "devices": {"count": 1, "architectures": ["HOPPER"], "min_assurance": "A2", "simulated": true},
///  "policy": "default",
///  "price": {"amount": 1200, "currency": "EUR"},
///  "stake": 2400,
///  "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400}
/// ```
///
/// `min_agreeing`, `audit`, `devices` with each of its members, and `policy` are optional; everything else is stated. What is
/// absent stays absent, so the digest of the terms is that of the text the tenant sent, whatever its spacing and order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TermsForm", into = "TermsForm")]
pub struct Terms {
    form: TermsForm,
    price: Money,
    stake: Amount,
    escrow: Amount,
    shown: TermsShown,
}

/// How many replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replicas {
    /// Replicas of the job, 1 to [`MAX_REPLICAS`].
    pub count: u32,
    /// Whether a host with a good record may run it alone (see [`crate::replication`]).
    pub adaptive: bool,
    /// How many must agree for anything to be paid, 1 to `count`; absent means one. A replica that may run alone agrees with
    /// nobody, so nothing beyond one goes with `adaptive`.
    #[serde(
        default,
        deserialize_with = "form::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub min_agreeing: Option<u32>,
}

/// The strength of the point audit of each output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditTerms {
    /// The share of wrong points that must not go unnoticed, in parts per million.
    pub wrong_ppm: u32,
    /// The probability of missing it, as a power of two: −100 to −1.
    pub log2_miss: i32,
}

/// What the devices of an agent must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceTerms {
    /// How many, at least; absent means one.
    #[serde(
        default,
        deserialize_with = "form::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub count: Option<u32>,
    /// Of which architectures; absent means of any.
    #[serde(
        default,
        deserialize_with = "form::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub architectures: Option<Vec<Architecture>>,
    /// What their evidence must show; absent means A0.
    #[serde(
        default,
        deserialize_with = "form::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub min_assurance: Option<Assurance>,
    /// Whether software devices are let in; absent means not.
    #[serde(
        default,
        deserialize_with = "form::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub simulated: Option<bool>,
}

/// What terms can ask of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceTraits {
    /// Its architecture.
    pub architecture: Architecture,
    /// Whether it is software.
    pub simulated: bool,
}

impl DeviceTerms {
    /// Whether these devices will do: those that are not asked for are not counted, and software ones spoil the rest.
    #[must_use]
    pub fn fit<'d, D>(&self, devices: D) -> bool
    where
        D: IntoIterator<Item = &'d DeviceTraits> + Clone,
    {
        let simulated = self.simulated.unwrap_or(false);
        let wanted = |device: &&DeviceTraits| match &self.architectures {
            Some(architectures) => architectures.contains(&device.architecture),
            None => device.architecture.kind() == DeviceKind::Gpu,
        };
        let fitting = devices.clone().into_iter().filter(wanted).count();
        let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
        let honest = simulated || !devices.into_iter().any(|device| device.simulated);
        honest && fitting >= self.count.unwrap_or(1)
    }
}

/// Levels of assurance (DESIGN section 6), the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Assurance {
    /// Self-asserted or simulated.
    A0,
    /// A genuine device, fresh.
    A1,
    /// And the output committed in the report.
    A2,
    /// And a CPU TEE quote over the same statement.
    A3,
}

/// Why terms are refused. One rule, one code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// No devices to run on, or more than a bundle carries.
    #[error("devices.count: expected 1 to {most}, got {actual}")]
    DeviceCount {
        /// The largest there is.
        most: usize,
        /// What is stated.
        actual: u32,
    },
    /// An empty list of architectures, one named twice, or a switch, which computes nothing.
    #[error("devices.architectures: expected at least one GPU architecture, each once")]
    Architectures,
    /// A share that is none.
    #[error("audit.wrong_ppm: expected 1 to 1000000, got {actual}")]
    AuditFraction {
        /// What is stated.
        actual: u32,
    },
    /// A probability no audit is asked for.
    #[error("audit.log2_miss: expected -100 to -1, got {actual}")]
    AuditMiss {
        /// What is stated.
        actual: i32,
    },
    /// The last commitment could not come in before the deadline.
    #[error("deadline_s: expected at least commit_within_s + {offer_s} = {least}, got {actual}")]
    Deadline {
        /// For how long an offer stands.
        offer_s: u32,
        /// The least there is.
        least: u64,
        /// What is stated.
        actual: u32,
    },
    /// The price of all replicas, or all stakes beside it, cannot be counted.
    #[error("price.amount and stake: expected at most 2^53 - 1 for all replicas together")]
    Escrow,
    /// Not the members terms have, or not of their types.
    #[error("terms: {what}")]
    Malformed {
        /// What is wrong, and where.
        what: String,
    },
    /// None that must agree, or more than there can be.
    #[error("replicas.min_agreeing: expected 1 to {most}, got {actual}")]
    MinAgreeing {
        /// The largest there is.
        most: u32,
        /// What is stated.
        actual: u32,
    },
    /// A name no policy has.
    #[error("policy: expected 1 to 64 of A-Z a-z 0-9 . _ -")]
    PolicyName,
    /// An amount or a currency that is none.
    #[error("price: {what}")]
    Price {
        /// What is wrong.
        what: crate::money::MoneyError,
    },
    /// No replica, or too many.
    #[error("replicas.count: expected 1 to {MAX_REPLICAS}, got {actual}")]
    ReplicaCount {
        /// What is stated.
        actual: u32,
    },
    /// A stake that is no amount.
    #[error("stake: {what}")]
    Stake {
        /// What is wrong.
        what: crate::money::MoneyError,
    },
    /// No time, or more than any step may take.
    #[error("{member}: expected {least} to {MAX_STEP_S} seconds, got {actual}")]
    Time {
        /// The member.
        member: &'static str,
        /// What is needed.
        least: u32,
        /// What is stated.
        actual: u32,
    },
}

impl TermsError {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Architectures => "terms_architectures",
            Self::AuditFraction { .. } => "terms_audit_fraction",
            Self::AuditMiss { .. } => "terms_audit_miss",
            Self::Deadline { .. } => "terms_deadline",
            Self::DeviceCount { .. } => "terms_device_count",
            Self::Escrow => "terms_escrow",
            Self::Malformed { .. } => "terms_malformed",
            Self::MinAgreeing { .. } => "terms_min_agreeing",
            Self::PolicyName => "terms_policy_name",
            Self::Price { .. } => "terms_price",
            Self::ReplicaCount { .. } => "terms_replica_count",
            Self::Stake { .. } => "terms_stake",
            Self::Time { .. } => "terms_time",
        }
    }
}

impl Terms {
    /// Reads terms from their JSON.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn parse(value: &Value) -> Result<Self, TermsError> {
        let form = TermsForm::deserialize(value).map_err(|error| TermsError::Malformed {
            what: error.to_string(),
        })?;
        Self::try_from(form)
    }

    /// SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// They do not serialise, which no terms that exist do.
    pub fn digest(&self) -> Result<Hex<32>, serde_json::Error> {
        Ok(Hex(sha256(&canonical_json(&self.form)?)))
    }

    /// How many replicas.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        self.form.replicas
    }

    /// How many replicas must agree for anything to be paid.
    #[must_use]
    pub fn min_agreeing(&self) -> u32 {
        self.replicas().min_agreeing.unwrap_or(1)
    }

    /// The audit, where one is asked for.
    #[must_use]
    pub fn audit(&self) -> Option<AuditTerms> {
        self.form.audit
    }

    /// What the devices must be, where anything is stated of them.
    #[must_use]
    pub fn devices(&self) -> Option<&DeviceTerms> {
        self.form.devices.as_ref()
    }

    /// Whether these devices will do.
    #[must_use]
    pub fn fit<'d, D>(&self, devices: D) -> bool
    where
        D: IntoIterator<Item = &'d DeviceTraits> + Clone,
    {
        self.devices()
            .unwrap_or(&DeviceTerms::default())
            .fit(devices)
    }

    /// What the evidence must show.
    #[must_use]
    pub fn min_assurance(&self) -> Assurance {
        let asked = self.devices().and_then(|devices| devices.min_assurance);
        asked.unwrap_or(Assurance::A0)
    }

    /// What an agent may know of them before it takes an assignment.
    #[must_use]
    pub const fn shown(&self) -> &TermsShown {
        &self.shown
    }

    /// The policy that decides, where one is named.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.form.policy.as_deref()
    }

    /// What is paid for each replica that is accepted.
    #[must_use]
    pub fn price(&self) -> Money {
        self.price
    }

    /// The currency of price and stake.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.price.currency
    }

    /// What the owner of an agent puts down for each assignment.
    #[must_use]
    pub fn stake(&self) -> Amount {
        self.stake
    }

    /// What the tenant puts down: the price of all replicas.
    #[must_use]
    pub fn escrow(&self) -> Amount {
        self.escrow
    }

    /// From the acceptance of an assignment to its commitment, in seconds.
    #[must_use]
    pub fn commit_within_s(&self) -> u32 {
        self.form.commit_within_s
    }

    /// From a question to its answer: openings, and questions of a referee. In seconds.
    #[must_use]
    pub fn open_within_s(&self) -> u32 {
        self.form.open_within_s
    }

    /// From acceptance of the results to settlement, in seconds.
    #[must_use]
    pub fn dispute_window_s(&self) -> u32 {
        self.form.dispute_window_s
    }

    /// From the creation of the job to the last commitment, in seconds.
    #[must_use]
    pub fn deadline_s(&self) -> u32 {
        self.form.deadline_s
    }

    /// Most assignments the job may use up: those that agents take. Of offers that nobody took it remembers as many.
    #[must_use]
    pub fn max_assignments(&self) -> u32 {
        self.replicas()
            .count
            .saturating_mul(ASSIGNMENTS_PER_REPLICA)
    }
}
