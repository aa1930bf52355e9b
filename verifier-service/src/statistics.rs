//! How verdicts came out lately and how long they took: counts for each minute of the last day.
//!
//! In scope: numbers for people who watch this verifier. They are of this process alone, kept in memory of bounded
//! size, and gone when it ends. Out of scope: what was judged and for whom; nothing here names a job, a device or a
//! party.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evidence::UnixTime;
use serde::Serialize;

use crate::lock::lock;
use crate::metrics::VerdictMeters;
use crate::problem::{Problem, ProblemCode};

/// Seconds of one slot.
pub(crate) const SLOT_S: i64 = 60;
/// Slots kept: a day.
const MAX_SLOTS: usize = 24 * 60;
/// Different verdicts counted in one slot; others are counted as [`OTHER`].
const MAX_VERDICTS: usize = 64;
/// Where nothing stood in the way.
pub(crate) const GRANTED: &str = "granted";
const OTHER: &str = "other";
/// The first bound of the latencies, in microseconds; each of the following is twice the one before.
const FIRST_BOUND_US: u64 = 128;
/// How many bounds there are: the last is over a minute, and no request takes longer.
const BOUNDS: usize = 20;

/// What was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    /// A bundle that was handed in for a receipt.
    Bundle,
    /// The opening of a replica of a job.
    Opening,
    /// Devices alone.
    Devices,
}

impl Subject {
    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Opening => "opening",
            Self::Devices => "devices",
        }
    }
}

/// Verdicts of one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its first second.
    pub(crate) at: UnixTime,
    /// How often each verdict was reached.
    pub(crate) verdicts: BTreeMap<(Subject, &'static str), u32>,
    /// How many took at most each of [`bounds_us`], and more than the one before; the last, longer than all.
    pub(crate) latency: [u32; BOUNDS + 1],
}

/// See the [module documentation](self). Copies share everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics {
    slots: Arc<Mutex<VecDeque<Slot>>>,
    meters: VerdictMeters,
}

/// The bounds of the latencies, in microseconds, in order.
pub(crate) fn bounds_us() -> [u64; BOUNDS] {
    std::array::from_fn(|at| FIRST_BOUND_US << at)
}

/// The word of what came of a judgement: granted, or the code of the first reason. `None` where nothing was judged, for
/// want of time, of room, or for a fault of ours.
pub(crate) fn word<T>(judged: &Result<T, Problem>) -> Option<&'static str> {
    match judged {
        Ok(_) => Some(GRANTED),
        Err(problem) if problem.status().as_u16() == 422 => Some(problem.code()),
        Err(problem) if problem.code() == ProblemCode::Unverifiable.as_str() => {
            Some(problem.code())
        }
        Err(_) => None,
    }
}

impl Statistics {
    /// Counts a verdict that was reached now, after so long.
    pub(crate) fn note(
        &self,
        now: UnixTime,
        subject: Subject,
        verdict: &'static str,
        took: Duration,
    ) {
        self.meters.note(subject, verdict, took);
        let mut slots = lock(&self.slots);
        let at = start(now, SLOT_S);
        // A clock that was set back must not begin a second slot of a minute, nor put the slots out of order.
        if slots.back().is_none_or(|last| last.at < at) {
            slots.push_back(Slot::new(at));
        }
        forget(&mut slots, now);
        if let Some(slot) = slots.back_mut() {
            slot.count(subject, verdict, took);
        }
    }

    /// The same numbers since the process began, for whoever scrapes.
    pub(crate) fn meters(&self) -> &VerdictMeters {
        &self.meters
    }

    /// What was counted in the last day, in steps of so many seconds, a multiple of [`SLOT_S`]; steps without a verdict are
    /// left out.
    pub(crate) fn read(&self, now: UnixTime, step_s: i64) -> Vec<Slot> {
        let mut slots = lock(&self.slots);
        forget(&mut slots, now);
        let mut steps: Vec<Slot> = Vec::new();
        for slot in slots.iter() {
            let at = start(slot.at, step_s);
            match steps.last_mut().filter(|step| step.at == at) {
                Some(step) => step.add(slot),
                None => steps.push(Slot { at, ..slot.clone() }),
            }
        }
        steps
    }
}

impl Slot {
    fn new(at: UnixTime) -> Self {
        Self {
            at,
            verdicts: BTreeMap::new(),
            latency: [0; BOUNDS + 1],
        }
    }

    fn count(&mut self, subject: Subject, verdict: &'static str, took: Duration) {
        let is_new = !self.verdicts.contains_key(&(subject, verdict));
        let verdict = match is_new && self.verdicts.len() >= MAX_VERDICTS {
            true => OTHER,
            false => verdict,
        };
        increase(self.verdicts.entry((subject, verdict)).or_default(), 1);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = bounds_us().partition_point(|bound| *bound < took_us);
        if let Some(count) = self.latency.get_mut(place) {
            increase(count, 1);
        }
    }

