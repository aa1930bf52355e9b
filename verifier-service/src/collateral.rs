//! Reference manifests from a directory, and the cache of what has been verified before.
//!
//! In scope: `<directory>/<id>.xml` (nvidia-evidence 6.1), ids that cannot leave the directory, examination results
//! kept by file identity, device chains kept by digest. Both caches are bounded.
//! Out of scope: fetching over HTTP, revocation answers.
//!
//! What is cached is examined, not judged: validity in time is looked at in every appraisal.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use evidence::cert::{CertificateChain, ChainProfile, TrustAnchors};
use evidence::device::is_safe_rim_id;
use evidence::limits::MAX_RIM_BYTES;
use evidence::rim::Rim;
use evidence::{Examined, crypto};
use lru::LruCache;

/// Device chains kept: about 12 KiB each, so that the cache stays near 50 MiB.
const CHAINS_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Manifests kept: about 30 KiB each. A site runs a handful of driver and VBIOS versions.
const RIMS_KEPT: usize = 1024;

/// Collateral of one verifier.
#[derive(Debug)]
pub struct Collateral {
    anchors: TrustAnchors,
    directory: Option<PathBuf>,
    rims: Mutex<HashMap<String, CachedRim>>,
    chains: Mutex<LruCache<[u8; 32], Arc<Examined<CertificateChain>>>>,
}

#[derive(Clone, Debug)]
struct CachedRim {
    file: FileIdentity,
    rim: Arc<Examined<Rim>>,
}

/// Tells whether a file is still the one that was read. Length and time of modification can be kept by who replaces a
/// file; device, inode and time of change cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl Collateral {
    /// Collateral under these anchors; `directory` holds the manifests.
    #[must_use]
    pub fn new(anchors: TrustAnchors, directory: Option<PathBuf>) -> Self {
        Self {
            anchors,
            directory,
            rims: Mutex::new(HashMap::new()),
            chains: Mutex::new(LruCache::new(CHAINS_KEPT)),
        }
    }

    /// The roots everything is examined under.
    #[must_use]
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// Examines a device chain, or remembers it. Only authentic ones are kept, so that junk displaces nothing.
    #[must_use]
    pub fn chain(&self, pem: &[u8]) -> Arc<Examined<CertificateChain>> {
        let key = crypto::sha256(pem);
        if let Some(known) = lock(&self.chains).get(&key) {
            return Arc::clone(known);
        }
        let examined = Arc::new(CertificateChain::examine(
            pem,
            ChainProfile::Device,
            &self.anchors,
        ));
        if matches!(*examined, Examined::Authentic(_)) {
            lock(&self.chains).put(key, Arc::clone(&examined));
        }
        examined
    }

    /// The manifest filed under `id`; `None` if there is none. A manifest that cannot be read or is not authentic is
    /// returned with its reasons.
    ///
    /// # Errors
    /// The directory cannot be read: an outage, not a finding about the evidence.
    pub fn rim(&self, id: &str) -> io::Result<Option<Arc<Examined<Rim>>>> {
        let Some(directory) = self.directory.as_deref().filter(|_| is_safe_rim_id(id)) else {
            return Ok(None);
        };
        let path = directory.join(format!("{id}.xml"));
        let Some(mut opened) = open(&path)? else {
            return Ok(None);
        };
        // Of the file that is read, not of one that may take its name in between.
        let file = FileIdentity::of(&opened)?;
        if let Some(cached) = lock(&self.rims)
            .get(id)
            .filter(|cached| cached.file == file)
        {
            return Ok(Some(Arc::clone(&cached.rim)));
        }
        let xml = read_bounded(&mut opened)?;
        let rim = Arc::new(Rim::examine(&xml, &self.anchors));
        let mut rims = lock(&self.rims);
        if rims.len() >= RIMS_KEPT {
            rims.clear();
        }
        let cached = CachedRim {
            file,
            rim: Arc::clone(&rim),
        };
        rims.insert(id.to_owned(), cached);
        Ok(Some(rim))
    }
}

/// A panic elsewhere leaves a cache of finished values, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl FileIdentity {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Reads a manifest, at most one byte more than the limit, so that the reader can say that it is too large.
fn read_bounded(file: &mut File) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_RIM_BYTES).unwrap_or(u64::MAX);
    let mut xml = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut xml)?;
    Ok(xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_another_one_s_place_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["id.xml", "other.xml"].map(|name| folder.path().join(name));
        let identity = || FileIdentity::of(&open(&path).unwrap().unwrap()).unwrap();
        std::fs::write(&path, "first").unwrap();
        let first = identity();
        assert_eq!(identity(), first);

        std::fs::write(&other, "other").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        std::fs::rename(&other, &path).unwrap();
        let replaced = identity();
        assert_eq!(
            (replaced.len, replaced.modified),
            (first.len, first.modified)
        );
        assert_ne!(replaced, first);
    }
}
