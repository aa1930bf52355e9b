//! What an operator does with the log beside running verifiers: have the chain checked, and take it all out.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use evidence::work::Hex;
use thiserror::Error;

use super::{Link, Walk, Walked};
use crate::config::Config;
use crate::private_files::{self, PrivateFileError};
use crate::service::DATABASE;
use crate::store::audit::AuditStore;
use crate::store::{SqlStore, StoreError};

/// Entries that are read at one time.
const PAGE: u32 = 1000;

/// Where the log ends: a number and a digest over everything up to it. Written as `NUMBER:DIGEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head(Link);

/// The text is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected NUMBER:DIGEST, the digest as 64 hexadecimal digits")]
pub struct NotAHead;

/// Why the log cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The state directory is not ours alone.
    #[error(transparent)]
    StateDirectory(#[from] PrivateFileError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was read cannot be written out.
    #[error("cannot write the log out: {0}")]
    Output(#[from] io::Error),
    /// An entry is not one that a verifier wrote.
    #[error("entry {number} is malformed: {source}")]
    Entry {
        /// Its number.
        number: i64,
        /// Why.
        source: serde_json::Error,
    },
}

/// The audit log of the service that a configuration describes.
pub struct AuditDesk {
    store: SqlStore,
}

impl AuditDesk {
    /// Opens the store.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub async fn open(config: &Config) -> Result<Self, AuditError> {
        private_files::directory(&config.state_dir)?;
        let store = SqlStore::open(&config.store, &config.state_dir.join(DATABASE)).await?;
        Ok(Self { store })
    }

    /// Walks from the first entry to the last; `noted` is a head that was written down elsewhere, earlier.
    ///
    /// # Errors
    /// See [`AuditError`]; what is wrong with the log is no error but a finding.
    pub async fn verify(&self, noted: Option<Head>) -> Result<Walked, AuditError> {
        let mut walk = Walk::new(noted);
        loop {
            let entries = self.store.audit_after(walk.at(), PAGE).await?;
            if entries.is_empty() {
                return Ok(walk.end());
            }
            entries.iter().for_each(|entry| walk.see(entry));
        }
    }

    /// Writes every entry out as a line of JSON, the first first; says how many there were.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub async fn export(&self, mut to: impl Write) -> Result<u64, AuditError> {
        let (mut last, mut count) = (0, 0);
        loop {
            let entries = self.store.audit_after(last, PAGE).await?;
            let Some(end) = entries.last() else {
                to.flush()?;
                return Ok(count);
            };
            last = end.number;
            for entry in &entries {
                let number = entry.number;
                let malformed = |source| AuditError::Entry { number, source };
                writeln!(to, "{}", entry.to_json().map_err(malformed)?)?;
                count += 1;
            }
        }
    }
}

impl Head {
    /// The number of the last entry; 0 where there is none.
    #[must_use]
    pub const fn number(&self) -> i64 {
        self.0.number
    }

    /// The digest, in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        Hex(self.0.digest).to_string()
    }
}

impl From<Link> for Head {
    fn from(link: Link) -> Self {
        Self(link)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number(), self.digest())
    }
}

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (number, digest) = text.split_once(':').ok_or(NotAHead)?;
        let number = number.parse().ok().filter(|number| *number >= 0);
        let Hex(digest) = Hex::parse(digest).ok_or(NotAHead)?;
        Ok(Self(Link {
            number: number.ok_or(NotAHead)?,
            digest,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head(Link {
            number: 7,
            digest: [0xab; 32],
        });
        assert_eq!(head.to_string(), format!("7:{}", "ab".repeat(32)));
        assert_eq!(head.to_string().parse(), Ok(head));
        let digest = "ab".repeat(32);
        for wrong in [
            "",
            "7",
            &digest,
            &format!("-1:{digest}"),
            &format!("7:{digest}0"),
        ] {
            assert_eq!(wrong.parse::<Head>(), Err(NotAHead), "{wrong}");
        }
    }
}
