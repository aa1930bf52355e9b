//! What there is to ask about: the links of an authentic chain (nvidia-evidence 5.1, rows 58 to 60).

use std::sync::Arc;

use super::CertificateId;
use crate::cert::{Certificate, CertificateChain, ChainProfile};
use crate::rim::Rim;
use crate::trust::Authentic;

/// A certificate and its issuer, next to each other in an authentic chain.
///
/// The issuer is what an answer is judged by. That it leads to a pinned root is the premise of every rule here, so a
/// link can be had from an [`Authentic`] value alone: which certificates are asked about never depends on how many
/// the peer supplied (row 60).
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    pub(super) profile: ChainProfile,
    pub(super) position: usize,
    pub(super) subject: &'a Certificate,
    pub(super) issuer: &'a Certificate,
    pub(super) simulated: bool,
}

impl<'a> Link<'a> {
    /// Row 58: of a device chain, every certificate between leaf and root. NVIDIA's responder does not know leaves.
    #[must_use]
    pub fn of_device(chain: &'a Authentic<CertificateChain>) -> Vec<Self> {
        let links = links(ChainProfile::Device, chain.get(), chain.is_simulated());
        links.skip(1).collect()
    }

    /// Row 59: of the chain of a manifest, every certificate below the root.
    #[must_use]
    pub fn of_rim(rim: &'a Authentic<Rim>) -> Vec<Self> {
        links(ChainProfile::Rim, rim.get().chain(), rim.is_simulated()).collect()
    }

    /// What to ask a responder, by SHA-384. Links of several chains with equal ids need one answer.
    #[must_use]
    pub fn id(&self) -> CertificateId {
        CertificateId::of(self.subject, self.issuer)
    }

    /// Position of the certificate in its chain; the leaf is 0.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The certificate whose status is in question.
    #[must_use]
    pub fn subject(&self) -> &'a Certificate {
        self.subject
    }

    /// The certificate that issued it.
    #[must_use]
    pub fn issuer(&self) -> &'a Certificate {
        self.issuer
    }

    /// Whether the chain leads to the root of a software device.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.simulated
    }
}

/// A [`Link`] that outlives its chain, for those who ask while nobody holds the chain any more. It can be had from a
/// link alone, so it stands for the same premise. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OwnedLink {
    profile: ChainProfile,
    position: usize,
    subject: Arc<Certificate>,
    issuer: Arc<Certificate>,
    simulated: bool,
}

impl OwnedLink {
    /// The link.
    #[must_use]
    pub fn as_link(&self) -> Link<'_> {
        Link {
            profile: self.profile,
            position: self.position,
            subject: &self.subject,
            issuer: &self.issuer,
            simulated: self.simulated,
        }
    }
}

impl From<&Link<'_>> for OwnedLink {
    fn from(link: &Link<'_>) -> Self {
        Self {
            profile: link.profile,
            position: link.position,
            subject: Arc::new(link.subject.clone()),
            issuer: Arc::new(link.issuer.clone()),
            simulated: link.simulated,
        }
    }
}

pub(super) fn links(
    profile: ChainProfile,
    chain: &CertificateChain,
    simulated: bool,
) -> impl Iterator<Item = Link<'_>> {
    let issuers = chain.certificates().iter().skip(1);
    let pairs = chain.certificates().iter().zip(issuers).enumerate();
    pairs.map(move |(position, (subject, issuer))| Link {
        profile,
        position,
        subject,
        issuer,
        simulated,
    })
}
