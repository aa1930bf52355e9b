//! A software device with a root of its own, for machines without a GPU.
//!
//! In scope: evidence in the exact layout of a genuine Hopper GPU, so that the very same verifier
//! code runs over it: a five-certificate P-384 chain, a signed SPDM 1.1 report, and the two
//! reference manifests (RIMs) its measurements match.
//!
//! | file | what it builds |
//! |---|---|
//! | [`key`] | P-384 keys that sign certificates and reports |
//! | [`pki`] | device and RIM certificate chains: [`PkiSpec`] |
//! | [`report`] | attestation reports: [`ReportSpec`] |
//! | [`rim`] | reference manifests: [`RimSpec`] |
//! | [`ocsp`] | answers about revocation: [`OcspSpec`] |
//! | [`firmware`] | the versions and measurements this device pretends to |
//! | `store` | the folder an identity lives in, and the collateral a verifier needs |
//!
//! **What this is worth: nothing, by design.** Every name in every certificate says SIMULATED, no
//! chain ends in a vendor's root, and only a verifier whose configuration names the simulated roots
//! believes any of it; its receipts then say `simulated`.
//!
//! The specs are plain structs whose every field is public, so that a test kit can make
//! evidence that is wrong in exactly one way: take the default, change one field, build. They
//! enforce nothing. They only refuse what cannot be written at all.
//!
//! Out of scope: an OCSP responder to ask (the answers are files), and other chip families.
//!
//! Section numbers refer to the evidence specification of this project.

pub mod firmware;
pub mod key;
pub mod ocsp;
pub mod pki;
pub mod report;
pub mod rim;
mod store;

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

pub use key::Key;
pub use ocsp::{CertId, CertStatus, OcspSpec, Responder, ResponderId};
pub use pki::{BasicConstraints, CertificateSpec, DevicePki, Extension, Name, PkiSpec};
pub use report::{Block, ReportSpec, Tlv};
pub use rim::{Attributes, Reference, RimSpec, XmlSignature};

use evidence::device::Architecture;

use super::{Description, Device, DeviceError, DeviceEvidence, NONCE_LENGTH, SourceKind};
use store::Identity;

/// How long answers about revocation are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When they are made.
    pub from: OffsetDateTime,
    /// The last second they are for.
    pub until: OffsetDateTime,
}

/// A device whose identity lives in a folder.
///
/// Opening is the slow part (a dozen files, one key); attesting costs one signature.
#[derive(Debug)]
pub struct SimulatedDevice {
    identity: Identity,
    chain_pem: Vec<u8>,
}

impl SimulatedDevice {
    /// Opens the identity in `dir`, making it there first if there is none.
    ///
    /// The folder is made with mode 0700 and the files in it with 0600. Two processes that open a
    /// fresh folder at once end up with the same identity. The keys of the certificate authorities
    /// are forgotten as soon as the chains are signed, those of an OCSP responder for each among
    /// them: nothing else can be issued under these roots.
    ///
    /// # Errors
    /// [`DeviceError::Io`] and the errors of file sizes, [`DeviceError::IdentityDamaged`] if the
    /// files do not belong together, [`DeviceError::Crypto`].
    pub fn open(dir: &Path) -> Result<Self, DeviceError> {
        let identity = Identity::open(dir)?;
        let chain_pem = pki::pem_text(&identity.device_chain);
        Ok(Self {
            identity,
            chain_pem,
        })
    }

    /// The certificate at the top of the device chain, in DER: what a verifier is told to trust.
    #[must_use]
    pub fn device_root_der(&self) -> &[u8] {
        last(&self.identity.device_chain)
    }

    /// The certificate at the top of the RIM chain, in DER.
    #[must_use]
    pub fn rim_root_der(&self) -> &[u8] {
        last(&self.identity.rim_chain)
    }

    /// The reference manifests of this device: id and XML text, driver first.
    #[must_use]
    pub fn rims(&self) -> Vec<(String, Vec<u8>)> {
        self.identity.rims.clone()
    }

    /// Writes what a verifier needs to appraise this device into `dir`, which is made if absent:
    /// `<id>.xml` for each manifest, and its two roots in `anchors.toml`.
    ///
    /// An `anchors.toml` that is there keeps its entries; roots it already lists are not repeated.
    /// Manifests are replaced: those of two simulated devices have the same ids and measurements
    /// and differ in their signer alone, so one folder serves a verifier that trusts all anchors
    /// in it.
    ///
    /// # Errors
    /// [`DeviceError::Io`], [`DeviceError::FileTooLarge`] for an anchors file beyond 1 MiB.
    pub fn write_collateral(&self, dir: &Path) -> Result<(), DeviceError> {
        store::write_collateral(&self.identity, dir)
    }

    /// A good answer about every certificate that a verifier asks about: of the device chain all
    /// between leaf and root, of the chain of the manifests all below the root (section 5.1). Each
    /// comes with the serial number of its certificate in hexadecimal.
    ///
    /// The answers of a software device need not be short-lived: nobody can revoke it.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`].
    pub fn answers(&self, window: Window) -> Result<Vec<(String, Vec<u8>)>, DeviceError> {
        self.identity.answers(window)
    }

    /// Writes [`answers`](Self::answers) into `dir`, which is made if absent, as
    /// `<serial number>.der`, and says which files these are. Answers about other certificates stay.
    ///
    /// # Errors
    /// [`DeviceError::Io`], [`DeviceError::Crypto`].
    pub fn write_answers(&self, dir: &Path, window: Window) -> Result<Vec<PathBuf>, DeviceError> {
        store::write_answers(&self.identity, dir, window)
    }
}

impl Device for SimulatedDevice {
    fn describe(&self) -> Description {
        let id = digest(&SHA256, self.identity.leaf_key.public_point());
        Description {
            source: SourceKind::Simulated,
            index: 0,
            arch: Architecture::Hopper,
            name: "PoGW SIMULATED GPU (GH100)".to_owned(),
            uuid: format!("SIM-{}", hex::encode(id).get(..32).unwrap_or_default()),
            driver: Some(firmware::DRIVER_VERSION.to_owned()),
            vbios: Some(firmware::vbios_version_text()),
            modes: None,
        }
    }

    fn attest(&self, nonce: &[u8; NONCE_LENGTH]) -> Result<DeviceEvidence, DeviceError> {
        let spec = ReportSpec {
            nonce: *nonce,
            responder_nonce: random()?,
            ..ReportSpec::default()
        };
        Ok(DeviceEvidence {
            arch: Architecture::Hopper,
            report: spec.build(&self.identity.leaf_key)?,
            chain_pem: self.chain_pem.clone(),
        })
    }
}

fn last(chain: &[Vec<u8>]) -> &[u8] {
    chain.last().map(Vec::as_slice).unwrap_or_default()
}

/// `N` random bytes.
///
/// # Errors
/// [`DeviceError::Crypto`] if the machine gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], DeviceError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| DeviceError::crypto("draw random bytes"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
