//! A PKI made for the tests, manifests and OCSP answers signed under it, and a service that says what it is told to.
//! Nothing here is the vendor's. The bytes are put together by hand, so that writer and reader share no mistakes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm,
};
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::cert::{
    AnchorUse, Certificate, CertificateChain, ChainProfile, TrustAnchor, TrustAnchors,
};
use evidence::ocsp::{CertificateId, IdHash, Link};
use evidence::{Authentic, UnixTime, crypto};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PublicKeyData, date_time_ymd,
};
use serde_json::json;
use tokio::net::TcpListener;

/// Inside the validity of every certificate here: 2027-01-15.
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const DAY: i64 = 24 * 60 * 60;

/// The id of a driver's manifest.
pub(crate) const DRIVER_ID: &str = "NV_GPU_DRIVER_GH100_550.90.07";
/// The version in it.
pub(crate) const DRIVER_VERSION: &str = "550.90.07";

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Device and RIM chains under roots of their own.
pub(crate) struct Pki {
    chain: Authentic<CertificateChain>,
    /// One for the certificate at each position, made by its issuer.
    responders: Vec<(Vec<u8>, KeyPair)>,
    rim_chain: [Vec<u8>; 4],
    rim_key: KeyPair,
    anchors: TrustAnchors,
}

pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(Pki::new);

impl Pki {
    fn new() -> Self {
        let root = CertifiedIssuer::self_signed(ca("test root", None), key()).unwrap();
        let l2 = CertifiedIssuer::signed_by(ca("test L2", None), key(), &root).unwrap();
        let mut params = ca("test L3", None);
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        let l3 = CertifiedIssuer::signed_by(params, key(), &l2).unwrap();
        let l4 = CertifiedIssuer::signed_by(ca("test L4", None), key(), &l3).unwrap();
        let mut params = named("test L5");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let leaf = params.signed_by(&key(), &l4).unwrap();
        let ders = [leaf.der(), l4.der(), l3.der(), l2.der(), root.der()];
        let chain = CertificateChain::from_ders(ders.map(AsRef::as_ref)).unwrap();

        let rim_root = CertifiedIssuer::self_signed(ca("test RIM root", None), key()).unwrap();
        let rim_l2 = CertifiedIssuer::signed_by(ca("test RIM L2", None), key(), &rim_root).unwrap();
        let rim_l3 =
            CertifiedIssuer::signed_by(ca("test RIM L3", Some(0)), key(), &rim_l2).unwrap();
        let rim_key = key();
        let mut params = named("test RIM L4");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2028, 1, 1);
        let rim_leaf = params.signed_by(&rim_key, &rim_l3).unwrap();
        let rim_chain = [rim_leaf.der(), rim_l3.der(), rim_l2.der(), rim_root.der()];

