//! The signing key, made at first start, and the keys that signed before it.
//!
//! Under `<state directory>/keys`:
//!
//! | Path | Content |
//! |---|---|
//! | `signing.pk8` | the private key, unencrypted PKCS#8 in DER, mode 0600 |
//! | `webhooks.key` | 32 random bytes, mode 0600: the key under which secrets of webhooks are kept ([`Vault`]) |
//! | `nvidia.pk8` | the same of the key for tokens in NVIDIA's form, which signs nothing else (`nvidia/mod.rs`) |
//! | `retired/*.json` | key sets (RFC 7517) of former keys, public halves only, each with `exp`: when it signed last |
//!
//! A key is named by its RFC 7638 thumbprint. The key for NVIDIA's form is no key for receipts and is not among those
//! published for them; its tokens count for an hour, so it is replaced by removing the file and has no retired ones. Retired keys stay in the published set for as long as receipts are kept.
//! Out of scope: keys in an HSM; whoever has one implements [`receipt::Signer`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::pkcs8::Document;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use receipt::{
    Algorithm, Jwks, JwksError, LocalSigner, PublishedKey, SignError, Signer, Thumbprint,
};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::private_files::{self, PrivateFileError};
use crate::random;
use crate::webhooks::{KEY_LEN, Vault};

const SIGNING_KEY: &str = "signing.pk8";
const NVIDIA_KEY: &str = "nvidia.pk8";
const WEBHOOKS_KEY: &str = "webhooks.key";
const RETIRED: &str = "retired";

/// Why the keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file or directory of the keys is not as it must be.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No key could be made.
    #[error("cannot make a key for {0}")]
    Generate(Algorithm),
    /// The file is not a key of the algorithm configured.
    #[error("{path}: {source}; a key of another algorithm must be retired first")]
    Rejected {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: SignError,
    },
    /// The file is no key for secrets of webhooks.
    #[error("{path}: expected {expected} bytes, got {actual}")]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes of a key.
        expected: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// A file of retired keys is defective.
    #[error("{path}: {source}")]
    Retired {
        /// The file.
        path: PathBuf,
        /// The defect.
        source: JwksError,
    },
    /// A retired key does not say when it signed last.
    #[error("{path}: key {kid} has no exp, the time it signed last")]
    NotRetired {
        /// The file.
        path: PathBuf,
        /// The key.
        kid: Thumbprint,
    },
    /// The keys do not make a set.
    #[error("cannot publish the keys: {0}")]
    Set(#[from] JwksError),
}

/// The key that signs, and all that are published.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    signer: Arc<LocalSigner>,
    nvidia: Arc<LocalSigner>,
    vault: Arc<Vault>,
    published: Arc<Jwks>,
}

impl Keys {
    /// Reads the keys in `directory`, making directory and signing key if there are none.
    ///
    /// # Errors
    /// See [`KeyError`]. A key others could have read is refused, not mended: it may have been copied.
    pub(crate) fn open(directory: &Path, algorithm: Algorithm) -> Result<Self, KeyError> {
        private_files::directory(directory)?;
        let signer = Arc::new(open(&directory.join(SIGNING_KEY), algorithm)?);
        // NVIDIA's clients take no other algorithm.
        let nvidia = Arc::new(open(&directory.join(NVIDIA_KEY), Algorithm::Es384)?);
        let mut keys = vec![PublishedKey::from(signer.public_jwk().clone())];
        keys.extend(retired(&directory.join(RETIRED))?);
        Ok(Self {
            signer,
            nvidia,
            vault: Arc::new(vault(&directory.join(WEBHOOKS_KEY))?),
            published: Arc::new(Jwks::new(keys)?),
        })
    }

    /// The key that signs.
    pub(crate) fn signer(&self) -> &Arc<LocalSigner> {
        &self.signer
    }

    /// The key that signs tokens in NVIDIA's form.
    pub(crate) fn nvidia(&self) -> &Arc<LocalSigner> {
        &self.nvidia
    }

    /// Where secrets of webhooks are kept.
    pub(crate) fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Every key that verifies our receipts.
    pub(crate) fn published(&self) -> &Jwks {
        &self.published
    }
}

/// The key in `path`, made if there is none.
fn open(path: &Path, algorithm: Algorithm) -> Result<LocalSigner, KeyError> {
    if !private_files::exists_privately(path)? {
        private_files::create(path, generate(algorithm)?.as_ref())?;
    }
    load(path, algorithm)
}

