//! Pinned roots, stated as facts: a digest and a public key, no certificate.

use crate::crypto;

/// What an anchor may vouch for. A device root says nothing about reference values, and the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnchorUse {
    /// Device certificate chains.
    Device,
    /// Chains of RIM signers.
    Rim,
}

/// One pinned root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// Subject, for people.
    pub subject: String,
    /// What it may vouch for.
    pub usage: AnchorUse,
    /// SHA-256 of the root certificate's DER.
    pub sha256: [u8; 32],
    /// SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
    /// Whether it is the root of a software device. What it vouches for proves nothing about hardware.
    pub simulated: bool,
}

/// The roots a caller trusts. Empty by default: trust is bootstrapped by naming it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustAnchors(Vec<TrustAnchor>);

impl TrustAnchors {
    /// These anchors and no others.
    #[must_use]
    pub fn new(anchors: Vec<TrustAnchor>) -> Self {
        Self(anchors)
    }

    /// The anchors.
    #[must_use]
    pub fn as_slice(&self) -> &[TrustAnchor] {
        &self.0
    }

    /// The anchor for `usage` whose certificate is byte for byte `root_der`.
    ///
    /// The key is compared as well as the digest, so that a mistyped fact trusts nothing instead of something else.
    pub(crate) fn find(
        &self,
        usage: AnchorUse,
        root_der: &[u8],
        point: &[u8],
    ) -> Option<&TrustAnchor> {
        let sha256 = crypto::sha256(root_der);
        self.0
            .iter()
            .find(|a| a.usage == usage && a.sha256 == sha256 && a.spki.ends_with(point))
    }
}