        let anchors = TrustAnchors::new(vec![
            anchor(AnchorUse::Device, &root),
            anchor(AnchorUse::Rim, &rim_root),
        ]);
        let chain = chain.authenticate(ChainProfile::Device, &anchors).unwrap();
        let responders = [&l4, &l3, &l2, &root].map(responder).into();
        Self {
            chain,
            responders,
            rim_chain: rim_chain.map(|der| der.to_vec()),
            rim_key,
            anchors,
        }
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        self.anchors.clone()
    }

    /// The chain of the device, as PEM text.
    pub(crate) fn chain_pem(&self) -> String {
        let ders = self.chain.get().certificates().iter().map(Certificate::der);
        let block = |der: &[u8]| {
            let body = STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        ders.map(block).collect()
    }

    /// The certificate at a position, 1 to 3, with its issuer.
    pub(crate) fn link(&self, position: usize) -> Link<'_> {
        let mut links = Link::of_device(&self.chain).into_iter();
        links.find(|link| link.position() == position).unwrap()
    }

    /// A manifest for a version of a GH100, signed.
    pub(crate) fn manifest(&self, version: &str) -> Vec<u8> {
        self.manifest_of("GH100", version)
    }

    /// A manifest for a version of a chip, signed. It is canonical as it stands.
    pub(crate) fn manifest_of(&self, chip: &str, version: &str) -> Vec<u8> {
        let before = unsigned_manifest(chip, version);
        let digest = crypto::sha384(format!("{before}</SoftwareIdentity>").as_bytes());
        let digest = STANDARD.encode(digest);
        let namespaces =
            format!(r#" xmlns="{SWID}" xmlns:ds="{DS}" xmlns:ns0="{SWID}" xmlns:ns2="{HASH}""#);
        let signed = signed_info(&namespaces, &digest);
        let signature = sign(
            &ECDSA_P384_SHA384_FIXED_SIGNING,
            &self.rim_key,
            signed.as_bytes(),
        );
        let signature = STANDARD.encode(signature);
        let certificates: String = self
            .rim_chain
            .iter()
            .map(|der| {
                format!(
                    "<ds:X509Certificate>{}</ds:X509Certificate>",
                    STANDARD.encode(der)
                )
            })
            .collect();
        let signed = signed_info("", &digest);
        format!(
            r#"{before}<ds:Signature xmlns:ds="{DS}">{signed}<ds:SignatureValue>{signature}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature></SoftwareIdentity>"#
        ).into_bytes()
    }

    /// A good answer about the certificate at a position.
    pub(crate) fn answer(&self, position: usize) -> Answer {
        let link = self.link(position);
        Answer {
            id: link.id(),
            by: position,
            status: GOOD.to_vec(),
            this_update: NOW,
            next_update: UnixTime::from_secs(NOW.secs() + DAY),
            nonce: None,
        }
    }
}

/// `certStatus`, DER.
const GOOD: &[u8] = &[0x80, 0];

/// `certStatus` revoked at a time, for no stated reason.
pub(crate) fn revoked(at: UnixTime) -> Vec<u8> {
    tlv(0xa1, &[&time(at)])
}

/// `certStatus` on hold since a time.
pub(crate) fn on_hold(at: UnixTime) -> Vec<u8> {
    tlv(0xa1, &[&time(at), &explicit(0, &[0x0a, 1, 6])])
}

/// An OCSP answer to be written.
#[derive(Clone)]
pub(crate) struct Answer {
    /// The certificate it is about.
    pub(crate) id: CertificateId,
    /// Whose responder signs: that of the issuer of the certificate at this position.
    pub(crate) by: usize,
    pub(crate) status: Vec<u8>,
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: UnixTime,
    pub(crate) nonce: Option<Vec<u8>>,
}

impl Answer {
    pub(crate) fn der(&self) -> Vec<u8> {
        let (certificate, key) = &PKI.responders[self.by];
        let responder = Certificate::from_der(certificate).unwrap();
        // The SHA-1 of the responder's key, by way of an id that names it as issuer.
        let by_key = CertificateId::by(IdHash::Sha1, &responder, &responder);
        let by_key = explicit(2, &tlv(4, &[by_key.issuer_key_hash()]));
        let single = tlv(
            0x30,
            &[
                &certificate_id(&self.id),
                &self.status,
                &time(self.this_update),
                &explicit(0, &time(self.next_update)),
            ],
        );
        let nonce = self.nonce.as_ref().map_or_else(Vec::new, |nonce| {
            let value = tlv(4, &[&tlv(4, &[nonce])]);
            explicit(1, &tlv(0x30, &[&tlv(0x30, &[NONCE, &value])]))
        });
        let produced_at = time(self.this_update);
        let tbs = tlv(
            0x30,
            &[&by_key, &produced_at, &tlv(0x30, &[&single]), &nonce],
        );
        let signature = sign(&ECDSA_P384_SHA384_ASN1_SIGNING, key, &tbs);
        let basic = tlv(
            0x30,
            &[
                &tbs,
                &tlv(0x30, &[ECDSA_SHA384]),
                &tlv(3, &[&[0], &signature]),
                &explicit(0, &tlv(0x30, &[certificate])),
            ],
        );
        let bytes = tlv(0x30, &[BASIC, &tlv(4, &[&basic])]);
        tlv(0x30, &[&[0x0a, 1, 0], &explicit(0, &bytes)])
    }
}

