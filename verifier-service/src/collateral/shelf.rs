//! Fetched manifests on disk, so that a site without its service survives a restart within the bound on staleness.
//!
//! In scope: one file for each manifest, `<id>.rim`: a line of JSON (id, SHA-256, times), then the document. Files are
//! written whole or not at all, and nothing in them is trusted when they are read. Their number is bounded. Out of
//! scope: whether a document is authentic.
//!
//! Nothing here fails a request: what cannot be written is fetched again some day, what cannot be read is passed over,
//! and the log says so.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use evidence::device::is_safe_rim_id;
use evidence::limits::MAX_RIM_BYTES;
use evidence::work::Hex;
use evidence::{UnixTime, crypto};
use serde::{Deserialize, Serialize};

use super::fetch::{KeptRim, RIMS_KEPT};
use crate::bounded::read_bounded;
use crate::private_files::{self, PrivateFileError};

const EXTENSION: &str = "rim";
/// Longest first line: an id of 128 characters, a digest, two times.
const MAX_HEAD_BYTES: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
}

/// A manifest as it was put away. The digest is that of the document.
#[derive(Debug)]
pub(super) struct Shelved {
    pub(super) id: String,
    pub(super) document: Vec<u8>,
    pub(super) sha256: [u8; 32],
    pub(super) fetched_at: UnixTime,
    pub(super) last_updated: Option<UnixTime>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    id: String,
    sha256: Hex<32>,
    fetched_at: i64,
    last_updated: Option<i64>,
}

impl Shelf {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Everything that can be read and is what it says it is.
    pub(super) fn load(&self) -> Vec<Shelved> {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "cannot read manifests fetched before");
                return Vec::new();
            }
        };
        let newest = files.into_iter().rev().take(RIMS_KEPT.get());
        let read = newest.filter_map(|(_, path)| {
            let shelved = read(&path);
            if shelved.is_none() {
                tracing::warn!(path = %path.display(), "passed over: no manifest fetched before");
            }
            shelved
        });
        let mut shelved: Vec<_> = read.collect();
        // Oldest first: of a cache that holds fewer, the newest stay.
        shelved.reverse();
        shelved
    }

    /// Writes a manifest, in the place of an earlier one.
    pub(super) fn put(&self, id: &str, kept: &KeptRim, fetched_at: UnixTime) {
        let head = Head {
            id: id.to_owned(),
            sha256: Hex(kept.sha256),
            fetched_at: fetched_at.secs(),
            last_updated: kept.last_updated.map(UnixTime::secs),
        };
        if let Err(error) = self.write(&head, &kept.document) {
            tracing::warn!(id, %error, "cannot keep a manifest on disk");
        }
    }

    /// Removes a manifest.
    pub(super) fn remove(&self, id: &str) {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(id, %error, "cannot remove a manifest from disk");
            }
            _ => {}
        }
    }

    fn write(&self, head: &Head, document: &[u8]) -> Result<(), PrivateFileError> {
        private_files::directory(&self.directory)?;
        self.make_room();
        let mut content = serde_json::to_vec(head).unwrap_or_default();
        content.push(b'\n');
        content.extend_from_slice(document);
        private_files::replace(&self.path(&head.id), &content)
    }

    /// Removes the oldest files where there are as many as may be.
    fn make_room(&self) {
        let files = self.files().unwrap_or_default();
        let surplus = (files.len() + 1).saturating_sub(RIMS_KEPT.get());
        for (_, path) in files.into_iter().take(surplus) {
            drop(fs::remove_file(path));
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.{EXTENSION}"))
    }

    /// Our files, oldest first.
    fn files(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == EXTENSION)
            {
                files.push((entry.metadata()?.modified()?, path));
            }
        }
        files.sort();
        Ok(files)
    }
}

fn read(path: &Path) -> Option<Shelved> {
    let mut file = File::open(path).ok()?;
    let content = read_bounded(&mut file, MAX_HEAD_BYTES + MAX_RIM_BYTES).ok()?;
    let end = content
        .iter()
        .take(MAX_HEAD_BYTES)
        .position(|b| *b == b'\n')?;
    let (head, document) = content.split_at(end);
    let head: Head = serde_json::from_slice(head).ok()?;
    let document = document.get(1..)?.to_vec();
    let named = path.file_stem()?.to_str()? == head.id && is_safe_rim_id(&head.id);
    let whole = crypto::sha256(&document) == head.sha256.0;
    (named && whole).then(|| Shelved {
        id: head.id,
        document,
        sha256: head.sha256.0,
        fetched_at: UnixTime::from_secs(head.fetched_at),
        last_updated: head.last_updated.map(UnixTime::from_secs),
    })
}
