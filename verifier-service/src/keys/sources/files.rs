//! Private halves in files, each an unencrypted PKCS#8 document in DER. The algorithm follows from the key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use receipt::{Algorithm, LocalSigner, SignError, Signer};
use zeroize::Zeroizing;

use super::{Held, Maker, Source};
use crate::keys::KeyError;
use crate::keys::filed::{files_in, read};
use crate::private_files;

const EXTENSION: &str = "pk8";
/// The key for tokens in NVIDIA's form, which signs no receipts.
pub(in crate::keys) const NVIDIA_KEY: &str = "nvidia.pk8";
/// What the names of credentials for signing begin with.
const CREDENTIAL_PREFIX: &str = "signing";

/// The directory of the service's own keys.
pub(super) struct Directory(PathBuf);

/// Files that somebody else put there and this service only reads.
pub(super) struct Handed {
    paths: Vec<PathBuf>,
    /// Whether who owns the files, and who else may read them, was seen to by whoever handed them over.
    is_vouched_for: bool,
}

impl Directory {
    /// Makes the directory, or sees that it is ours alone.
    pub(super) fn open(path: &Path) -> Result<Self, KeyError> {
        private_files::directory(path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Source for Directory {
    fn keys(&self) -> Result<Vec<Result<Held, KeyError>>, KeyError> {
        let mut paths = files_in(&self.0, EXTENSION)?;
        paths.retain(|path| path.file_name().is_none_or(|name| name != NVIDIA_KEY));
        Ok(paths.iter().map(|path| private_key(path)).collect())
    }
}

impl Maker for Directory {
    fn make(&self, algorithm: Algorithm) -> Result<Held, KeyError> {
        let document = generate(algorithm)?;
        let rejected = |source| KeyError::Rejected {
            path: self.0.clone(),
            source,
        };
        let signer = LocalSigner::from_pkcs8(algorithm, document.as_ref()).map_err(rejected)?;
        let name = format!("signing-{}.{EXTENSION}", signer.public_jwk().kid());
        let path = self.0.join(name);
        private_files::create(&path, document.as_ref())?;
        Ok(held(signer, &path))
    }
}

impl Handed {
    /// Files that the configuration names.
    pub(super) fn named(paths: &[PathBuf]) -> Self {
        Self {
            paths: paths.to_vec(),
            is_vouched_for: false,
        }
    }

    /// The credentials of the unit whose names begin with `signing` and end in `.pk8`. systemd lets nobody else read them,
    /// in some versions by an access list that shows as a wider mode.
    pub(super) fn credentials(directory: &Path) -> Result<Self, KeyError> {
        let mut paths = files_in(directory, EXTENSION)?;
        paths.retain(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(CREDENTIAL_PREFIX))
        });
        Ok(Self {
            paths,
            is_vouched_for: true,
        })
    }
}

impl Source for Handed {
    fn keys(&self) -> Result<Vec<Result<Held, KeyError>>, KeyError> {
        let read = |path: &PathBuf| match self.is_vouched_for {
            true => load(path),
            false => private_key(path),
        };
        Ok(self.paths.iter().map(read).collect())
    }
}

/// The key of one algorithm in `path`, made if there is none.
pub(in crate::keys) fn own_key(path: &Path, algorithm: Algorithm) -> Result<LocalSigner, KeyError> {
    private_files::create_if_missing(path, || generate(algorithm))?;
    let der = Zeroizing::new(read(path, |path| std::fs::read(path))?);
    LocalSigner::from_pkcs8(algorithm, &der).map_err(|source| rejected(path, source))
}

/// A key that nobody else can have read.
fn private_key(path: &Path) -> Result<Held, KeyError> {
    match private_files::exists_privately(path)? {
        true => load(path),
        false => Err(KeyError::Read {
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        }),
    }
}

fn load(path: &Path) -> Result<Held, KeyError> {
    let der = Zeroizing::new(read(path, |path| std::fs::read(path))?);
    let mut tried = Algorithm::ALL
        .iter()
        .map(|algorithm| LocalSigner::from_pkcs8(*algorithm, &der));
    let signer = tried.find_map(Result::ok);
    let signer = signer.ok_or_else(|| KeyError::NotAKey(path.to_owned()))?;
    Ok(held(signer, path))
}

fn held(signer: LocalSigner, path: &Path) -> Held {
    Held {
        signer: Arc::new(signer),
        place: path.display().to_string(),
    }
}

fn rejected(path: &Path, source: SignError) -> KeyError {
    KeyError::Rejected {
        path: path.to_owned(),
        source,
    }
}

fn generate(algorithm: Algorithm) -> Result<Document, KeyError> {
    let random = SystemRandom::new();
    let document = match algorithm {
        Algorithm::Es384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random),
        Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
    };
    document.map_err(|_| KeyError::Generate(algorithm))
}
