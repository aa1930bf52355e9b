//! Forged evidence: one good software device, and a hand on every joint of it.
//!
//! In scope: [`Forged`], which is right in every way until a test makes it wrong in one, and [`appraise`], which runs
//! the code a verifier runs. The parts are built by the agent's simulated device; the roots are this process's own.
//! Answers about revocation are made where a test asks for them ([`Forged::ask`], [`Asked`]); [`system`] forges GPUs and
//! switches that belong together.
//! Out of scope: what should come of a defect (the tests say that), work.
//!
//! A defect can be made at three stages, and the stage decides what else breaks:
//!
//! | stage | how | what stays right |
//! |---|---|---|
//! | before signing | [`Forged::report`], [`Chain::certificate`], [`Manifest::spec`], [`Answer::spec`] | every signature: all is signed after the change |
//! | as handed over | [`Chain::handed_over`] | each certificate by itself |
//! | in transit | [`Forged::report_in_transit`], [`Forged::chain_in_transit`], [`Manifest::in_transit`] | nothing that covers the bytes |
//!
//! ```
//! use evidence::{CheckId, Overall};
//! use tests::forge::{Forged, appraise};
//!
//! let short = Forged::gpu().with(|it| it.report.block_count = Some(63));
//! let appraisal = appraise(&short);
//! assert!(!appraisal.affirms(CheckId::Parse) && appraisal.affirms(CheckId::ReportSignature));
//! assert_eq!(appraise(&Forged::gpu()).overall(), Overall::Pass);
//! ```

mod asn1;
mod revocation;
mod system;

use std::sync::{Arc, LazyLock, OnceLock};

use attestation_agent::device::simulated::pki::pem_text;
use attestation_agent::device::simulated::{
    Attributes, Block, CertificateSpec, DevicePki, Key, PkiSpec, ReportSpec, RimSpec, Tlv, firmware,
};
use evidence::appraise::{
    Collateral, DeviceAppraisal, DeviceEvidence, DeviceReading, Reference, References, Revocation,
    Stated,
};
use evidence::cert::{AnchorUse, CertificateChain, ChainProfile, TrustAnchor, TrustAnchors};
use evidence::crypto;
use evidence::device::{Architecture, switch_bios_rim_id};
use evidence::rim::{Rim, RimRole};
use evidence::{Examined, UnixTime};

pub use asn1::{
    CertificateParts, P384_ORDER, der, der_content, der_elements, der_integer, p384_order_minus,
};
pub use revocation::{ABOUT_ALL, About, Answer, Asked};
pub use system::{GPUS, SWITCHES, another_gpu, another_switch, system};

/// When forged evidence is judged unless a test says otherwise: 2026-06-01T00:00:00Z.
pub const AS_OF: UnixTime = UnixTime::from_secs(1_780_272_000);

/// The nonce a forged report answers and is expected to answer.
pub const NONCE: [u8; 32] = *b"a nonce of a verifier, 32 bytes.";

/// Device identity of the forged switch, in its report and in its second certificate.
pub const SWITCH_PDI: [u8; 8] = *b"SIMSWTCH";

/// Blocks of a switch's report; its manifest covers them all.
const SWITCH_BLOCKS: u8 = 31;
/// BIOS version of the forged switch: "SIM" in hexadecimal ASCII.
const SWITCH_BIOS_VERSION: &str = "F0.53.49.4D.02";
/// What a switch's manifest names as its product.
const SWITCH_PRODUCT: &str = "LS10";

