//! A good receipt, keys to sign it with, and ways to make it wrong in exactly one way.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use receipt::{
    Algorithm, Appraisal, Asserted, Assurance, Blake3Digest, CertificateRevocation,
    CertificateStatus, Chain, Claims, ClaimsParts, Collateral, Confirmation, Device, DeviceKind,
    Expectations, Finding, Jwks, Kernel, Level, LocalSigner, Log2Error, Method, Nonce, Output,
    PartsPerMillion, Policy, Program, PublishedKey, Receipt, Rejected, ResultCheck, Sha256Digest,
    Signer, Source, Status, Text, Thumbprint, Tier, Timings, Trace, TrustVector, UnixTime,
    Validator, VendorClaims, VerifierId, Work,
};
use serde_json::{Map, Value, json};

/// 2026-11-23T08:00:00Z, when the good receipt was issued.
pub(crate) const IAT: u64 = 1_795_420_800;
/// When the retired key signed for the last time.
pub(crate) const RETIRED_AT: u64 = IAT - 86_400;
pub(crate) const ISSUER: &str = "https://verifier.example";
pub(crate) const AUDIENCE: &str = "https://market.example";

/// TEST KEYS. Their private halves are published on this page; whoever trusts one trusts everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TestKey {
    Es384,
    Retired,
    Es256,
    Ed25519,
    /// In no key set.
    Stranger,
}

impl TestKey {
    pub(crate) const PUBLISHED: [Self; 4] =
        [Self::Es384, Self::Retired, Self::Es256, Self::Ed25519];

    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Es384 | Self::Retired | Self::Stranger => Algorithm::Es384,
            Self::Es256 => Algorithm::Es256,
            Self::Ed25519 => Algorithm::Ed25519,
        }
    }

    pub(crate) fn pkcs8(self) -> Vec<u8> {
        let base64 = match self {
            Self::Es384 => {
                "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDaxOSAW4Zutw/q4yUGQNcx4OH3hOV2e8jsvPe/GBBTY1I6\
                 W9T/ZHNhVNcyWUM4cqehZANiAARa56qBlKu6CCXVjF0JVU/n+EuAOsEtaSFXTAQtQExTfLZEbXKWxeWG3mi3jwUCqcSb\
                 Zd66SmcH1WhfC3qi8Ys0RRMEcRdHBcx7/pmJtdc0TOH5+LfZy4keVnCNjVH5qVs="
            }
            Self::Retired => {
                "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAPuyp8HqzP5nZKncXczUAkxJHLr8hWOm9h4JWPHp9D6vWL\
                 SfkbIl/hUManXm7y60ShZANiAATK+d6bA9r46thKCUEEXxE1VXDIJvTYrHGR7lfmiFc+oqFWaUrUMJBGGRsxw9W+oJRo\
                 uVovXx7F4TqsVwM782XEB9Xv7ZMSF6BSsgl5w1NHnA5mXufNKlWtCaqbkD8wfb8="
            }
            Self::Es256 => {
                "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg76bPB9UpcSEGTmO1WAFamBoPWn4Pfz9w0NSew5yk8guh\
                 RANCAASbF3u84+6YJ4f1fgjWI7ppZ5UdkcHHKRB47Z1CNZy8lmhpc0Kn9AJlKG0LUWkQVA5NNY9VOMubt8MWd9BKDA4j"
            }
            Self::Ed25519 => "MC4CAQAwBQYDK2VwBCIEIEwwx9Cap/YMclJs5woqa/LHd1QgHZ7IqDm3BLMjAbgv",
            Self::Stranger => {
                "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDC6FTp/NUPXTzHR04zabEP8jZk+DOvIwwsqRZ8qLN8Ug0dr\
                 b2Vm7PeIIDJ8mqOP8zChZANiAATkXVMa8pcTJNUdUmMdnqQMdpqeDivT5RELpBnwVpcUMgE+CGwfeXfBby1kCAi26/Fu\
                 mY5TUNY8/Wo3rH/5BR3EDyW71ZxxgOzHKkIwCbUXMT5hG5qMzCEDD75oCO1jasQ="
            }
        };
        let base64: String = base64.split_whitespace().collect();
        STANDARD.decode(base64).unwrap()
    }

    pub(crate) fn signer(self) -> LocalSigner {
        LocalSigner::from_pkcs8(self.algorithm(), &self.pkcs8()).unwrap()
    }

    pub(crate) fn kid(self) -> Thumbprint {
        self.signer().public_jwk().kid()
    }

    fn published(self) -> PublishedKey {
        PublishedKey {
            jwk: self.signer().public_jwk().clone(),
            retired_at: (self == Self::Retired).then_some(UnixTime::from_secs(RETIRED_AT)),
        }
    }
}

pub(crate) fn key_set() -> Jwks {
    Jwks::new(TestKey::PUBLISHED.map(TestKey::published).to_vec()).unwrap()
}

pub(crate) fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

pub(crate) fn time(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs)
}

