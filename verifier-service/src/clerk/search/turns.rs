//! Whose turn it is among tenants whose jobs lack agents.
//!
//! In each search every tenant has one job looked at before the second of any, and of those alike the tenant that was given a
//! place longest ago comes first. A look in vain, at whatever agents are idle, costs nobody the next place.

use std::collections::HashMap;

use jobs::PartyId;

/// What a verifier remembers of tenants: a few bytes for each that ever had work done.
#[derive(Default)]
pub(super) struct Turns {
    /// How many jobs of it were looked at in this search.
    looked_at: HashMap<PartyId, u64>,
    /// When it was last given something, by the number of gifts before.
    given: HashMap<PartyId, u64>,
    gifts: u64,
}

impl Turns {
    /// Another search begins.
    pub(super) fn begin(&mut self) {
        self.looked_at.clear();
    }

    /// Puts those first whose turn it is.
    pub(super) fn sort(&self, tenants: &mut [PartyId]) {
        let turn = |tenant: &PartyId| (self.looked_at.get(tenant), self.given.get(tenant));
        tenants.sort_by(|one, other| turn(one).cmp(&turn(other)));
    }

    /// A job of the tenant was looked at.
    pub(super) fn had_one(&mut self, tenant: PartyId, is_given: bool) {
        if is_given {
            self.gifts = self.gifts.saturating_add(1);
            self.given.insert(tenant.clone(), self.gifts);
        }
        let looks = self.looked_at.entry(tenant).or_default();
        *looks = looks.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(turns: &Turns) -> String {
        let mut tenants = ["a", "b", "c"].map(|name| PartyId::parse(name).unwrap());
        turns.sort(&mut tenants);
        tenants.map(|tenant| tenant.to_string()).concat()
    }

    #[test]
    fn who_was_given_a_place_longest_ago_comes_first() {
        let had = |looks: &[(&str, bool)]| {
            let mut turns = Turns::default();
            for (tenant, is_given) in looks {
                turns.had_one(PartyId::parse(tenant).unwrap(), *is_given);
            }
            let in_search = sorted(&turns);
            turns.begin();
            (in_search, sorted(&turns))
        };
        let cases: [(&[(&str, bool)], &str, &str); 5] = [
            (&[], "abc", "abc"),
            (&[("a", true)], "bca", "bca"),
            (&[("a", true), ("b", true), ("a", true)], "cba", "cba"),
            // In vain: only in this search the others come first.
            (&[("a", false), ("b", false), ("b", false)], "cab", "abc"),
            (&[("c", true), ("a", false), ("b", false)], "abc", "abc"),
        ];
        for (looks, in_search, in_the_next) in cases {
            assert_eq!(
                had(looks),
                (in_search.to_owned(), in_the_next.to_owned()),
                "{looks:?}"
            );
        }
    }
}
