//! Whether honesty pays: the condition p·(1−r)·(R+S) > C of methods 1.7.
//!
//! This is advice for whoever offers a job. No job is refused or warned of by it: p, r and C are estimates, and a
//! condition for a game played once says little about one that is played many times.

use crate::money::Amount;
use crate::replication::TRUSTED_FROM;
use crate::terms::{AuditTerms, Terms};

const MILLION: i64 = 1_000_000;

/// What an honest and a cheating agent stand to gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incentive {
    /// R: the price of the replica.
    pub reward: Amount,
    /// C: what cheating saves. At most about the price, where providers live by their work.
    pub saved: Amount,
    /// p: the probability that a cheat is looked at and caught, in parts per million.
    pub caught_ppm: u32,
    /// r: the share of those who would catch it and look away, in parts per million.
    pub colluding_ppm: u32,
}

/// The smallest stake S with p·(1−r)·(R+S) > C; `None` where no stake is enough, since nobody looks, or all look away.
#[must_use]
pub fn minimum_stake(incentive: Incentive) -> Option<Amount> {
    let honest = MILLION.checked_sub(i64::from(incentive.colluding_ppm))?;
    let caught = i64::from(incentive.caught_ppm).checked_mul(honest)?;
    let saved = i128::from(incentive.saved.minor_units());
    let scaled = saved
        .checked_mul(i128::from(MILLION))?
        .checked_mul(i128::from(MILLION))?;
    // p, r in millionths: R + S must exceed scaled / caught, so it is at least the whole part and one.
    let both = match caught {
        1.. => scaled.checked_div(i128::from(caught))?.checked_add(1)?,
        _ => return None,
    };
    let stake = both.checked_sub(i128::from(incentive.reward.minor_units()))?;
    Amount::new(i64::try_from(stake.max(0)).ok()?).ok()
}

/// The share of those who would catch a cheat and look away that advice reckons with, in parts per million (methods 1.7).
pub const COLLUDING_PPM: u32 = 200_000;

/// The smallest stake that makes cheating a loss under these terms, where all work can be saved by it; `None` where
/// there is none. Nothing refuses a job whose stake is lower: it is advice for whoever writes terms.
#[must_use]
pub fn advised_stake(terms: &Terms) -> Option<Amount> {
    minimum_stake(Incentive {
        reward: terms.price().amount,
        saved: terms.price().amount,
        caught_ppm: caught_ppm(terms),
        colluding_ppm: COLLUDING_PPM,
    })
}

/// p under these terms, of a cheat that concerns the audited share of an output, or a whole replica.
///
/// Adaptive replication counts as its rate at the start of trust; it falls as a record grows.
fn caught_ppm(terms: &Terms) -> u32 {
    let replicas = terms.replicas();
    let by_replicas = match (replicas.count, replicas.adaptive) {
        (0 | 1, _) => 0,
        (_, true) => 1_000_000_u32.div_euclid(TRUSTED_FROM),
        (_, false) => 1_000_000,
    };
    by_replicas.max(terms.audit().map_or(0, noticed_ppm))
}

/// 1 − 2^log2_miss, rounded down to millionths.
fn noticed_ppm(audit: AuditTerms) -> u32 {
    let missed = 1_000_000_u32
        .checked_shr(audit.log2_miss.unsigned_abs())
        .unwrap_or(0);
    1_000_000_u32.saturating_sub(missed).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(minor_units: i64) -> Amount {
        Amount::new(minor_units).unwrap()
    }

    fn stake(caught_ppm: u32, colluding_ppm: u32) -> Option<i64> {
        let incentive = Incentive {
            reward: amount(1000),
            saved: amount(1000),
            caught_ppm,
            colluding_ppm,
        };
        minimum_stake(incentive).map(Amount::minor_units)
    }

    #[test]
    fn the_figures_of_methods_1_7() {
        // S = 10 R, C = R, r = 0.2: honest from p > 11.4 %; S = 50 R: from p > 2.5 %.
        assert!(stake(113_000, 200_000).unwrap() > 10_000);
        assert!(stake(114_000, 200_000).unwrap() < 10_000);
        assert!(stake(24_000, 200_000).unwrap() > 50_000);
        assert!(stake(25_000, 200_000).unwrap() < 50_000);
    }

    #[test]
    fn the_least_stake_holds_and_one_less_does_not() {
        let holds = |stake: i64, p: i64, r: i64| {
            p * (MILLION - r) * (1000 + stake) > 1000 * MILLION * MILLION
        };
        for (p, r) in [
            (500_000, 0),
            (100_000, 200_000),
            (10_000, 300_000),
            (999_999, 1),
        ] {
            let least = stake(p, r).unwrap();
            assert!(holds(least, i64::from(p), i64::from(r)), "{p} {r}");
            assert!(!holds(least - 1, i64::from(p), i64::from(r)), "{p} {r}");
        }
    }

    #[test]
    fn terms_tell_how_likely_a_cheat_is_caught() {
        let terms = |count: u32, adaptive: bool, audit: &str| {
            let terms = format!(
                "{{\"replicas\":{{\"count\":{count},\"adaptive\":{adaptive}}},{audit}\"price\":{{\"amount\":1000,\
                 \"currency\":\"EUR\"}},\"stake\":1,\"commit_within_s\":600,\"open_within_s\":60,\
                 \"dispute_window_s\":3600,\"deadline_s\":86400}}"
            );
            Terms::parse(&serde_json::from_str(&terms).unwrap()).unwrap()
        };
        let advised = |count, adaptive, audit| {
            let stake = advised_stake(&terms(count, adaptive, audit));
            stake.map(Amount::minor_units)
        };
        assert_eq!(advised(1, false, ""), None);
        // Looked at each time: p·(1−r) = 0.8, so R + S is above R / 0.8.
        assert_eq!(advised(2, false, ""), Some(251));
        assert!(advised(2, true, "") > advised(2, false, ""));
        let audit = "\"audit\":{\"wrong_ppm\":50000,\"log2_miss\":-20},";
        assert_eq!(advised(1, false, audit), Some(251));
    }

    #[test]
    fn nothing_is_enough_where_nobody_looks() {
        assert_eq!(stake(0, 0), None);
        assert_eq!(stake(1_000_000, 1_000_000), None);
        assert_eq!(stake(1_000_000, 1_000_001), None);
    }
}
