//! The folder a simulated identity lives in, and the collateral a verifier needs to believe it.
//!
//! In scope: making an identity once, finding it again, and writing roots and manifests for a
//! verifier.
//!
//! Out of scope: secrecy beyond file permissions. The key protects a simulation.
//!
//! ```text
//! <dir>/                     0700
//!   identity-1/              0700   appears in one step, complete; 1 is the firmware revision
//!     leaf.key               0600   PKCS #8, DER: the only key that is kept
//!     device-chain.pem       0600   five certificates, leaf first
//!     rim-chain.pem          0600   four certificates, leaf first
//!     driver-rim.xml         0600
//!     vbios-rim.xml          0600
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::super::files::{PRIVATE, read_bounded, replace, write_new};
use super::{DeviceError, DevicePki, Key, PkiSpec, RimSpec, firmware, pki, random};

const LEAF_KEY: &str = "leaf.key";
const DEVICE_CHAIN: &str = "device-chain.pem";
const RIM_CHAIN: &str = "rim-chain.pem";
const DRIVER_RIM: &str = "driver-rim.xml";
const VBIOS_RIM: &str = "vbios-rim.xml";

/// The largest file of an identity, in bytes; a manifest has about 20 000.
const FILE_LIMIT: u64 = 128 * 1024;
/// The largest anchors file that is added to, in bytes; an anchor has about 500.
const ANCHORS_LIMIT: u64 = 1024 * 1024;
/// Permission bits of a folder that only its owner may enter.
const PRIVATE_DIR: u32 = 0o700;

/// Everything a simulated device is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) leaf_key: Arc<Key>,
    /// DER, leaf first.
    pub(super) device_chain: Vec<Vec<u8>>,
    /// DER, leaf first.
    pub(super) rim_chain: Vec<Vec<u8>>,
    /// Id and document, driver first.
    pub(super) rims: Vec<(String, Vec<u8>)>,
}

impl Identity {
    /// The identity in `dir`, made there first if there is none.
    pub(super) fn open(dir: &Path) -> Result<Self, DeviceError> {
        let home = dir.join(format!("identity-{}", firmware::REVISION));
        if !home.exists() {
            make_private_dir(dir)?;
            Self::generate()?.publish(dir, &home)?;
        }
        Self::load(&home)
    }

    /// A new identity: fresh keys, a random device identifier.
    fn generate() -> Result<Self, DeviceError> {
        let device = PkiSpec::device(&DevicePki {
            pdi: random()?,
            ..DevicePki::default()
        })?;
        let rim = PkiSpec::rim()?;
        let rim_chain = rim.build()?;
        let rims = vec![
            (
                firmware::driver_rim_id(),
                RimSpec::driver().build(rim.leaf_key()?, &rim_chain)?,
            ),
            (
                firmware::vbios_rim_id(),
                RimSpec::vbios().build(rim.leaf_key()?, &rim_chain)?,
            ),
        ];
        Ok(Self {
            leaf_key: Arc::clone(device.leaf_key()?),
            device_chain: device.build()?,
            rim_chain,
            rims,
        })
    }

    /// Writes this identity beside `home` and moves it there. If another process was first, its
    /// identity stays and this one is dropped.
    fn publish(&self, dir: &Path, home: &Path) -> Result<(), DeviceError> {
        let fresh = dir.join(format!(".new-{}", hex::encode(random::<8>()?)));
        let done = self
            .write(&fresh)
            .and_then(|()| move_unless_there(&fresh, home));
        if fresh.exists() {
            // The outcome above is the one to report; a leftover folder does no harm.
            let _ = fs::remove_dir_all(&fresh);
        }
        done?;
        sync_dir(dir)
    }

    fn write(&self, folder: &Path) -> Result<(), DeviceError> {
        make_private_dir(folder)?;
        let write = |name: &str, bytes: &[u8]| write_new(&folder.join(name), bytes, PRIVATE);
        write(LEAF_KEY, self.leaf_key.to_pkcs8())?;
        write(DEVICE_CHAIN, &pki::pem_text(&self.device_chain))?;
        write(RIM_CHAIN, &pki::pem_text(&self.rim_chain))?;
        for (name, (_, rim)) in [DRIVER_RIM, VBIOS_RIM].iter().zip(&self.rims) {
            write(name, rim)?;
        }
        sync_dir(folder)
    }

