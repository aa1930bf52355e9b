//! Where signing keys are, and how long they are published before they sign.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest time between two looks at the ring of keys.
const MAX_REFRESH_S: u32 = 5;
/// Longest time for which a relying party may keep the key set without looking again.
const MAX_AGE_S: u32 = 300;

/// The keys that sign receipts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// Seconds for which a new key is published before it signs.
    pub publish_before_s: u32,
    /// Files with private keys (unencrypted PKCS#8 in DER) beside those in the state directory. They are only read.
    pub files: Vec<PathBuf>,
    /// A token to keep keys in.
    pub pkcs11: Pkcs11Settings,
}

/// A PKCS #11 token. Without `module` there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pkcs11Settings {
    /// The module, a shared library.
    pub module: Option<PathBuf>,
    /// Label of the token.
    pub token: String,
    /// Label of the keys in it that are this service's.
    pub label: String,
    /// File with the user's PIN, if the token asks for one.
    pub pin_file: Option<PathBuf>,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self {
            publish_before_s: 900,
            files: Vec::new(),
            pkcs11: Pkcs11Settings::default(),
        }
    }
}

impl Default for Pkcs11Settings {
    fn default() -> Self {
        Self {
            module: None,
            token: String::new(),
            label: "pogw".into(),
            pin_file: None,
        }
    }
}

impl KeySettings {
    /// How often the ring of keys is looked at: thrice in the time in which a new key waits to be known.
    pub(crate) fn refresh(&self) -> Duration {
        let third = self.publish_before_s / 3;
        Duration::from_secs(third.clamp(1, MAX_REFRESH_S).into())
    }

    /// How long a relying party may keep the key set, in seconds. A key that is announced is in every set that is kept
    /// when it begins to sign.
    pub(crate) fn max_age_s(&self) -> u32 {
        MAX_AGE_S.min(self.publish_before_s / 3)
    }

    /// Whether nothing is configured that nobody would ever use.
    pub(super) fn is_usable(&self) -> bool {
        let Pkcs11Settings {
            module,
            token,
            label,
            pin_file,
        } = &self.pkcs11;
        match module {
            Some(_) => !token.is_empty() && !label.is_empty(),
            None => token.is_empty() && pin_file.is_none(),
        }
    }
}
