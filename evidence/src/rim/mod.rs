//! NVIDIA's Reference Integrity Manifests: what a genuine device measures (nvidia-evidence 6).
//!
//! In scope: reading a manifest of the one shape NVIDIA publishes ([`Rim::parse`]), checking that it is signed by the
//! leaf of a chain under a pinned root ([`authenticate`](Unverified::authenticate)), its validity in time
//! ([`Expires`]), its golden measurements ([`Rim::golden`]), whether an id can be its own ([`Rim::objection_to_id`]).
//! Out of scope: fetching it and binding it to the id it was fetched under (rows 75 to 77, 92), revocation, whether
//! version and product are those of a device (rows 89, 90), comparison (rows 98 to 104). These need a second party
//! or a report and belong to `appraise` and to the caller.
//!
//! Reading judges structure alone, so that an edited or expired manifest can still be looked into. No step depends
//! on the clock; the result of authentication may be cached by the SHA-256 of the document and the anchors.

mod canonical;
mod id;
mod manifest;
mod signature;
mod xml;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use roxmltree::Document;

pub use manifest::GoldenMeasurement;
use manifest::Manifest;
use signature::Signature;

use crate::cert::{Certificate, CertificateChain, ChainProfile, TrustAnchors};
use crate::crypto;
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::{Authentic, Examined, Expires, Refuted, Unverified};

/// A reference manifest. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rim(Arc<Contents>);

#[derive(Debug)]
struct Contents {
    sha256: [u8; 32],
    manifest: Manifest,
    signature: Signature,
    chain: CertificateChain,
    /// SHA-384 of the canonical document without its signature: what `signature.digest` has to be.
    digest: [u8; 48],
}

/// What a manifest is the reference of. A GPU needs one of each (nvidia-evidence 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RimRole {
    /// The driver of a GPU.
    Driver,
    /// The VBIOS of a GPU or the BIOS of a switch.
    Vbios,
}

impl RimRole {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Vbios => "vbios",
        }
    }

    /// The role by the shape of the version: a VBIOS or BIOS version is five groups of two hex digits with dots
    /// between them, as in `96.00.9F.00.01`; driver versions never are (nvidia-evidence 3.3).
    fn of_version(version: &str) -> Self {
        let is_group =
            |group: &str| group.len() == 2 && group.bytes().all(|b| b.is_ascii_hexdigit());
        let groups = version.split('.').filter(|group| is_group(group)).count();
        if groups == 5 && version.split('.').count() == 5 {
            Self::Vbios
        } else {
            Self::Driver
        }
    }
}

impl fmt::Display for RimRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Rim {
    /// Reads a manifest and judges its structure alone.
    ///
    /// # Errors
    /// [`Code::RimTooLarge`] or [`Code::RimMalformed`] alone if the document is not the restricted XML; otherwise all
    /// of: [`Code::RimMalformed`] for the signed part, [`Code::RimSignatureMethod`] for the signature element,
    /// [`Code::CertificateMalformed`] and [`Code::ChainLength`] for certificates that cannot be read.
    pub fn parse(xml: &[u8]) -> Result<Unverified<Self>, Vec<Reason>> {
        let document = xml::read(xml).map_err(|reason| vec![reason])?;
        let root = document.root_element();
        let located = signature::locate(root);
        let manifest = manifest::read(root, located.as_ref().ok().copied());
        let signature = located
            .map_err(|reason| vec![reason])
            .and_then(signature::read);
        let chain = signature.as_ref().ok().map(|(_, certificates)| {
            let ders = certificates.iter().map(Vec::as_slice);
            CertificateChain::from_ders(ders).map_err(about_rim_chain)
        });
        match (manifest, signature, chain) {
            (Ok(manifest), Ok((signature, _)), Some(Ok(chain))) => {
                Ok(Unverified::new(Self(Arc::new(Contents {
                    sha256: crypto::sha256(xml),
                    digest: enveloped_digest(&document),
                    manifest,
                    signature,
                    chain: chain.into_inner(),
                }))))
            }
            (manifest, signature, chain) => {
                let mut reasons = manifest.err().unwrap_or_default();
                reasons.extend(signature.err().unwrap_or_default());
                reasons.extend(chain.and_then(Result::err).unwrap_or_default());
                Err(reasons)
            }
        }
    }

    /// Reads a manifest and checks its signatures, up to a pinned root.
    #[must_use]
    pub fn examine(xml: &[u8], anchors: &TrustAnchors) -> Examined<Self> {
        match Self::parse(xml) {
            Ok(rim) => rim.authenticate(anchors).into(),
            Err(reasons) => Examined::Unreadable(reasons),
        }
    }

    /// What the manifest is the reference of, told by the shape of its version.
    #[must_use]
    pub fn role(&self) -> RimRole {
        RimRole::of_version(self.version())
    }

