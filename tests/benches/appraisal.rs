//! What judging costs, beside a bare P-384 verification of the same library in the same run.
//!
//! ```sh
//! cargo bench -p tests --bench appraisal
//! ```
//!
//! The group `system` appraises an HGX system of eight GPUs and four switches on one thread and on two, everything
//! but the manifests new. The time of two threads over that of one says how it scales.
//!
//! Warm means that chain and manifests were seen before, as for a device that comes again. The device is simulated; its
//! evidence has the layout, the sizes and the signatures of a real Hopper.

use std::hint::black_box;
use std::num::NonZeroUsize;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use evidence::appraise::{
    Collateral, DeviceEvidence, DeviceReading, EvidenceAppraisal, Reference, References,
    Revocation, WorkAppraisal,
};
use evidence::cert::{CertificateChain, ChainProfile};
use evidence::policy::{Decision, Granted};
use evidence::rim::Rim;
use evidence::work::Bundle;
use evidence::{Examined, Overall, crypto, parallel, report};
use receipt::{Algorithm, LocalSigner, Signer};
use tests::forge::{self, Forged};
use tests::scene::{AS_OF, Scene, gemm, judge};
use verifier_service::Appraiser;
use verifier_service::appraiser::DeviceSubmission;
use verifier_service::issue::{ReceiptContext, issue};

fn appraisal(criterion: &mut Criterion) {
    let scene = Scene::new();
    let appraiser = scene.appraiser();
    let (bundle, json) = scene.bundle(gemm(16, "[]"));
    let device = &bundle.devices[0];
    let nonce = bundle
        .statement
        .canonical()
        .expect("canonical")
        .report_nonce();
    let submission = [DeviceSubmission {
        arch: Some(device.arch),
        report: device.report.0.clone(),
        chain: device.chain.0.clone(),
    }];

    let mut group = criterion.benchmark_group("appraisal");
    group.bench_function("p384_verification", |bench| {
        let chain = pem::parse_many(&device.chain.0).expect("chain");
        let leaf = evidence::cert::Certificate::from_der(chain[0].contents()).expect("leaf");
        let point = leaf.p384_point().expect("P-384 key");
        let (message, signature) = report::signed_part(&device.report.0).expect("report");
        bench.iter(|| {
            assert!(crypto::p384_sha384_raw(
                point,
                black_box(message),
                signature
            ))
        });
    });
    bare_operations(&mut group, &bundle, &json);
    group.bench_function("device_warm", |bench| {
        bench.iter(|| appraiser.appraise_devices(black_box(&nonce), &submission, AS_OF));
    });
    group.bench_function("device_cold", |bench| {
        bench.iter(|| {
            let appraiser = scene.appraiser();
            appraiser.appraise_devices(black_box(&nonce), &submission, AS_OF)
        });
    });
    for (name, algorithm, generate) in signers() {
        let signer = LocalSigner::from_pkcs8(algorithm, &generate()).expect("key");
        group.bench_function(format!("bundle_to_receipt_warm_{name}"), |bench| {
            bench.iter(|| receipt_for(&appraiser, black_box(&json), &signer));
        });
    }
    group.finish();
}

/// What no receipt can be had without, each as the library does it alone: the sum is the floor under the lines below.
fn bare_operations(group: &mut BenchmarkGroup<'_, WallTime>, bundle: &Bundle, json: &[u8]) {
    let canonical = bundle.statement.canonical().expect("canonical");
    let devices = bundle.devices.iter();
    let message = canonical.bundle_message(devices.map(|d| (&*d.report.0, &*d.chain.0)));
    let key = &bundle.statement.agent_key.0;
    group.bench_function("bare_agent_signature", |bench| {
        bench.iter(|| {
            assert!(crypto::ed25519(
                key,
                black_box(&message),
                &bundle.signature.0
            ))
        });
    });
    group.bench_function("bare_digest_of_bundle", |bench| {
        bench.iter(|| crypto::sha256(black_box(json)));
    });
    // As long as the receipt's signing input, about.
    let signing_input = vec![b'x'; 4800];
    for (name, algorithm, generate) in signers() {
        let signer = LocalSigner::from_pkcs8(algorithm, &generate()).expect("key");
        group.bench_function(format!("bare_signature_{name}"), |bench| {
            bench.iter(|| signer.sign(black_box(&signing_input)).expect("signature"));
        });
    }
}

/// Twelve forged devices that name each other: chains examined, reports read, compared and closed over their links.
fn system(criterion: &mut Criterion) {
    let forged = forge::system();
    let evidence: Vec<_> = forged
        .iter()
        .map(|it| (it, it.report_bytes(), it.chain_pem()))
        .collect();
    let manifests: Vec<_> = forged.iter().map(Manifests::of).collect();
    let devices: Vec<_> = evidence.iter().zip(&manifests).collect();
    let mut group = criterion.benchmark_group("system");
    for threads in [1, 2].map(|n| NonZeroUsize::new(n).expect("not zero")) {
        group.bench_function(format!("eight_and_four_on_{threads}"), |bench| {
            bench.iter(|| {
                let appraised =
                    parallel::map(threads, &devices, |((it, report, pem), manifests)| {
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
            });
        });
    }
    group.finish();
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

type Generate = fn() -> Vec<u8>;

fn signers() -> [(&'static str, Algorithm, Generate); 2] {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

    let es384: Generate = || {
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new());
        pair.expect("key").as_ref().to_vec()
    };
    let ed25519: Generate = || {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        pair.expect("key").as_ref().to_vec()
    };
    [
        ("es384", Algorithm::Es384, es384),
        ("ed25519", Algorithm::Ed25519, ed25519),
    ]
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

criterion_group!(benches, appraisal, system);
criterion_main!(benches);
