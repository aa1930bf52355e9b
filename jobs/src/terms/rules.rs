//! The rules of terms, one function each.

use evidence::device::DeviceKind;
use evidence::limits::MAX_DEVICES;
use evidence::work::wire::PolicyName;

use super::form::{PriceForm, TermsForm};
use super::{AuditTerms, DeviceTerms, MAX_REPLICAS, MAX_STEP_S, Replicas, TermsError};
use crate::clock::{MIN_OPEN_S, OFFER_S};
use crate::money::{Amount, Currency, Money};

pub(super) fn replicas(replicas: Replicas) -> Result<(), TermsError> {
    match replicas.count {
        1..=MAX_REPLICAS => Ok(()),
        actual => Err(TermsError::ReplicaCount { actual }),
    }
}

pub(super) fn min_agreeing(replicas: Replicas) -> Result<(), TermsError> {
    let most = if replicas.adaptive { 1 } else { replicas.count };
    match replicas.min_agreeing {
        Some(actual) if !(1..=most).contains(&actual) => {
            Err(TermsError::MinAgreeing { most, actual })
        }
        _ => Ok(()),
    }
}

pub(super) fn audit(audit: AuditTerms) -> Result<(), TermsError> {
    if !(1..=1_000_000).contains(&audit.wrong_ppm) {
        let actual = audit.wrong_ppm;
        return Err(TermsError::AuditFraction { actual });
    }
    match audit.log2_miss {
        -100..=-1 => Ok(()),
        actual => Err(TermsError::AuditMiss { actual }),
    }
}

pub(super) fn devices(devices: &DeviceTerms) -> Result<(), TermsError> {
    device_count(devices.count.unwrap_or(1))?;
    let Some(architectures) = &devices.architectures else {
        return Ok(());
    };
    let gpus = architectures.iter().all(|a| a.kind() == DeviceKind::Gpu);
    let twice = (1..architectures.len()).any(|n| {
        architectures
            .iter()
            .skip(n)
            .zip(architectures)
            .any(|(a, b)| a == b)
    });
    match gpus && !twice && !architectures.is_empty() {
        true => Ok(()),
        false => Err(TermsError::Architectures),
    }
}

fn device_count(actual: u32) -> Result<(), TermsError> {
    let most = MAX_DEVICES;
    match usize::try_from(actual) {
        Ok(count) if (1..=most).contains(&count) => Ok(()),
        _ => Err(TermsError::DeviceCount { most, actual }),
    }
}

pub(super) fn policy(name: &str) -> Result<(), TermsError> {
    let read = PolicyName::parse(name);
    read.map(drop).map_err(|_| TermsError::PolicyName)
}

pub(super) fn times(form: &TermsForm) -> Result<(), TermsError> {
    let stated = [
        ("commit_within_s", 1, form.commit_within_s),
        ("open_within_s", MIN_OPEN_S, form.open_within_s),
        ("dispute_window_s", 1, form.dispute_window_s),
        ("deadline_s", 1, form.deadline_s),
    ];
    let wrong = |(_, least, actual): &(_, u32, u32)| !(*least..=MAX_STEP_S).contains(actual);
    match stated.into_iter().find(wrong) {
        Some((member, least, actual)) => Err(TermsError::Time {
            member,
            least,
            actual,
        }),
        None => Ok(()),
    }
}

/// A job must have time for one replica at least: to be offered, accepted at the last moment, and committed.
pub(super) fn deadline(form: &TermsForm) -> Result<(), TermsError> {
    let least = u64::from(form.commit_within_s).saturating_add(u64::from(OFFER_S));
    let actual = form.deadline_s;
    match u64::from(actual) >= least {
        true => Ok(()),
        false => Err(TermsError::Deadline {
            offer_s: OFFER_S,
            least,
            actual,
        }),
    }
}

pub(super) fn price(price: &PriceForm) -> Result<Money, TermsError> {
    let wrong = |what| TermsError::Price { what };
    Ok(Money {
        amount: Amount::new(price.amount).map_err(wrong)?,
        currency: Currency::parse(&price.currency).map_err(wrong)?,
    })
}

pub(super) fn stake(stake: i64) -> Result<Amount, TermsError> {
    Amount::new(stake).map_err(|what| TermsError::Stake { what })
}

/// All that a job can move at once must be countable: the prices and the stakes of all its replicas.
pub(super) fn escrow(
    price: Amount,
    stake: Amount,
    replicas: Replicas,
) -> Result<Amount, TermsError> {
    let escrow = price
        .checked_mul(replicas.count)
        .ok_or(TermsError::Escrow)?;
    let stakes = stake
        .checked_mul(replicas.count)
        .ok_or(TermsError::Escrow)?;
    escrow.checked_add(stakes).ok_or(TermsError::Escrow)?;
    Ok(escrow)
}