/// The vault under the key in `path`, made if there is none.
fn vault(path: &Path) -> Result<Vault, KeyError> {
    if !private_files::exists_privately(path)? {
        private_files::create(path, &*Zeroizing::new(random::bytes::<KEY_LEN>()))?;
    }
    let bytes = Zeroizing::new(read(path, |path| std::fs::read(path))?);
    let key = bytes.as_slice().try_into();
    let key = key.map_err(|_| KeyError::Length {
        path: path.to_owned(),
        expected: KEY_LEN,
        actual: bytes.len(),
    })?;
    Ok(Vault::new(key))
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

fn load(path: &Path, algorithm: Algorithm) -> Result<LocalSigner, KeyError> {
    let der = Zeroizing::new(read(path, |path| std::fs::read(path))?);
    LocalSigner::from_pkcs8(algorithm, &der).map_err(|source| KeyError::Rejected {
        path: path.to_owned(),
        source,
    })
}

/// The retired keys, in the order of their file names.
fn retired(directory: &Path) -> Result<Vec<PublishedKey>, KeyError> {
    private_files::directory(directory)?;
    let entries: Result<Vec<_>, _> = read(directory, |path| std::fs::read_dir(path))?.collect();
    let mut paths: Vec<_> = read(directory, |_| entries)?
        .iter()
        .map(|e| e.path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    let mut keys = Vec::new();
    for path in paths {
        keys.extend(retired_in(&path)?);
    }
    Ok(keys)
}

fn retired_in(path: &Path) -> Result<Vec<PublishedKey>, KeyError> {
    let text = read(path, |path| std::fs::read_to_string(path))?;
    let set = Jwks::parse(&text).map_err(|source| KeyError::Retired {
        path: path.to_owned(),
        source,
    })?;
    match set.keys().iter().find(|key| key.retired_at.is_none()) {
        Some(key) => Err(KeyError::NotRetired {
            path: path.to_owned(),
            kid: key.jwk.kid(),
        }),
        None => Ok(set.keys().to_vec()),
    }
}

fn read<T>(path: &Path, reader: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T, KeyError> {
    reader(path).map_err(|source| KeyError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use receipt::UnixTime;

    use super::*;

    fn kid(keys: &Keys) -> Thumbprint {
        keys.signer().public_jwk().kid()
    }

    #[test]
    fn the_key_is_made_once_with_mode_0600() {
        for algorithm in Algorithm::ALL {
            let folder = tempfile::tempdir().unwrap();
            let directory = folder.path().join("keys");
            let first = Keys::open(&directory, *algorithm).unwrap();
            let file = std::fs::metadata(directory.join(SIGNING_KEY)).unwrap();
            assert_eq!(file.mode() & 0o7777, 0o600);
            let second = Keys::open(&directory, *algorithm).unwrap();
            assert_eq!(kid(&first), kid(&second), "{algorithm}");
            assert_eq!(first.signer().public_jwk().algorithm(), *algorithm);
        }
    }

    #[test]
    fn the_key_for_nvidia_is_another_one_and_not_published_for_receipts() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        let keys = Keys::open(&directory, Algorithm::Ed25519).unwrap();
        let nvidia = keys.nvidia().public_jwk();
        assert_eq!(nvidia.algorithm(), Algorithm::Es384);
        assert_eq!(keys.published().find(&nvidia.kid()), None);
        let again = Keys::open(&directory, Algorithm::Ed25519).unwrap();
        assert_eq!(again.nvidia().public_jwk().kid(), nvidia.kid());
        let file = std::fs::metadata(directory.join(NVIDIA_KEY)).unwrap();
        assert_eq!(file.mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_key_others_could_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        Keys::open(&directory, Algorithm::Es384).unwrap();
        let path = directory.join(SIGNING_KEY);
        for mode in [0o640, 0o604, 0o700] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = Keys::open(&directory, Algorithm::Es384).unwrap_err();
            let too_wide = matches!(
                refused,
                KeyError::File(PrivateFileError::ModeTooWide { .. })
            );
            assert!(too_wide, "{mode:o}: {refused}");
        }
    }

    #[test]
    fn a_key_of_another_algorithm_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        Keys::open(&directory, Algorithm::Es384).unwrap();
        let refused = Keys::open(&directory, Algorithm::Ed25519).unwrap_err();
        assert!(matches!(refused, KeyError::Rejected { .. }), "{refused}");
    }

    #[test]
    fn retired_keys_stay_published() {
        let folder = tempfile::tempdir().unwrap();
        let former = Keys::open(&folder.path().join("former"), Algorithm::Es256).unwrap();
        let mut key = PublishedKey::from(former.signer().public_jwk().clone());
        let directory = folder.path().join("keys");
        Keys::open(&directory, Algorithm::Es384).unwrap();
        let file = directory.join(RETIRED).join("2026.json");
        let publish = |key: &PublishedKey| {
            let set = Jwks::new(vec![key.clone()]).unwrap();
            std::fs::write(&file, set.to_json()).unwrap();
            Keys::open(&directory, Algorithm::Es384)
        };

        let refused = publish(&key).unwrap_err();
        assert!(matches!(refused, KeyError::NotRetired { .. }), "{refused}");
        key.retired_at = Some(UnixTime::from_secs(1_790_000_000));
        let keys = publish(&key).unwrap();
        assert_eq!(keys.published().keys().len(), 2);
        assert_eq!(keys.published().find(&kid(&former)), Some(&key));
        assert_ne!(kid(&keys), kid(&former));
    }
}
