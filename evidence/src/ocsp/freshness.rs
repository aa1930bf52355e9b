//! The rules of an answer that depend on time: one rule, one function (nvidia-evidence 5.3, rows 66, 68 and 69).

use super::OcspResponse;
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::Expires;

/// How far the responder's clock and ours may be apart (nvidia-evidence 5.3).
pub const MAX_CLOCK_SKEW_SECS: i64 = 5 * 60;

/// How long an answer is taken for current that names no next update. All of NVIDIA's name one 24 hours after, and its
/// own client assumes as much (nvidia-evidence 5.2, 5.3).
pub const DEFAULT_LIFETIME_SECS: i64 = 24 * 60 * 60;

impl Expires for OcspResponse {
    /// Every reason for which the answer is not current at `as_of`. Says nothing about the certificate asked about.
    fn reasons_at(&self, as_of: UnixTime) -> Vec<Reason> {
        let rules = [
            not_before_this_update(self, as_of),
            not_after_next_update(self, as_of),
            produced_by_then(self, as_of),
            times_agree(self),
            responder_valid(self, as_of),
        ];
        rules.into_iter().flatten().collect()
    }
}

impl OcspResponse {
    /// The last second the answer is for: its next update, or [`DEFAULT_LIFETIME_SECS`] after this update.
    #[must_use]
    pub fn valid_until(&self) -> UnixTime {
        let assumed = || later(self.this_update(), DEFAULT_LIFETIME_SECS);
        self.next_update().unwrap_or_else(assumed)
    }

    /// A bound of the caller's own, narrower than the responder's: how long ago the status may have been known at
    /// most. Exact, without allowance for clocks.
    #[must_use]
    pub fn age_bound(&self, max_age_secs: u64, as_of: UnixTime) -> Option<Reason> {
        let age_secs = as_of.secs().saturating_sub(self.this_update().secs());
        let too_old = u64::try_from(age_secs).is_ok_and(|age_secs| age_secs > max_age_secs);
        let reason = || Reason::new(Code::OcspTooOld, "OCSP response: age in seconds");
        too_old.then(|| {
            let at_most = format!("at most {max_age_secs}");
            reason().expected(at_most).actual(age_secs)
        })
    }
}

/// Row 68: the status was not stated for a time to come.
fn not_before_this_update(response: &OcspResponse, as_of: UnixTime) -> Option<Reason> {
    let this_update = response.this_update();
    let reason = || Reason::new(Code::OcspNotYetValid, "OCSP response is not valid yet");
    (this_update > later(as_of, MAX_CLOCK_SKEW_SECS)).then(|| {
        let from = format!("valid from {this_update}");
        reason().expected(from).actual(as_of)
    })
}

/// Row 68: no newer status was due.
fn not_after_next_update(response: &OcspResponse, as_of: UnixTime) -> Option<Reason> {
    let until = response.valid_until();
    let reason = || Reason::new(Code::OcspStale, "OCSP response is no longer valid");
    (later(until, MAX_CLOCK_SKEW_SECS) < as_of)
        .then(|| reason().expected(format!("valid to {until}")).actual(as_of))
}

/// Row 69: the answer had been signed.
fn produced_by_then(response: &OcspResponse, as_of: UnixTime) -> Option<Reason> {
    let produced_at = response.produced_at();
    let reason = || Reason::new(Code::OcspNotYetValid, "OCSP response was not produced yet");
    (produced_at > later(as_of, MAX_CLOCK_SKEW_SECS)).then(|| {
        let at = format!("produced at {produced_at}");
        reason().expected(at).actual(as_of)
    })
}

/// Row 69: the answer was signed when its status was known, and while it was current (RFC 6960 2.4).
fn times_agree(response: &OcspResponse) -> Option<Reason> {
    let (from, until) = (response.this_update(), response.valid_until());
    let produced_at = response.produced_at();
    let known = from <= later(produced_at, MAX_CLOCK_SKEW_SECS);
    let agree = from <= until && known && produced_at <= until;
    let message = "OCSP response: produced at, within this and next update";
    let reason = || Reason::new(Code::OcspTimesImplausible, message);
    (!agree).then(|| {
        let window = format!("{from} to {until}");
        reason().expected(window).actual(produced_at)
    })
}

/// Row 66: the delegated responder's certificate is in its validity, which it may begin as far ahead as its answer may. The
/// issuer's is judged with its chain. That it has run out has a word of its own: responders live shorter than answers are
/// kept, so of old answers that says no more than that they are old.
fn responder_valid(response: &OcspResponse, as_of: UnixTime) -> Option<Reason> {
    let responder = response.responder()?;
    let validity = responder.validity();
    let (code, state, bound) = if validity.not_before > later(as_of, MAX_CLOCK_SKEW_SECS) {
        let bound = format!("valid from {}", validity.not_before);
        (Code::CertificateNotYetValid, "is not valid yet", bound)
    } else if as_of > validity.not_after {
        let bound = format!("valid to {}", validity.not_after);
        (Code::OcspResponderExpired, "has expired", bound)
    } else {
        return None;
    };
    let message = format!("OCSP responder ({}) {state}", responder.label());
    Some(Reason::new(code, message).expected(bound).actual(as_of))
}

fn later(time: UnixTime, secs: i64) -> UnixTime {
    UnixTime::from_secs(time.secs().saturating_add(secs))
}
