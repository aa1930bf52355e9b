//! A device chain, a manifest and an OCSP answer of software, made once by `fuzz-seeds --fixture`. The private keys were
//! forgotten with the process that drew them, so whatever else is authentic under these roots is forged.

use std::sync::LazyLock;

use evidence::Authentic;
use evidence::cert::{
    AnchorUse, Certificate, CertificateChain, ChainProfile, TrustAnchor, TrustAnchors,
};
use evidence::crypto;
use evidence::ocsp::{Link, OcspResponse};
use evidence::rim::Rim;

/// A device chain: PEM, five certificates. Its third may sign OCSP answers itself.
pub const CHAIN_PEM: &[u8] = include_bytes!("fixture/chain.pem");
/// A driver's manifest.
pub const MANIFEST: &[u8] = include_bytes!("fixture/manifest.xml");
/// The third certificate's answer about the second: good.
pub const ANSWER: &[u8] = include_bytes!("fixture/answer.der");

/// The chain.
pub(super) fn chain() -> &'static Authentic<CertificateChain> {
    static CHAIN: LazyLock<Authentic<CertificateChain>> = LazyLock::new(|| {
        let chain = CertificateChain::from_pem(CHAIN_PEM).expect("a chain");
        let chain = chain.authenticate(ChainProfile::Device, device_anchors());
        chain.expect("the chain of the fixture")
    });
    &CHAIN
}

/// The root of the chain.
pub(super) fn device_anchors() -> &'static TrustAnchors {
    static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(|| {
        let chain = CertificateChain::from_pem(CHAIN_PEM).expect("a chain");
        anchors(chain.peek(), AnchorUse::Device)
    });
    &ANCHORS
}

/// The manifest.
pub(super) fn manifest() -> &'static Authentic<Rim> {
    static RIM: LazyLock<Authentic<Rim>> = LazyLock::new(|| {
        let rim = Rim::parse(MANIFEST).expect("a manifest");
        rim.authenticate(rim_anchors())
            .expect("the manifest of the fixture")
    });
    &RIM
}

/// The root of the manifest.
pub(super) fn rim_anchors() -> &'static TrustAnchors {
    static ANCHORS: LazyLock<TrustAnchors> = LazyLock::new(|| {
        let rim = Rim::parse(MANIFEST).expect("a manifest");
        anchors(rim.peek().chain(), AnchorUse::Rim)
    });
    &ANCHORS
}

/// What the answer is about.
pub(super) fn link() -> Link<'static> {
    let links = Link::of_device(chain());
    *links.first().expect("a link")
}

/// The answer.
pub(super) fn answer() -> &'static Authentic<OcspResponse> {
    static ANSWER_READ: LazyLock<Authentic<OcspResponse>> = LazyLock::new(|| {
        let answer = OcspResponse::parse(ANSWER).expect("an answer");
        answer
            .authenticate(&link())
            .expect("the answer of the fixture")
    });
    &ANSWER_READ
}

fn anchors(chain: &CertificateChain, usage: AnchorUse) -> TrustAnchors {
    let root = chain.certificates().last().expect("a root");
    TrustAnchors::new(vec![TrustAnchor {
        subject: root.common_name().to_owned(),
        usage,
        sha256: crypto::sha256(root.der()),
        // Compared by its end, the point.
        spki: root.p384_point().map(<[u8]>::to_vec).expect("a P-384 key"),
        simulated: true,
    }])
}

/// Certificates of the chain, for those who make seeds of them.
#[must_use]
pub fn certificates() -> &'static [Certificate] {
    chain().get().certificates()
}

/// Every file of the fixture is authentic under its root, and the token of every good vector validates.
///
/// # Panics
/// One is not.
pub fn assert_authentic() {
    assert_eq!(chain().get().certificates().len(), 5);
    assert!(manifest().get().golden().count() > 0);
    assert_eq!(answer().get().id(), &link().id());
    super::token::assert_good();
}
