//! Which of several answers counts.

use std::cell::RefCell;
use std::sync::Arc;

use super::super::fixture::{DAY, NOON, Recipe, STRANGER, WITHIN, answer, explicit, revoked, time};
use super::{ASKED, PKI};
use crate::ocsp::{Hold, OcspResponse, Terms, Worth, best_of};
use crate::time::UnixTime;

use Worth::{Current, OutOfDate, Revocation, Unbelievable};

const TERMS: Terms = Terms {
    as_of: WITHIN,
    max_age_secs: None,
    hold: Hold::Refuted,
};

fn revoked_since(at: &'static str, reason: u8) -> impl Fn(&mut Recipe) {
    move |recipe| recipe.single.status = revoked(at, Some(reason))
}

fn old(recipe: &mut Recipe) {
    recipe.produced_at = time("20250601120000Z");
    recipe.single.this_update = time("20250601120000Z");
    recipe.single.next_update = explicit(0, &time("20250602120000Z"));
}

fn forged(recipe: &mut Recipe) {
    recipe.signer = Box::leak(Box::new(STRANGER.responder(ASKED, |_| ())));
}

/// An answer changed by all of these.
fn with(edits: &[&dyn Fn(&mut Recipe)]) -> Vec<u8> {
    answer(|recipe| edits.iter().for_each(|edit| edit(recipe)))
}

fn worth(der: &[u8], terms: &Terms) -> Worth {
    let link = PKI.link(ASKED);
    Worth::of(&link, &OcspResponse::examine(der, &link), terms)
}

#[test]
fn an_answer_is_worth_what_it_says_if_anybody_stands_behind_it() {
    let good = with(&[]);
    let long_revoked = with(&[&revoked_since("20250101000000Z", 1), &old]);
    let held = with(&[&revoked_since("20250101000000Z", 6)]);
    let table = [
        (&good, Current),
        (&with(&[&old]), OutOfDate),
        (&with(&[&forged]), Unbelievable),
        (&b"junk".to_vec(), Unbelievable),
        (&long_revoked, Revocation),
        (
            &with(&[&revoked_since("20250101000000Z", 1), &forged]),
            Unbelievable,
        ),
        // A hold ends, and a revocation of tomorrow is none yet.
        (&held, Current),
        (
            &with(&[&revoked_since("20250101000000Z", 6), &old]),
            OutOfDate,
        ),
        (&with(&[&revoked_since("20250702110000Z", 1)]), Current),
    ];
    for (number, (der, expected)) in table.into_iter().enumerate() {
        assert_eq!(worth(der, &TERMS), expected, "{number}");
    }
    let link = PKI.link(2);
    let of_another = OcspResponse::examine(&good, &link);
    assert_eq!(Worth::of(&link, &of_another, &TERMS), Unbelievable);
    let narrow = |max_age_secs| Terms {
        max_age_secs: Some(max_age_secs),
        ..TERMS
    };
    let age = u64::try_from(WITHIN.secs() - NOON).unwrap();
    assert_eq!(worth(&good, &narrow(age)), Current);
    assert_eq!(worth(&good, &narrow(age - 1)), OutOfDate);
    assert_eq!(worth(&long_revoked, &narrow(0)), Revocation);
    let then = UnixTime::from_secs(NOON - 200 * DAY);
    let before = Terms {
        as_of: then,
        ..TERMS
    };
    assert_eq!(worth(&long_revoked, &before), OutOfDate);
}

/// Answers, newest first.
type Offers<'a> = &'a [&'a Vec<u8>];
/// The worth of the one that counts, and its place.
type Chosen = Option<(Worth, usize)>;

#[test]
fn the_best_counts_and_of_equals_the_newest_and_no_other_is_examined() {
    let (good, stale) = (with(&[]), with(&[&old]));
    let gone = with(&[&revoked_since("20250101000000Z", 1), &old]);
    let false_alarm = with(&[&revoked_since("20250101000000Z", 1), &forged]);
    let junk = with(&[&forged]);
    let table: [(Offers<'_>, Chosen, &[usize]); 7] = [
        (&[], None, &[]),
        (&[&good, &good, &stale], Some((Current, 0)), &[0]),
        (&[&stale, &good, &good], Some((Current, 1)), &[0, 1]),
        (&[&stale, &stale], Some((OutOfDate, 0)), &[0]),
        (&[&junk, &junk, &stale], Some((OutOfDate, 2)), &[0, 1, 2]),
        (&[&junk, &junk], Some((Unbelievable, 0)), &[0, 1]),
        (
            &[&good, &false_alarm, &stale, &gone, &gone],
            Some((Revocation, 3)),
            &[0, 1, 3],
        ),
    ];
    let link = PKI.link(ASKED);
    for (ders, expected, expected_examined) in table {
        let examined = RefCell::new(Vec::new());
        let best = best_of(
            &link,
            &TERMS,
            0..ders.len(),
            |at| Worth::stated(OcspResponse::parse(ders[*at]).unwrap().peek(), &TERMS),
            |at| {
                examined.borrow_mut().push(*at);
                Arc::new(OcspResponse::examine(ders[*at], &link))
            },
        );
        let best = best.map(|best| (best.worth, best.offer));
        assert_eq!(
            (best, &examined.into_inner()[..]),
            (expected, expected_examined)
        );
    }
}
