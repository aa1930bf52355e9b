//! A directory of OCSP answers, `*.der`, for sites without a responder: found by the certificate inside, whatever the
//! files are called.
//!
//! In scope: an index of the newest answer about each certificate, made anew when the directory changes, bounded.
//! Out of scope: whether an answer is authentic or current.
//!
//! A file put into the directory or moved there is seen at once. One that is written to in place is seen within
//! [`RESCAN_S`]; moving is the better way, for nobody reads half a file then.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use evidence::UnixTime;
use evidence::limits::MAX_OCSP_BYTES;
use evidence::ocsp::{CertificateId, IdHash, Link, OcspResponse};

use super::directory::{FileIdentity, read_bounded};
use super::{later, lock};

/// Most files read: about 8 MiB of answers as NVIDIA's are.
const MAX_FILES: usize = 4096;

/// Seconds after which the directory is read again though it looks the same.
const RESCAN_S: i64 = 60;

#[derive(Debug)]
pub(super) struct OcspDirectory {
    path: PathBuf,
    index: Mutex<Option<Arc<Index>>>,
}

#[derive(Debug)]
struct Index {
    directory: FileIdentity,
    read_at: UnixTime,
    /// The second in which the directory was last seen to be the one that was read.
    last_look: AtomicI64,
    newest: HashMap<CertificateId, Filed>,
    /// The hashes that any of them was asked by.
    hashes: Vec<IdHash>,
}

impl Index {
    fn looked_at(&self, now: UnixTime) -> bool {
        self.last_look.load(Ordering::Relaxed) == now.secs()
    }
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

    /// The newest answer about a certificate, whichever hash it was asked by.
    pub(super) fn about(&self, link: &Link<'_>, now: UnixTime) -> Option<Filed> {
        let index = self.current(now)?;
        let hashes = index.hashes.iter();
        let ids = hashes.map(|hash| CertificateId::by(*hash, link.subject(), link.issuer()));
        let filed = ids.filter_map(|id| index.newest.get(&id));
        filed.max_by_key(|filed| filed.this_update).cloned()
    }

    /// The newest answer about a certificate, asked by exactly this id.
    pub(super) fn by_id(&self, id: &CertificateId, now: UnixTime) -> Option<Filed> {
        self.current(now)?.newest.get(id).cloned()
    }

    /// The index, made anew if need be. A directory that cannot be read has none.
    fn current(&self, now: UnixTime) -> Option<Arc<Index>> {
        let known = lock(&self.index).clone();
        // An appraisal asks about many certificates in one second, and looks at the directory once.
        if let Some(index) = known.as_ref().filter(|index| index.looked_at(now)) {
            return Some(Arc::clone(index));
        }
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
        let directory = FileIdentity::of(&File::open(&self.path)?)?;
        let current = known.filter(|known| {
            let (from, to) = (known.read_at, later(known.read_at, RESCAN_S));
            known.directory == directory && (from..to).contains(&now)
        });
        if let Some(index) = current {
            index.last_look.store(now.secs(), Ordering::Relaxed);
            return Ok(index);
        }
        let mut newest = HashMap::new();
        let mut skipped = 0_u32;
        for entry in std::fs::read_dir(&self.path)?.take(MAX_FILES) {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "der") {
                continue;
            }
            match read_file(&path) {
                Some((id, filed)) => keep_newest(&mut newest, id, filed),
                None => skipped = skipped.saturating_add(1),
            }
        }
        if skipped > 0 {
            tracing::warn!(skipped, "files in the directory of OCSP responses are none");
        }
        let mut hashes: Vec<_> = newest.keys().map(CertificateId::id_hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Arc::new(Index {
            directory,
            read_at: now,
            last_look: AtomicI64::new(now.secs()),
            newest,
            hashes,
        }))
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

fn keep_newest(newest: &mut HashMap<CertificateId, Filed>, id: CertificateId, filed: Filed) {
    let older = newest
        .get(&id)
        .is_some_and(|known| known.this_update >= filed.this_update);
    if !older {
        newest.insert(id, filed);
    }
}
