//! Owners that let a job wait: within that job they are asked again only where nobody else may have it, and each time
//! after a longer while.
//!
//! An offer that was not taken costs its agent [`OFFER_S`] ([`crate::choice`]). From the second untaken offer of one
//! job on, the whole owner is passed over, for twice as long with each, up to [`LONGEST_S`]: a job that an owner does
//! not want must not be offered to it every half minute for as long as the job waits.

use evidence::UnixTime;
use serde::{Deserialize, Serialize};

use crate::assignment::Assignment;
use crate::clock::{OFFER_S, later, stored as moment};
use crate::id::PartyId;
use crate::job::Job;

/// The longest that an owner is passed over for not taking offers of one job, in seconds.
const LONGEST_S: u32 = 3600;

/// Most owners that a job remembers. Beyond that the one that let it wait longest ago is forgotten.
const MOST: usize = 64;

/// An owner that let a job wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form")]
pub(crate) struct PassedOver {
    pub(crate) owner: PartyId,
    /// How many offers of the job it did not take.
    untaken: u32,
    /// Until when it is offered nothing more of it.
    #[serde(with = "moment")]
    until: UnixTime,
}

/// As it is stored, and as it was before anybody counted: the owner alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Owner(PartyId),
    Counted {
        owner: PartyId,
        untaken: u32,
        #[serde(with = "moment")]
        until: UnixTime,
    },
}

impl From<Form> for PassedOver {
    fn from(form: Form) -> Self {
        match form {
            Form::Owner(owner) => Self::new(owner),
            Form::Counted {
                owner,
                untaken,
                until,
            } => Self {
                owner,
                untaken,
                until,
            },
        }
    }
}

impl PassedOver {
    const fn new(owner: PartyId) -> Self {
        Self {
            owner,
            untaken: 0,
            until: UnixTime::from_secs(0),
        }
    }

    fn did_not_take(self, ended_at: UnixTime) -> Self {
        let untaken = self.untaken.saturating_add(1);
        Self {
            untaken,
            until: later(ended_at, rest_s(untaken)),
            ..self
        }
    }
}

impl Job {
    /// An assignment ended before its commitment, by its owner's doing.
    pub(crate) fn pass_over(&mut self, ended: &Assignment) {
        let owner = &ended.owner;
        let place = self.passed_over.iter().position(|it| it.owner == *owner);
        let before = place.map(|place| self.passed_over.remove(place));
        let before = before.unwrap_or_else(|| PassedOver::new(owner.clone()));
        self.passed_over.push(match ended.untaken_at() {
            Some(at) => before.did_not_take(at),
            None => before,
        });
        let beyond = self.passed_over.len().saturating_sub(MOST);
        self.passed_over.drain(..beyond);
    }

    /// Whether an owner let the job wait.
    pub(crate) fn is_passed_over(&self, owner: &PartyId) -> bool {
        self.passed_over.iter().any(|it| it.owner == *owner)
    }

    /// Whether an owner is offered nothing of the job for now.
    pub(crate) fn is_let_alone(&self, owner: &PartyId, now: UnixTime) -> bool {
        self.let_alone_until()
            .any(|(whom, until)| whom == owner && now < until)
    }

    /// Owners that are offered nothing of the job, and until when; the time may be over.
    pub(crate) fn let_alone_until(&self) -> impl Iterator<Item = (&PartyId, UnixTime)> {
        self.passed_over.iter().map(|it| (&it.owner, it.until))
    }
}

/// For how long an owner is passed over after so many untaken offers, in seconds. Of the first one only the agent is.
fn rest_s(untaken: u32) -> u32 {
    match untaken.checked_sub(1) {
        None | Some(0) => 0,
        Some(doublings) => {
            let times = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            OFFER_S.saturating_mul(times).min(LONGEST_S)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_an_hour() {
        let all: Vec<_> = (0..=9).map(rest_s).collect();
        assert_eq!(all, [0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(rest_s(u32::MAX), LONGEST_S);
    }

    #[test]
    fn what_was_stored_before_anybody_counted_is_read() {
        let owner = PartyId::parse("owner").unwrap();
        let read: Vec<PassedOver> =
            serde_json::from_str(r#"["owner", {"owner": "owner", "untaken": 2, "until": 90}]"#)
                .unwrap();
        let counted = PassedOver {
            untaken: 2,
            until: UnixTime::from_secs(90),
            ..PassedOver::new(owner.clone())
        };
        assert_eq!(read, [PassedOver::new(owner), counted]);
    }
}
