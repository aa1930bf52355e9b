//! From the first entry to the last: whether each follows the one before, and says what its digest says.

use std::fmt;

use evidence::work::Hex;

use super::{Entry, Head, Link};

/// Most findings that are kept; more of them say nothing new.
const MAX_FINDINGS: usize = 100;

/// What is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// An entry says something else than its digest is over.
    Altered {
        /// Its number.
        number: i64,
    },
    /// Entries between two numbers are missing, or numbers do not go up.
    Gap {
        /// The number that should have come.
        expected: i64,
        /// The number that came.
        got: i64,
    },
    /// An entry does not follow the one before it.
    Unlinked {
        /// Its number.
        number: i64,
    },
    /// The head that was noted earlier is not in the log.
    HeadMissing {
        /// What was noted.
        noted: Head,
        /// The digest of the entry of that number; none if there is no such entry.
        got: Option<String>,
    },
}

/// What came of a walk over the whole log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The last entry; number 0 where there is none.
    pub head: Head,
    /// What is wrong, the first hundred of it.
    pub findings: Vec<Finding>,
}

/// A walk under way.
#[derive(Debug)]
pub(crate) struct Walk {
    last: Link,
    noted: Option<Head>,
    was_noted_seen: bool,
    findings: Vec<Finding>,
}

impl Walk {
    /// From the beginning, past a head that was noted earlier, if there is one.
    pub(crate) fn new(noted: Option<Head>) -> Self {
        Self {
            last: Link::BEGINNING,
            noted,
            was_noted_seen: false,
            findings: Vec::new(),
        }
    }

    /// The number of the entry that was seen last.
    pub(crate) const fn at(&self) -> i64 {
        self.last.number
    }

    /// The next entry in the order of the numbers.
    pub(crate) fn see(&mut self, entry: &Entry) {
        let number = entry.number;
        let expected = self.last.number.saturating_add(1);
        if number != expected {
            self.find(Finding::Gap {
                expected,
                got: number,
            });
        }
        if entry.previous != self.last.digest {
            self.find(Finding::Unlinked { number });
        }
        let digest = <[u8; 32]>::try_from(entry.digest.as_slice()).unwrap_or_default();
        if entry.computed().ok() != Some(digest) {
            self.find(Finding::Altered { number });
        }
        self.last = Link { number, digest };
        self.compare_noted();
    }

    /// What came of it, after the last entry.
    pub(crate) fn end(mut self) -> Walked {
        if let Some(noted) = self.noted.clone().filter(|noted| noted.number() > 0)
            && !self.was_noted_seen
        {
            self.find(Finding::HeadMissing { noted, got: None });
        }
        Walked {
            head: self.last.into(),
            findings: self.findings,
        }
    }