    fn add(&mut self, other: &Self) {
        for (verdict, count) in &other.verdicts {
            increase(self.verdicts.entry(*verdict).or_default(), *count);
        }
        for (count, more) in self.latency.iter_mut().zip(other.latency) {
            increase(count, more);
        }
    }
}

fn increase(count: &mut u32, by: u32) {
    *count = count.saturating_add(by);
}

/// The first second of the step that a time lies in.
fn start(at: UnixTime, step_s: i64) -> UnixTime {
    UnixTime::from_secs(at.secs() - at.secs().rem_euclid(step_s))
}

/// Drops what is older than a day. There is at most one slot for each minute, so this bounds their number but for a clock
/// that was set back, which the number itself does.
fn forget(slots: &mut VecDeque<Slot>, now: UnixTime) {
    let oldest = start(now, SLOT_S).secs() - SLOT_S * MAX_SLOTS as i64;
    while slots.front().is_some_and(|slot| slot.at.secs() <= oldest) || slots.len() > MAX_SLOTS {
        slots.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn noted(at: &[(i64, &'static str, u64)]) -> Statistics {
        let statistics = Statistics::default();
        for (secs, verdict, us) in at {
            let took = Duration::from_micros(*us);
            statistics.note(
                UnixTime::from_secs(NOW + secs),
                Subject::Bundle,
                verdict,
                took,
            );
        }
        statistics
    }

    fn counts(slot: &Slot) -> Vec<(&'static str, u32)> {
        let counts = slot.verdicts.iter();
        counts.map(|((_, word), count)| (*word, *count)).collect()
    }

    #[test]
    fn verdicts_are_counted_by_the_minute_and_added_up_by_the_step() {
        let at = UnixTime::from_secs(NOW + 150);
        let statistics = noted(&[
            (0, GRANTED, 5),
            (59, GRANTED, 5),
            (61, "nonce_mismatch", 5),
            (150, GRANTED, 5),
        ]);
        let minutes = statistics.read(at, 60);
        let starts: Vec<_> = minutes.iter().map(|slot| slot.at.secs() - NOW).collect();
        assert_eq!(starts, [0, 60, 120]);
        assert_eq!(counts(&minutes[0]), [(GRANTED, 2)]);
        assert_eq!(counts(&minutes[1]), [("nonce_mismatch", 1)]);
        let hour = statistics.read(at, 3600);
        assert_eq!(counts(&hour[0]), [(GRANTED, 3), ("nonce_mismatch", 1)]);
        assert_eq!(hour[0].latency[0], 4);
    }

    #[test]
    fn a_latency_is_counted_under_the_first_bound_it_does_not_exceed() {
        let bounds = bounds_us();
        let table = [
            (0, 0),
            (bounds[0], 0),
            (bounds[0] + 1, 1),
            (bounds[BOUNDS - 1], BOUNDS - 1),
            (bounds[BOUNDS - 1] + 1, BOUNDS),
            (u64::MAX, BOUNDS),
        ];
        for (us, place) in table {
            let slots = noted(&[(0, GRANTED, us)]).read(UnixTime::from_secs(NOW), 60);
            assert_eq!(slots[0].latency[place], 1, "{us}");
        }
    }

    #[test]
    fn what_is_older_than_a_day_is_gone() {
        let statistics = noted(&[(0, GRANTED, 5)]);
        let day = |offset| UnixTime::from_secs(NOW + 24 * 3600 + offset);
        assert_eq!(statistics.read(day(-1), 60).len(), 1);
        assert_eq!(statistics.read(day(0), 60).len(), 0);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let statistics = Statistics::default();
        let words: Vec<&'static str> = (0..2 * MAX_VERDICTS)
            .map(|n| &*Box::leak(n.to_string().into_boxed_str()))
            .collect();
        for word in &words {
            let now = UnixTime::from_secs(NOW);
            statistics.note(now, Subject::Bundle, word, Duration::ZERO);
        }
        let slot = &statistics.read(UnixTime::from_secs(NOW), 60)[0];
        // Those that fit, and one for the rest.
        assert_eq!(slot.verdicts.len(), MAX_VERDICTS + 1);
        assert_eq!(slot.verdicts[&(Subject::Bundle, OTHER)], 64);
    }

    #[test]
    fn a_clock_set_back_counts_into_the_last_minute() {
        let statistics = noted(&[(600, GRANTED, 5), (0, GRANTED, 5)]);
        let slots = statistics.read(UnixTime::from_secs(NOW + 600), 60);
        assert_eq!(slots.len(), 1);
        assert_eq!(counts(&slots[0]), [(GRANTED, 2)]);
    }

    #[test]
    fn only_verdicts_are_counted() {
        let table = [
            (Problem::refuted(evidence::Code::NonceMismatch), true),
            (Problem::new(ProblemCode::PolicyDenied), true),
            (Problem::new(ProblemCode::Unverifiable), true),
            (Problem::new(ProblemCode::ResultChecksBusy), false),
            (Problem::new(ProblemCode::Internal), false),
        ];
        for (problem, counted) in table {
            let word = word::<()>(&Err(problem.clone()));
            assert_eq!(word, counted.then_some(problem.code()));
        }
    }
}
