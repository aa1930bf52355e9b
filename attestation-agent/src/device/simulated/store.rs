//! The folder a simulated identity lives in, and the collateral a verifier needs to believe it.
//!
//! In scope: making an identity once, finding it again, and writing roots, manifests and answers
//! about revocation for a verifier.
//!
//! Out of scope: secrecy beyond file permissions. The keys protect a simulation.
//!
//! ```text
//! <dir>/                     0700
//!   identity-2/              0700   appears in one step, complete; 2 is the firmware revision
//!     leaf.key               0600   PKCS #8, DER: signs reports
//!     device-chain.pem       0600   five certificates, leaf first
//!     rim-chain.pem          0600   four certificates, leaf first
//!     driver-rim.xml         0600
//!     vbios-rim.xml          0600
//!     responder.key          0600   PKCS #8, DER: signs answers about revocation
//!     device-responders.pem  0600   that key, certified by each issuer of the device chain but L4
//!     rim-responders.pem     0600   and by each issuer of the RIM chain
//! ```

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::super::files::{PRIVATE, read_bounded, replace, write_new};
use super::{
    CertificateSpec, DeviceError, DevicePki, Extension, Key, OcspSpec, PkiSpec, Responder, RimSpec,
    Window, firmware, ocsp, pki, random,
};

const LEAF_KEY: &str = "leaf.key";
const DEVICE_CHAIN: &str = "device-chain.pem";
const RIM_CHAIN: &str = "rim-chain.pem";
const DRIVER_RIM: &str = "driver-rim.xml";
const VBIOS_RIM: &str = "vbios-rim.xml";
const RESPONDER_KEY: &str = "responder.key";
const DEVICE_RESPONDERS: &str = "device-responders.pem";
const RIM_RESPONDERS: &str = "rim-responders.pem";

/// Position of the first certificate of a device chain that is asked about; nobody asks about
/// leaves (section 5.1).
const FIRST_OF_DEVICE: usize = 1;
/// The same in the chain of a manifest.
const FIRST_OF_RIM: usize = 0;
/// Certificates asked about in either chain.
const ASKED_ABOUT: usize = 3;

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
    responder_key: Arc<Key>,
    /// DER, in the order of the certificates they answer about.
    device_responders: Vec<Vec<u8>>,
    /// The same for the chain of the manifests.
    rim_responders: Vec<Vec<u8>>,
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
        let responder = CertificateSpec::responder()?;
        let exempt = CertificateSpec {
            extensions: [
                responder.extensions.clone(),
                vec![Extension::ocsp_no_check()],
            ]
            .concat(),
            ..responder.clone()
        };
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
            responder_key: Arc::clone(&responder.key),
            device_responders: responders(&device, FIRST_OF_DEVICE, &responder)?,
            rim_responders: responders(&rim, FIRST_OF_RIM, &exempt)?,
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
        write(RESPONDER_KEY, self.responder_key.to_pkcs8())?;
        write(DEVICE_RESPONDERS, &pki::pem_text(&self.device_responders))?;
        write(RIM_RESPONDERS, &pki::pem_text(&self.rim_responders))?;
        sync_dir(folder)
    }

    fn load(home: &Path) -> Result<Self, DeviceError> {
        let read = |name: &str| read_bounded(&home.join(name), FILE_LIMIT);
        let read_key = |name: &str| {
            let pkcs8 = Zeroizing::new(read(name)?);
            let key = Key::from_pkcs8(&pkcs8);
            key.map_err(|e| damaged(&home.join(name), e.to_string()))
        };
        let identity = Self {
            leaf_key: Arc::new(read_key(LEAF_KEY)?),
            device_chain: read_chain(&home.join(DEVICE_CHAIN), 5)?,
            rim_chain: read_chain(&home.join(RIM_CHAIN), 4)?,
            rims: vec![
                (firmware::driver_rim_id(), read(DRIVER_RIM)?),
                (firmware::vbios_rim_id(), read(VBIOS_RIM)?),
            ],
            responder_key: Arc::new(read_key(RESPONDER_KEY)?),
            device_responders: read_chain(&home.join(DEVICE_RESPONDERS), ASKED_ABOUT)?,
            rim_responders: read_chain(&home.join(RIM_RESPONDERS), ASKED_ABOUT)?,
        };
        identity.check_keys(home)?;
        Ok(identity)
    }

    /// A key and a chain of two identities would make evidence that fails at the verifier, far from
    /// its cause.
    fn check_keys(&self, home: &Path) -> Result<(), DeviceError> {
        let responders = self.device_responders.iter().chain(&self.rim_responders);
        let leaf = self.device_chain.first();
        let certified = |key: &Key, certificate: &Vec<u8>| {
            pki::spki_in(certificate) == Some(&key.spki_der()[..])
        };
        let of_leaf = leaf.is_some_and(|leaf| certified(&self.leaf_key, leaf));
        let of_responders = { responders }.all(|it| certified(&self.responder_key, it));
        match (of_leaf, of_responders) {
            (true, true) => Ok(()),
            (false, _) => Err(damaged(
                &home.join(LEAF_KEY),
                "not the key of the leaf certificate".to_owned(),
            )),
            (true, false) => Err(damaged(
                &home.join(RESPONDER_KEY),
                "not the key of the OCSP responders' certificates".to_owned(),
            )),
        }
    }

    /// See [`super::SimulatedDevice::answers`].
    pub(super) fn answers(&self, window: Window) -> Result<Vec<(String, Vec<u8>)>, DeviceError> {
        let of_device = links(&self.device_chain, FIRST_OF_DEVICE).zip(&self.device_responders);
        let of_rims = links(&self.rim_chain, FIRST_OF_RIM).zip(&self.rim_responders);
        let all = of_device.chain(of_rims);
        all.map(|((subject, issuer), responder)| {
            let responder = Responder {
                certificate: responder.clone(),
                key: Arc::clone(&self.responder_key),
            };
            let mut spec = OcspSpec::good(subject, issuer, responder, window.from)?;
            spec.next_update = Some(window.until);
            Ok((ocsp::serial_hex(subject)?, spec.build()?))
        })
        .collect()
    }
}

/// Each certificate asked about, with its issuer.
fn links(chain: &[Vec<u8>], first: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
    let subjects = chain.iter().skip(first);
    let issuers = subjects.clone().skip(1);
    let pairs = subjects.zip(issuers);
    pairs.map(|(subject, issuer)| (&subject[..], &issuer[..]))
}

/// A responder by the issuer of each certificate asked about, all with one key.
fn responders(
    chain: &PkiSpec,
    first: usize,
    responder: &CertificateSpec,
) -> Result<Vec<Vec<u8>>, DeviceError> {
    let issuers = chain.certificates.iter().skip(first).skip(1);
    issuers.map(|issuer| responder.build(issuer)).collect()
}

/// Writes answers about revocation; see [`super::SimulatedDevice::write_answers`].
pub(super) fn write_answers(
    identity: &Identity,
    dir: &Path,
    window: Window,
) -> Result<Vec<PathBuf>, DeviceError> {
    fs::create_dir_all(dir).map_err(|e| DeviceError::io("create", dir, e))?;
    let answers = identity.answers(window)?.into_iter();
    answers
        .map(|(serial, answer)| {
            let path = dir.join(format!("{serial}.der"));
            replace(&path, &answer)?;
            Ok(path)
        })
        .collect()
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