/// Everything a verifier is handed for one device, not yet built.
#[derive(Clone)]
pub struct Forged {
    /// The architecture the sender claims.
    pub claimed: Option<Architecture>,
    /// The nonce the verifier expects.
    pub nonce: [u8; 32],
    /// What the sender writes beside the report.
    pub stated: Stated,
    /// The time of appraisal.
    pub as_of: UnixTime,
    /// The roots the verifier trusts.
    pub anchors: Vec<TrustAnchor>,
    /// The device's certificates.
    pub chain: Chain,
    /// The report.
    pub report: ReportSpec,
    /// Who signs the report, if not the leaf of the chain.
    pub report_signer: Option<Arc<Key>>,
    /// The driver's reference manifest.
    pub driver: Option<Manifest>,
    /// The VBIOS' or switch BIOS' reference manifest.
    pub vbios: Option<Manifest>,
    /// What is asked about revocation and what comes back; nobody asks without.
    pub asked: Option<Asked>,
    report_edits: Edits<Vec<u8>>,
    chain_edits: Edits<Vec<u8>>,
}

/// A certificate chain, not yet built.
#[derive(Clone)]
pub struct Chain {
    spec: PkiSpec,
    /// The root as it was pinned: to sign it again would give other bytes.
    root: Option<Vec<u8>>,
    /// What was signed, until something is changed: signing is slow.
    signed: Arc<OnceLock<Vec<Vec<u8>>>>,
    edits: Edits<Vec<Vec<u8>>>,
}

/// A reference manifest, not yet built.
#[derive(Clone)]
pub struct Manifest {
    /// The id it is filed under.
    pub id: Option<String>,
    /// The document.
    pub spec: RimSpec,
    /// The certificates in it.
    pub chain: Chain,
    /// Who signs it, if not the leaf of the chain.
    pub signer: Option<Arc<Key>>,
    edits: Edits<Vec<u8>>,
}

/// Judges forged evidence as a verifier would.
#[must_use]
pub fn appraise(it: &Forged) -> DeviceAppraisal {
    let anchors = it.trust_anchors();
    let chain = it.examined_chain();
    let report = it.report_bytes();
    let examine = |manifest: &Manifest| Rim::examine(&manifest.document(), &anchors);
    let [driver, vbios] = [&it.driver, &it.vbios].map(|manifest| manifest.as_ref().map(examine));
    let references = References {
        driver: reference(it.driver.as_ref(), driver.as_ref()),
        vbios: reference(it.vbios.as_ref(), vbios.as_ref()),
        ..References::default()
    };
    let evidence = DeviceEvidence {
        claimed: it.claimed,
        report: &report,
        chain: &chain,
    };
    let reading = DeviceReading::new(evidence).stating(it.stated.clone());
    let links = || reading.revocation_links(&references);
    let responses = it.asked.as_ref().map(|_| it.responses(&links()));
    let revocation = match it.asked.as_ref().zip(responses.as_ref()) {
        None => Revocation::NotRequested,
        Some((asked, responses)) => Revocation::Asked {
            responses,
            max_age_secs: asked.max_age_secs,
            hold: asked.hold,
        },
    };
    let collateral = Collateral {
        references,
        revocation,
    };
    reading.appraise(&it.nonce, collateral, it.as_of)
}

fn reference<'a>(
    manifest: Option<&'a Manifest>,
    rim: Option<&'a Examined<Rim>>,
) -> Option<Reference<'a>> {
    let (manifest, rim) = manifest.zip(rim)?;
    let id = manifest.id.as_deref();
    Some(Reference {
        id,
        rim,
        obtained_at: None,
    })
}

impl Forged {
    /// A GPU about which nothing is wrong: a Hopper of opaque version 1 with both manifests.
    #[must_use]
    pub fn gpu() -> Self {
        let parts = &*GPU;
        Self {
            claimed: Some(Architecture::Hopper),
            report: ReportSpec {
                nonce: NONCE,
                responder_nonce: [7; 32],
                ..ReportSpec::default()
            },
            driver: Some(Manifest::new(firmware::driver_rim_id(), RimSpec::driver())),
            vbios: Some(Manifest::new(firmware::vbios_rim_id(), RimSpec::vbios())),
            ..Self::without_manifests(parts)
        }
    }

