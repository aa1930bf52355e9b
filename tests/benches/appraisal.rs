//! What judging costs, beside a bare P-384 verification of the same library in the same run.
//!
//! ```sh
//! cargo bench -p tests --bench appraisal
//! ```
//!
//! Warm means that chain and manifests were seen before, as for a device that comes again. The device is simulated; its
//! evidence has the layout, the sizes and the signatures of a real Hopper.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use evidence::appraise::WorkAppraisal;
use evidence::policy::{Decision, Granted};
use evidence::work::Bundle;
use evidence::{crypto, report};
use receipt::{Algorithm, LocalSigner};
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

criterion_group!(benches, appraisal);
criterion_main!(benches);