pub(crate) fn sha256(byte: u8) -> Sha256Digest {
    Sha256Digest::from_bytes([byte; 32])
}

pub(crate) fn nonce(byte: u8) -> Nonce {
    Nonce::from_bytes([byte; 32]).unwrap()
}

pub(crate) fn finding(method: Method, status: Status, source: Source) -> Finding {
    Finding::new(method, status, source)
}

pub(crate) fn asserted<T>(value: T) -> Asserted<T> {
    let source = Source::ProviderAsserted;
    Asserted { value, source }
}

pub(crate) fn vendor_of(claims: Value) -> VendorClaims {
    VendorClaims::new(serde_json::from_value(claims).unwrap()).unwrap()
}

fn vendor() -> VendorClaims {
    vendor_of(json!({
        "measres": "success",
        "secboot": true,
        "dbgstat": "disabled",
        "hwmodel": "GH100 A01 GSP BROM",
        "oemid": "5703",
        "x-nvidia-gpu-driver-version": "570.124.06",
        "x-nvidia-gpu-attestation-report-signature-verified": true,
        "x-nvidia-gpu-attestation-report-cert-chain": {"x-nvidia-cert-status": "valid", "x-nvidia-cert-ocsp-status": "good"},
        "x-nvidia-mismatch-measurement-records": null,
    }))
}

pub(crate) fn appraisal() -> Appraisal {
    Appraisal {
        ear_status: Tier::Affirming,
        ear_trustworthiness_vector: TrustVector {
            hardware: TrustVector::HARDWARE_GENUINE,
            executables: TrustVector::EXECUTABLES_AT_BOOT,
            configuration: 2,
            ..TrustVector::default()
        },
        ear_appraisal_policy_ids: vec![text("default@3")],
        eat_nonce: Some(nonce(0xe0)),
        vendor: vendor(),
    }
}

pub(crate) fn device(index: usize) -> Device {
    Device {
        id: text(&format!("dev-{index}")),
        submod: text(&format!("gpu{index}")),
        kind: DeviceKind::Gpu,
        arch: text("hopper"),
        simulated: false,
    }
}

/// A matrix product on one GPU, at A2 with Freivalds' check.
pub(crate) fn parts() -> ClaimsParts {
    ClaimsParts {
        iss: text(ISSUER),
        sub: text("provider-17"),
        aud: text(AUDIENCE).into(),
        iat: time(IAT),
        nbf: time(IAT - 30),
        exp: Some(time(IAT + 3600)),
        jti: text("0f6c2d1e-5a53-4c0e-9a57-3c9d7a7d1c11"),
        cnf: Confirmation {
            jkt: Thumbprint::from_bytes([0xc0; 32]),
        },
        eat_nonce: nonce(0x11),
        ear_verifier_id: VerifierId {
            developer: text("https://pogw.dev"),
            build: text("pogw 0.1.0"),
        },
        ear_status: Tier::Affirming,
        submods: BTreeMap::from([(text("gpu0"), appraisal())]),
        pogw: work(),
    }
}

fn work() -> Work {
    let mut freivalds = finding(Method::Freivalds, Status::Affirmed, Source::Recomputation);
    freivalds.log2_error = Some(Log2Error::new(-124).unwrap());
    Work {
        job_digest: sha256(0x0a),
        kernel: Some(Kernel {
            name: text("gemm_i8@1"),
            digest: Blake3Digest::from_bytes([0x0b; 32]),
        }),
        program: None,
        executor: Some(asserted(text("cuda"))),
        module_digest: Some(asserted(sha256(0x0c))),
        outputs: vec![Output {
            name: text("c"),
            len: 4_194_304,
            blake3: Blake3Digest::from_bytes([0x0d; 32]),
        }],
        trace: None,
        devices: vec![device(0)],
        methods: vec![
            finding(Method::DeviceReport, Status::Affirmed, Source::Hardware),
            finding(
                Method::ReferenceMeasurements,
                Status::Affirmed,
                Source::Hardware,
            ),
            finding(Method::Revocation, Status::Affirmed, Source::Hardware),
            finding(Method::OutputCommitment, Status::Affirmed, Source::Hardware),
            finding(Method::GuestQuote, Status::NotRequested, Source::Hardware),
            freivalds,
            finding(Method::Timing, Status::Affirmed, Source::VerifierClock),
        ],
        assurance: Assurance {
            level: Level::A2,
            results: BTreeSet::from([ResultCheck::Freivalds]),
        },
        policy: Policy {
            id: text("default@3"),
            sha256: sha256(0x0e),
        },
        collateral: vec![Collateral {
            id: text("NV_GPU_DRIVER_GH100_570.124.06"),
            sha256: sha256(0x0f),
            as_of: time(IAT - 7200),
        }],
        revocation: vec![CertificateRevocation {
            chain: text("gpu0"),
            position: 1,
            subject: text("GH100 A01 GSP BROM"),
            status: CertificateStatus::Good,
            reason: None,
            sha256: Some(sha256(0x11)),
            this_update: Some(time(IAT - 3600)),
            next_update: Some(time(IAT + 82_800)),
        }],
        evidence_digest: sha256(0x10),
        timings: Some(Timings {
            source: Source::ProviderAsserted,
            started_unix_ms: (IAT - 20) * 1000,
            finished_unix_ms: (IAT - 15) * 1000,
            device_ns: Some(412_345_678),
        }),
        as_of: time(IAT),
        batch: None,
        log_index: Some(7),
    }
}

