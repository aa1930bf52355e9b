//! What an operator does with keys: list, rotate, retire. It works on store and sources. Running verifiers follow
//! within seconds; it works also while none runs.

use std::sync::Arc;

use evidence::UnixTime;
use receipt::{Algorithm, Thumbprint};
use serde::Serialize;

use super::filed::retired;
use super::ring::{Ring, Stage};
use super::sources::{HeldKeys, Sources};
use super::{DIRECTORY, KeyError, LEAKED, MOST_PUBLISHED, RETIRED, heeded, new_record};
use crate::audit::{Actor, By};
use crate::clock::Clock;
use crate::config::Config;
use crate::private_files;
use crate::service::DATABASE;
use crate::store::SqlStore;
use crate::store::keys::{KeyRecord, KeyStore};

/// The keys of the service that a configuration describes.
pub struct KeyDesk {
    sources: Sources,
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    config: Config,
}

/// A key, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedKey {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: String,
    /// Whether it is the one that signs now, on a verifier that holds what is held here.
    pub signs: bool,
    /// `added`, `announced`, `usable`, `retired`, `past` or `leaked`.
    pub stage: &'static str,
    /// When it was added.
    pub added_at: UnixTime,
    /// From when it may sign.
    pub usable_from: Option<UnixTime>,
    /// Since when it signs no more.
    pub retired_at: Option<UnixTime>,
    /// Where the private half is; absent if it is not within reach from here.
    pub place: Option<String>,
}

/// When a new key begins to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Once it has been published for long enough.
    Published,
    /// As soon as running verifiers know of it: for a key that leaked. Keys that were to sign next lay where it lay, and are
    /// withdrawn.
    AtOnce,
}

/// Why a key is to sign no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retirement {
    /// Its time has come; receipts of it count.
    Due,
    /// Others may have it; receipts of it count for nothing any more.
    Leaked,
}

/// Where the private half of the key is that takes over from one that is retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// Within reach from here, which is seen to.
    Here,
    /// With whichever verifier has the one that is retired, as the operator says.
    Elsewhere,
}

