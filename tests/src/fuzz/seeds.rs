//! Good inputs to start from: our own, made by the builders of the software device, and NVIDIA's where this machine has
//! them. None is kept in the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use evidence::UnixTime;
use evidence::cert::CertificateChain;
use evidence::device::Architecture;
use evidence::ocsp::{CertificateId, IdHash, OcspRequest};
use evidence::report::Report;
use evidence::rim::Rim;
use evidence::work::request::{SignatureParams, SignedRequest, Target};
use evidence::work::{
    Base64Url, Blob, Bundle, BundleDevice, Hex, JobSpec, KernelRef, OpenedSlice, OpenedTensor,
    Opening, OutputCommitment, Profile, Ran, Timing, TraceCommitment, UnsignedBundle,
    WorkStatement,
};
use serde_json::{Value, json};

use super::properties::{fixture, good_tokens, token_of};
use crate::forge::{Forged, NONCE, der};
use crate::real;

/// Inputs for one target.
pub type Seeds = Vec<Vec<u8>>;

/// Inputs for every target, by its name; each at least one. Those of others come last.
///
/// # Panics
/// A builder fails, or a file of others is gone while it is read.
#[must_use]
pub fn all() -> BTreeMap<&'static str, Seeds> {
    let mut seeds = own();
    if let Some(directory) = real::directory() {
        for (target, more) in Real::read(&directory).seeds() {
            seeds.entry(target).or_default().extend(more);
        }
    }
    for seeds in seeds.values_mut() {
        let mut seen = BTreeSet::new();
        seeds.retain(|seed| seen.insert(seed.clone()));
    }
    seeds
}

/// Inputs that need no files of others.
#[must_use]
pub fn own() -> BTreeMap<&'static str, Seeds> {
    let reports = vec![
        Forged::gpu().report_bytes(),
        Forged::switch().report_bytes(),
    ];
    let chains = vec![
        fixture::CHAIN_PEM.to_vec(),
        Forged::gpu().chain_pem(),
        Forged::switch().chain_pem(),
    ];
    let manifests = vec![
        fixture::MANIFEST.to_vec(),
        Forged::gpu().vbios().document(),
        Forged::switch().vbios().document(),
    ];
    let bundle = serde_json::to_vec(&bundle()).expect("JSON");
    BTreeMap::from([
        (
            "opaque",
            reports.iter().filter_map(|raw| opaque_of(raw)).collect(),
        ),
        ("certificate", certificates_of(&chains, &manifests)),
        ("forms", written_forms(&reports[0], &chains[0])),
        ("report", reports),
        ("chain", chains),
        ("rim", manifests),
        ("ocsp_request", questions()),
        ("ocsp_response", answers()),
        (
            "strict_json",
            [vec![bundle.clone()], strict_values()].concat(),
        ),
        ("bundle", vec![bundle]),
        (
            "opening",
            vec![serde_json::to_vec(&opening()).expect("JSON")],
        ),
        ("request", requests()),
        ("token", tokens()),
        (
            "claims",
            vectors()
                .iter()
                .filter_map(|token| payload_of(token))
                .collect(),
        ),
        ("jwks", key_sets()),
    ])
}

//------------ Files of others ---------------------------------------------------

/// Files by their kind, as the manifest of real evidence names them.
struct Real {
    reports: Seeds,
    chains: Seeds,
    manifests: Seeds,
    answers: Seeds,
    forms: Seeds,
}

impl Real {
    fn read(directory: &Path) -> Self {
        let manifest = real::Manifest::read(directory);
        let read = |paths: BTreeSet<PathBuf>| -> Seeds {
            let files = paths.into_iter().map(|path| std::fs::read(&path));
            files
                .collect::<Result<_, _>>()
                .expect("files of the manifest")
        };
        let named =
            |names: Vec<&str>| read(names.iter().map(|name| directory.join(name)).collect());
        let cases = || manifest.cases.iter();
        let rims = cases().flat_map(|case| [&case.driver_rim, &case.vbios_rim]);
        let rims = rims.flatten().map(String::as_str);
        let malformed = manifest.malformed_rims.iter().map(|it| it.file.as_str());
        Self {
            reports: named(cases().map(|case| case.report.as_str()).collect()),
            chains: named(cases().map(|case| case.chain.as_str()).collect()),
            manifests: named(rims.chain(malformed).collect()),
            answers: read(files_in(&directory.join("ocsp"), "der")),
            forms: named(
                manifest
                    .serialized
                    .iter()
                    .map(|it| it.file.as_str())
                    .collect(),
            ),
        }
    }

    fn seeds(self) -> [(&'static str, Seeds); 7] {
        let opaque = self.reports.iter().filter_map(|raw| opaque_of(raw));
        [
            ("opaque", opaque.collect()),
            (
                "certificate",
                certificates_of(&self.chains, &self.manifests),
            ),
            ("report", self.reports),
            ("chain", self.chains),
            ("rim", self.manifests),
            ("ocsp_response", self.answers),
            ("forms", self.forms),
        ]
    }
}

fn files_in(directory: &Path, extension: &str) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect()
}

