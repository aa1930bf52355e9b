//! The keys that sign receipts: which there are, which signs now, which are published.
//!
//! ```text
//! sources ──▶ Sources: private halves   ──┐
//! store  ───▶ Ring: from when until when ──────┴──▶ Keys ──▶ who signs at a time, the key set at a time
//! ```
//!
//! The store says what holds for every verifier on it; a verifier signs with the keys it holds. A [`KeyDesk`]
//! (`verifier-service keys`) adds a key or ends one while verifiers run. Each verifier looks at the ring every few
//! seconds and follows, without a restart. A new key is published first, and signs when `publish_before_s` have passed.
//! The key before it is retired as soon as every verifier has seen the new one; a verifier that holds only the old key
//! signs with it until then. The old key stays published for as long as its receipts are valid.
//!
//! Under `<state directory>/keys`:
//!
//! | Path | Content |
//! |---|---|
//! | `*.pk8` | private keys, unencrypted PKCS#8 in DER, mode 0600 |
//! | `nvidia.pk8` | the key for tokens in NVIDIA's form, which signs nothing else (`nvidia/mod.rs`) |
//! | `webhooks.key` | 32 random bytes, mode 0600: the key under which secrets of webhooks are kept ([`Vault`]) |
//! | `leaked/*.leaked` | empty files, each named after a key that leaked, so that an older database does not bring it back |
//! | `retired/*.json` | key sets (RFC 7517) of keys that signed before this database was, public halves, each with `exp` |
//!
//! A key is named by its RFC 7638 thumbprint. The key for NVIDIA's form signs no receipts and is not in the ring. Its
//! tokens are valid for an hour, so it is replaced by removing the file.

mod desk;
mod error;
mod filed;
mod ring;
mod sources;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use evidence::UnixTime;
use receipt::{Algorithm, Jwks, LocalSigner, PublishedKey, Signer, Thumbprint};
use thiserror::Error;
use zeroize::Zeroizing;

pub use desk::{KeyDesk, ListedKey, Retirement, Rotation, Successor};
pub use error::KeyError;
use filed::{leaked, read, retired};

use crate::audit::By;
use crate::clock::Clock;
use crate::config::{Config, KeySettings};
use crate::lock::lock;
use crate::metrics::SigningMeters;
use crate::private_files;
use crate::random;
use crate::store::keys::{KeyRecord, KeyStore};
use crate::webhooks::{KEY_LEN, Vault};
use ring::Ring;
pub(crate) use ring::Stage;
use sources::{Held, HeldKeys, NVIDIA_KEY, Sources, own_key};

const DIRECTORY: &str = "keys";
const WEBHOOKS_KEY: &str = "webhooks.key";
const RETIRED: &str = "retired";
const LEAKED: &str = "leaked";
/// The longest a search for private halves may take.
const SEARCH: Duration = Duration::from_secs(4);
/// Seconds after which a key that was not found is looked for again.
const SEARCH_AGAIN_S: i64 = 60;
/// Seconds after which every running verifier has looked at the ring, twice the longest pause between two looks.
const HEEDED_S: i64 = 10;
/// Most keys in a set that is still rotated: the validators' bound, less what may be added meanwhile.
const MOST_PUBLISHED: usize = receipt::limits::MAX_KEYS - 16;

/// Why nothing can be signed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) struct NoSigner {
    /// When one may, as far as that is known; `None` where no key that is held here ever will.
    pub(crate) from: Option<UnixTime>,
}

/// Where the keys of a service stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many there are in each stage.
    pub(crate) stages: [(Stage, usize); Stage::ALL.len()],
    /// Since when the one that signs may sign.
    pub(crate) since: Option<UnixTime>,
    /// From when its successor will.
    pub(crate) next: Option<UnixTime>,
}

impl fmt::Display for NoSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(from) => write!(f, "no key held here may sign before {from}"),
            None => f.write_str(
                "every key held here was retired: give this verifier the one that signs, or `verifier-service keys rotate`",
            ),
        }
    }
}

/// The keys of a running service. Copies share them.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Shared>);

struct Shared {
    sources: Arc<Sources>,
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    settings: KeySettings,
    receipts_live_s: Option<u32>,
    /// Retired keys of another service.
    elsewhere: Vec<PublishedKey>,
    seen: RwLock<Arc<Seen>>,
    meters: SigningMeters,
    /// The key and its end of which was last said that no other is here.
    end_said: Mutex<Option<(Thumbprint, UnixTime)>>,
    /// Held by the one search for private halves that is under way.
    searching: Arc<tokio::sync::Mutex<()>>,
}