    /// Name of the tag: the chip once more.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.manifest.name
    }

    /// Product of `Meta`: the chip, as in `GH100`.
    #[must_use]
    pub fn product(&self) -> &str {
        &self.0.manifest.meta.product
    }

    /// Platform model of `Meta`: the chip, as in `GH100`.
    #[must_use]
    pub fn platform_model(&self) -> &str {
        &self.0.manifest.meta.platform_model
    }

    /// Version of the driver, VBIOS or BIOS (`colloquialVersion`), as written.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.manifest.meta.version
    }

    /// Firmware manufacturer id, NVIDIA's `oemid` claim: `5703`.
    #[must_use]
    pub fn firmware_manufacturer_id(&self) -> &str {
        &self.0.manifest.meta.firmware_manufacturer_id
    }

    /// SHA-256 of the document, byte for byte. More than one document can hold the same signed content: they differ in
    /// what the signature does not cover, as white space after the root.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// The certificates of `KeyInfo`, leaf first, whatever their trust.
    #[must_use]
    pub fn chain(&self) -> &CertificateChain {
        &self.0.chain
    }

    /// The active reference values, by ascending index. May be none.
    pub fn golden(&self) -> impl Iterator<Item = &GoldenMeasurement> {
        self.0.manifest.golden.iter()
    }
}

impl Unverified<Rim> {
    /// Checks digest, signature and every rule of the chain that does not depend on time.
    ///
    /// # Errors
    /// The manifest with all reasons it is not authentic for. If the document was edited and nothing else is wrong,
    /// that is [`Code::RimDigestMismatch`] alone.
    pub fn authenticate(self, anchors: &TrustAnchors) -> Result<Authentic<Rim>, Refuted<Rim>> {
        let rim = self.into_inner();
        let chain = Unverified::new(rim.chain().clone()).authenticate(ChainProfile::Rim, anchors);
        let findings = [digest_is_signed(&rim), signed_by_leaf(&rim)];
        let mut reasons: Vec<Reason> = findings.into_iter().flatten().collect();
        match chain {
            Ok(chain) if reasons.is_empty() => Ok(Authentic::assertion(rim, chain.is_simulated())),
            chain => {
                let of_chain = chain.err().map(|refuted| refuted.reasons);
                reasons.extend(about_rim_chain(of_chain.unwrap_or_default()));
                Err(Refuted {
                    value: Unverified::new(rim),
                    reasons,
                })
            }
        }
    }
}

impl Expires for Rim {
    fn reasons_at(&self, as_of: UnixTime) -> Vec<Reason> {
        about_rim_chain(self.chain().reasons_at(as_of))
    }
}

/// The digest that the one reference of the signature is to: the document without the signature element, canonical.
///
/// `signature::locate` has made sure that the last child is the signature, and the only one.
fn enveloped_digest(document: &Document<'_>) -> [u8; 48] {
    let root = document.root_element();
    crypto::sha384(canonical::canonicalise(root, root.last_element_child()).as_bytes())
}

/// Row 80, digest: the document is the one `SignedInfo` speaks of.
fn digest_is_signed(rim: &Rim) -> Option<Reason> {
    let (signed, found) = (rim.0.signature.digest, rim.0.digest);
    (signed != found).then(|| {
        Reason::new(Code::RimDigestMismatch, "SHA-384 of the manifest")
            .expected(hex::encode(signed))
            .actual(hex::encode(found))
    })
}

/// Rows 80 and 82, signature: `SignedInfo` is signed by the first certificate of the chain, and by no other key.
fn signed_by_leaf(rim: &Rim) -> Option<Reason> {
    let leaf = rim.chain().leaf();
    let name = leaf.map_or("", Certificate::common_name);
    let Some(key) = leaf.and_then(Certificate::p384_key) else {
        let message = "RIM certificate 0: key to verify the manifest's signature with";
        let reason = Reason::new(Code::SigningKeyUnavailable, message);
        return Some(reason.expected("a P-384 key").actual(name));
    };
    let Signature {
        signed_info, value, ..
    } = &rim.0.signature;
    let valid = key.has_signed_raw(signed_info.as_bytes(), value);
    (!valid).then(|| {
        let message = "manifest is not signed by the first certificate";
        Reason::new(Code::RimSignatureInvalid, message).actual(name)
    })
}

/// Says that it is the RIM's chain the reasons are about, not the device's: `RIM certificate 2: …`.
fn about_rim_chain(reasons: Vec<Reason>) -> Vec<Reason> {
    let about = |reason: Reason| {
        if reason.message.starts_with("certificate") {
            let message = format!("RIM {}", reason.message);
            Reason { message, ..reason }
        } else {
            reason.about("RIM chain")
        }
    };
    reasons.into_iter().map(about).collect()
}
