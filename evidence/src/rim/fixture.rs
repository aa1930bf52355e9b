//! A manifest as NVIDIA writes it, small, signed by a chain made for the test. Nothing here is the vendor's.

use std::sync::LazyLock;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, date_time_ymd,
};
use roxmltree::Document;

use super::canonical::canonicalise;
use crate::cert::{AnchorUse, TrustAnchor, TrustAnchors};
use crate::crypto;
use crate::time::UnixTime;

/// Signs and verifies; made once, for making keys is slow.
pub(super) struct Signer {
    /// DER, leaf first.
    pub(super) chain: [Vec<u8>; 4],
    key: EcdsaKeyPair,
    anchor: TrustAnchor,
}

pub(super) static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::new);
/// Another PKI of the same names, whose root nobody trusts.
pub(super) static STRANGER: LazyLock<Signer> = LazyLock::new(Signer::new);

/// A second in which the whole chain is valid, and one on either side of it.
pub(super) const BEFORE: UnixTime = UnixTime::from_secs(1_600_000_000);
pub(super) const WITHIN: UnixTime = UnixTime::from_secs(1_750_000_000);
pub(super) const AFTER: UnixTime = UnixTime::from_secs(1_900_000_000);

impl Signer {
    fn new() -> Self {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let root_key = key();
        let spki = root_key.subject_public_key_info();
        let root = CertifiedIssuer::self_signed(ca("test RIM root", None), root_key).unwrap();
        let l2 = CertifiedIssuer::signed_by(ca("test RIM L2", None), key(), &root).unwrap();
        let l3 = CertifiedIssuer::signed_by(ca("test RIM L3", Some(0)), key(), &l2).unwrap();
        let leaf_key = key();
        let mut params = named("test RIM L4");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(2026, 1, 1);
        let leaf = params.signed_by(&leaf_key, &l3).unwrap();
        let chain = [leaf.der(), l3.der(), l2.der(), root.der()].map(|der| der.to_vec());
        let pkcs8 = leaf_key.serialize_der();
        Self {
            anchor: TrustAnchor {
                subject: "test RIM root".to_owned(),
                usage: AnchorUse::Rim,
                sha256: crypto::sha256(&chain[3]),
                spki,
                simulated: true,
            },
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &pkcs8).unwrap(),
            chain,
        }
    }

    pub(super) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::new(vec![self.anchor.clone()])
    }

    pub(super) fn anchors_for(&self, usage: AnchorUse) -> TrustAnchors {
        let anchor = self.anchor.clone();
        TrustAnchors::new(vec![TrustAnchor { usage, ..anchor }])
    }

    /// Fills digest, signature and certificates into `template`.
    pub(super) fn sign(&self, template: &str) -> String {
        let certificates = self.chain.each_ref().map(|der| STANDARD.encode(der));
        self.sign_with(template, &certificates)
    }

    pub(super) fn sign_with(&self, template: &str, certificates: &[String]) -> String {
        let certificates: String = certificates
            .iter()
            .map(|text| format!("<ds:X509Certificate>{text}\n</ds:X509Certificate>"))
            .collect();
        let text = template.replace("CERTIFICATES", &certificates);
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        let signature = root.last_element_child().unwrap();
        let digest = crypto::sha384(canonicalise(root, Some(signature)).as_bytes());
        let text = text.replace("DIGEST", &STANDARD.encode(digest));
        let document = Document::parse(&text).unwrap();
        let signature = document.root_element().last_element_child().unwrap();
        let signed_info = canonicalise(signature.first_element_child().unwrap(), None);
        text.replace("SIGNATURE", &self.signature(signed_info.as_bytes()))
    }

    #[expect(
        clippy::disallowed_types,
        reason = "signing needs randomness; this is a test"
    )]
    fn signature(&self, message: &[u8]) -> String {
        let random = aws_lc_rs::rand::SystemRandom::new();
        STANDARD.encode(self.key.sign(&random, message).unwrap())
    }
}

/// A certificate whose key is on another curve than P-384.
pub(super) fn p256_certificate() -> Vec<u8> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    named("P-256").self_signed(&key).unwrap().der().to_vec()
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn ca(common_name: &str, path_length: Option<u8>) -> CertificateParams {
    let mut params = named(common_name);
    let constraints = path_length.map_or(BasicConstraints::Unconstrained, |length| {
        BasicConstraints::Constrained(length)
    });
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Digest hex of one repeated byte.
pub(super) fn hash(byte: u8) -> String {
    hex::encode([byte; 48])
}

/// A good manifest to be signed: index 0 inactive, 1 with one alternative, 9 with two; in no order.
pub(super) fn template() -> String {
    let (zero, a, b, c) = (hash(0), hash(0xaa), hash(0xbb), hash(0xcc));
    format!(
        r##"<SoftwareIdentity xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" xmlns:ns0="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384" corpus="false" name="GX100" patch="false" supplemental="false" tagId="{a}" version="1.0" tagVersion="0">
    <ns0:Entity name="Nobody" role="softwareCreator tagCreator"/>
    <ns0:Meta xmlns:ns1="https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/" colloquialVersion="550.1" edition="GPU" product="GX100" revision="r1" PayloadType="direct" ns1:BindingSpec="RIMIM" ns1:BindingSpecVersion="1.01" ns1:PlatformManufacturerId="1" ns1:PlatformManufacturerStr="Nobody" ns1:PlatformModel="GX100-P" ns1:FirmwareManufacturer="Nobody" ns1:FirmwareManufacturerId="4711"/>
    <ns0:Payload xmlns:SHA384="http://www.w3.org/2001/04/xmlenc#sha384">
        <ns0:Resource type="Measurement" index="0" active="False" alternatives="1" ns2:Hash0="{zero}" name="Measurement_0" size="48"/>
        <ns0:Resource type="Measurement" index="9" active="True" alternatives="2" ns2:Hash0="{b}" ns2:Hash1="{c}" name="Measurement_9" size="48"/>
        <ns0:Resource type="Measurement" index="1" active="True" alternatives="1" ns2:Hash0="{a}" name="Measurement_1" size="48"/>
    </ns0:Payload>
<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2006/12/xml-c14n11"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"/><ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2006/12/xml-c14n11"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#sha384"/><ds:DigestValue>DIGEST</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>SIGNATURE</ds:SignatureValue><ds:KeyInfo><ds:X509Data>CERTIFICATES</ds:X509Data></ds:KeyInfo></ds:Signature></SoftwareIdentity>
"##
    )
}

/// The good manifest, signed.
pub(super) static GOOD: LazyLock<String> = LazyLock::new(|| SIGNER.sign(&template()));

/// `text` with its only occurrence of `from` replaced: a test that changes nothing is none.
pub(super) fn edit(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "occurrences of {from}");
    text.replace(from, to)
}