    fn compare_noted(&mut self) {
        let Some(noted) = self.noted.clone() else {
            return;
        };
        if noted.number() != self.last.number {
            return;
        }
        self.was_noted_seen = true;
        if noted != self.last.into() {
            let got = Some(Hex(self.last.digest).to_string());
            self.find(Finding::HeadMissing { noted, got });
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { number } => write!(f, "entry {number} is not what its digest is over"),
            Self::Gap { expected, got } => write!(f, "expected entry {expected}, got {got}"),
            Self::Unlinked { number } => write!(f, "entry {number} does not follow the one before"),
            Self::HeadMissing { noted, got: None } => {
                write!(f, "expected {noted} in the log, got no such entry")
            }
            Self::HeadMissing {
                noted,
                got: Some(got),
            } => write!(f, "expected {noted} in the log, got digest {got}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use evidence::UnixTime;
    use proptest::prelude::*;

    use super::*;
    use crate::audit::{Action, Actor, By, New, details};
    use crate::id::Id;

    fn chain(length: i64) -> Vec<Entry> {
        let mut last = Link::BEGINNING;
        let entry = |number| {
            let actor = Actor::oidc("https://issuer", "somebody", Id::random());
            let mut by = By::new(actor, UnixTime::from_secs(number));
            by.asked.request = Some("request".into());
            by.asked.trace = Some("trace".into());
            let new = New::refused(
                by,
                Action::JobCancel,
                Some(number.to_string()),
                "job_status",
            );
            let entry = new
                .of("party")
                .with(details! { "n": number })
                .after(last)
                .unwrap();
            last = Link {
                number: entry.number,
                digest: entry.digest.clone().try_into().unwrap(),
            };
            entry
        };
        (1..=length).map(entry).collect()
    }

    fn walked(entries: &[Entry], noted: Option<Head>) -> Walked {
        let mut walk = Walk::new(noted);
        entries.iter().for_each(|entry| walk.see(entry));
        walk.end()
    }

    fn head(entries: &[Entry]) -> Head {
        walked(entries, None).head
    }

    #[test]
    fn a_chain_holds_and_has_a_head() {
        assert_eq!(walked(&[], None).head.number(), 0);
        let entries = chain(5);
        let earlier = head(&entries[..3]);
        let walked = walked(&entries, Some(earlier));
        assert_eq!(walked.findings, []);
        assert_eq!(walked.head.number(), 5);
    }

    #[test]
    fn every_field_is_under_the_digest() {
        type Alter = fn(&mut Entry);
        let table: [(&str, Alter); 16] = [
            ("number", |entry| entry.number = 7),
            ("at", |entry| entry.at = UnixTime::from_secs(9)),
            ("actor", |entry| entry.actor = "operator".into()),
            ("actor_id", |entry| entry.actor_id = Some("x".into())),
            ("actor_issuer", |entry| entry.actor_issuer = None),
            ("actor_party", |entry| entry.actor_party = None),
            ("action", |entry| entry.action = "job.dispute".into()),
            ("object", |entry| entry.object = "policy".into()),
            ("object_id", |entry| entry.object_id = None),
            ("party", |entry| entry.party = Some("other".into())),
            ("request", |entry| entry.request = None),
            ("trace", |entry| entry.trace = None),
            ("refused", |entry| entry.refused = None),
            ("details", |entry| entry.details = r#"{"n":3}"#.into()),
            ("previous", |entry| entry.previous[0] ^= 1),
            ("digest", |entry| entry.digest[31] ^= 1),
        ];
        for (field, alter) in table {
            let mut entries = chain(3);
            alter(&mut entries[1]);
            let findings = walked(&entries, None).findings;
            assert!(
                findings.contains(&Finding::Altered {
                    number: entries[1].number
                }),
                "{field}"
            );
        }
        let mut entries = chain(3);
        entries[1].details.push(' ');
        assert_eq!(
            walked(&entries, None).findings,
            [Finding::Altered { number: 2 }]
        );
    }

    #[test]
    fn what_is_removed_or_moved_is_found() {
        let entries = chain(4);
        let middle = [&entries[..1], &entries[2..]].concat();
        assert_eq!(
            walked(&middle, None).findings,
            [
                Finding::Gap {
                    expected: 2,
                    got: 3
                },
                Finding::Unlinked { number: 3 }
            ]
        );
        assert!(
            !walked(&entries[1..], None).findings.is_empty(),
            "the first"
        );
        let mut moved = entries.clone();
        moved.swap(1, 2);
        assert!(!walked(&moved, None).findings.is_empty());
        // Under the other's number it is altered.
        (moved[1].number, moved[2].number) = (2, 3);
        assert!(
            walked(&moved, None)
                .findings
                .contains(&Finding::Altered { number: 2 })
        );
    }

    #[test]
    fn an_end_that_is_cut_off_or_written_anew_is_found_by_a_head_that_was_noted() {
        let entries = chain(4);
        let noted = head(&entries);
        assert_eq!(walked(&entries[..3], None).findings, [], "not without one");
        let cut = walked(&entries[..3], Some(noted.clone())).findings;
        assert_eq!(
            cut,
            [Finding::HeadMissing {
                noted: noted.clone(),
                got: None
            }]
        );
        // Another chain, whole in itself.
        let anew = chain(5);
        assert_eq!(walked(&anew, None).findings, [], "not without one");
        let found = walked(&anew, Some(noted)).findings;
        assert!(matches!(
            found.as_slice(),
            [Finding::HeadMissing { got: Some(_), .. }]
        ));
    }

    proptest! {
        #[test]
        fn no_flipped_bit_of_a_digest_holds(entry in 0_usize..4, byte in 0_usize..32, bit in 0_u8..8) {
            let mut entries = chain(4);
            entries[entry].digest[byte] ^= 1 << bit;
            prop_assert!(!walked(&entries, None).findings.is_empty());
        }
    }
}