//------------ Reports, certificates, manifests -----------------------------------

/// The opaque data of a report: what stands before the signature, behind record and nonce (nvidia-evidence 1.2).
fn opaque_of(raw: &[u8]) -> Option<Vec<u8>> {
    let kinds = [
        evidence::device::DeviceKind::Gpu,
        evidence::device::DeviceKind::Switch,
    ];
    let mut parsed = kinds
        .into_iter()
        .filter_map(|kind| Report::parse(raw, kind).ok());
    let report = parsed.next()?;
    let fields = report.peek().opaque().fields().map(|(id, value)| {
        let length = u16::try_from(value.len()).expect("a field of a report");
        [&id.to_le_bytes()[..], &length.to_le_bytes(), value].concat()
    });
    Some(fields.flatten().collect())
}

fn certificates_of(chains: &[Vec<u8>], manifests: &[Vec<u8>]) -> Seeds {
    let chains = chains
        .iter()
        .filter_map(|pem| CertificateChain::from_pem(pem).ok());
    let chains = chains.map(|chain| chain.peek().clone());
    let rims = manifests.iter().filter_map(|xml| Rim::parse(xml).ok());
    let of_rims = rims.map(|rim| rim.peek().chain().clone());
    let ders = chains.chain(of_rims).flat_map(|chain| {
        let certificates = chain.certificates().iter();
        certificates.map(|it| it.der().to_vec()).collect::<Vec<_>>()
    });
    ders.collect()
}

//------------ OCSP ---------------------------------------------------------------

fn questions() -> Seeds {
    let certificates = fixture::certificates();
    let hashes = [IdHash::Sha1, IdHash::Sha256, IdHash::Sha384];
    let asked = hashes.into_iter().flat_map(|hash| {
        let id = CertificateId::by(hash, &certificates[1], &certificates[2]);
        [None, Some(NONCE)].map(|nonce| OcspRequest::new(id.clone(), nonce).to_der())
    });
    asked.collect()
}

/// The answer of the fixture, errors without an answer, and one with certificates beside it.
fn answers() -> Seeds {
    let errors = [1, 2, 3, 5, 6].map(|status| der(0x30, &[0x0a, 1, status]));
    let good = fixture::ANSWER.to_vec();
    let with_certificates = with_certificates(&good);
    [vec![good, with_certificates], errors.to_vec()].concat()
}

/// The same answer with the issuer's certificate beside it, which no signature covers.
fn with_certificates(answer: &[u8]) -> Vec<u8> {
    use crate::forge::{der_content, der_elements};
    let parts = der_elements(der_content(answer));
    let bytes = der_elements(der_content(der_content(parts[1])));
    let issuer = fixture::certificates()[2].der();
    let certificates = der(0xa0, &der(0x30, issuer));
    let basic = der(
        0x30,
        &[der_content(der_content(bytes[1])), &certificates].concat(),
    );
    let bytes = der(0x30, &[bytes[0], &der(4, &basic)].concat());
    der(0x30, &[parts[0], &der(0xa0, &bytes)].concat())
}

//------------ Forms, bundles, JSON -----------------------------------------------

/// One device in each form of the field.
fn written_forms(report: &[u8], chain: &[u8]) -> Seeds {
    let nonce = hex::encode(NONCE);
    let (evidence, certificate) = (STANDARD.encode(report), STANDARD.encode(chain));
    let plain = json!({ "evidence": evidence, "certificate": certificate });
    let with = |more: Value| {
        let mut device = plain.clone();
        let members = device.as_object_mut().expect("an object");
        members.extend(more.as_object().cloned().unwrap_or_default());
        device
    };
    let nvattest = with(json!({ "nonce": nonce, "arch": "HOPPER", "driver_version": "550.90.07" }));
    let hexadecimal =
        with(json!({ "evidence": hex::encode(report), "arch": "hopper", "uuid": "GPU-1" }));
    let documents = [
        json!([nvattest]),
        json!({ "result_code": 0, "result_message": "Ok", "evidences": [nvattest] }),
        json!([with(json!({ "arch": "BLACKWELL" }))]),
        json!([plain]),
        json!({ "nonce": nonce, "arch": "LS10", "claims_version": "3.0", "evidence_list": [plain] }),
        json!({ "device_evidence_list": [hexadecimal] }),
        json!({ "nonce": nonce, "devices": [{ "arch": "HOPPER", "report": evidence, "chain": certificate }] }),
    ];
    documents
        .iter()
        .map(|document| document.to_string().into_bytes())
        .collect()
}

