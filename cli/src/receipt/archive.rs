//! Reads the archive of a receipt (`GET /v1/receipts/{id}/archive` of a verifier), within bounds.
//!
//! Nothing is written where the archive says: members are known by their names, and anything else is refused.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ::receipt::limits::MAX_TOKEN_BYTES;
use evidence::crypto::sha256;
use evidence::device::is_safe_rim_id;
use evidence::limits::{MAX_OCSP_BYTES, MAX_RIM_BYTES};
use evidence::policy::MAX_POLICY_BYTES;

use crate::failure::Failure;

/// The largest bundle that a verifier can be configured to take.
const MAX_BUNDLE_BYTES: usize = 900 * 1024 * 1024;
/// The largest bundle, and as much collateral as any system has.
const MAX_TOTAL_BYTES: u64 = 1024 * 1024 * 1024;
/// Manifests and answers for the most devices that a bundle has.
const MAX_MEMBERS: usize = 4096;

/// What lies in an archive.
#[derive(Debug, Default)]
pub(super) struct Archive {
    pub(super) token: String,
    pub(super) bundle: Vec<u8>,
    pub(super) policy: Option<String>,
    pub(super) rims: Vec<Member>,
    pub(super) answers: Vec<Member>,
}

/// A manifest or an answer.
#[derive(Debug)]
pub(super) struct Member {
    /// The name of its file, which leads nowhere.
    pub(super) file: String,
    pub(super) sha256: [u8; 32],
    bytes: Vec<u8>,
}

impl Member {
    fn new(file: String, bytes: Vec<u8>) -> Self {
        let sha256 = sha256(&bytes);
        Self {
            file,
            sha256,
            bytes,
        }
    }
}

/// What a member is, by its path.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Token,
    Bundle,
    Policy,
    Rim(String),
    Answer(String),
}

impl Archive {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: std::io::Error| Failure::unreadable(path.display(), &error);
        let mut tar = tar::Archive::new(File::open(path).map_err(unreadable)?);
        let (mut archive, mut total) = (Self::default(), 0_u64);
        // Raw: headers that say how the next member is called are members here, and refused; none of ours needs one.
        for (count, entry) in tar.entries().map_err(unreadable)?.raw(true).enumerate() {
            let mut entry = entry.map_err(unreadable)?;
            let member = entry.path().map_err(unreadable)?.into_owned();
            let refused = |why: &str| {
                let shown: String = member.to_string_lossy().chars().take(100).collect();
                let shown = shown.escape_debug();
                Failure::unreadable(path.display(), &format!("member {shown}: {why}"))
            };
            if count >= MAX_MEMBERS {
                return Err(refused("more members than the archive of a receipt has"));
            }
            let is_file = entry.header().entry_type().is_file();
            let kind = Kind::of(&member).filter(|_| is_file);
            let kind = kind.ok_or_else(|| refused("is none of the archive of a receipt"))?;
            let limit = u64::try_from(kind.limit()).unwrap_or(u64::MAX);
            total = total.saturating_add(entry.size());
            if entry.size() > limit || total > MAX_TOTAL_BYTES {
                return Err(refused(&format!("is larger than {limit} bytes")));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            archive.take(kind, bytes).map_err(refused)?;
        }
        match archive.token.is_empty() || archive.bundle.is_empty() {
            true => Err(Failure::unreadable(
                path.display(),
                &"expected receipt.jwt and bundle.json in it",
            )),
            false => Ok(archive),
        }
    }

    /// Files manifests and answers for an appraiser: `rims` and `ocsp` in `dir`.
    pub(super) fn file_collateral(&self, dir: &Path) -> std::io::Result<(PathBuf, PathBuf)> {
        let folders = (dir.join("rims"), dir.join("ocsp"));
        for (folder, members) in [(&folders.0, &self.rims), (&folders.1, &self.answers)] {
            std::fs::create_dir(folder)?;
            for member in members {
                std::fs::write(folder.join(&member.file), &member.bytes)?;
            }
        }
        Ok(folders)
    }