    /// A switch about which nothing is wrong: an LS10 with its one manifest.
    #[must_use]
    pub fn switch() -> Self {
        let id = switch_bios_rim_id(SWITCH_BIOS_VERSION).expect("an id of safe characters");
        Self {
            claimed: Some(Architecture::Ls10),
            report: ReportSpec {
                nonce: NONCE,
                responder_nonce: [7; 32],
                blocks: (0..SWITCH_BLOCKS)
                    .map(|index| Block::digest(index, switch_measurement(index)))
                    .collect(),
                opaque: vec![
                    Tlv::new(6, SWITCH_BIOS_VERSION),
                    Tlv::new(12, [1; 4 * SWITCH_BLOCKS as usize]),
                    Tlv::new(22, SWITCH_PDI),
                    Tlv::new(26, [2; 128]),
                ],
                ..ReportSpec::default()
            },
            vbios: Some(Manifest::new(id, switch_rim())),
            ..Self::without_manifests(&SWITCH)
        }
    }

    fn without_manifests(parts: &Parts) -> Self {
        Self {
            claimed: None,
            nonce: NONCE,
            stated: Stated::default(),
            as_of: AS_OF,
            anchors: vec![parts.anchor.clone(), RIM.anchor.clone()],
            chain: parts.chain.clone(),
            report: ReportSpec::default(),
            report_signer: None,
            driver: None,
            vbios: None,
            asked: None,
            report_edits: Edits::default(),
            chain_edits: Edits::default(),
        }
    }

    /// Makes something wrong.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The driver's manifest, to be made wrong.
    ///
    /// # Panics
    /// It was taken away, or the device is a switch.
    pub fn driver(&mut self) -> &mut Manifest {
        self.driver.as_mut().expect("a driver manifest")
    }

    /// The VBIOS' or switch BIOS' manifest, to be made wrong.
    ///
    /// # Panics
    /// It was taken away.
    pub fn vbios(&mut self) -> &mut Manifest {
        self.vbios.as_mut().expect("a VBIOS manifest")
    }

    /// The manifest of this role, to be made wrong.
    ///
    /// # Panics
    /// It was taken away, or a switch was asked for its driver's.
    pub fn manifest(&mut self, role: RimRole) -> &mut Manifest {
        match role {
            RimRole::Driver => self.driver(),
            RimRole::Vbios => self.vbios(),
        }
    }

    /// Changes the bytes of the signed report.
    pub fn report_in_transit(&mut self, edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) {
        self.report_edits.push(edit);
    }

    /// Changes the PEM text of the chain.
    pub fn chain_in_transit(&mut self, edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) {
        self.chain_edits.push(edit);
    }

    /// Trusts the root of the device chain as it is now, beside those trusted already.
    pub fn trust_device_root(&mut self) {
        let anchor = self.chain.pin(AnchorUse::Device);
        self.anchors.push(anchor);
    }

    /// The report as it arrives.
    #[must_use]
    pub fn report_bytes(&self) -> Vec<u8> {
        let signer = self.report_signer.as_ref();
        let signer = signer.unwrap_or_else(|| self.chain.leaf_key());
        let report = self.report.build(signer).expect("a signed report");
        self.report_edits.applied_to(report)
    }

    /// The chain as it arrives.
    #[must_use]
    pub fn chain_pem(&self) -> Vec<u8> {
        self.chain_edits.applied_to(pem_text(&self.chain.ders()))
    }

    /// The chain, examined.
    #[must_use]
    pub fn examined_chain(&self) -> Examined<CertificateChain> {
        let anchors = self.trust_anchors();
        CertificateChain::examine(&self.chain_pem(), ChainProfile::Device, &anchors)
    }

    /// The roots trusted.
    #[must_use]
    pub fn trust_anchors(&self) -> TrustAnchors {
        TrustAnchors::new(self.anchors.clone())
    }
}

impl Chain {
    /// A device chain of the good one's names, under a root that nobody trusts.
    #[must_use]
    pub fn of_a_stranger() -> Self {
        STRANGER.chain.clone()
    }