/// A bundle with every member there can be.
///
/// # Panics
/// Its own parts do not fit together.
#[must_use]
pub fn bundle() -> Bundle {
    let job = json!({
        "profile": "pogw/1",
        "kernel": "gemm_i8",
        "params": { "m": 4, "nested": [1, null, { "a": "\u{20ac}" }] },
        "checks": ["freivalds"],
        "label": "order 1",
    });
    let job: JobSpec = serde_json::from_value(job).expect("a job");
    let statement = WorkStatement {
        profile: Profile::V1,
        job: job.digest().expect("a digest"),
        challenge: Base64Url([1; 32]),
        agent_key: Base64Url([2; 32]),
        ran: Ran::Kernel(KernelRef {
            name: "gemm_i8".to_owned(),
            spec: Hex([3; 32]),
            module: Some(Hex([4; 32])),
        }),
        trace: Some(TraceCommitment {
            entries: 2,
            blake3: Hex([10; 32]),
        }),
        outputs: vec![OutputCommitment {
            name: "c".to_owned(),
            len: 64,
            blake3: Hex([5; 32]),
        }],
        executor: "cpu-reference".to_owned(),
        timing: Timing {
            started_at_ms: 1_780_272_000_000,
            run_us: 10,
            digest_us: 1,
        },
        telemetry: BTreeMap::from([("power_mw".to_owned(), -1)]),
    };
    let device = BundleDevice {
        arch: Architecture::Hopper,
        report: Blob(vec![6; 100]),
        chain: Blob(vec![7; 100]),
    };
    let unsigned = UnsignedBundle {
        job,
        statement,
        devices: vec![device],
        inputs: BTreeMap::from([("a".to_owned(), Blob(vec![8; 10]))]),
        outputs: BTreeMap::from([("c".to_owned(), Blob(vec![]))]),
    };
    unsigned.sign(|_| [9; 64]).expect("a bundle")
}

/// An opening with every member there can be.
fn opening() -> Opening {
    let slice = |start| OpenedSlice {
        tensor: OpenedTensor::Output("c".to_owned()),
        start,
        len: 1024,
        bytes: Blob(vec![11; 40]),
    };
    Opening {
        profile: Profile::V1,
        salt: Base64Url([12; 32]),
        keyed: Base64Url([13; 32]),
        cross: BTreeMap::from([("0b1f-7".to_owned(), Base64Url([14; 32]))]),
        bundle: bundle(),
        slices: vec![slice(0), slice(4096)],
    }
}

/// Signed requests as the property reads them: method, path, query if there is one, the three fields.
fn requests() -> Seeds {
    let targets = [
        ("POST", "/v1/assignments/next", Some("wait_s=60")),
        ("GET", "/", None),
    ];
    let lines = targets.map(|(method, path, query)| {
        let target = Target::new(method, path, query).expect("a target");
        let params = SignatureParams {
            created: UnixTime::from_secs(1_795_392_000),
            key_id: "agent-1".to_owned(),
            nonce: Base64Url([15; 16]),
        };
        let request = SignedRequest::new(target, params, b"{}").expect("a request");
        let fields = request.sign(|_| [16; 64]);
        let mut lines = vec![method, path];
        lines.extend(query);
        lines.extend([
            &*fields.content_digest,
            &*fields.signature_input,
            &*fields.signature,
        ]);
        lines.join("\n").into_bytes()
    });
    lines.to_vec()
}

fn strict_values() -> Seeds {
    let texts = [
        "{}",
        "[[[[]]],{\"a\":{\"b\":[null,true,false]}}]",
        "[0,-1,9007199254740991,-9007199254740991]",
        r#"{"\u20ac":"\u0000\u001f\b\t\n\f\r\"\\\/","\ud83d\ude00":1,"ﬃ":2,"":3}"#,
        "1.5",
        r#"{"a":1,"a":1}"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

//------------ Receipts -----------------------------------------------------------

/// Tokens of the published vectors, in alphabetical order of their names.
fn vectors() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../receipt/vectors");
    let paths = files_in(&directory, "txt").into_iter();
    let tokens = paths.map(|path| std::fs::read_to_string(path).expect("a vector"));
    tokens.map(|vector| token_of(&vector).to_owned()).collect()
}

/// Good tokens, and bad ones. Vectors that are good at other times or for others are left out: whether they validate
/// under the expectations of the target is not for it to know. So are those with a second signature over a good token.
fn tokens() -> Seeds {
    let defects = ["header_", "alg_", "signature_", "payload_"];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../receipt/vectors");
    let bad = files_in(&directory, "txt").into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name != "payload_changed.txt" && defects.iter().any(|defect| name.starts_with(defect))
    });
    let bad = bad.map(|path| std::fs::read_to_string(path).expect("a vector"));
    let good = good_tokens().map(str::to_owned);
    let tokens = good.chain(bad.map(|vector| token_of(&vector).to_owned()));
    tokens.map(String::into_bytes).collect()
}

fn payload_of(token: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()
}

fn key_sets() -> Seeds {
    let published = include_str!("../../../receipt/vectors/jwks.json");
    let one = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"Ed25519","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","exp":1795420800},{"kty":"RSA","use":"enc"}]}"#;
    vec![published.as_bytes().to_vec(), one.as_bytes().to_vec()]
}
