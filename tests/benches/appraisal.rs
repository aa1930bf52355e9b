//! What judging costs, beside a bare P-384 verification of the same library in the same run.
//!
//! ```sh
//! cargo bench -p tests --bench appraisal            # every line
//! cargo bench -p tests --bench appraisal -- WORDS    # the unit, and the lines with WORDS in their names
//! ```
//!
//! Warm means that chain and manifests were seen before, as for a device that comes again. The device is simulated; its
//! evidence has the layout, the sizes and the signatures of a real Hopper. What the policy was asked before it is not asked
//! again; one line has a policy that is asked each time. Nothing is cached by a verifier that has started and was asked
//! nothing yet; reading settings and policy is in a line of its own. The system is one of eight GPUs and four switches that
//! name each other, forged under a test root; everything but its manifests is new.
//!
//! Every line is measured in turn, round after round, and stands for its fastest tenth: what else the machine does then
//! weighs on all lines alike, or on none. A second process that takes a processor still shows in the line of two threads, and
//! `RUST_BACKTRACE` in the first appraisal: the policy engine's errors record a backtrace then.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use evidence::appraise::{
    Collateral, DeviceEvidence, DeviceReading, EvidenceAppraisal, Reference, References,
    Revocation, WorkAppraisal,
};
use evidence::cert::{Certificate, CertificateChain, ChainProfile};
use evidence::crypto::P384Key;
use evidence::policy::{Decision, Granted};
use evidence::rim::Rim;
use evidence::work::Bundle;
use evidence::{Examined, Overall, crypto, parallel, report};
use receipt::{Algorithm, LocalSigner, Signer};
use tests::forge::{self, Forged};
use tests::scene::{AS_OF, Scene, gemm, judge};
use verifier_service::appraiser::DeviceSubmission;
use verifier_service::issue::{ReceiptContext, issue};
use verifier_service::{AppraisalSettings, Appraiser};

/// How often each line is measured.
const ROUNDS: usize = 300;
/// The same of a line that takes milliseconds.
const ROUNDS_OF_LONG: usize = 40;

/// One line of the table.
struct Line<'a> {
    name: &'static str,
    rounds: usize,
    /// One round; how long that took which the line is about.
    work: Box<dyn FnMut() -> Duration + 'a>,
    times: Vec<Duration>,
}

impl<'a> Line<'a> {
    fn new(name: &'static str, mut work: impl FnMut() + 'a) -> Self {
        Self::after(name, || (), move |&()| work())
    }

    /// The same with something made before each round, which does not count.
    fn after<T>(
        name: &'static str,
        mut prepare: impl FnMut() -> T + 'a,
        mut work: impl FnMut(&T) + 'a,
    ) -> Self {
        let work = move || {
            let prepared = prepare();
            let begun = Instant::now();
            work(&prepared);
            begun.elapsed()
        };
        Self {
            name,
            rounds: ROUNDS,
            work: Box::new(work),
            times: Vec::new(),
        }
    }

    fn long(self) -> Self {
        Self {
            rounds: ROUNDS_OF_LONG,
            ..self
        }
    }

    fn measure(&mut self) {
        let took = (self.work)();
        self.times.push(took);
    }

    /// The slowest of the fastest tenth, in microseconds.
    fn fast_us(&mut self) -> f64 {
        self.times.sort_unstable();
        self.times[self.times.len() / 10].as_secs_f64() * 1e6
    }
}

fn main() {
    let scene = Scene::new();
    let (bundle, json) = scene.bundle(gemm(16, "[]"));
    let appraiser = scene.appraiser();
    let asking = asking_each_time(&scene);
    let signers = signers();
    let system = System::new();
    let mut lines = bare_operations(&bundle, &json, &signers);
    lines.extend(of_one_device(&scene, &appraiser, &bundle, &json, &signers));
    lines.push(Line::new("the same, Ed25519, policy evaluated", || {
        black_box(receipt_for(&asking, black_box(&json), &signers[1].1));
    }));
    lines.extend([1, 2].map(|threads| system.line(threads)));
    if let Some(words) = std::env::args().skip(1).find(|word| !word.starts_with('-')) {
        let unit = lines[0].name;
        lines.retain(|line| line.name == unit || line.name.contains(&words));
    }
    for round in 0..ROUNDS {
        for line in lines.iter_mut().filter(|line| round < line.rounds) {
            line.measure();
        }
    }
    print(&mut lines);
}

