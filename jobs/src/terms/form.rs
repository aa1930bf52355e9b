//! Terms as they stand in JSON.

use serde::{Deserialize, Deserializer, Serialize};

use super::{AuditTerms, DeviceTerms, Replicas, Terms, TermsError, rules, shown};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsForm {
    pub(super) replicas: Replicas,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) audit: Option<AuditTerms>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) devices: Option<DeviceTerms>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) policy: Option<String>,
    pub(super) price: PriceForm,
    pub(super) stake: i64,
    pub(super) commit_within_s: u32,
    pub(super) open_within_s: u32,
    pub(super) dispute_window_s: u32,
    pub(super) deadline_s: u32,
}

/// A price before its rules hold, so that each has its own code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceForm {
    pub(super) amount: i64,
    pub(super) currency: String,
}

impl TryFrom<TermsForm> for Terms {
    type Error = TermsError;

    fn try_from(form: TermsForm) -> Result<Self, TermsError> {
        rules::replicas(form.replicas)?;
        rules::min_agreeing(form.replicas)?;
        form.audit.map_or(Ok(()), rules::audit)?;
        form.devices.as_ref().map_or(Ok(()), rules::devices)?;
        form.policy.as_deref().map_or(Ok(()), rules::policy)?;
        rules::times(&form)?;
        rules::deadline(&form)?;
        let price = rules::price(&form.price)?;
        let stake = rules::stake(form.stake)?;
        let escrow = rules::escrow(price.amount, stake, form.replicas)?;
        let shown = shown::of(&form, price, stake);
        Ok(Self {
            form,
            price,
            stake,
            escrow,
            shown,
        })
    }
}

impl From<Terms> for TermsForm {
    fn from(terms: Terms) -> Self {
        terms.form
    }
}

/// For optional members: absent or of their type. `null` would be a second way to be absent.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
