//! Conditions on which a provider takes work, as its agent states them, and whether terms meet them.
//!
//! The verifier offers nothing to an agent whose conditions the terms do not meet; the agent looks at each offer once more,
//! by the same rule.

use serde::{Deserialize, Serialize};

use super::MAX_POLICIES;
use super::next::TermsShown;
use super::text::PolicyName;
use crate::work::encoding::{bounded_list, present};

/// What a provider takes work for. Amounts are in minor units of whatever currency a job has. Absent members ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// The least price of a result.
    #[serde(default)]
    pub least_price: u64,
    /// The highest stake.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub most_stake: Option<u64>,
    /// The least time from acceptance to the commitment, seconds.
    #[serde(default)]
    pub least_commit_within_s: u32,
    /// The least time from the call for an opening, or a question, to the answer, seconds.
    #[serde(default)]
    pub least_open_within_s: u32,
    /// The longest time from acceptance of a result to its payment, seconds.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub longest_dispute_window_s: Option<u32>,
    /// The most replicas that must agree for any to be paid: with others, their silence can cost the price.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub most_agreeing: Option<u32>,
    /// The policies under which work is taken, where the terms name one; absent: any.
    #[serde(
        default,
        deserialize_with = "policies",
        skip_serializing_if = "Option::is_none"
    )]
    pub policies: Option<Vec<PolicyName>>,
}

impl Conditions {
    /// Of an agent that states none: it is not shown a policy, nor how many must agree, so it gets no work for which that
    /// matters.
    #[must_use]
    pub fn unstated() -> Self {
        Self {
            most_agreeing: Some(1),
            policies: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// The first condition that terms do not meet, in the agent's words for why it declines.
    #[must_use]
    pub fn unmet(&self, terms: &TermsShown) -> Option<&'static str> {
        let above = |most: Option<u64>, actual| most.is_some_and(|most| actual > most);
        let (agreeing, most) = (terms.min_agreeing.unwrap_or(1), self.most_agreeing);
        let window = self.longest_dispute_window_s.map(u64::from);
        let is_strange = |name: &PolicyName| {
            let known = self.policies.as_ref();
            known.is_some_and(|known| !known.contains(name))
        };
        match () {
            () if terms.price.amount < self.least_price => Some("price_too_low"),
            () if above(self.most_stake, terms.stake) => Some("stake_too_high"),
            () if terms.commit_within_s < self.least_commit_within_s => {
                Some("commit_time_too_short")
            }
            () if terms.open_within_s < self.least_open_within_s => Some("time_too_short"),
            () if above(window, terms.dispute_window_s.into()) => Some("dispute_window_too_long"),
            () if above(most.map(u64::from), agreeing.into()) => Some("too_many_must_agree"),
            () if terms.policy.as_ref().is_some_and(is_strange) => Some("policy_not_taken"),
            () => None,
        }
    }
}

fn policies<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<PolicyName>>, D::Error> {
    bounded_list::<_, _, MAX_POLICIES>(deserializer).map(Some)
}