/// The first line is the unit; the last two, unless left out, are the system on one thread and on two.
fn print(lines: &mut [Line<'_>]) {
    let times: Vec<_> = lines
        .iter_mut()
        .map(|line| (line.name, line.fast_us()))
        .collect();
    let (_, unit) = times[0];
    for (name, time) in &times {
        println!("{name:<52}{time:>10.1} us{:>9.2}", time / unit);
    }
    if let [.., ("system of 8 and 4 on one thread", one), (_, two)] = times.as_slice() {
        println!("{:<52}{:>22.2}", "system: one thread over two", one / two);
    }
}

/// What no receipt can be had without, each as the library does it alone, and all of it in a row: the floor under what
/// comes after.
fn bare_operations<'a>(
    bundle: &'a Bundle,
    json: &'a [u8],
    signers: &'a [(Algorithm, LocalSigner); 2],
) -> Vec<Line<'a>> {
    let device = &bundle.devices[0];
    let pem = pem::parse_many(&device.chain.0).expect("chain");
    let leaf = Certificate::from_der(pem[0].contents()).expect("leaf");
    let verification = move || {
        let point = leaf.p384_point().expect("P-384 key");
        let (message, signature) = report::signed_part(&device.report.0).expect("report");
        let key = P384Key::at(point).expect("P-384 key");
        assert!(key.has_signed_raw(black_box(message), signature));
    };
    let canonical = bundle.statement.canonical().expect("canonical");
    let message = canonical.bundle_message([(&*device.report.0, &*device.chain.0)]);
    let agent = move || {
        let key = &bundle.statement.agent_key.0;
        assert!(crypto::ed25519(
            key,
            black_box(&message),
            &bundle.signature.0
        ));
    };
    // About as long as what is signed of a receipt.
    let signing_input = vec![b'x'; 4800];
    let sign = move |signer: &LocalSigner| {
        black_box(signer.sign(black_box(&signing_input)).expect("signature"));
    };
    let digest = move || {
        black_box(crypto::sha256(black_box(json)));
    };
    let [(_, es384), (_, ed25519)] = signers;
    let floor = |signer: &'a LocalSigner| {
        let (verification, agent, sign) = (verification.clone(), agent.clone(), sign.clone());
        move || {
            digest();
            agent();
            verification();
            sign(signer);
        }
    };
    vec![
        Line::new("P-384 verification", verification.clone()),
        Line::new("Ed25519 verification of the agent", agent.clone()),
        Line::new("Ed25519 signature of a receipt", {
            let sign = sign.clone();
            move || sign(ed25519)
        }),
        Line::new("ES384 signature of a receipt", {
            let sign = sign.clone();
            move || sign(es384)
        }),
        Line::new(
            "floor, Ed25519: digest, two verifications, signature",
            floor(ed25519),
        ),
        Line::new("floor, ES384", floor(es384)),
    ]
}

fn of_one_device<'a>(
    scene: &'a Scene,
    appraiser: &'a Appraiser,
    bundle: &Bundle,
    json: &'a [u8],
    signers: &'a [(Algorithm, LocalSigner); 2],
) -> Vec<Line<'a>> {
    let device = &bundle.devices[0];
    let canonical = bundle.statement.canonical().expect("canonical");
    let nonce = canonical.report_nonce();
    let submission = [DeviceSubmission {
        arch: Some(device.arch),
        report: device.report.0.clone(),
        chain: device.chain.0.clone(),
    }];
    let [first, again] = [submission.clone(), submission.clone()];
    let judge = move |appraiser: &Appraiser, submission: &[DeviceSubmission]| {
        let decision = appraiser.appraise_devices(black_box(&nonce), submission, AS_OF);
        assert!(matches!(decision, Ok(Decision::Granted(_))));
    };
    let [(_, es384), (_, ed25519)] = signers;
    vec![
        Line::new("device warm", move || judge(appraiser, &submission)),
        Line::new("bundle to receipt warm, Ed25519", move || {
            black_box(receipt_for(appraiser, black_box(json), ed25519));
        }),
        Line::new("bundle to receipt warm, ES384", move || {
            black_box(receipt_for(appraiser, black_box(json), es384));
        }),
        Line::after(
            "device, nothing cached",
            || scene.appraiser(),
            move |appraiser| judge(appraiser, &first),
        )
        .long(),
        Line::new("the same by a verifier that starts first", move || {
            judge(&scene.appraiser(), &again);
        })
        .long(),
    ]
}

