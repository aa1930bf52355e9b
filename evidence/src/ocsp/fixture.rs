//! A device chain made for the test, and answers about it as NVIDIA's responders write them. Nothing here is the
//! vendor's. The bytes are put together by hand, so that reader and writer do not share their mistakes.

use std::sync::LazyLock;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData,
    SignatureAlgorithm, date_time_ymd,
};

use super::{CertificateId, IdHash, Link};
use crate::cert::{AnchorUse, Certificate, CertificateChain, ChainProfile};
use crate::cert::{TrustAnchor, TrustAnchors};
use crate::crypto;
use crate::time::UnixTime;
use crate::trust::Authentic;

/// When the good answer is from, and until when it is for.
pub(super) const THIS_UPDATE: &str = "20250701120000Z";
pub(super) const NEXT_UPDATE: &str = "20250702120000Z";

/// A second within that window.
pub(super) const WITHIN: UnixTime = UnixTime::from_secs(NOON + 12 * 60 * 60);
/// [`THIS_UPDATE`] in seconds.
pub(super) const NOON: i64 = 1_751_371_200;
pub(super) const DAY: i64 = 24 * 60 * 60;

/// Object identifiers, DER.
pub(super) const BASIC: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
pub(super) const NONCE: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
pub(super) const CRL_REFERENCE: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 3];
pub(super) const SHA1: &[u8] = &[6, 5, 0x2b, 14, 3, 2, 26];
pub(super) const SHA256: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
pub(super) const SHA384: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
pub(super) const SHA512: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
pub(super) const ECDSA_SHA256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
pub(super) const ECDSA_SHA384: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
pub(super) const NULL: &[u8] = &[5, 0];
const OCSP_SIGNING: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 9];
const CLIENT_AUTH: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2];

/// `certStatus`, DER.
pub(super) const GOOD: &[u8] = &[0x80, 0];
pub(super) const UNKNOWN: &[u8] = &[0x82, 0];

/// A tag, the shortest length, a content.
pub(super) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let header = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// `[number] EXPLICIT`.
pub(super) fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, &[content])
}

pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(4, &[content])
}

pub(super) fn time(text: &str) -> Vec<u8> {
    tlv(0x18, &[text.as_bytes()])
}

pub(super) fn revoked(at: &str, reason: Option<u8>) -> Vec<u8> {
    let reason = reason.map(|reason| explicit(0, &tlv(0x0a, &[&[reason]])));
    tlv(0xa1, &[&time(at), &reason.unwrap_or_default()])
}

pub(super) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[oid, critical, &octets(value)])
}

pub(super) fn nonce(nonce: &[u8]) -> Vec<u8> {
    extension(NONCE, false, &octets(nonce))
}

/// `CertID`, part by part.
#[derive(Clone)]
pub(super) struct Id {
    pub(super) algorithm: Vec<u8>,
    pub(super) name_hash: Vec<u8>,
    pub(super) key_hash: Vec<u8>,
    pub(super) serial: Vec<u8>,
}

impl Id {
    pub(super) fn of(link: &Link<'_>, hash: IdHash) -> Self {
        let id = CertificateId::by(hash, link.subject(), link.issuer());
        let oid = match hash {
            IdHash::Sha1 => SHA1,
            IdHash::Sha256 => SHA256,
            IdHash::Sha384 => SHA384,
        };
        Self {
            algorithm: sequence(&[oid, NULL]),
            name_hash: id.issuer_name_hash().to_vec(),
            key_hash: id.issuer_key_hash().to_vec(),
            serial: id.serial().to_vec(),
        }
    }

    pub(super) fn der(&self) -> Vec<u8> {
        let (name_hash, key_hash) = (octets(&self.name_hash), octets(&self.key_hash));
        sequence(&[
            &self.algorithm,
            &name_hash,
            &key_hash,
            &tlv(2, &[&self.serial]),
        ])
    }
}

/// `SingleResponse`, part by part; empty parts are left out.
#[derive(Clone)]
pub(super) struct Single {
    pub(super) id: Id,
    pub(super) status: Vec<u8>,
    pub(super) this_update: Vec<u8>,
    pub(super) next_update: Vec<u8>,
    pub(super) extensions: Vec<u8>,
}

impl Single {
    fn der(&self) -> Vec<u8> {
        let id = self.id.der();
        sequence(&[
            &id,
            &self.status,
            &self.this_update,
            &self.next_update,
            &self.extensions,
        ])
    }
}

