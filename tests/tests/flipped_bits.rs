//! One flipped bit in report, chain, manifest, statement, output or agent signature never yields a receipt.
//!
//! Tried are every bit of the statement, of the agent's signature and of what stands around the signed part of each
//! certificate; one bit of each byte of report and output; and at random 200 bits of the chain's text, 200 within its
//! certificates, 150 of each manifest.
//!
//! Evidence and statement are flipped twice over: as they travel, and signed again afterwards by the agent, which is
//! the machine nobody trusts. So it is not the agent's signature alone that holds.

use evidence::policy::Decision;
use evidence::work::{Blob, Bundle, UnsignedBundle, WorkStatement};
use evidence::{Overall, Status};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tests::scene::{Scene, gemm, judge};
use verifier_service::Appraiser;

struct Stage {
    scene: Scene,
    appraiser: Appraiser,
    good: Bundle,
}

impl Stage {
    fn new() -> Self {
        let scene = Scene::new();
        let appraiser = scene.appraiser();
        let (good, _) = scene.bundle(gemm(16, r#"["freivalds"]"#));
        let stage = Self {
            scene,
            appraiser,
            good,
        };
        stage.assert_granted(&stage.good);
        stage
    }

    fn assert_granted(&self, bundle: &Bundle) {
        match judge(&self.appraiser, bundle) {
            Decision::Granted(granted) => assert_eq!(granted.appraisal().overall(), Overall::Pass),
            Decision::Refused(refusal) => panic!("good bundle refused: {:#?}", refusal.deny),
        }
    }

    fn assert_refused(&self, bundle: &Bundle, what: &str) {
        if let Decision::Granted(_) = judge(&self.appraiser, bundle) {
            panic!("{what} was granted");
        }
    }

    /// The bundle signed again by its agent after whatever happened to it.
    fn signed_again(&self, bundle: Bundle) -> Bundle {
        let unsigned = UnsignedBundle {
            job: bundle.job,
            statement: bundle.statement,
            devices: bundle.devices,
            inputs: bundle.inputs,
            outputs: bundle.outputs,
        };
        self.scene.sign(unsigned).0
    }

    fn assert_refused_either_way(&self, bundle: Bundle, what: &str) {
        self.assert_refused(&bundle, what);
        self.assert_refused(
            &self.signed_again(bundle),
            &format!("{what}, signed again,"),
        );
    }
}

fn flip(bytes: &mut [u8], byte: usize, bit: u8) {
    bytes[byte] ^= 1 << (bit % 8);
}

#[test]
fn report_every_byte() {
    let stage = Stage::new();
    let length = stage.good.devices[0].report.0.len();
    for byte in 0..length {
        let mut bundle = stage.good.clone();
        // A fixed bit would leave most of each byte untried; this walks through all eight.
        flip(&mut bundle.devices[0].report.0, byte, byte as u8);
        stage.assert_refused_either_way(bundle, &format!("report byte {byte}"));
    }
}

#[test]
fn agent_signature_every_bit() {
    let stage = Stage::new();
    for byte in 0..64 {
        for bit in 0..8 {
            let mut bundle = stage.good.clone();
            flip(&mut bundle.signature.0, byte, bit);
            stage.assert_refused(&bundle, &format!("signature byte {byte} bit {bit}"));
        }
    }
}

#[test]
fn chain_as_it_travels_and_certificate_by_certificate() {
    let stage = Stage::new();
    let length = stage.good.devices[0].chain.0.len();
    let ders: Vec<_> = pem::parse_many(&stage.good.devices[0].chain.0).unwrap();
    let ders: Vec<Vec<u8>> = ders.iter().map(|block| block.contents().to_vec()).collect();
    let strategy = (
        0..length,
        0..ders.len(),
        any::<prop::sample::Index>(),
        0_u8..8,
    );
    let mut runner = TestRunner::new(Config::with_cases(200));
    let ran = runner.run(&strategy, |(text_byte, certificate, at, bit)| {
        let mut bundle = stage.good.clone();
        flip(&mut bundle.devices[0].chain.0, text_byte, bit);
        stage.assert_refused(&bundle, &format!("chain text byte {text_byte} bit {bit}"));

        let mut flipped = ders.clone();
        let byte = at.index(flipped[certificate].len());
        flip(&mut flipped[certificate], byte, bit);
        let blocks: Vec<_> = flipped
            .into_iter()
            .map(|der| pem::Pem::new("CERTIFICATE", der))
            .collect();
        let mut bundle = stage.good.clone();
        bundle.devices[0].chain = Blob(pem::encode_many(&blocks).into_bytes());
        let what = format!("certificate {certificate} byte {byte} bit {bit}");
        stage.assert_refused_either_way(bundle, &what);
        Ok(())
    });
    ran.unwrap();
}

/// What stands around the signed part of a certificate is covered by no signature, so it is tried whole.
#[test]
fn certificate_wrapping_every_bit() {
    let stage = Stage::new();
    let ders = pem::parse_many(&stage.good.devices[0].chain.0).unwrap();
    let last = ders.len() - 1;
    for (certificate, der) in ders.iter().enumerate() {
        let length = der.contents().len();
        // Outer header, header of the signed part; then from the algorithm on, as far as the signature's numbers.
        for byte in (0..8).chain(length - 125..length - 95) {
            for bit in 0..8 {
                let mut blocks = ders.clone();
                let mut flipped = der.contents().to_vec();
                flip(&mut flipped, byte, bit);
                blocks[certificate] = pem::Pem::new("CERTIFICATE", flipped);
                let mut bundle = stage.good.clone();
                bundle.devices[0].chain = Blob(pem::encode_many(&blocks).into_bytes());
                let bundle = stage.signed_again(bundle);
                let what = format!("certificate {certificate} of {last} byte {byte} bit {bit}");
                stage.assert_refused(&bundle, &what);
            }
        }
    }
}

#[test]
fn statement_every_byte() {
    let stage = Stage::new();
    let good = stage.good.statement.canonical().unwrap();
    let mut read = 0;
    for byte in 0..good.as_bytes().len() {
        for bit in 0..8 {
            let mut text = good.as_bytes().to_vec();
            flip(&mut text, byte, bit);
            let Ok(statement) = serde_json::from_slice::<WorkStatement>(&text) else {
                continue;
            };
            assert_ne!(
                statement, stage.good.statement,
                "byte {byte} bit {bit} has two readings"
            );
            read += 1;
            let mut bundle = stage.good.clone();
            bundle.statement = statement;
            stage.assert_refused_either_way(bundle, &format!("statement byte {byte} bit {bit}"));
        }
    }
    assert!(
        read > 100,
        "only {read} flipped statements could be read at all"
    );
}

#[test]
fn manifests_at_random() {
    let stage = Stage::new();
    let folder = stage.scene.collateral_dir();
    let manifests: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    assert_eq!(manifests.len(), 2);
    for path in manifests {
        let good = std::fs::read(&path).unwrap();
        let strategy = (0..good.len(), 0_u8..8);
        let mut runner = TestRunner::new(Config::with_cases(150));
        let ran = runner.run(&strategy, |(byte, bit)| {
            let mut flipped = good.clone();
            flip(&mut flipped, byte, bit);
            std::fs::write(&path, &flipped).unwrap();
            // Another verifier, since files that change within one tick of the clock may look the same to a cache.
            let appraiser = stage.scene.appraiser();
            match judge(&appraiser, &stage.good) {
                Decision::Granted(_) => {
                    panic!("{} byte {byte} bit {bit} was granted", path.display())
                }
                Decision::Refused(refusal) => {
                    let checks = refusal.appraisal.devices()[0].checks();
                    let refuted = checks.iter().any(|check| check.status == Status::Refuted);
                    assert!(refuted, "byte {byte} bit {bit} refutes nothing");
                }
            }
            Ok(())
        });
        ran.unwrap();
        std::fs::write(&path, &good).unwrap();
    }
    let appraiser = stage.scene.appraiser();
    assert!(matches!(
        judge(&appraiser, &stage.good),
        Decision::Granted(_)
    ));
}

#[test]
fn output_every_byte() {
    let stage = Stage::new();
    let name = stage.good.statement.outputs[0].name.clone();
    let length = stage.good.outputs[&name].0.len();
    for byte in 0..length {
        let mut bundle = stage.good.clone();
        let output = bundle.outputs.get_mut(&name).unwrap();
        flip(&mut output.0, byte, byte as u8);
        stage.assert_refused_either_way(bundle, &format!("output byte {byte}"));
    }
}
