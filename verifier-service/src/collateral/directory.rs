//! A directory of manifests, `<id>.xml`, each read again when its file changes.
//!
//! A file that was found is looked at again [`LOOK_AGAIN`] later at the earliest, so a change to it may take that long
//! to be seen. A new file is seen at once.
//!
//! In scope: ids that cannot leave the directory, examination results kept by file identity, bounded.

use std::fs::{File, Metadata};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evidence::cert::TrustAnchors;
use evidence::device::is_safe_rim_id;
use evidence::limits::MAX_RIM_BYTES;
use evidence::rim::Rim;
use evidence::{Examined, UnixTime, crypto};
use lru::LruCache;

use super::issuers::Issuers;
use super::{Origin, RimAtHand};
use crate::bounded::read_bounded;
use crate::lock::lock;

/// Manifests kept: about 50 KiB each. A site runs a handful of driver and VBIOS versions.
const RIMS_KEPT: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

/// How long what was found in a directory counts without another look. Under load, many appraisals share one.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Most files whose names are listed.
const MAX_LISTED: usize = 10_000;

/// What the name of a manifest's file ends in.
const EXTENSION: &str = ".xml";

#[derive(Debug)]
pub(super) struct RimDirectory {
    path: PathBuf,
    issuers: Arc<Issuers>,
    known: Mutex<LruCache<String, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    file: FileIdentity,
    looked_at: Instant,
    rim: RimAtHand,
}

/// Tells whether a file is still the one that was read. Length and time of modification can be kept by who replaces a
/// file; device, inode and time of change cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
    len: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl RimDirectory {
    /// Issuers in the chains of authentic manifests are noted.
    pub(super) fn new(path: PathBuf, issuers: Arc<Issuers>) -> Self {
        Self {
            path,
            issuers,
            known: Mutex::new(LruCache::new(RIMS_KEPT)),
        }
    }

    /// The manifest filed under `id`, whatever its trust; `None` if there is none. The id must be safe in a path.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn rim(&self, id: &str, anchors: &TrustAnchors) -> io::Result<Option<RimAtHand>> {
        let looked_at = Instant::now();
        let known = lock(&self.known).get(id).cloned();
        let recent = known.as_ref().filter(|known| known.is_recent(looked_at));
        if let Some(known) = recent {
            return Ok(Some(known.rim.clone()));
        }
        let path = self.path.join(format!("{id}{EXTENSION}"));
        if let Some(known) = known
            && FileIdentity::at(&path)?.as_ref() == Some(&known.file)
        {
            let rim = known.rim.clone();
            self.keep(id, Known { looked_at, ..known });
            return Ok(Some(rim));
        }
        let Some(mut opened) = open(&path)? else {
            return Ok(None);
        };
        // Of the file that is read, not of one that may take its name in between.
        let file = FileIdentity::of(&opened)?;
        let document = read_bounded(&mut opened, MAX_RIM_BYTES)?;
        let examined = Rim::examine(&document, anchors);
        if let Examined::Authentic(rim) = &examined {
            self.issuers.note(rim.get().chain().certificates());
        }
        let rim = RimAtHand {
            rim: Arc::new(examined),
            sha256: crypto::sha256(&document),
            document: document.into(),
            origin: Origin::Directory,
            fetched_at: None,
            last_updated: Some(UnixTime::from_secs(file.modified.0)),
        };
        let known = Known {
            file,
            looked_at,
            rim: rim.clone(),
        };
        self.keep(id, known);
        Ok(Some(rim))
    }

    fn keep(&self, id: &str, known: Known) {
        lock(&self.known).put(id.to_owned(), known);
    }

    /// The ids that have a file, in no order.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn ids(&self) -> io::Result<Vec<String>> {
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(EXTENSION));
            ids.extend(id.filter(|id| is_safe_rim_id(id)).map(str::to_owned));
            if ids.len() == MAX_LISTED {
                break;
            }
        }
        Ok(ids)
    }
}

impl Known {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked_at) < LOOK_AGAIN
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl FileIdentity {
    /// Of what has this name now; `None` if nothing has.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::from(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Of the very file that is open.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
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

    #[test]
    fn a_directory_lists_safe_ids_and_reads_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RimDirectory::new(folder.path().to_owned(), Arc::new(Issuers::new()));
        for name in ["A.xml", "B_1.2.xml", ".hidden.xml", "a b.xml", "C.corim"] {
            std::fs::write(folder.path().join(name), "<x/>").unwrap();
        }
        let mut ids = directory.ids().unwrap();
        ids.sort();
        assert_eq!(ids, ["A", "B_1.2"]);

        let anchors = TrustAnchors::default();
        let first = directory.rim("A", &anchors).unwrap().unwrap();
        assert_eq!(&*first.document, b"<x/>");
        assert_eq!((first.origin, first.fetched_at), (Origin::Directory, None));
        let again = directory.rim("A", &anchors).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first.rim, &again.rim));
        std::fs::write(folder.path().join("A.xml"), "<y/>!").unwrap();
        std::thread::sleep(LOOK_AGAIN);
        let changed = directory.rim("A", &anchors).unwrap().unwrap();
        assert_eq!(changed.sha256, crypto::sha256(b"<y/>!"));
        assert!(directory.rim("Z", &anchors).unwrap().is_none());
        std::fs::write(folder.path().join("Z.xml"), "<z/>").unwrap();
        assert!(directory.rim("Z", &anchors).unwrap().is_some());
    }

    #[test]
    fn a_file_is_looked_at_again_when_the_look_is_old_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RimDirectory::new(folder.path().to_owned(), Arc::new(Issuers::new()));
        let (path, anchors) = (folder.path().join("A.xml"), TrustAnchors::default());
        let rim = || directory.rim("A", &anchors).unwrap();
        // However long the test is held up, a look of the future is recent.
        let look = |at: Instant| {
            let mut known = lock(&directory.known);
            known.get_mut("A").unwrap().looked_at = at;
        };
        let (recent, old) = (
            Instant::now() + Duration::from_secs(3600),
            Instant::now() - LOOK_AGAIN,
        );
        std::fs::write(&path, "<x/>").unwrap();
        let first = rim().unwrap();
        look(old);
        assert!(Arc::ptr_eq(&rim().unwrap().rim, &first.rim));
        look(recent);
        std::fs::write(&path, "<y/>!").unwrap();
        assert!(Arc::ptr_eq(&rim().unwrap().rim, &first.rim));
        look(old);
        assert_eq!(&*rim().unwrap().document, b"<y/>!");
        look(recent);
        std::fs::remove_file(&path).unwrap();
        assert!(rim().is_some());
        look(old);
        assert!(rim().is_none());
    }
}
