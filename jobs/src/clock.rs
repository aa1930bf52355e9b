//! Deadlines: what comes before its deadline is in time, what comes at the deadline or later is late.

use evidence::UnixTime;

/// For how long an offer stands, in seconds. An agent that polls sees it at once. One that did not take it is offered the
/// same job again so long after the offer ended, at the earliest.
pub const OFFER_S: u32 = 30;

/// For how long an assignment may be worked on without sign of life, in seconds.
pub const LEASE_S: u32 = 120;

/// What an agent has at least from the call for an opening, or a question, to the answer, in seconds. Whoever is late loses
/// the stake, so a tenant must not be able to ask for what no honest agent can do: it polls, and deadlines are whole seconds.
pub const MIN_OPEN_S: u32 = 10;

/// What the verifier has to judge after the last answer was due, in seconds, from when it first tried. Afterwards what
/// was not judged ends as unverifiable, and nobody pays for it.
pub const JUDGING_S: u32 = 600;

/// What a verifier has that does not come to try, in seconds after the last answer was due: others' openings that wait
/// before it are no reason for an honest one to go unpaid, and yet every job ends.
pub const MOST_JUDGING_S: u32 = 24 * 60 * 60;

/// The time so many seconds later, or the end of time.
pub(crate) fn later(time: UnixTime, seconds: u32) -> UnixTime {
    UnixTime::from_secs(time.secs().saturating_add(i64::from(seconds)))
}

/// Times in the stored form: seconds since 1970.
pub(crate) mod stored {
    use evidence::UnixTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &UnixTime, s: S) -> Result<S::Ok, S::Error> {
        time.secs().serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<UnixTime, D::Error> {
        i64::deserialize(d).map(UnixTime::from_secs)
    }
}

/// The same for times that may be absent.
pub(crate) mod stored_option {
    use evidence::UnixTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<UnixTime>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(UnixTime::secs).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<UnixTime>, D::Error> {
        Ok(Option::deserialize(d)?.map(UnixTime::from_secs))
    }
}
