//! Answers at one time and another.

use super::super::fixture::{
    DAY, NOON, RESPONDER_FROM, RESPONDER_TO, Recipe, WITHIN, answer, explicit, recipe, time,
};
use super::{authentic, codes};
use crate::ocsp::{DEFAULT_LIFETIME_SECS, MAX_CLOCK_SKEW_SECS, OcspResponse};
use crate::reason::Code;
use crate::time::UnixTime;
use crate::trust::{Authentic, Expires};

const SKEW: i64 = 300;

fn at(response: &Authentic<OcspResponse>, secs: i64) -> Vec<Code> {
    codes(&response.get().reasons_at(UnixTime::from_secs(secs)))
}

/// Row 68, to the second.
#[test]
fn an_answer_is_for_its_window_and_the_skew_on_either_side() {
    assert_eq!(MAX_CLOCK_SKEW_SECS, SKEW);
    let response = authentic(&recipe().der());
    let early = [Code::OcspNotYetValid, Code::OcspNotYetValid];
    let table: [(i64, &[Code]); 8] = [
        (NOON - SKEW - 1, &early),
        (NOON - SKEW, &[]),
        (NOON, &[]),
        (NOON + DAY, &[]),
        (NOON + DAY + SKEW, &[]),
        (NOON + DAY + SKEW + 1, &[Code::OcspStale]),
        (RESPONDER_TO, &[Code::OcspStale]),
        (
            RESPONDER_TO + 1,
            &[Code::OcspStale, Code::OcspResponderExpired],
        ),
    ];
    for (secs, expected) in table {
        assert_eq!(at(&response, secs), expected, "{secs}");
    }
    assert!(response.verify_at(WITHIN).is_ok());
    let stale = response.verify_at(UnixTime::from_secs(NOON + 2 * DAY));
    let reasons = stale.err().unwrap();
    assert_eq!(
        reasons[0].expected.as_deref(),
        Some("valid to 2025-07-02T12:00:00Z")
    );
}

/// nvidia-evidence 5.3: without a next update, 24 hours.
#[test]
fn without_a_next_update_it_is_a_day() {
    assert_eq!(DEFAULT_LIFETIME_SECS, DAY);
    let response = authentic(&answer(|recipe| recipe.single.next_update.clear()));
    assert_eq!(response.get().next_update(), None);
    assert_eq!(response.get().valid_until().secs(), NOON + DAY);
    assert_eq!(at(&response, NOON + DAY + SKEW), []);
    assert_eq!(at(&response, NOON + DAY + SKEW + 1), [Code::OcspStale]);
}

/// Row 69.
#[test]
fn production_time_is_plausible() {
    type Edit = fn(&mut Recipe);
    #[rustfmt::skip]
    let table: [(&str, Edit, &[Code]); 9] = [
        ("with this update", |_| (), &[]),
        ("with next update", |r| r.produced_at = time("20250702120000Z"), &[]),
        ("after next update", |r| r.produced_at = time("20250702120001Z"), &[Code::OcspTimesImplausible]),
        ("before this update, by the skew", |r| r.produced_at = time("20250701115500Z"), &[]),
        ("before this update, by more", |r| r.produced_at = time("20250701115459Z"), &[Code::OcspTimesImplausible]),
        ("next update with this update", |r| r.single.next_update = explicit(0, &r.single.this_update), &[]),
        ("next update before this update", |r| r.single.next_update = explicit(0, &time("20250701115959Z")), &[Code::OcspTimesImplausible]),
        ("next update before this update, produced with it", |r| { r.produced_at = time("20250701115959Z"); r.single.next_update = explicit(0, &r.produced_at); }, &[Code::OcspTimesImplausible]),
        ("in another century", |r| r.produced_at = time("21250701120000Z"), &[Code::OcspNotYetValid, Code::OcspTimesImplausible]),
    ];
    for (case, edit, expected) in table {
        let response = authentic(&answer(edit));
        // Within the skew of each of the windows above, except the production times to come.
        let secs = if case == "with next update" || case == "after next update" {
            NOON + DAY
        } else {
            NOON
        };
        assert_eq!(at(&response, secs), expected, "{case}");
    }
    let late = authentic(&answer(|r| r.produced_at = time("20250701180000Z")));
    let produced = NOON + 6 * 60 * 60;
    assert_eq!(at(&late, produced - SKEW), []);
    assert_eq!(at(&late, produced - SKEW - 1), [Code::OcspNotYetValid]);
}

/// Row 66.
#[test]
fn the_responder_is_valid_then() {
    let response = authentic(&answer(|recipe| {
        recipe.produced_at = time("20241231000000Z");
        recipe.single.this_update = time("20241231000000Z");
        recipe.single.next_update = explicit(0, &time("20300101000000Z"));
    }));
    let table: [(i64, &[Code]); 4] = [
        (RESPONDER_FROM - SKEW - 1, &[Code::CertificateNotYetValid]),
        (RESPONDER_FROM - SKEW, &[]),
        (RESPONDER_TO, &[]),
        (RESPONDER_TO + 1, &[Code::OcspResponderExpired]),
    ];
    for (secs, expected) in table {
        assert_eq!(at(&response, secs), expected, "{secs}");
    }
    let expired = UnixTime::from_secs(RESPONDER_TO + 1);
    let reasons = response.get().reasons_at(expired);
    assert_eq!(
        reasons[0].message,
        "OCSP responder (test responder) has expired"
    );
}

#[test]
fn the_caller_may_bound_the_age() {
    let response = authentic(&recipe().der());
    let bound = |max_age_secs, secs| {
        let as_of = UnixTime::from_secs(secs);
        response.get().age_bound(max_age_secs, as_of)
    };
    assert_eq!(bound(0, NOON), None);
    assert_eq!(bound(60, NOON + 60), None);
    let reason = bound(60, NOON + 61).unwrap();
    assert_eq!(reason.code, Code::OcspTooOld);
    assert_eq!(reason.actual.as_deref(), Some("61"));
    assert_eq!(bound(0, NOON - 1), None);
    assert_eq!(bound(u64::MAX, i64::MAX), None);
    assert!(bound(u64::from(u32::MAX), i64::MAX).is_some());
}

/// The ends of time neither panic nor pass.
#[test]
fn the_ends_of_time_are_judged() {
    let forever = authentic(&answer(|recipe| {
        recipe.single.next_update = explicit(0, &time("99991231235959Z"));
    }));
    assert_eq!(
        at(&forever, i64::MAX),
        [Code::OcspStale, Code::OcspResponderExpired]
    );
    let early = [
        Code::OcspNotYetValid,
        Code::OcspNotYetValid,
        Code::CertificateNotYetValid,
    ];
    assert_eq!(at(&forever, i64::MIN), early);
}
