//! What follows from an attempt: nothing, another one, or the end.

use std::time::Duration;

use evidence::UnixTime;

use super::courier::Outcome;
use crate::random;
use crate::store::outbox::{Attempt, Delivery};

/// Seconds to the next attempt after the first, the second, and so on: 75 hours in all.
const PAUSES_S: [u32; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
];
/// Longest pause a receiver may ask for, in seconds: a day.
const MAX_RETRY_AFTER_S: i64 = 24 * 3600;

/// What to note of an attempt that was made now.
pub(super) fn follows(delivery: &Delivery, outcome: Outcome, now: UnixTime) -> Attempt {
    let [draw] = random::bytes();
    match outcome {
        Outcome::Taken => Attempt::Delivered,
        Outcome::Gone => Attempt::Gone {
            failure: "status 410: the webhook is disabled".to_owned(),
        },
        Outcome::Failed { why, retry_after } => {
            after(delivery.attempts, why, retry_after, now, draw)
        }
    }
}

fn after(
    attempts_before: u32,
    failure: String,
    retry_after: Option<Duration>,
    now: UnixTime,
    draw: u8,
) -> Attempt {
    let pause = usize::try_from(attempts_before)
        .ok()
        .and_then(|before| PAUSES_S.get(before));
    let Some(pause_s) = pause else {
        return Attempt::Dead { failure };
    };
    let asked_s = retry_after.map_or(0, |wait| i64::try_from(wait.as_secs()).unwrap_or(i64::MAX));
    let pause_s = jittered(*pause_s, draw).max(asked_s.min(MAX_RETRY_AFTER_S));
    Attempt::Retry {
        at: UnixTime::from_secs(now.secs().saturating_add(pause_s)),
        failure,
    }
}

/// Up to a quarter longer, so that what failed at one moment does not come back at one moment.
fn jittered(pause_s: u32, draw: u8) -> i64 {
    let pause_s = i64::from(pause_s);
    pause_s + pause_s * i64::from(draw) / (4 * 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_000);

    fn pause(attempts_before: u32, retry_after_s: Option<u64>, draw: u8) -> Option<i64> {
        let retry_after = retry_after_s.map(Duration::from_secs);
        match after(attempts_before, "x".to_owned(), retry_after, NOW, draw) {
            Attempt::Retry { at, .. } => Some(at.secs() - NOW.secs()),
            _ => None,
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (before, least) in (0..).zip(expected) {
            assert_eq!(pause(before, None, 0), Some(least));
            assert_eq!(pause(before, None, 255), Some(least + least / 4));
        }
        assert_eq!(pause(9, None, 0), None, "the tenth was the last");
        assert_eq!(pause(9, Some(5), 0), None);
    }

    #[test]
    fn a_receiver_may_ask_for_longer_and_not_for_shorter() {
        assert_eq!(pause(0, Some(60), 0), Some(60));
        assert_eq!(pause(1, Some(60), 0), Some(300));
        assert_eq!(pause(0, Some(u64::MAX), 0), Some(86_400));
    }
}
