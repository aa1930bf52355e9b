//! When to try again.
//!
//! In scope: which answers are worth another attempt, how long to wait for it, and what
//! `Retry-After` says (RFC 9110 section 10.2.3).
//!
//! Out of scope: sending. Every attempt sends the same bytes, so trying again is safe whatever
//! happened to the attempt before.

use std::time::Duration;

use evidence::UnixTime;
use serde::{Deserialize, Serialize};
use time::PrimitiveDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

/// How persistent to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// Longest wait before the second attempt, milliseconds. It doubles with each further one.
    pub first_delay_ms: u64,
    /// Longest wait of our own choice, milliseconds.
    pub max_delay_ms: u64,
    /// Longest wait a `Retry-After` may ask for, seconds. A verifier that asks for more is left
    /// alone: the bundle stays in the outbox.
    pub max_retry_after_s: u64,
}

impl Default for RetryPolicy {
    /// About half a minute of patience, well within the five minutes a challenge lives.
    fn default() -> Self {
        Self {
            attempts: 7,
            first_delay_ms: 500,
            max_delay_ms: 15_000,
            max_retry_after_s: 120,
        }
    }
}

impl RetryPolicy {
    /// One attempt, no patience.
    #[must_use]
    pub fn once(self) -> Self {
        Self {
            attempts: 1,
            ..self
        }
    }

    /// How long to wait after failed attempt number `attempt` (from 1), or nothing if that was the
    /// last one.
    ///
    /// `jitter` is uniform over its type: half of the wait is fixed, the other half is left to
    /// chance, so that agents that lost the same verifier do not come back at the same moment.
    #[must_use]
    pub fn wait_after(
        &self,
        attempt: u32,
        retry_after: Option<Duration>,
        jitter: u32,
    ) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doubled = 2_u64.saturating_pow(attempt.saturating_sub(1));
        let longest_ms = self.first_delay_ms.saturating_mul(doubled);
        let ours = Duration::from_millis(jittered(longest_ms.min(self.max_delay_ms), jitter));
        match retry_after {
            Some(asked) if asked > Duration::from_secs(self.max_retry_after_s) => None,
            // A verifier that is restarted asks everybody for the same second; ours spreads them.
            Some(asked) => Some(asked.saturating_add(ours.min(asked))),
            None => Some(ours),
        }
    }
}

/// Half of `longest`, and as much of the other half as `jitter` says.
fn jittered(longest: u64, jitter: u32) -> u64 {
    let fixed = longest / 2;
    let chance = u128::from(longest - fixed) * u128::from(jitter) / u128::from(u32::MAX);
    fixed.saturating_add(u64::try_from(chance).unwrap_or(u64::MAX))
}

/// Whether the same request may succeed later (RFC 6585, RFC 9110): too many requests, a gateway
/// without a verifier behind it, a verifier that cannot verify now.
#[must_use]
pub fn is_transient(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// Reads `Retry-After`: seconds, or a date that `now` is compared with. Nonsense is ignored.
#[must_use]
pub fn parse_retry_after(text: &str, now: UnixTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let seconds = parse_date(text)?.secs().saturating_sub(now.secs());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Reads a date as HTTP writes it (RFC 9110 section 5.6.7).
pub(crate) fn parse_date(text: &str) -> Option<UnixTime> {
    let date = PrimitiveDateTime::parse(text, IMF_FIXDATE).ok()?;
    Some(UnixTime::from_secs(date.assume_utc().unix_timestamp()))
}

/// A number uniform over its type; the middle one on a machine without randomness, where nothing
/// else works either.
pub(crate) fn jitter() -> u32 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(_) => u32::MAX / 2,
    }
}

/// The one date format that may be sent today (RFC 9110 section 5.6.7).
const IMF_FIXDATE: &[FormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 6,
        first_delay_ms: 1000,
        max_delay_ms: 5000,
        max_retry_after_s: 60,
    };

    fn waits(jitter: u32) -> Vec<u64> {
        (1..=7)
            .map_while(|attempt| POLICY.wait_after(attempt, None, jitter))
            .map(|wait| u64::try_from(wait.as_millis()).unwrap())
            .collect()
    }

    #[test]
    fn waits_double_up_to_a_bound_and_end() {
        assert_eq!(waits(u32::MAX), [1000, 2000, 4000, 5000, 5000]);
        assert_eq!(waits(0), [500, 1000, 2000, 2500, 2500]);
        assert_eq!(POLICY.once().wait_after(1, None, 1), None);
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let policy = RetryPolicy {
            attempts: u32::MAX,
            first_delay_ms: u64::MAX,
            max_delay_ms: u64::MAX,
            max_retry_after_s: u64::MAX,
        };
        assert!(policy.wait_after(u32::MAX - 1, None, u32::MAX).is_some());
        let asked = Some(Duration::from_secs(u64::MAX));
        assert!(policy.wait_after(200, asked, 7).is_some());
    }

    #[test]
    fn what_the_verifier_asks_for_is_a_floor_within_reason() {
        let after = |seconds| POLICY.wait_after(1, Some(Duration::from_secs(seconds)), u32::MAX);
        assert_eq!(after(0), Some(Duration::ZERO));
        assert_eq!(after(10), Some(Duration::from_secs(11)));
        assert_eq!(after(60), Some(Duration::from_secs(61)));
        assert_eq!(after(61), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UnixTime::from_secs(784_111_777);
        let read = |text| parse_retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        for nonsense in ["", "-1", "1.5", "soon", "1994-11-06T08:49:37Z"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn only_passing_troubles_are_retried() {
        let transient: Vec<_> = (100..600).filter(|status| is_transient(*status)).collect();
        assert_eq!(transient, [429, 502, 503, 504]);
    }
}
