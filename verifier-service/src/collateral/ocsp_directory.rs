//! A directory of OCSP answers, `*.der`, for sites without a responder: found by the certificate inside, whatever the
//! files are called.
//!
//! In scope: an index of the newest answer about each certificate, made anew when the directory changes, bounded.
//! Out of scope: whether an answer is authentic or current.
//!
//! A file put into the directory or moved there is seen at once. One that is written to in place is seen within
//! [`RESCAN_S`]; moving is the better way, for nobody reads half a file then.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use evidence::UnixTime;
use evidence::limits::MAX_OCSP_BYTES;
use evidence::ocsp::{CertificateId, IdHash, Link, OcspResponse};

use super::directory::FileIdentity;
use super::later;
use crate::bounded::read_bounded;
use crate::lock::lock;

/// Most files read: about 8 MiB of answers as NVIDIA's are.
const MAX_FILES: usize = 4096;

/// Answers kept about one certificate: a damaged file does not displace a good one.
const KEPT_OF_ONE: usize = 4;

/// Seconds after which the directory is read again though it looks the same.
const RESCAN_S: i64 = 60;

#[derive(Debug)]
pub(super) struct OcspDirectory {
    path: PathBuf,
    index: Mutex<Option<Arc<Index>>>,
}

/// What lay in the directory at one look.
#[derive(Debug)]
pub(super) struct Index {
    directory: FileIdentity,
    read_at: UnixTime,
    /// Each certificate's answers, newest first: whether the newest is authentic is not known here.
    filed: HashMap<CertificateId, Vec<Filed>>,
    /// The hashes that any of them was asked by.
    hashes: Vec<IdHash>,
}

/// An answer as it was filed.
#[derive(Clone, Debug)]
pub(super) struct Filed {
    pub(super) der: Arc<[u8]>,
    pub(super) sha256: [u8; 32],
    pub(super) this_update: UnixTime,
    pub(super) valid_until: UnixTime,
}

impl OcspDirectory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            index: Mutex::new(None),
        }
    }

    /// The newest answer about a certificate, asked by exactly this id.
    pub(super) fn by_id(&self, id: &CertificateId, now: UnixTime) -> Option<Filed> {
        self.current(now)?.filed.get(id)?.first().cloned()
    }

    /// The index, made anew if need be. A directory that cannot be read has none.
    pub(super) fn current(&self, now: UnixTime) -> Option<Arc<Index>> {
        let known = lock(&self.index).clone();
        match self.read(known, now) {
            Ok(index) => {
                *lock(&self.index) = Some(Arc::clone(&index));
                Some(index)
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the directory of OCSP responses");
                None
            }
        }
    }

    fn read(&self, known: Option<Arc<Index>>, now: UnixTime) -> io::Result<Arc<Index>> {
        // Before the files: what changes while they are read is seen next time.
        let Some(directory) = FileIdentity::at(&self.path)? else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let current = known.filter(|known| {
            let (from, to) = (known.read_at, later(known.read_at, RESCAN_S));
            known.directory == directory && (from..to).contains(&now)
        });
        if let Some(index) = current {
            return Ok(index);
        }
        let mut filed_by_id = HashMap::new();
        let mut skipped = 0_u32;
        for entry in std::fs::read_dir(&self.path)?.take(MAX_FILES) {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "der") {
                continue;
            }
            match read_file(&path) {
                Some((id, filed)) => keep(&mut filed_by_id, id, filed),
                None => skipped = skipped.saturating_add(1),
            }
        }
        if skipped > 0 {
            tracing::warn!(skipped, "files in the directory of OCSP responses are none");
        }
        let mut hashes: Vec<_> = filed_by_id.keys().map(CertificateId::id_hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Arc::new(Index {
            directory,
            read_at: now,
            filed: filed_by_id,
            hashes,
        }))
    }
}

impl Index {
    /// The answers about a certificate, newest first, whichever hash they were asked by.
    pub(super) fn about(&self, link: &Link<'_>) -> Vec<&Filed> {
        let hashes = self.hashes.iter();
        let ids = hashes.map(|hash| CertificateId::by(*hash, link.subject(), link.issuer()));
        let mut filed: Vec<_> = ids.filter_map(|id| self.filed.get(&id)).flatten().collect();
        filed.sort_by_key(|filed| Reverse(filed.this_update));
        filed
    }
}

/// A file that is an answer; one that vanished meanwhile is none.
fn read_file(path: &std::path::Path) -> Option<(CertificateId, Filed)> {
    let mut file = File::open(path).ok()?;
    let der = read_bounded(&mut file, MAX_OCSP_BYTES).ok()?;
    let response = OcspResponse::parse(&der).ok()?;
    let response = response.peek();
    let filed = Filed {
        this_update: response.this_update(),
        valid_until: response.valid_until(),
        sha256: *response.sha256(),
        der: der.into(),
    };
    Some((response.id().clone(), filed))
}

/// Keeps the newest few.
fn keep(filed_by_id: &mut HashMap<CertificateId, Vec<Filed>>, id: CertificateId, filed: Filed) {
    let of_id = filed_by_id.entry(id).or_default();
    of_id.push(filed);
    of_id.sort_by_key(|filed| Reverse(filed.this_update));
    of_id.truncate(KEPT_OF_ONE);
}
