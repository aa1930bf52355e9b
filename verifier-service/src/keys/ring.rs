//! Which key signs, which are published, and which are published no more: rules over what the store remembers, without
//! clock, file or network.
//!
//! A key passes through its [`Stage`]s in one direction. It is published before it signs, for as long as relying
//! parties may keep a key set without fetching it again; and after it was retired, for as long as its receipts are
//! valid.

use evidence::UnixTime;
use receipt::{Jwks, JwksError, PublishedKey, Thumbprint};

use crate::store::keys::KeyRecord;

/// How long a retired key stays published after the last receipt of it has ended, in seconds: clocks differ, and whoever
/// keeps a receipt until its end may look at it a little later.
const LINGERS_S: i64 = 86_400;

/// Every key there ever was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ring {
    /// In the order in which they were added.
    keys: Vec<KeyRecord>,
    /// Retired keys of another service, published beside them.
    elsewhere: Vec<PublishedKey>,
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It was added; no running verifier has published it yet.
    Added,
    /// It is published, and does not sign yet.
    Announced,
    /// It may sign.
    Usable,
    /// It signs no more; receipts of it count.
    Retired,
    /// The last receipt of it has ended, and it is published no more.
    Past,
    /// Others may have it; it is published no more, and receipts of it count for nothing.
    Leaked,
}

impl Stage {
    /// In the order of a life.
    pub(crate) const ALL: [Self; 6] = [
        Self::Added,
        Self::Announced,
        Self::Usable,
        Self::Retired,
        Self::Past,
        Self::Leaked,
    ];

    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Announced => "announced",
            Self::Usable => "usable",
            Self::Retired => "retired",
            Self::Past => "past",
            Self::Leaked => "leaked",
        }
    }
}

impl KeyRecord {
    /// Where the key stands at `now`.
    pub(crate) fn stage(&self, now: UnixTime) -> Stage {
        if self.leaked_at.is_some() {
            return Stage::Leaked;
        }
        if let Some(retired_at) = self.retired_at.filter(|at| *at <= now) {
            return match self.receipts_end_by(retired_at, now) {
                true => Stage::Past,
                false => Stage::Retired,
            };
        }
        match self.usable_from {
            None => Stage::Added,
            Some(from) if from > now => Stage::Announced,
            Some(_) => Stage::Usable,
        }
    }

    /// Whether it signs, or will.
    pub(crate) fn is_living(&self) -> bool {
        self.retired_at.is_none() && self.leaked_at.is_none()
    }

    fn receipts_end_by(&self, retired_at: UnixTime, now: UnixTime) -> bool {
        let ends_at = |seconds: u32| {
            let life = i64::from(seconds).saturating_add(LINGERS_S);
            retired_at.secs().saturating_add(life)
        };
        let last = self.receipts_live_s.map(ends_at);
        last.is_some_and(|last| last < now.secs())
    }

    fn is_published(&self, now: UnixTime) -> bool {
        !matches!(self.stage(now), Stage::Past | Stage::Leaked)
    }
}

impl Ring {
    /// The keys in the order in which they were added, and those that signed elsewhere.
    pub(crate) fn new(keys: Vec<KeyRecord>, elsewhere: Vec<PublishedKey>) -> Self {
        let is_ours = |kid| keys.iter().any(|key: &KeyRecord| key.jwk.kid() == kid);
        let elsewhere = elsewhere
            .into_iter()
            .filter(|key| !is_ours(key.jwk.kid()))
            .collect();
        Self { keys, elsewhere }
    }

    /// The keys of this service.
    pub(crate) fn keys(&self) -> &[KeyRecord] {
        &self.keys
    }

    /// The key of this name.
    pub(crate) fn find(&self, kid: Thumbprint) -> Option<&KeyRecord> {
        self.keys.iter().find(|key| key.jwk.kid() == kid)
    }

    /// The key that signs at `now`, of those held: the one that may sign since the latest time. Its successor takes over
    /// by the clock alone, so verifiers that hold the same keys change over in the same second.
    pub(crate) fn signs_at(
        &self,
        now: UnixTime,
        is_held: impl Fn(Thumbprint) -> bool,
    ) -> Option<&KeyRecord> {
        let held = self.keys.iter().filter(|key| is_held(key.jwk.kid()));
        held.filter(|key| key.stage(now) == Stage::Usable)
            .max_by_key(|key| (key.usable_from, key.jwk.kid()))
    }

    /// When a key that is held may sign next, if none may now.
    pub(crate) fn signs_from(&self, is_held: impl Fn(Thumbprint) -> bool) -> Option<UnixTime> {
        let held = self.keys.iter().filter(|key| is_held(key.jwk.kid()));
        let living = held.filter(|key| key.is_living());
        living.filter_map(|key| key.usable_from).min()
    }

    /// The keys that are held, have been taken over from and have no end yet. When they end is not for the ring to say:
    /// another verifier may hold one of them without its successor, and signs with it until it has heard of the end.
    pub(crate) fn succeeded(
        &self,
        now: UnixTime,
        is_held: impl Fn(Thumbprint) -> bool,
    ) -> Vec<Thumbprint> {
        let signs = self.signs_at(now, &is_held).map(|key| key.jwk.kid());
        let living = self.keys.iter().filter(|key| key.is_living());
        let usable = living.filter(|key| key.stage(now) == Stage::Usable);
        let kids = usable.map(|key| key.jwk.kid());
        kids.filter(|kid| is_held(*kid) && signs != Some(*kid))
            .collect()
    }

    /// Keys that no running verifier has published so far.
    pub(crate) fn unpublished(&self) -> impl Iterator<Item = Thumbprint> {
        let living = self.keys.iter().filter(|key| key.is_living());
        let unpublished = living.filter(|key| key.usable_from.is_none());
        unpublished.map(|key| key.jwk.kid())
    }

    /// How many keys the key set has at `now`; there may be none.
    pub(crate) fn published_count(&self, now: UnixTime) -> usize {
        let ours = self.keys.iter().filter(|key| key.is_published(now));
        ours.count() + self.elsewhere.len()
    }

    /// The key set for relying parties at `now`.
    ///
    /// # Errors
    /// [`JwksError`] if there is no key, or more than a set may have.
    pub(crate) fn published(&self, now: UnixTime) -> Result<Jwks, JwksError> {
        let ours = self.keys.iter().filter(|key| key.is_published(now));
        let ours = ours.map(|key| PublishedKey {
            jwk: key.jwk.clone(),
            retired_at: key.retired_at.map(in_receipts),
        });
        Jwks::new(ours.chain(self.elsewhere.iter().cloned()).collect())
    }
}

/// A time as receipts have it; before 1970 there are none.
fn in_receipts(time: UnixTime) -> receipt::UnixTime {
    receipt::UnixTime::from_secs(u64::try_from(time.secs()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