/// An answer, part by part, to be spoilt in one way and signed; empty parts are left out.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) response_status: u8,
    pub(super) response_type: Vec<u8>,
    pub(super) version: Vec<u8>,
    pub(super) responder_id: Vec<u8>,
    pub(super) produced_at: Vec<u8>,
    pub(super) single: Single,
    /// How often the single response is in the answer.
    pub(super) singles: usize,
    pub(super) extensions: Vec<u8>,
    pub(super) algorithm: Vec<u8>,
    pub(super) unused_bits: u8,
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) signer: &'static Signer,
}

impl Recipe {
    pub(super) fn der(&self) -> Vec<u8> {
        let tbs = self.tbs();
        let signature = self.signer.sign(&tbs);
        self.around(&tbs, &signature)
    }

    pub(super) fn tbs(&self) -> Vec<u8> {
        let singles = self.single.der().repeat(self.singles);
        sequence(&[
            &self.version,
            &self.responder_id,
            &self.produced_at,
            &sequence(&[&singles]),
            &self.extensions,
        ])
    }

    /// The whole message around a signed part.
    pub(super) fn around(&self, tbs: &[u8], signature: &[u8]) -> Vec<u8> {
        let certificates = match self.certificates.concat() {
            none if none.is_empty() => none,
            some => explicit(0, &sequence(&[&some])),
        };
        let signature = tlv(3, &[&[self.unused_bits], signature]);
        let basic = sequence(&[tbs, &self.algorithm, &signature, &certificates]);
        let bytes = sequence(&[&self.response_type, &octets(&basic)]);
        let status = tlv(0x0a, &[&[self.response_status]]);
        sequence(&[&status, &explicit(0, &bytes)])
    }
}

/// A certificate and its key.
pub(super) struct Signer {
    pub(super) certificate: Vec<u8>,
    key: Option<EcdsaKeyPair>,
}

impl Signer {
    fn new(certificate: &[u8], key: &KeyPair) -> Self {
        let pkcs8 = key.serialize_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &pkcs8).ok();
        Self {
            certificate: certificate.to_vec(),
            key,
        }
    }

    pub(super) fn read(&self) -> Certificate {
        Certificate::from_der(&self.certificate).unwrap()
    }

    pub(super) fn id_by_key(&self) -> Vec<u8> {
        let hash = super::certificate_id::sha1(self.read().key_bits());
        explicit(2, &octets(&hash))
    }

    pub(super) fn id_by_name(&self) -> Vec<u8> {
        explicit(1, self.read().subject_der())
    }

    /// A key on another curve signs nothing worth having.
    #[expect(
        clippy::disallowed_types,
        reason = "signing needs randomness; this is a test"
    )]
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.key.as_ref().map(|k| k.sign(&random, message).unwrap());
        signature.map_or(vec![1], |signature| signature.as_ref().to_vec())
    }
}

/// A device chain and the responders of its issuers.
pub(super) struct Pki {
    /// L4, L3, L2, root: positions 1 to 4.
    issuers: [CertifiedIssuer<'static, KeyPair>; 4],
    chain: Authentic<CertificateChain>,
}

pub(super) static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);
/// Another PKI of the same names.
pub(super) static STRANGER: LazyLock<Pki> = LazyLock::new(Pki::new);

/// Position of the certificate that most answers here are about.
pub(super) const ASKED: usize = 1;

/// Its serial number; the top bit is set, so that a zero byte stands before it.
pub(super) const SERIAL: &[u8] = &[0x91, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99];

/// The responder that [`ASKED`]'s issuer delegated to.
pub(super) static RESPONDER: LazyLock<Signer> = LazyLock::new(|| PKI.responder(ASKED, |_| ()));

impl Pki {
    fn new() -> Self {
        let root = CertifiedIssuer::self_signed(ca("test root"), key()).unwrap();
        let l2 = CertifiedIssuer::signed_by(ca("test L2"), key(), &root).unwrap();
        let mut params = ca("test L3");
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        let l3 = CertifiedIssuer::signed_by(params, key(), &l2).unwrap();
        let mut params = ca("test L4");
        params.serial_number = Some(SERIAL.to_vec().into());
        let l4 = CertifiedIssuer::signed_by(params, key(), &l3).unwrap();
        let mut params = named("test L5");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let leaf = params.signed_by(&key(), &l4).unwrap();
        let anchor = TrustAnchor {
            subject: "test root".to_owned(),
            usage: AnchorUse::Device,
            sha256: crypto::sha256(root.der()),
            spki: root.key().subject_public_key_info(),
            simulated: true,
        };
        let ders = [leaf.der(), l4.der(), l3.der(), l2.der(), root.der()];
        let chain = CertificateChain::from_ders(ders.map(AsRef::as_ref)).unwrap();
        let anchors = TrustAnchors::new(vec![anchor]);
        let chain = chain.authenticate(ChainProfile::Device, &anchors).unwrap();
        Self {
            issuers: [l4, l3, l2, root],
            chain,
        }
    }