    fn load(home: &Path) -> Result<Self, DeviceError> {
        let read = |name: &str| read_bounded(&home.join(name), FILE_LIMIT);
        let pkcs8 = Zeroizing::new(read(LEAF_KEY)?);
        let leaf_key =
            Key::from_pkcs8(&pkcs8).map_err(|e| damaged(&home.join(LEAF_KEY), e.to_string()))?;
        let identity = Self {
            leaf_key: Arc::new(leaf_key),
            device_chain: read_chain(&home.join(DEVICE_CHAIN), 5)?,
            rim_chain: read_chain(&home.join(RIM_CHAIN), 4)?,
            rims: vec![
                (firmware::driver_rim_id(), read(DRIVER_RIM)?),
                (firmware::vbios_rim_id(), read(VBIOS_RIM)?),
            ],
        };
        identity.check_key(home)?;
        Ok(identity)
    }

    /// A key and a chain of two identities would make evidence that fails at the verifier, far from
    /// its cause.
    fn check_key(&self, home: &Path) -> Result<(), DeviceError> {
        let certified = self
            .device_chain
            .first()
            .and_then(|leaf| pki::spki_in(leaf));
        if certified == Some(&self.leaf_key.spki_der()[..]) {
            return Ok(());
        }
        Err(damaged(
            &home.join(LEAF_KEY),
            "not the key of the leaf certificate".to_owned(),
        ))
    }
}

/// Writes manifests and anchors; see [`super::SimulatedDevice::write_collateral`].
pub(super) fn write_collateral(identity: &Identity, dir: &Path) -> Result<(), DeviceError> {
    fs::create_dir_all(dir).map_err(|e| DeviceError::io("create", dir, e))?;
    for (id, rim) in &identity.rims {
        replace(&dir.join(format!("{id}.xml")), rim)?;
    }
    let path = dir.join("anchors.toml");
    let mut text = existing_anchors(&path)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for (role, name, chain) in [
        ("device", pki::DEVICE_ROOT, &identity.device_chain),
        ("rim", pki::RIM_ROOT, &identity.rim_chain),
    ] {
        let root = chain
            .last()
            .ok_or_else(|| damaged(dir, "empty chain".to_owned()))?;
        let fingerprint = hex::encode(digest(&SHA256, root));
        if !text.contains(&fingerprint) {
            text.push_str(&anchor(role, name, &fingerprint, root)?);
        }
    }
    replace(&path, text.as_bytes())
}

/// One trust anchor, as facts (TOML).
fn anchor(role: &str, name: &str, fingerprint: &str, root: &[u8]) -> Result<String, DeviceError> {
    let spki = pki::spki_in(root)
        .ok_or_else(|| DeviceError::crypto("find the public key of a simulated root"))?;
    Ok(format!(
        "[[anchor]]\nuse = \"{role}\"\nsubject = \"CN={name}, O={}\"\nsha256 = \"{fingerprint}\"\n\
         spki = \"{}\"\nsimulated = true\n\n",
        pki::ORGANIZATION,
        hex::encode(spki),
    ))
}

fn existing_anchors(path: &Path) -> Result<String, DeviceError> {
    if !path.exists() {
        return Ok(
            "# Roots of simulated devices. Whoever trusts one of these trusts a simulation.\n\n"
                .to_owned(),
        );
    }
    let bytes = read_bounded(path, ANCHORS_LIMIT)?;
    String::from_utf8(bytes)
        .map_err(|e| DeviceError::io("read", path, std::io::Error::new(ErrorKind::InvalidData, e)))
}

fn read_chain(path: &Path, length: usize) -> Result<Vec<Vec<u8>>, DeviceError> {
    let text = read_bounded(path, FILE_LIMIT)?;
    let blocks = pem::parse_many(text).map_err(|e| damaged(path, e.to_string()))?;
    if blocks.len() != length {
        return Err(damaged(
            path,
            format!("{} certificates instead of {length}", blocks.len()),
        ));
    }
    Ok(blocks.into_iter().map(pem::Pem::into_contents).collect())
}

fn make_private_dir(dir: &Path) -> Result<(), DeviceError> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(dir)
        .map_err(|e| DeviceError::io("create", dir, e))
}

fn move_unless_there(from: &Path, to: &Path) -> Result<(), DeviceError> {
    match fs::rename(from, to) {
        Err(e)
            if !matches!(
                e.kind(),
                ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(DeviceError::io("create", to, e))
        }
        _ => Ok(()),
    }
}

/// A rename survives a power cut once the folder it happened in is on disk.
fn sync_dir(dir: &Path) -> Result<(), DeviceError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| DeviceError::io("sync", dir, e))
}

fn damaged(path: &Path, reason: String) -> DeviceError {
    DeviceError::IdentityDamaged {
        path: PathBuf::from(path),
        reason,
    }
}