    fn take(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<(), &'static str> {
        const TWICE: &str = "is there twice";
        let text = |bytes| String::from_utf8(bytes).map_err(|_| "expected UTF-8 text");
        let is_new = match &kind {
            Kind::Token => self.token.is_empty(),
            Kind::Bundle => self.bundle.is_empty(),
            Kind::Policy => self.policy.is_none(),
            Kind::Rim(file) => self.rims.iter().all(|known| known.file != *file),
            Kind::Answer(file) => self.answers.iter().all(|known| known.file != *file),
        };
        if !is_new {
            return Err(TWICE);
        }
        match kind {
            Kind::Token => self.token = text(bytes)?,
            Kind::Bundle => self.bundle = bytes,
            Kind::Policy => self.policy = Some(text(bytes)?),
            Kind::Rim(file) => self.rims.push(Member::new(file, bytes)),
            Kind::Answer(file) => self.answers.push(Member::new(file, bytes)),
        }
        Ok(())
    }
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let path = path.to_str()?;
        Some(match path.split_once('/') {
            None if path == "receipt.jwt" => Self::Token,
            None if path == "bundle.json" => Self::Bundle,
            None if path == "policy.rego" => Self::Policy,
            Some(("rims", file)) if is_safe_rim_id(file.strip_suffix(".xml")?) => {
                Self::Rim(file.to_owned())
            }
            Some(("ocsp", file)) if is_digest(file.strip_suffix(".der")?) => {
                Self::Answer(file.to_owned())
            }
            _ => return None,
        })
    }

    const fn limit(&self) -> usize {
        match self {
            Self::Token => MAX_TOKEN_BYTES,
            Self::Bundle => MAX_BUNDLE_BYTES,
            Self::Policy => MAX_POLICY_BYTES,
            Self::Rim(_) => MAX_RIM_BYTES,
            Self::Answer(_) => MAX_OCSP_BYTES,
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar file of these members.
    fn tar(members: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(file.reopen().unwrap());
        for (path, bytes) in members {
            let mut header = tar::Header::new_ustar();
            // Not by `set_path`, which refuses the paths that are to be tried.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(bytes.len().try_into().unwrap());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.finish().unwrap();
        file
    }

    const WHOLE: [(&str, &[u8]); 2] = [("receipt.jwt", b"a.b.c"), ("bundle.json", b"{}")];

    fn refusal(more: &[(&str, &[u8])]) -> String {
        let file = tar(&[&WHOLE[..], more].concat());
        Archive::read(file.path()).unwrap_err().to_string()
    }

    #[test]
    fn members_are_known_by_their_names() {
        let answer = format!("ocsp/{}.der", "0a".repeat(32));
        let more: [(&str, &[u8]); 3] = [
            ("policy.rego", b"package pogw"),
            ("rims/NV_GPU_DRIVER_GH100_1.xml", b"<rim/>"),
            (&answer, b"\x30"),
        ];
        let file = tar(&[&WHOLE[..], &more].concat());
        let read = Archive::read(file.path()).unwrap();
        assert_eq!(
            (read.token.as_str(), read.bundle.as_slice()),
            ("a.b.c", &b"{}"[..])
        );
        assert_eq!(read.policy.as_deref(), Some("package pogw"));
        assert_eq!((read.rims.len(), read.answers.len()), (1, 1));
        let dir = tempfile::tempdir().unwrap();
        let (rims, ocsp) = read.file_collateral(dir.path()).unwrap();
        let filed = std::fs::read(rims.join("NV_GPU_DRIVER_GH100_1.xml")).unwrap();
        assert_eq!(filed, b"<rim/>");
        assert_eq!(std::fs::read_dir(ocsp).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_member_is_refused() {
        for path in [
            "../bundle.json",
            "/etc/passwd",
            "rims/../../x.xml",
            "rims/a/b.xml",
            "rims/.xml",
            "rims/x.txt",
            "ocsp/answer.der",
            "README",
        ] {
            let said = refusal(&[(path, b"")]);
            assert!(said.contains("is none of"), "{path}: {said}");
        }
    }

    #[test]
    fn what_is_there_twice_or_too_large_or_missing_is_refused() {
        assert!(refusal(&[("receipt.jwt", b"d.e.f")]).contains("is there twice"));
        let large = vec![b' '; MAX_POLICY_BYTES + 1];
        assert!(refusal(&[("policy.rego", &large)]).contains("is larger than"));
        assert!(refusal(&[("policy.rego", b"\xff")]).contains("UTF-8"));
        let file = tar(&WHOLE[..1]);
        let said = Archive::read(file.path()).unwrap_err().to_string();
        assert!(
            said.contains("expected receipt.jwt and bundle.json"),
            "{said}"
        );
        std::fs::write(file.path(), b"not a tar file, not at all").unwrap();
        Archive::read(file.path()).unwrap_err();
    }
}