/// An `OCSPResponse` that gives no answer.
pub(crate) fn unsuccessful(status: u8) -> Vec<u8> {
    vec![0x30, 3, 0x0a, 1, status]
}

/// Object identifiers, DER.
const BASIC: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
const NONCE: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
const SHA1: &[u8] = &[6, 5, 0x2b, 14, 3, 2, 26];
const SHA256: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SHA384: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
const ECDSA_SHA384: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const OCSP_SIGNING: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 9];

fn certificate_id(id: &CertificateId) -> Vec<u8> {
    let oid = match id.id_hash() {
        IdHash::Sha1 => SHA1,
        IdHash::Sha256 => SHA256,
        IdHash::Sha384 => SHA384,
    };
    tlv(
        0x30,
        &[
            &tlv(0x30, &[oid, &[5, 0]]),
            &tlv(4, &[id.issuer_name_hash()]),
            &tlv(4, &[id.issuer_key_hash()]),
            &tlv(2, &[id.serial()]),
        ],
    )
}

/// A tag, the shortest length, a content.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match content.len() {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}

fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, &[content])
}

/// GeneralizedTime.
fn time(time: UnixTime) -> Vec<u8> {
    let digits: String = time.to_string().replace(['-', ':', 'T'], "");
    tlv(0x18, &[digits.as_bytes()])
}

const SWID: &str = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
const HASH: &str = "http://www.w3.org/2001/04/xmlenc#sha384";
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const TCG: &str = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/";

/// Everything before the signature, attributes in the order of canonical XML.
fn unsigned_manifest(chip: &str, version: &str) -> String {
    let hash = "aa".repeat(48);
    format!(
        r#"<SoftwareIdentity xmlns="{SWID}" xmlns:ns0="{SWID}" xmlns:ns2="{HASH}" corpus="false" name="{chip}" patch="false" supplemental="false" tagId="{hash}" tagVersion="0" version="1.0">
<ns0:Entity name="Nobody" role="softwareCreator tagCreator"></ns0:Entity>
<ns0:Meta xmlns:ns1="{TCG}" PayloadType="direct" colloquialVersion="{version}" edition="GPU" product="{chip}" revision="r1" ns1:BindingSpec="RIMIM" ns1:BindingSpecVersion="1.01" ns1:FirmwareManufacturer="Nobody" ns1:FirmwareManufacturerId="4711" ns1:PlatformManufacturerId="1" ns1:PlatformManufacturerStr="Nobody" ns1:PlatformModel="{chip}"></ns0:Meta>
<ns0:Payload xmlns:SHA384="{HASH}">
<ns0:Resource active="True" alternatives="1" index="1" name="Measurement_1" size="48" type="Measurement" ns2:Hash0="{hash}"></ns0:Resource>
</ns0:Payload>
"#
    )
}

