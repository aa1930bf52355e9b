//! Patience: an owner whose agents leave others waiting is drawn less for a while.
//!
//! Silence counts: an offer that ran out, or a lease without sign of life, which only the owner brings about. Each is a
//! step, and each step halves the owner's chance to be drawn. Work that is given back, or not done in its time, may be
//! the fault of its terms. Whoever orders work must not be able to ruin an owner by it, so all of it together is one
//! step.
//!
//! An owner that restarts its agents is not punished for each: what comes within [`TOGETHER_S`] counts as one step. A
//! step is forgotten after [`FORGET_S`]. An owner that is the only one with room is drawn whatever it did.

use evidence::UnixTime;

use crate::id::PartyId;

/// Most steps that are remembered: from there on an owner is drawn a 64th as often as one that never left anybody
/// waiting.
pub const MOST_STEPS: u32 = 6;
/// After how long one step is forgotten, in seconds.
pub const FORGET_S: u32 = 600;
/// What comes within so many seconds of the last step is the same step.
pub const TOGETHER_S: u32 = 60;

/// Somebody was left waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// By whose agent.
    pub owner: PartyId,
    /// How.
    pub kind: MissKind,
}

/// How somebody was left waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissKind {
    /// An offer or a lease was given back, or the work was not done in its time.
    GivenUp,
    /// An offer ran out, or a lease without sign of life.
    Silent,
}

/// What is remembered of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misses {
    /// Steps, when the last one was made.
    pub steps: u32,
    /// When that was.
    pub at: UnixTime,
}

impl Misses {
    /// Of an owner of which nothing is known.
    pub const NONE: Self = Self {
        steps: 0,
        at: UnixTime::from_secs(0),
    };

    /// Steps that are not forgotten by then.
    #[must_use]
    pub fn steps_at(self, now: UnixTime) -> u32 {
        let forgotten = self.age(now).checked_div(FORGET_S.into());
        let forgotten = u32::try_from(forgotten.unwrap_or_default()).unwrap_or(u32::MAX);
        self.steps.min(MOST_STEPS).saturating_sub(forgotten)
    }

    /// After one more.
    #[must_use]
    pub fn after(self, kind: MissKind, now: UnixTime) -> Self {
        let steps = self.steps_at(now);
        let is_the_same = steps > 0 && self.age(now) < u64::from(TOGETHER_S);
        match kind {
            MissKind::Silent if !is_the_same => Self {
                steps: steps.saturating_add(1).min(MOST_STEPS),
                at: now,
            },
            MissKind::GivenUp if steps == 0 => Self { steps: 1, at: now },
            _ => self,
        }
    }

    /// Seconds since the last step; none if the clock was turned back.
    fn age(self, now: UnixTime) -> u64 {
        let age = now.secs().saturating_sub(self.at.secs());
        u64::try_from(age).unwrap_or_default()
    }
}

/// How many tickets an owner has in the draw, by its steps.
pub(crate) fn tickets(steps: u32) -> u64 {
    1 << MOST_STEPS.saturating_sub(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn each_step_halves_and_there_is_a_last_one() {
        let mut misses = Misses::NONE;
        let mut now = 1_000_000;
        for steps in [1, 2, 3, 4, 5, 6, 6] {
            misses = misses.after(MissKind::Silent, at(now));
            assert_eq!(misses.steps_at(at(now)), steps);
            now += i64::from(TOGETHER_S);
        }
        assert_eq!((tickets(0), tickets(1), tickets(6)), (64, 32, 1));
        assert_eq!(tickets(u32::MAX), 1);
    }

    #[test]
    fn a_restart_is_one_step_and_forgotten() {
        let mut misses = Misses::NONE;
        for second in 0..60 {
            misses = misses.after(MissKind::Silent, at(1_000_000 + second));
        }
        let steps = |after: i64| misses.steps_at(at(1_000_000 + after));
        assert_eq!((steps(60), steps(599), steps(600)), (1, 1, 0));
    }

    #[test]
    fn steps_are_forgotten_one_by_one_whatever_is_given_up_meanwhile() {
        let mut misses = Misses {
            steps: 3,
            at: at(0),
        };
        for second in 0..2400 {
            let steps = 3_u32.saturating_sub(u32::try_from(second).unwrap() / FORGET_S);
            assert_eq!(
                misses.steps_at(at(second)),
                steps.max(u32::from(second > 1800))
            );
            misses = misses.after(MissKind::GivenUp, at(second));
        }
    }

    #[test]
    fn what_is_given_up_is_one_step_however_much_it_is() {
        let mut misses = Misses::NONE;
        for second in 0..10_000 {
            misses = misses.after(MissKind::GivenUp, at(second));
            assert_eq!(misses.steps_at(at(second)), 1);
        }
        assert_eq!(
            misses
                .after(MissKind::Silent, at(10_000))
                .steps_at(at(10_000)),
            2
        );
    }

    #[test]
    fn a_clock_that_is_turned_back_forgets_nothing() {
        let misses = Misses {
            steps: 2,
            at: at(5000),
        };
        assert_eq!(misses.steps_at(at(10)), 2);
    }
}
