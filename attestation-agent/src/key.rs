//! The agent's own key: what ties a bundle, and later a receipt (`cnf.jkt`), to this agent.
//!
//! In scope: an Ed25519 key (RFC 8032) in a file of the state folder, made at first use.
//!
//! Out of scope: trust. The key says "the same agent as before" and nothing about the machine: the
//! host can copy it. What a device vouches for is in the reports.

use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use evidence::work::Base64Url;
use zeroize::Zeroizing;

use crate::files::{self, FileError, PRIVATE};

/// Name of the key's file in the state folder.
pub const KEY_FILE: &str = "agent-key.der";

const LOCK_FILE: &str = ".agent-key.lock";

/// PKCS #8 version 1 around an Ed25519 seed (RFC 8410 section 7): all of it but the 32 bytes.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const SEED_LENGTH: usize = 32;
/// The longest key file read: room for PKCS #8 version 2, which repeats the public key.
const KEY_FILE_LIMIT: u64 = 256;

/// An Ed25519 key pair.
pub struct AgentKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

/// Why there is no usable key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key file cannot be read or written, or is open to others.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not an Ed25519 key.
    #[error("{path} is not an Ed25519 key in PKCS #8 (DER)")]
    Malformed {
        /// The file.
        path: String,
    },
    /// The machine gives no random bytes.
    #[error("no random bytes to make a key from")]
    NoRandomness,
}

impl KeyError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Malformed { .. } => "agent_key_malformed",
            Self::NoRandomness => "randomness_unavailable",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File(error) => error.remedy(),
            Self::Malformed { .. } => {
                "Restore the key from a backup, or remove the file: a new key is made at the next \
                 start, and verifiers will see a new agent."
            }
            Self::NoRandomness => "The kernel's random number source must work (getrandom).",
        }
    }
}

impl AgentKey {
    /// The key in `state_dir`, made there first if there is none.
    ///
    /// Two processes that start at once end up with the same key.
    ///
    /// # Errors
    /// [`FileError::PermissionsTooWide`] if others may read the key; the other causes of
    /// [`KeyError`].
    pub fn open(state_dir: &Path) -> Result<Self, KeyError> {
        files::private_dir(state_dir)?;
        let path = state_dir.join(KEY_FILE);
        if !path.exists() {
            make_once(state_dir, &path)?;
        }
        files::require_private(&path)?;
        let pkcs8 = Zeroizing::new(files::read_bounded(&path, KEY_FILE_LIMIT)?);
        Self::from_pkcs8(&pkcs8).ok_or_else(|| KeyError::Malformed {
            path: path.display().to_string(),
        })
    }

    /// A key from its 32 secret bytes, for test vectors.
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_LENGTH]) -> Option<Self> {
        Self::from_pkcs8(&pkcs8_of(seed))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> Base64Url<32> {
        Base64Url(self.public)
    }

    /// Signs `message` (Ed25519, not pre-hashed).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // The library's Ed25519 signature has 64 bytes by definition.
        let made = self.pair.sign(message);
        for (to, from) in signature.iter_mut().zip(made.as_ref()) {
            *to = *from;
        }
        signature
    }

    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(der).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public })
    }
}

impl fmt::Debug for AgentKey {
    /// The public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({})", self.public())
    }
}

/// Makes the key unless another process has done so while this one waited for the lock.
fn make_once(state_dir: &Path, path: &Path) -> Result<(), KeyError> {
    let lock_path = state_dir.join(LOCK_FILE);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(PRIVATE)
        .open(&lock_path)
        .map_err(FileError::io("open", &lock_path))?;
    lock.lock().map_err(FileError::io("lock", &lock_path))?;
    if path.exists() {
        return Ok(());
    }
    let mut seed = Zeroizing::new([0; SEED_LENGTH]);
    aws_lc_rs::rand::fill(&mut *seed).map_err(|_| KeyError::NoRandomness)?;
    files::write_whole(path, &pkcs8_of(&seed), PRIVATE)?;
    tracing::info!(path = %path.display(), "made a new agent key");
    Ok(())
}

fn pkcs8_of(seed: &[u8; SEED_LENGTH]) -> Zeroizing<Vec<u8>> {
    // Reserved in full: a vector that grew would leave a copy of the secret behind.
    let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + SEED_LENGTH));
    der.extend_from_slice(&PKCS8_PREFIX);
    der.extend_from_slice(seed);
    der
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_private_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let made = AgentKey::open(&state).unwrap();
        let found = AgentKey::open(&state).unwrap();
        assert_eq!(made.public(), found.public());
        let mode = fs::metadata(state.join(KEY_FILE)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let folder = fs::metadata(&state).unwrap().permissions();
        assert_eq!(folder.mode() & 0o777, 0o700);
    }

    #[test]
    fn processes_that_start_at_once_share_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let open = || AgentKey::open(dir.path()).unwrap().public();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        AgentKey::open(dir.path()).unwrap();
        for mode in [0o640, 0o604, 0o610, 0o660] {
            let path = dir.path().join(KEY_FILE);
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let error = AgentKey::open(dir.path()).unwrap_err();
            assert_eq!(error.code(), "file_permissions_too_wide", "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        AgentKey::open(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        for (bytes, code) in [
            (vec![], "agent_key_malformed"),
            (vec![0; 48], "agent_key_malformed"),
            (vec![0; 257], "file_too_large"),
        ] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(AgentKey::open(dir.path()).unwrap_err().code(), code);
        }
    }

    #[test]
    fn signatures_verify_and_the_secret_is_not_printed() {
        let key = AgentKey::from_seed(&[7; 32]).unwrap();
        let signature = key.sign(b"message");
        assert!(evidence::crypto::ed25519(
            &key.public().0,
            b"message",
            &signature
        ));
        assert!(!format!("{key:?}").contains("0707"));
    }
}
