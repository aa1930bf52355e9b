//! What an agent may know of terms before it takes an assignment. It is not told how many replicas there are, but how
//! many must agree before any is paid.

use evidence::work::wire::{self, DevicesAsked, PolicyName, Price, TermsShown};

use super::form::TermsForm;
use super::{Assurance, AuditTerms, DeviceTerms};
use crate::money::{Amount, Money};

pub(super) fn of(form: &TermsForm, price: Money, stake: Amount) -> TermsShown {
    TermsShown {
        price: Price {
            amount: units(price.amount),
            currency: price.currency.to_string(),
        },
        commit_within_s: form.commit_within_s,
        stake: units(stake),
        audit: form.audit.map(audit),
        open_within_s: form.open_within_s,
        dispute_window_s: form.dispute_window_s,
        devices: Some(devices(form.devices.as_ref())),
        min_agreeing: form.replicas.min_agreeing.filter(|least| *least > 1),
        // Whatever terms name has the form of a name.
        policy: form
            .policy
            .as_deref()
            .and_then(|name| PolicyName::parse(name).ok()),
    }
}

const fn units(amount: Amount) -> u64 {
    amount.minor_units().unsigned_abs()
}

const fn audit(audit: AuditTerms) -> wire::AuditTerms {
    wire::AuditTerms {
        wrong_ppm: audit.wrong_ppm,
        log2_miss: audit.log2_miss,
    }
}

fn devices(asked: Option<&DeviceTerms>) -> DevicesAsked {
    let asked = asked.cloned().unwrap_or_default();
    DevicesAsked {
        count: asked.count.unwrap_or(1),
        architectures: asked.architectures,
        min_assurance: match asked.min_assurance.unwrap_or(Assurance::A0) {
            Assurance::A0 => wire::Assurance::A0,
            Assurance::A1 => wire::Assurance::A1,
            Assurance::A2 => wire::Assurance::A2,
            Assurance::A3 => wire::Assurance::A3,
        },
        simulated: asked.simulated.unwrap_or(false),
    }
}