/// What was seen at the last look.
#[derive(Clone)]
struct Seen {
    ring: Ring,
    held: HeldKeys,
    /// Keys of the ring that were looked for in vain, and when.
    missing: BTreeMap<Thumbprint, UnixTime>,
    published: Arc<Jwks>,
}

impl Seen {
    /// Whether the private half of a key is held.
    fn holds(&self) -> impl Fn(Thumbprint) -> bool {
        |kid| self.held.contains_key(&kid)
    }

    /// Keys of the ring whose private halves are to be looked for.
    fn wanted(&self, now: UnixTime) -> Vec<Thumbprint> {
        let living = self.ring.keys().iter().filter(|key| key.is_living());
        let kids = living.map(|key| key.jwk.kid());
        let is_due = |kid: &Thumbprint| {
            let since = self
                .missing
                .get(kid)
                .map(|at| now.secs().saturating_sub(at.secs()));
            since.is_none_or(|since| since >= SEARCH_AGAIN_S)
        };
        kids.filter(|kid| !self.held.contains_key(kid) && is_due(kid))
            .collect()
    }
}

impl Keys {
    /// Opens the places of private halves and the ring, making a key if there is none.
    ///
    /// # Errors
    /// See [`KeyError`]. A key others could have read is refused, not mended: it may have been copied.
    pub(crate) async fn open(
        config: &Config,
        store: Arc<dyn KeyStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let directory = config.state_dir.join(DIRECTORY);
        let sources = Sources::open(&directory, &config.keys)?;
        let elsewhere = retired(&directory.join(RETIRED))?;
        let mut held = sources.keys()?;
        // A key that is filed as retired signs no more, whoever has it.
        held.retain(|kid, _| !elsewhere.iter().any(|key| key.jwk.kid() == *kid));
        let receipts_live_s = config.receipt_lifetime_s;
        let record = |held: &Held, now| new_record(held, now, receipts_live_s);
        let (known, now) = (store.signing_keys().await?, clock.now());
        let unknown = |kid: &&Thumbprint| !known.iter().any(|key| key.jwk.kid() == **kid);
        let new = held.keys().filter(unknown).count();
        let published = Ring::new(known.clone(), elsewhere.clone()).published_count(now);
        let is_room = published + new.max(usize::from(held.is_empty())) <= MOST_PUBLISHED;
        if !is_room && (new > 0 || held.is_empty()) {
            return Err(KeyError::TooMany(published));
        }
        let held = match held.is_empty() {
            true => {
                let made = sources.make(config.signing_algorithm)?;
                HeldKeys::from([(made.signer.public_jwk().kid(), made)])
            }
            false if known.is_empty() && held.len() > 1 => {
                return Err(KeyError::Ambiguous(held.len()));
            }
            false => held,
        };
        for (kid, held) in &held {
            if !known.iter().any(|key| key.jwk.kid() == *kid) {
                let by = By::service(now);
                store.add_signing_key(&record(held, now), by).await?;
            }
        }
        for kid in leaked(&directory.join(LEAKED))? {
            store.disown_signing_key(kid, By::service(now)).await?;
        }
        let ring = Ring::new(store.signing_keys().await?, elsewhere.clone());
        let seen = Seen {
            published: Arc::new(ring.published(now)?),
            ring,
            held,
            missing: BTreeMap::new(),
        };
        let keys = Self(Arc::new(Shared {
            sources: Arc::new(sources),
            store,
            clock,
            settings: config.keys.clone(),
            receipts_live_s,
            elsewhere,
            seen: RwLock::new(Arc::new(seen)),
            meters: SigningMeters::default(),
            end_said: Mutex::default(),
            searching: Arc::default(),
        }));
        keys.refresh().await?;
        match keys.is_hopeless() {
            true => Err(KeyError::AllRetired),
            false => Ok(keys),
        }
    }

    /// Who signs a receipt that is issued at `now`.
    ///
    /// # Errors
    /// [`NoSigner`] while the only key held is still being made known, and where all that are held were retired.
    pub(crate) fn signer_at(&self, now: UnixTime) -> Result<Arc<dyn Signer>, NoSigner> {
        let seen = self.seen();
        let signs = seen
            .ring
            .signs_at(now, seen.holds())
            .map(|key| key.jwk.kid());
        let held = signs.and_then(|kid| seen.held.get(&kid));
        let meters = &self.0.meters;
        held.map(|held| meters.over(Arc::clone(&held.signer)))
            .ok_or_else(|| {
                meters.no_key();
                NoSigner {
                    from: seen.ring.signs_from(seen.holds()),
                }
            })
    }

