//! The JSON of an appraisal, as `pogw appraise --format json` and `POST /v1/verify` give it. Kept stable: members are
//! added, never renamed or removed.

use evidence::appraise::{DeviceAppraisal, EvidenceAppraisal};
use evidence::policy::{Decision, Denial, PolicyIdentity};
use evidence::{Check, Overall, UnixTime};
use serde::Serialize;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct AppraisalReport<'a> {
    /// `pass`, `fail` or `incomplete`.
    pub overall: Overall,
    /// The time everything was judged at.
    pub as_of: UnixTime,
    /// The checks that concern the devices together.
    pub checks: &'a [Check],
    /// Each device with its checks.
    pub devices: &'a [DeviceAppraisal],
    /// What the policy said.
    pub policy: PolicyReport<'a>,
}

/// The policy's part of the answer.
#[derive(Debug, Serialize)]
pub struct PolicyReport<'a> {
    /// Name and digest.
    #[serde(flatten)]
    pub identity: &'a PolicyIdentity,
    /// Whether it says yes.
    pub granted: bool,
    /// Why not; empty if granted.
    pub deny: &'a [Denial],
}

impl<'a, A> From<&'a Decision<A>> for PolicyReport<'a> {
    fn from(decision: &'a Decision<A>) -> Self {
        let deny = decision.denials();
        Self {
            identity: decision.policy(),
            granted: deny.is_empty(),
            deny,
        }
    }
}

impl<'a> From<&'a Decision<EvidenceAppraisal>> for AppraisalReport<'a> {
    fn from(decision: &'a Decision<EvidenceAppraisal>) -> Self {
        let appraisal = decision.appraisal();
        Self {
            overall: appraisal.overall(),
            as_of: appraisal.as_of(),
            checks: appraisal.checks(),
            devices: appraisal.devices(),
            policy: decision.into(),
        }
    }
}
