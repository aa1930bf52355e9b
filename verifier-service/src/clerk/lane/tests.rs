//! Who gets a place, and that nobody waits for others' openings.

use super::*;

fn party(name: &str) -> PartyId {
    PartyId::parse(name).unwrap()
}

/// What each gets, as text.
fn shared(tenants: &str, held: &[(&str, usize)], places: usize) -> String {
    let tenants: Vec<_> = tenants.chars().map(|c| party(&c.to_string())).collect();
    let held = held
        .iter()
        .map(|(name, places)| (party(name), *places))
        .collect();
    let shares = shares(&tenants, &held, places);
    shares
        .iter()
        .map(|share| format!("{}{}", share.tenant, share.most))
        .collect()
}

/// Who asks, who has places, who gets how many of eight.
type Case<'a> = (&'a str, &'a [(&'a str, usize)], &'a str);

#[test]
fn nobody_takes_a_place_beyond_as_many_as_are_left() {
    let cases: [Case<'_>; 8] = [
        ("a", &[], "a4"),
        ("ab", &[], "a3b3"),
        ("a", &[("a", 4)], ""),
        // Whoever comes next finds some, and so does the one after.
        ("ab", &[("a", 4)], "b2"),
        ("abc", &[("a", 4), ("b", 2)], "c1"),
        ("c", &[("a", 3), ("b", 3)], "c1"),
        // One that has more than its share from when it was alone gets no more.
        ("ab", &[("a", 5), ("b", 2)], ""),
        ("b", &[("a", 8)], ""),
    ];
    for (tenants, held, expected) in cases {
        assert_eq!(shared(tenants, held, 8), expected, "{tenants} {held:?}");
    }
}