    /// A RIM chain of the good one's names, under a root that nobody trusts.
    #[must_use]
    pub fn of_a_rim_stranger() -> Self {
        RIM_STRANGER.chain.clone()
    }

    /// A certificate, to be made wrong before it is signed; leaf first.
    ///
    /// A root that is touched is no longer the pinned one.
    ///
    /// # Panics
    /// There is no such certificate.
    pub fn certificate(&mut self, position: usize) -> &mut CertificateSpec {
        if position + 1 == self.spec.certificates.len() {
            self.root = None;
        }
        &mut self.certificates()[position]
    }

    /// The certificates, to add some or take some away. What is above signs what is below; the root keeps its bytes.
    pub fn certificates(&mut self) -> &mut Vec<CertificateSpec> {
        self.signed = Arc::default();
        &mut self.spec.certificates
    }

    /// Changes the list of signed certificates (DER, leaf first).
    pub fn handed_over(&mut self, edit: impl Fn(&mut Vec<Vec<u8>>) + Send + Sync + 'static) {
        self.edits.push(edit);
    }

    /// Puts the whole chain under the root of another.
    pub fn put_under_root_of(&mut self, other: &Self) {
        let root = other.spec.certificates.last().expect("a root");
        let own = self.certificates().last_mut().expect("a root");
        own.clone_from(root);
        self.root.clone_from(&other.root);
    }

    /// The certificates (DER, leaf first).
    #[must_use]
    pub fn ders(&self) -> Vec<Vec<u8>> {
        let signed = self.signed.get_or_init(|| self.sign());
        self.edits.applied_to(signed.clone())
    }

    fn sign(&self) -> Vec<Vec<u8>> {
        let mut ders = self.spec.build().expect("a signed chain");
        if let (Some(last), Some(root)) = (ders.last_mut(), &self.root) {
            last.clone_from(root);
        }
        ders
    }

    /// The key of the first certificate.
    ///
    /// # Panics
    /// The chain was emptied.
    #[must_use]
    pub fn leaf_key(&self) -> &Arc<Key> {
        self.spec.leaf_key().expect("a leaf")
    }

    /// Fixes the root's bytes and names them as an anchor of a software device.
    pub fn pin(&mut self, usage: AnchorUse) -> TrustAnchor {
        let root = self.ders().pop().expect("a root");
        let spec = self.spec.certificates.last().expect("a root");
        let anchor = TrustAnchor {
            subject: spec.subject.common_name.clone().unwrap_or_default(),
            usage,
            sha256: crypto::sha256(&root),
            spki: spec.key.spki_der(),
            simulated: true,
        };
        self.root = Some(root);
        anchor
    }
}

impl Manifest {
    fn new(id: String, spec: RimSpec) -> Self {
        Self {
            id: Some(id),
            spec,
            chain: RIM.chain.clone(),
            signer: None,
            edits: Edits::default(),
        }
    }

    /// The resource of a golden index, to be made wrong before the manifest is signed.
    ///
    /// # Panics
    /// There is none.
    pub fn resource(&mut self, index: u8) -> &mut Attributes {
        self.spec.resource_mut(index).expect("a resource")
    }

    /// The signature element, to be made wrong.
    ///
    /// # Panics
    /// It was taken away.
    pub fn signature(&mut self) -> &mut attestation_agent::device::simulated::XmlSignature {
        self.spec.signature.as_mut().expect("a signature")
    }

    /// Changes the bytes of the signed document.
    pub fn in_transit(&mut self, edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) {
        self.edits.push(edit);
    }

    /// Replaces the one occurrence of a text in the signed document.
    pub fn replaced(&mut self, from: &str, to: &str) {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.in_transit(move |document| {
            let text = String::from_utf8(document.clone()).expect("text");
            assert_eq!(text.matches(&from).count(), 1, "occurrences of {from}");
            *document = text.replace(&from, &to).into_bytes();
        });
    }

