//! Where private halves are: files of the state directory, files the configuration names, credentials that systemd hands
//! over, a PKCS #11 token.

mod files;
mod token;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use receipt::{Algorithm, Signer, Thumbprint};

use super::KeyError;
use crate::config::KeySettings;
use files::{Directory, Handed};
use token::Token;

/// The variable in which systemd says where the credentials of a unit are (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A private half, and where it is.
#[derive(Clone)]
pub(crate) struct Held {
    /// What signs with it.
    pub(crate) signer: Arc<dyn Signer>,
    /// Where it is, for a person; no secret.
    pub(crate) place: String,
}

/// Private halves by the names of their keys.
pub(crate) type HeldKeys = BTreeMap<Thumbprint, Held>;

/// A place of private halves.
trait Source: Send + Sync {
    /// What is in it, key by key: one that cannot be used says nothing about the others.
    fn keys(&self) -> Result<Vec<Result<Held, KeyError>>, KeyError>;
}

/// A place in which a key can be made.
trait Maker: Source {
    /// Makes a key, lasting.
    fn make(&self, algorithm: Algorithm) -> Result<Held, KeyError>;
}

/// Every place of private halves, and the one in which new ones are made: the token, where there is one.
pub(crate) struct Sources {
    maker: Box<dyn Maker>,
    others: Vec<Box<dyn Source>>,
}

impl Sources {
    /// The places that the settings name, beside `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// See [`KeyError`]. A place that cannot be looked into is a fault, not an empty place.
    pub(crate) fn open(directory: &Path, settings: &KeySettings) -> Result<Self, KeyError> {
        let own = Directory::open(directory)?;
        let mut others: Vec<Box<dyn Source>> = Vec::new();
        if !settings.files.is_empty() {
            others.push(Box::new(Handed::named(&settings.files)));
        }
        if let Some(credentials) = std::env::var_os(CREDENTIALS) {
            others.push(Box::new(Handed::credentials(&PathBuf::from(credentials))?));
        }
        let maker: Box<dyn Maker> = match &settings.pkcs11.module {
            None => Box::new(own),
            Some(module) => {
                others.push(Box::new(own));
                Box::new(Token::open(module, &settings.pkcs11)?)
            }
        };
        Ok(Self { maker, others })
    }

    /// Every private half there is.
    pub(crate) fn keys(&self) -> Result<HeldKeys, KeyError> {
        let mut held = HeldKeys::new();
        for source in self.all() {
            let keys: Result<Vec<_>, _> = source.keys()?.into_iter().collect();
            add(&mut held, keys?);
        }
        Ok(held)
    }

    /// Every private half within reach; a place that cannot be looked into, or a key, is passed over, and said.
    pub(crate) fn within_reach(&self) -> HeldKeys {
        let mut held = HeldKeys::new();
        let said = |error| tracing::warn!(%error, "private keys of one place cannot be used");
        for source in self.all() {
            let keys = source.keys().map_err(said).unwrap_or_default();
            let usable = keys.into_iter().filter_map(|key| key.map_err(said).ok());
            add(&mut held, usable);
        }
        held
    }

    fn all(&self) -> impl Iterator<Item = &dyn Source> {
        let maker: &dyn Source = self.maker.as_ref();
        let others = self.others.iter().map(|source| &**source as &dyn Source);
        std::iter::once(maker).chain(others)
    }

    /// Makes a key.
    pub(crate) fn make(&self, algorithm: Algorithm) -> Result<Held, KeyError> {
        self.maker.make(algorithm)
    }
}

/// Adds keys to those held; of one that is in two places the first counts.
fn add(held: &mut HeldKeys, keys: impl IntoIterator<Item = Held>) {
    for key in keys {
        let kid = key.signer.public_jwk().kid();
        held.entry(kid).or_insert(key);
    }
}

pub(super) use files::{NVIDIA_KEY, own_key};