fn signed_info(namespaces: &str, digest: &str) -> String {
    let algorithm =
        |element: &str, uri: &str| format!(r#"<ds:{element} Algorithm="{uri}"></ds:{element}>"#);
    let c14n = "http://www.w3.org/2006/12/xml-c14n11";
    [
        format!("<ds:SignedInfo{namespaces}>"),
        algorithm("CanonicalizationMethod", c14n),
        algorithm(
            "SignatureMethod",
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
        ),
        r#"<ds:Reference URI=""><ds:Transforms>"#.to_owned(),
        algorithm(
            "Transform",
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        ),
        algorithm("Transform", c14n),
        "</ds:Transforms>".to_owned(),
        algorithm(
            "DigestMethod",
            "http://www.w3.org/2001/04/xmldsig-more#sha384",
        ),
        format!("<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"),
    ]
    .concat()
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn ca(common_name: &str, path_length: Option<u8>) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(path_length.map_or(
        BasicConstraints::Unconstrained,
        BasicConstraints::Constrained,
    ));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// A responder of an issuer: its certificate and key.
fn responder(issuer: &Issuer) -> (Vec<u8>, KeyPair) {
    let key = key();
    let mut params = named("test responder");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let purposes = tlv(0x30, &[OCSP_SIGNING]);
    let mut purposes = CustomExtension::from_oid_content(&[2, 5, 29, 37], purposes);
    purposes.set_criticality(true);
    params.custom_extensions = vec![purposes];
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.der().to_vec(), key)
}

fn anchor(usage: AnchorUse, root: &Issuer) -> TrustAnchor {
    TrustAnchor {
        subject: "test root".to_owned(),
        usage,
        sha256: crypto::sha256(root.der()),
        spki: root.key().subject_public_key_info(),
        simulated: true,
    }
}

fn sign(algorithm: &'static EcdsaSigningAlgorithm, key: &KeyPair, message: &[u8]) -> Vec<u8> {
    let key = EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der()).unwrap();
    key.sign(&SystemRandom::new(), message)
        .unwrap()
        .as_ref()
        .to_vec()
}

/// The JSON of a RIM service.
pub(crate) fn rim_answer(id: &str, document: &[u8]) -> Vec<u8> {
    json!({
        "id": id,
        "rim": STANDARD.encode(document),
        "sha256": hex::encode(crypto::sha256(document)),
        "last_updated": "2026-05-06T07:08:09Z",
        "rim_format": "TCG",
        "request_id": "test",
    })
    .to_string()
    .into_bytes()
}

/// What a fake service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Says {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) after: Duration,
}

impl Says {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// The word of NVIDIA's service that it has no such manifest.
    pub(crate) fn no_such_rim() -> Self {
        let body = json!({ "message": "RIM_NOT_FOUND", "request_id": "test" });
        Self {
            body: body.to_string().into(),
            ..Self::status(404)
        }
    }

    pub(crate) fn body(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            ..Self::default()
        }
    }
}

pub(crate) type Script = Arc<dyn Fn(&Asked) -> Says + Send + Sync>;

/// A service on a port of its own that says what it is told to.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) url: String,
    hits: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<Script>>,
}

impl Fake {
    pub(crate) async fn new(script: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let fake = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            hits: Arc::default(),
            asked: Arc::default(),
            script: Arc::new(Mutex::new(Arc::new(script))),
        };
        let serving = fake.clone();
        let router = axum::Router::new()
            .fallback(async move |request: Request| serving.serve(request).await);
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// Manifests of every driver version asked for.
    pub(crate) fn any_rim(asked: &Asked) -> Says {
        let id = asked.path.rsplit('/').next().unwrap();
        let version = id.rsplit('_').next().unwrap();
        Says::body(rim_answer(id, &PKI.manifest(version)))
    }

    pub(crate) fn says(&self, script: impl Fn(&Asked) -> Says + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// What it would say.
    pub(crate) fn says_now(&self) -> Script {
        Arc::clone(&self.script.lock().unwrap())
    }

    /// How often it was asked.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// Waits until it was asked so often.
    pub(crate) async fn until_asked(&self, times: usize) {
        while self.hits() < times {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    async fn serve(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let asked = Asked {
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap().into(),
        };
        self.asked.lock().unwrap().push(asked.clone());
        self.hits.fetch_add(1, Ordering::SeqCst);
        let script = Arc::clone(&self.script.lock().unwrap());
        let says = script(&asked);
        tokio::time::sleep(says.after).await;
        let mut response = (StatusCode::from_u16(says.status).unwrap(), says.body).into_response();
        for (name, value) in says.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}