/// A verifier whose policy is the default one and takes its input whole, so that it is evaluated for every bundle.
fn asking_each_time(scene: &Scene) -> Appraiser {
    let text = concat!(
        include_str!("../../policies/default.rego"),
        "\nwhole := input\n"
    );
    let file = scene.collateral_dir().join("asking.rego");
    std::fs::write(&file, text).expect("policy file");
    let settings = AppraisalSettings {
        policy_file: Some(file),
        ..scene.settings()
    };
    Appraiser::open(&settings).expect("appraiser")
}

/// Eight GPUs and four switches, and what they are judged by.
struct System {
    devices: Vec<(Forged, Vec<u8>, Vec<u8>, Manifests)>,
}

impl System {
    fn new() -> Self {
        let devices = forge::system().into_iter().map(|it| {
            let (report, chain, manifests) =
                (it.report_bytes(), it.chain_pem(), Manifests::of(&it));
            (it, report, chain, manifests)
        });
        Self {
            devices: devices.collect(),
        }
    }

    fn line(&self, threads: usize) -> Line<'_> {
        let name = match threads {
            1 => "system of 8 and 4 on one thread",
            _ => "system of 8 and 4 on two threads",
        };
        let threads = NonZeroUsize::new(threads).expect("not zero");
        Line::new(name, move || self.appraise(threads)).long()
    }

    fn appraise(&self, threads: NonZeroUsize) {
        let appraised = parallel::map(threads, &self.devices, |(it, report, pem, manifests)| {
            let anchors = it.trust_anchors();
            let chain = CertificateChain::examine(pem, ChainProfile::Device, &anchors);
            let reading = DeviceReading::new(DeviceEvidence {
                claimed: it.claimed,
                report: black_box(report),
                chain: &chain,
            });
            reading.appraise(&it.nonce, manifests.at_hand(it), it.as_of)
        });
        let appraisal = EvidenceAppraisal::new(appraised, forge::AS_OF);
        assert_eq!(appraisal.overall(), Overall::Pass);
    }
}

/// The manifests of a device, examined.
struct Manifests([Option<Examined<Rim>>; 2]);

impl Manifests {
    fn of(it: &Forged) -> Self {
        let anchors = it.trust_anchors();
        let examine = |manifest: &forge::Manifest| Rim::examine(&manifest.document(), &anchors);
        Self([&it.driver, &it.vbios].map(|manifest| manifest.as_ref().map(examine)))
    }

    fn at_hand<'a>(&'a self, it: &'a Forged) -> Collateral<'a> {
        let [driver, vbios] = &self.0;
        let reference = |manifest: Option<&'a forge::Manifest>, rim: &'a Option<Examined<Rim>>| {
            let id = manifest?.id.as_deref();
            rim.as_ref().map(|rim| Reference {
                id,
                rim,
                obtained_at: None,
            })
        };
        let references = References {
            driver: reference(it.driver.as_ref(), driver),
            vbios: reference(it.vbios.as_ref(), vbios),
            ..References::default()
        };
        Collateral {
            references,
            revocation: Revocation::NotRequested,
        }
    }
}

fn signers() -> [(Algorithm, LocalSigner); 2] {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

    let random = SystemRandom::new();
    let es384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random);
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).expect("key");
    let keys = [
        (Algorithm::Es384, es384.expect("key").as_ref().to_vec()),
        (Algorithm::Ed25519, ed25519.as_ref().to_vec()),
    ];
    keys.map(|(algorithm, pkcs8)| {
        let signer = LocalSigner::from_pkcs8(algorithm, &pkcs8).expect("key");
        (algorithm, signer)
    })
}

/// All the service does between a request's body and the database.
fn receipt_for(appraiser: &Appraiser, json: &[u8], signer: &LocalSigner) -> String {
    let bundle_sha256 = crypto::sha256(json);
    let bundle = Bundle::parse(json).expect("bundle");
    let granted = granted(appraiser, &bundle);
    let context = ReceiptContext {
        issuer: "https://verifier.example",
        audience: &["https://market.example".to_owned()],
        jti: "0123456789abcdef",
        now: AS_OF,
        lifetime_s: None,
        bundle_sha256,
    };
    let (receipt, _) = issue(&granted, &context, signer).expect("receipt");
    receipt.into_string()
}

fn granted(appraiser: &Appraiser, bundle: &Bundle) -> Granted<WorkAppraisal> {
    match judge(appraiser, bundle) {
        Decision::Granted(granted) => granted,
        Decision::Refused(refusal) => panic!("refused: {:?}", refusal.deny),
    }
}

/// As in the verifier's own program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