impl KeyDesk {
    /// Opens store and sources.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        private_files::directory(&config.state_dir)?;
        let sources = Sources::open(&config.state_dir.join(DIRECTORY), &config.keys)?;
        let store = SqlStore::open(&config.store, &config.state_dir.join(DATABASE)).await?;
        Ok(Self {
            sources,
            store: Arc::new(store),
            clock,
            config,
        })
    }

    /// Every key there ever was, in the order in which they were added.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn list(&self) -> Result<Vec<ListedKey>, KeyError> {
        let ring = self.ring().await?;
        let (held, now) = (self.sources.within_reach(), self.clock.now());
        let signs = ring.signs_at(now, |kid| held.contains_key(&kid));
        let signs = signs.map(|key| key.jwk.kid());
        let listed = ring.keys().iter().map(|key| {
            let kid = key.jwk.kid();
            ListedKey {
                kid: kid.to_string(),
                algorithm: key.jwk.algorithm().to_string(),
                signs: signs == Some(kid),
                stage: key.stage(now).as_str(),
                added_at: key.added_at,
                usable_from: key.usable_from,
                retired_at: key.retired_at,
                place: held.get(&kid).map(|held| held.place.clone()),
            }
        });
        Ok(listed.collect())
    }

    /// Makes a key that will sign in the place of the one that does; the configured algorithm unless another is named.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        rotation: Rotation,
    ) -> Result<ListedKey, KeyError> {
        let now = self.clock.now();
        let published = self.ring().await?.published_count(now);
        if published >= MOST_PUBLISHED {
            return Err(KeyError::TooMany(published));
        }
        let by = by(now)?;
        let held = self
            .sources
            .make(algorithm.unwrap_or(self.config.signing_algorithm))?;
        let mut key = new_record(&held, now, self.config.receipt_lifetime_s);
        if rotation == Rotation::AtOnce {
            key.usable_from = Some(heeded(now));
        }
        let kid = key.jwk.kid();
        self.store.add_signing_key(&key, by.clone()).await?;
        if rotation == Rotation::AtOnce {
            self.withdraw_next(kid, now, by).await?;
        }
        let mut listed = self.list().await?.into_iter();
        let listed = listed.find(|key| key.kid == kid.to_string());
        listed.ok_or(KeyError::Unknown(kid))
    }

    /// Ends every key that has not signed yet, but one.
    async fn withdraw_next(&self, but: Thumbprint, now: UnixTime, by: By) -> Result<(), KeyError> {
        let ring = self.ring().await?;
        let next = ring.keys().iter().filter(|key| {
            matches!(key.stage(now), Stage::Added | Stage::Announced) && key.is_living()
        });
        for kid in next.map(|key| key.jwk.kid()).filter(|kid| *kid != but) {
            self.store
                .retire_signing_key(kid, heeded(now), by.clone())
                .await?;
        }
        Ok(())
    }

    /// Ends a key. Running verifiers heed it within seconds; says from when it signs no more.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::OfAnother`], [`KeyError::Last`], [`KeyError::SuccessorNotHeld`], and see
    /// [`KeyError`].
    pub async fn retire(
        &self,
        kid: Thumbprint,
        why: Retirement,
        successor: Successor,
    ) -> Result<UnixTime, KeyError> {
        let (ring, now) = (self.ring().await?, self.clock.now());
        let key = ring.find(kid).ok_or(KeyError::Unknown(kid))?;
        let at = heeded(now);
        if key.stage(now) == Stage::Usable {
            let held = self.sources.within_reach();
            // Whoever has a key that is not here may have no other.
            let is_of_others = !held.contains_key(&kid) && why == Retirement::Due;
            if is_of_others && successor == Successor::Here {
                return Err(KeyError::OfAnother(kid));
            }
            has_successor(&ring, &held, kid, at, successor)?;
        }
        match why {
            Retirement::Due => self.store.retire_signing_key(kid, at, by(now)?).await?,
            Retirement::Leaked => {
                self.store.disown_signing_key(kid, by(now)?).await?;
                self.mark_leaked(kid)?;
            }
        }
        let ring = self.ring().await?;
        let retired_at = ring.find(kid).and_then(|key| key.retired_at);
        Ok(retired_at.unwrap_or(at))
    }

    fn mark_leaked(&self, kid: Thumbprint) -> Result<(), KeyError> {
        let directory = self.config.state_dir.join(DIRECTORY).join(LEAKED);
        private_files::directory(&directory)?;
        Ok(private_files::touch(
            &directory.join(format!("{kid}.{LEAKED}")),
        )?)
    }

    async fn ring(&self) -> Result<Ring, KeyError> {
        let elsewhere = retired(&self.config.state_dir.join(DIRECTORY).join(RETIRED))?;
        Ok(Ring::new(self.store.signing_keys().await?, elsewhere))
    }
}

/// Whoever takes over must be able to when this one ends: may sign by then, and be held by somebody.
fn has_successor(
    ring: &Ring,
    held: &HeldKeys,
    kid: Thumbprint,
    at: UnixTime,
    successor: Successor,
) -> Result<(), KeyError> {
    let others = ring.keys().iter().filter(|other| other.jwk.kid() != kid);
    let ready: Vec<&KeyRecord> = others
        .filter(|other| other.stage(at) == Stage::Usable)
        .collect();
    let is_held = |other: &&KeyRecord| held.contains_key(&other.jwk.kid());
    match successor {
        _ if ready.is_empty() => Err(KeyError::Last(kid)),
        Successor::Here if !ready.iter().any(is_held) => Err(KeyError::SuccessorNotHeld(kid)),
        _ => Ok(()),
    }
}

/// Whoever runs this program.
fn by(now: UnixTime) -> Result<By, KeyError> {
    let uid = private_files::this_user()?;
    Ok(By::new(Actor::Cli { uid }, now))
}
