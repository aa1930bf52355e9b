//! A directory of OCSP answers, `*.der`, for sites without a responder. An answer is found by the certificate that it
//! is about, whatever its file is called.
//!
//! In scope: an index of the newest answers about each certificate and of every revocation for good, made anew when the
//! directory changes, bounded.
//! Out of scope: whether an answer is authentic or current.
//!
//! A file put into the directory or moved there is seen after [`LOOK_AGAIN`] at the latest. One that is written to in
//! place is seen within [`RESCAN_S`]; move files instead, since then nobody reads half a file.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use evidence::limits::MAX_OCSP_BYTES;
use evidence::ocsp::{CertificateId, CertificateStatus, IdHash, Link, OcspResponse};
use evidence::{UnixTime, Unverified};

use super::directory::{FileIdentity, LOOK_AGAIN};
use super::issuers::Issuers;
use super::later;
use crate::bounded::read_bounded;
use crate::lock::lock;

/// Most files read: about 8 MiB of answers as NVIDIA's are, and as much again of what was read in them.
const MAX_FILES: usize = 4096;

/// Answers kept about one certificate beside those that say it is revoked for good: a damaged file does not displace a good
/// one.
const KEPT_OF_ONE: usize = 4;

/// Seconds after which the directory is read again though it looks the same.
const RESCAN_S: i64 = 60;

#[derive(Debug)]
pub(super) struct OcspDirectory {
    path: PathBuf,
    looked: Mutex<Option<Look>>,
}

/// The last look, and what there was.
#[derive(Clone, Debug)]
struct Look {
    at: Instant,
    index: Arc<Index>,
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
    response: Unverified<OcspResponse>,
}

impl Filed {
    /// What it says, before anything vouches for it: enough to choose by.
    pub(super) fn stated(&self) -> &OcspResponse {
        self.response.peek()
    }

    fn says_revoked(&self) -> bool {
        matches!(self.stated().status(), CertificateStatus::Revoked { .. })
    }
}

/// What is filed about the certificate of a question, in no order.
#[derive(Debug, Default)]
pub(super) struct FiledForQuestion {
    /// By the very id of the question.
    pub(super) as_asked: Vec<Filed>,
    /// By another hash of the same issuer, where that issuer is known.
    pub(super) by_other_hash: Vec<Filed>,
}

impl FiledForQuestion {
    pub(super) fn is_empty(&self) -> bool {
        self.as_asked.is_empty() && self.by_other_hash.is_empty()
    }
}

impl OcspDirectory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            looked: Mutex::new(None),
        }
    }

    /// The answers about the certificate of a question.
    pub(super) fn to_question(
        &self,
        id: &CertificateId,
        issuers: &Issuers,
        now: UnixTime,
    ) -> FiledForQuestion {
        let Some(index) = self.current(now) else {
            return FiledForQuestion::default();
        };
        let of = |id: &CertificateId| index.filed.get(id).cloned().unwrap_or_default();
        let others = issuers.ids_beside(id);
        FiledForQuestion {
            as_asked: of(id),
            by_other_hash: others.iter().flat_map(of).collect(),
        }
    }

    /// The index, looked after and made anew if need be. A directory that cannot be read has none.
    pub(super) fn current(&self, now: UnixTime) -> Option<Arc<Index>> {
        let at = Instant::now();
        let last = lock(&self.looked).clone();
        let known = last.as_ref().map(|look| Arc::clone(&look.index));
        let known = known.filter(|index| index.serves(now));
        let recent = last.is_some_and(|look| at.saturating_duration_since(look.at) < LOOK_AGAIN);
        if recent && known.is_some() {
            return known;
        }
        match self.read(known, now) {
            Ok(index) => {
                let look = Look {
                    at,
                    index: Arc::clone(&index),
                };
                *lock(&self.looked) = Some(look);
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
        if let Some(index) = known.filter(|known| known.directory == directory) {
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
    /// Whether it need not be made anew for its age alone.
    fn serves(&self, now: UnixTime) -> bool {
        (self.read_at..later(self.read_at, RESCAN_S)).contains(&now)
    }

    /// The answers about a certificate, newest first, whichever hash they were asked by.
    pub(super) fn about(&self, link: &Link<'_>) -> Vec<&Filed> {
        let hashes = self.hashes.iter();
        let ids = hashes.map(|hash| CertificateId::by(*hash, link.subject(), link.issuer()));
        let mut filed: Vec<_> = ids.filter_map(|id| self.filed.get(&id)).flatten().collect();
        filed.sort_by_key(|filed| Reverse(filed.stated().this_update()));
        filed
    }
}

/// A file that is an answer; one that vanished meanwhile is none.
fn read_file(path: &std::path::Path) -> Option<(CertificateId, Filed)> {
    let mut file = File::open(path).ok()?;
    let der = read_bounded(&mut file, MAX_OCSP_BYTES).ok()?;
    let filed = Filed {
        response: OcspResponse::parse(&der).ok()?,
        der: der.into(),
    };
    Some((filed.stated().id().clone(), filed))
}

/// Keeps the newest few, and whatever says that the certificate is revoked for good: no number of newer ones takes that
/// back.
fn keep(filed_by_id: &mut HashMap<CertificateId, Vec<Filed>>, id: CertificateId, filed: Filed) {
    let of_id = filed_by_id.entry(id).or_default();
    of_id.push(filed);
    of_id.sort_by_key(|filed| Reverse(filed.stated().this_update()));
    let mut others = 0;
    of_id.retain(|filed| {
        others += usize::from(!filed.says_revoked());
        filed.says_revoked() || others <= KEPT_OF_ONE
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::collateral::fixture::{NOW, PKI};

    #[test]
    fn the_directory_is_looked_at_again_when_the_look_is_old_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let directory = OcspDirectory::new(folder.path().to_owned());
        let filed = |now| directory.current(now).map(|index| index.filed.len());
        let look = |at: Instant| lock(&directory.looked).as_mut().unwrap().at = at;
        // However long the test is held up, a look of the future is recent.
        let (recent, old) = (
            Instant::now() + Duration::from_secs(3600),
            Instant::now() - LOOK_AGAIN,
        );
        assert_eq!(filed(NOW), Some(0));
        look(recent);
        std::fs::write(folder.path().join("a.der"), PKI.answer(1).der()).unwrap();
        assert_eq!(filed(NOW), Some(0));
        look(old);
        assert_eq!(filed(NOW), Some(1));
        // Of another time, the index is made anew whatever the look.
        look(recent);
        std::fs::write(folder.path().join("b.der"), PKI.answer(2).der()).unwrap();
        assert_eq!(filed(NOW), Some(1));
        assert_eq!(filed(later(NOW, RESCAN_S)), Some(2));
        look(old);
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(filed(later(NOW, RESCAN_S)), None);
    }
}