    /// The document as it arrives.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let signer = self.signer.as_ref();
        let signer = signer.unwrap_or_else(|| self.chain.leaf_key());
        let document = self.spec.build(signer, &self.chain.ders());
        self.edits.applied_to(document.expect("a signed manifest"))
    }
}

/// A P-384 key that is in no chain; one per process.
#[must_use]
pub fn stranger_key() -> Arc<Key> {
    static KEY: LazyLock<Arc<Key>> = LazyLock::new(|| new_key(Key::generate));
    Arc::clone(&KEY)
}

/// A P-256 key, which no genuine chain has; one per process.
#[must_use]
pub fn p256_key() -> Arc<Key> {
    static KEY: LazyLock<Arc<Key>> = LazyLock::new(|| new_key(Key::generate_p256));
    Arc::clone(&KEY)
}

fn new_key<E: std::fmt::Debug>(make: impl FnOnce() -> Result<Key, E>) -> Arc<Key> {
    Arc::new(make().expect("a key"))
}

/// What the forged switch measures at a golden index.
#[must_use]
pub fn switch_measurement(index: u8) -> [u8; firmware::DIGEST_LENGTH] {
    crypto::sha384(format!("PoGW SIMULATED switch measurement {index}").as_bytes())
}

fn switch_rim() -> RimSpec {
    let mut spec = RimSpec::vbios();
    spec.identity.set("name", SWITCH_PRODUCT);
    for (name, value) in [
        ("colloquialVersion", SWITCH_BIOS_VERSION),
        ("product", SWITCH_PRODUCT),
        ("ns1:PlatformModel", SWITCH_PRODUCT),
    ] {
        spec.meta.set(name, value);
    }
    spec.resources = (0..SWITCH_BLOCKS)
        .map(|index| Attributes::resource(index, true, &[switch_measurement(index)]))
        .collect();
    spec
}

/// A chain and its root as an anchor. Made once per process, for making keys is slow.
struct Parts {
    chain: Chain,
    anchor: TrustAnchor,
}

static GPU: LazyLock<Parts> = LazyLock::new(|| Parts::device(&DevicePki::default()));
static STRANGER: LazyLock<Parts> = LazyLock::new(|| Parts::device(&DevicePki::default()));
static SWITCH: LazyLock<Parts> = LazyLock::new(|| {
    Parts::device(&DevicePki {
        chip: "LS_10".to_owned(),
        pdi: SWITCH_PDI,
        serial_prefix: 0x50,
        ..DevicePki::default()
    })
});
static RIM: LazyLock<Parts> = LazyLock::new(Parts::rim);
static RIM_STRANGER: LazyLock<Parts> = LazyLock::new(Parts::rim);

impl Parts {
    fn device(device: &DevicePki) -> Self {
        Self::new(PkiSpec::device(device).expect("keys"), AnchorUse::Device)
    }

    fn rim() -> Self {
        Self::new(PkiSpec::rim().expect("keys"), AnchorUse::Rim)
    }

    fn new(spec: PkiSpec, usage: AnchorUse) -> Self {
        let mut chain = Chain {
            spec,
            root: None,
            signed: Arc::default(),
            edits: Edits::default(),
        };
        let anchor = chain.pin(usage);
        Self { chain, anchor }
    }
}

/// Changes to be made once the bytes are there, in order.
#[derive(Clone)]
struct Edits<T>(Vec<Edit<T>>);

type Edit<T> = Arc<dyn Fn(&mut T) + Send + Sync>;

impl<T> Default for Edits<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Edits<T> {
    fn push(&mut self, edit: impl Fn(&mut T) + Send + Sync + 'static) {
        self.0.push(Arc::new(edit));
    }

    fn applied_to(&self, mut value: T) -> T {
        for edit in &self.0 {
            edit(&mut value);
        }
        value
    }
}
