//! Whose turn it is among tenants whose jobs wait: for agents, or for a verifier.
//!
//! There are two orders. Each tenant has a job **looked at** before any tenant has a second one looked at, whatever
//! comes in between. Among those that a round looks at, the one that was **given** a place longest ago comes first: a
//! look in vain, when the idle agents fit nobody, does not use up a tenant's turn.

use std::collections::{HashMap, HashSet};

use jobs::PartyId;

/// What a verifier remembers of tenants: a few bytes for each that had work done.
#[derive(Default)]
pub(super) struct Turns {
    /// Those that had theirs since all had.
    looked_at: HashSet<PartyId>,
    /// When each was last given something: how many gifts there were by then.
    given: HashMap<PartyId, u64>,
    gifts: u64,
}

impl Turns {
    /// The tenants whose jobs a round looks at, of these that have some, in the order in which they are served.
    pub(super) fn next(&mut self, mut tenants: Vec<PartyId>, most: usize) -> Vec<PartyId> {
        if tenants.iter().all(|tenant| self.looked_at.contains(tenant)) {
            self.looked_at.clear();
        }
        let given = |tenant: &PartyId| self.given.get(tenant).copied();
        tenants.sort_by_key(|tenant| (self.looked_at.contains(tenant), given(tenant)));
        tenants.truncate(most);
        tenants.sort_by_key(given);
        tenants
    }

    /// A job of the tenant was looked at.
    pub(super) fn was_looked_at(&mut self, tenant: PartyId, is_given: bool) {
        if is_given {
            self.gifts = self.gifts.saturating_add(1);
            self.given.insert(tenant.clone(), self.gifts);
        }
        self.looked_at.insert(tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: char) -> PartyId {
        PartyId::parse(&name.to_string()).unwrap()
    }

    fn next(turns: &mut Turns, most: usize) -> String {
        let next = turns.next("abcd".chars().map(party).collect(), most);
        next.iter().map(PartyId::as_str).collect()
    }

    #[test]
    fn who_was_given_a_place_longest_ago_is_served_first() {
        let cases: [(&[(char, bool)], &str); 4] = [
            (&[], "abcd"),
            (&[('a', true)], "bcda"),
            (&[('b', true), ('a', true), ('d', true)], "cbad"),
            // In vain: it is served before whoever was given something still.
            (
                &[('c', true), ('a', false), ('b', false), ('b', false)],
                "dabc",
            ),
        ];
        for (looks, expected) in cases {
            let mut turns = Turns::default();
            for (tenant, is_given) in looks {
                turns.was_looked_at(party(*tenant), *is_given);
            }
            assert_eq!(next(&mut turns, 9), expected, "{looks:?}");
        }
    }

    #[test]
    fn all_are_looked_at_before_any_is_a_second_time() {
        // `d` alone can be given something.
        let mut turns = Turns::default();
        let rounds = [(); 4].map(|()| {
            let round = next(&mut turns, 2);
            for name in round.chars() {
                turns.was_looked_at(party(name), name == 'd');
            }
            round
        });
        assert_eq!(rounds, ["ab", "cd", "ab", "cd"]);
    }
}