    /// Where the keys stand, for whoever watches.
    pub(crate) fn standing(&self, now: UnixTime) -> Standing {
        let seen = self.seen();
        let signs = seen.ring.signs_at(now, seen.holds());
        let mut standing = Standing {
            stages: Stage::ALL.map(|stage| (stage, 0)),
            since: signs.and_then(|key| key.usable_from),
            next: None,
        };
        for key in seen.ring.keys() {
            let stage = key.stage(now);
            for (of, count) in &mut standing.stages {
                *count += usize::from(*of == stage);
            }
            if stage == Stage::Announced {
                let next = [standing.next, key.usable_from];
                standing.next = next.into_iter().flatten().min();
            }
        }
        standing
    }

    /// How signing goes.
    pub(crate) fn meters(&self) -> &SigningMeters {
        &self.0.meters
    }

    /// Every key that verifies our receipts.
    pub(crate) fn published(&self) -> Arc<Jwks> {
        Arc::clone(&self.seen().published)
    }

    /// How long a relying party may keep the key set, in seconds.
    pub(crate) fn max_age_s(&self) -> u32 {
        self.0.settings.max_age_s()
    }

    /// Looks at the ring until `end` is ready. A look that fails leaves what was seen before.
    pub(crate) async fn run(self, end: impl Future<Output = ()>) {
        let every = self.0.settings.refresh();
        let mut end = std::pin::pin!(end);
        let mut has_failed = false;
        loop {
            tokio::select! {
                () = &mut end => return,
                () = tokio::time::sleep(every) => {}
            }
            let looked = tokio::select! {
                () = &mut end => return,
                looked = self.refresh() => looked,
            };
            match &looked {
                Err(error) if !has_failed => {
                    tracing::error!(%error, "signing keys cannot be looked at; those known are used");
                }
                Ok(()) if has_failed => tracing::info!("signing keys are looked at again"),
                _ => {}
            }
            has_failed = looked.is_err();
        }
    }

    /// Looks at the ring, publishes what is new in it, says what follows from the clock, and looks at what that changed.
    async fn refresh(&self) -> Result<(), KeyError> {
        let now = self.0.clock.now();
        let seen = self.look(now).await?;
        // Only now: a key counts as published when somebody can see it.
        if self.say(&seen, now).await? {
            self.look(now).await?;
        }
        self.warn_of_end(now);
        Ok(())
    }

    /// Looks at the ring; from here on what was seen is what is published and signed with. Private halves come second: a
    /// place of theirs that cannot be looked into keeps nobody from hearing that a key leaked.
    async fn look(&self, now: UnixTime) -> Result<Arc<Seen>, KeyError> {
        let known = self.0.store.signing_keys().await?;
        let ring = Ring::new(known, self.0.elsewhere.clone());
        let published = Arc::new(ring.published(now)?);
        let before = self.seen();
        let mut seen = Seen {
            ring,
            published,
            held: before.held.clone(),
            missing: before.missing.clone(),
        };
        self.replace(Arc::new(seen.clone()));
        let wanted = seen.wanted(now);
        if !wanted.is_empty() {
            match self.search().await {
                // A key whose signer is in use keeps it: it may hold a session with a token.
                Ok(found) => seen.held = found.into_iter().chain(seen.held).collect(),
                Err(error) => tracing::warn!(%error, "private keys cannot be looked for"),
            }
            let missing = wanted
                .into_iter()
                .filter(|kid| !seen.held.contains_key(kid));
            let missing: Vec<_> = missing.map(|kid| (kid, now)).collect();
            seen.missing.extend(missing);
            self.replace(Arc::new(seen.clone()));
        }
        Ok(Arc::new(seen))
    }

    /// Writes from when new keys may sign and which keys have been taken over from; says whether there were any.
    async fn say(&self, seen: &Seen, now: UnixTime) -> Result<bool, KeyError> {
        let Shared {
            store, settings, ..
        } = &*self.0;
        let wait = i64::from(settings.publish_before_s);
        let usable_from = UnixTime::from_secs(now.secs().saturating_add(wait));
        let unpublished: Vec<_> = seen.ring.unpublished().collect();
        for kid in &unpublished {
            tracing::info!(%kid, %usable_from, "signing key published");
            let by = By::service(now);
            store.publish_signing_key(*kid, usable_from, by).await?;
        }
        let succeeded = seen.ring.succeeded(now, seen.holds());
        // A verifier without the successor signs with the key until it hears of this; what it signs till then counts.
        let at = heeded(now);
        for kid in &succeeded {
            tracing::info!(%kid, %at, "signing key retired by its successor");
            store.retire_signing_key(*kid, at, By::service(now)).await?;
        }
        self.note_lives(seen, now).await?;
        Ok(!unpublished.is_empty() || !succeeded.is_empty())
    }