    pub(super) fn chain(&self) -> &Authentic<CertificateChain> {
        &self.chain
    }

    /// The certificate at a position with its issuer, as a link of a device chain.
    pub(super) fn link(&self, position: usize) -> Link<'_> {
        let links = Link::of_device(&self.chain);
        let mut found = links.into_iter().filter(|l| l.position() == position);
        found.next().unwrap()
    }

    /// A responder for the certificate at `position`, made by its issuer; `edit` spoils it.
    pub(super) fn responder(
        &self,
        position: usize,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Signer {
        self.responder_with_key(position, &key(), edit)
    }

    pub(super) fn responder_with_key(
        &self,
        position: usize,
        key: &KeyPair,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Signer {
        let mut params = responder_params();
        edit(&mut params);
        let certificate = params.signed_by(key, &self.issuers[position]).unwrap();
        Signer::new(certificate.der(), key)
    }

    /// A responder signed with the key of the certificate's issuer, in another name.
    pub(super) fn responder_in_another_name(&self, position: usize) -> Signer {
        let pkcs8 = self.issuers[position].key().serialize_der();
        responder_by("another", KeyPair::try_from(pkcs8).unwrap())
    }

    /// The issuer at a position itself.
    pub(super) fn issuer(&self, position: usize) -> Signer {
        let issuer = &self.issuers[position - 1];
        Signer::new(issuer.der(), issuer.key())
    }
}

/// A responder by whoever has a name and a key.
pub(super) fn responder_by(name: &str, issuer_key: KeyPair) -> Signer {
    let key = key();
    let issuer = Issuer::new(ca(name), issuer_key);
    let certificate = responder_params().signed_by(&key, &issuer).unwrap();
    Signer::new(certificate.der(), &key)
}

/// A good answer about [`ASKED`], as NVIDIA's: SHA-384, responder by key, its certificate beside, no nonce.
pub(super) fn recipe() -> Recipe {
    Recipe {
        response_status: 0,
        response_type: BASIC.to_vec(),
        version: Vec::new(),
        responder_id: RESPONDER.id_by_key(),
        produced_at: time(THIS_UPDATE),
        single: Single {
            id: Id::of(&PKI.link(ASKED), IdHash::Sha384),
            status: GOOD.to_vec(),
            this_update: time(THIS_UPDATE),
            next_update: explicit(0, &time(NEXT_UPDATE)),
            extensions: Vec::new(),
        },
        singles: 1,
        extensions: Vec::new(),
        algorithm: sequence(&[ECDSA_SHA384]),
        unused_bits: 0,
        certificates: vec![RESPONDER.certificate.clone()],
        signer: &RESPONDER,
    }
}

/// The good answer, changed in one way and signed.
pub(super) fn answer(edit: impl FnOnce(&mut Recipe)) -> Vec<u8> {
    let mut recipe = recipe();
    edit(&mut recipe);
    recipe.der()
}

/// An answer by another signer than the good one.
pub(super) fn answer_by(signer: &'static Signer) -> Vec<u8> {
    answer(|recipe| by(recipe, signer))
}

pub(super) fn by(recipe: &mut Recipe, signer: &'static Signer) {
    recipe.responder_id = signer.id_by_key();
    recipe.certificates = vec![signer.certificate.clone()];
    recipe.signer = signer;
}

/// A signer for the rest of the test's life.
pub(super) fn kept(signer: Signer) -> &'static Signer {
    Box::leak(Box::new(signer))
}

pub(super) fn key() -> KeyPair {
    key_on(&PKCS_ECDSA_P384_SHA384)
}

pub(super) fn p256_key() -> KeyPair {
    key_on(&PKCS_ECDSA_P256_SHA256)
}

fn key_on(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

/// A responder's certificate as NVIDIA makes them: extended key usage critical.
fn responder_params() -> CertificateParams {
    let mut params = named("test responder");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions = vec![extended_key_usage(OCSP_SIGNING)];
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2026, 1, 1);
    params
}

/// First and last valid second of a responder's certificate.
pub(super) const RESPONDER_FROM: i64 = 1_735_689_600;
pub(super) const RESPONDER_TO: i64 = 1_767_225_600;

pub(super) fn for_client_authentication() -> CustomExtension {
    extended_key_usage(CLIENT_AUTH)
}

fn extended_key_usage(purpose: &[u8]) -> CustomExtension {
    let content = sequence(&[purpose]);
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], content);
    extension.set_criticality(true);
    extension
}

pub(super) fn no_check() -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], NULL.to_vec())
}

pub(super) fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let names = &mut params.distinguished_name;
    names.push(DnType::CommonName, common_name);
    params
}

fn ca(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}