/// A good receipt for a command, with states on the way.
pub(crate) fn parts_of_program() -> ClaimsParts {
    let mut parts = parts();
    parts.pogw.kernel = None;
    parts.pogw.module_digest = None;
    parts.pogw.executor = Some(asserted(text("host-program")));
    parts.pogw.program = Some(asserted(Program {
        name: text("python3"),
        blake3: Blake3Digest::from_bytes([0x1b; 32]),
        exit_code: 0,
    }));
    parts.pogw.trace = Some(Trace {
        entries: 3,
        blake3: Blake3Digest::from_bytes([0x1c; 32]),
    });
    let recomputed = |finding: &Finding| finding.source == Source::Recomputation;
    parts.pogw.methods.retain(|finding| !recomputed(finding));
    parts.pogw.assurance.results.clear();
    parts
}

/// A good receipt for a training of 20 segments, audited.
pub(crate) fn parts_of_audit() -> ClaimsParts {
    let mut parts = parts();
    let freivalds = |finding: &Finding| finding.method == Method::Freivalds;
    parts.pogw.methods.retain(|finding| !freivalds(finding));
    let mut audit = finding(Method::Audit, Status::Affirmed, Source::Recomputation);
    audit.log2_error = Some(Log2Error::new(-22).unwrap());
    audit.wrong_ppm = Some(PartsPerMillion::new(50_000).unwrap());
    audit.chain = Some(Chain::new(20, 20, 300).unwrap());
    set_finding(&mut parts, audit);
    parts.pogw.assurance.results = parts.affirmed_results();
    parts
}

/// The good receipt, raised to A3 by a guest quote.
pub(crate) fn parts_at_a3() -> ClaimsParts {
    let mut parts = parts();
    set_finding(
        &mut parts,
        finding(Method::GuestQuote, Status::Affirmed, Source::Hardware),
    );
    parts.pogw.assurance.level = Level::A3;
    parts
}

/// The good receipt's work on a device that is software.
pub(crate) fn parts_simulated() -> ClaimsParts {
    let mut parts = parts();
    parts.pogw.devices[0].simulated = true;
    parts.pogw.devices[0].arch = text("simulated");
    parts.pogw.executor = Some(asserted(text("cpu-reference")));
    for appraisal in parts.submods.values_mut() {
        appraisal.ear_status = Tier::None;
        appraisal.ear_trustworthiness_vector = TrustVector::default();
        appraisal.vendor = vendor_of(json!({"hwmodel": "PoGW SIMULATED GH100"}));
    }
    parts.ear_status = Tier::None;
    for finding in &mut parts.pogw.methods {
        if finding.source == Source::Hardware {
            finding.source = Source::ProviderAsserted;
        }
    }
    parts.pogw.assurance.level = Level::A0;
    parts
}

pub(crate) fn set_finding(parts: &mut ClaimsParts, finding: Finding) {
    parts
        .pogw
        .methods
        .retain(|old| old.method != finding.method);
    parts.pogw.methods.push(finding);
}

pub(crate) fn payload() -> Map<String, Value> {
    payload_of(parts())
}

pub(crate) fn payload_of(parts: ClaimsParts) -> Map<String, Value> {
    match serde_json::to_value(Claims::new(parts).unwrap()).unwrap() {
        Value::Object(members) => members,
        other => panic!("{other}"),
    }
}

pub(crate) fn header(key: TestKey) -> Map<String, Value> {
    let header = json!({"typ": "eat+jwt", "alg": key.algorithm(), "kid": key.kid()});
    header.as_object().unwrap().clone()
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of any header and any payload.
pub(crate) fn token(header: &str, payload: &str, key: TestKey) -> String {
    let input = format!("{}.{}", base64url(header), base64url(payload));
    let signature = key.signer().sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url(signature))
}

pub(crate) fn token_of(payload: &Map<String, Value>) -> String {
    let header = Value::Object(header(TestKey::Es384)).to_string();
    token(
        &header,
        &Value::Object(payload.clone()).to_string(),
        TestKey::Es384,
    )
}

pub(crate) fn expectations() -> Expectations {
    Expectations::new(ISSUER, AUDIENCE).unwrap()
}

pub(crate) fn validate(token: &str) -> Result<Receipt, Rejected> {
    Validator::new(key_set(), expectations()).validate(token, time(IAT))
}

/// The code of the answer, `ok` if it is a receipt.
pub(crate) fn code(answer: &Result<Receipt, Rejected>) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(rejected) => rejected.code(),
    }
}