    /// Says in time that this verifier is about to sign no more: the end of its last key is known, and no other is held.
    /// Once for each key and end.
    fn warn_of_end(&self, now: UnixTime) {
        let seen = self.seen();
        let signs = seen.ring.signs_at(now, seen.holds());
        let ends = signs.and_then(|key| Some((key.jwk.kid(), key.retired_at?)));
        let said = std::mem::replace(&mut *lock(&self.0.end_said), ends);
        if let Some((kid, at)) = ends.filter(|_| said != ends) {
            tracing::error!(%kid, %at, "the only signing key held here ends, and its successor is not here");
        }
    }

    /// Sees that the key that signs is published for as long as its receipts will count.
    async fn note_lives(&self, seen: &Seen, now: UnixTime) -> Result<(), KeyError> {
        let life = self.0.receipts_live_s;
        let outlives = |key: &KeyRecord| match (key.receipts_live_s, life) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(noted), Some(life)) => noted < life,
        };
        let signs = seen.ring.signs_at(now, seen.holds());
        if let Some(key) = signs.filter(|key| outlives(key)) {
            self.0.store.note_receipt_life(key.jwk.kid(), life).await?;
        }
        Ok(())
    }

    /// Every private half within reach. A place that does not answer is waited for once, not each time.
    async fn search(&self) -> Result<HeldKeys, KeyError> {
        let Ok(turn) = Arc::clone(&self.0.searching).try_lock_owned() else {
            return Err(KeyError::BrokenOff);
        };
        let sources = Arc::clone(&self.0.sources);
        let search = tokio::task::spawn_blocking(move || {
            let found = sources.within_reach();
            drop(turn);
            found
        });
        let found = tokio::time::timeout(SEARCH, search).await;
        found
            .map_err(|_| KeyError::BrokenOff)?
            .map_err(|_| KeyError::BrokenOff)
    }

    /// Whether no key that is held will ever sign.
    fn is_hopeless(&self) -> bool {
        let seen = self.seen();
        let is_living = |kid: &Thumbprint| seen.ring.find(*kid).is_some_and(KeyRecord::is_living);
        !seen.held.keys().any(is_living)
    }

    fn seen(&self) -> Arc<Seen> {
        let seen = self.0.seen.read();
        Arc::clone(&seen.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn replace(&self, seen: Arc<Seen>) {
        let place = self.0.seen.write();
        *place.unwrap_or_else(std::sync::PoisonError::into_inner) = seen;
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// The key for tokens in NVIDIA's form, made if there is none. Its clients take no other algorithm.
///
/// # Errors
/// See [`KeyError`].
pub(crate) fn nvidia(state_dir: &Path) -> Result<Arc<LocalSigner>, KeyError> {
    let directory = state_dir.join(DIRECTORY);
    private_files::directory(&directory)?;
    own_key(&directory.join(NVIDIA_KEY), Algorithm::Es384).map(Arc::new)
}

/// Where secrets of webhooks are kept: under a key that is made if there is none.
///
/// # Errors
/// See [`KeyError`].
pub(crate) fn webhook_vault(state_dir: &Path) -> Result<Vault, KeyError> {
    let directory = state_dir.join(DIRECTORY);
    private_files::directory(&directory)?;
    let path = directory.join(WEBHOOKS_KEY);
    let made = || Ok::<_, KeyError>(Zeroizing::new(random::bytes::<KEY_LEN>()));
    private_files::create_if_missing(&path, made)?;
    let bytes = Zeroizing::new(read(&path, |path| std::fs::read(path))?);
    let key = bytes.as_slice().try_into();
    let key = key.map_err(|_| KeyError::Length {
        path,
        expected: KEY_LEN,
        actual: bytes.len(),
    })?;
    Ok(Vault::new(key))
}

/// When every running verifier has heard of what the store is told at `now`.
fn heeded(now: UnixTime) -> UnixTime {
    UnixTime::from_secs(now.secs().saturating_add(HEEDED_S))
}

fn new_record(held: &Held, now: UnixTime, receipts_live_s: Option<u32>) -> KeyRecord {
    KeyRecord {
        jwk: held.signer.public_jwk().clone(),
        added_at: now,
        usable_from: None,
        retired_at: None,
        leaked_at: None,
        receipts_live_s,
    }
}

#[cfg(test)]
mod tests;
