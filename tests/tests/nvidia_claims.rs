//! Our claims in NVIDIA's words against those that NVIDIA's own verifiers made of the same evidence.
//!
//! Every member of a reference file is compared. What differs is listed in `tests/vectors/exceptions.json`, with both
//! values and the reason; an exception that no longer differs fails too. Without the files the trials are listed as
//! ignored, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use evidence::appraise::{
    Collateral, DeviceAppraisal, DeviceEvidence, DeviceReading, Reference, References, Revocation,
};
use evidence::cert::{CertificateChain, ChainProfile};
use evidence::device::Architecture;
use evidence::forms::ClaimsVersion;
use evidence::ocsp::{AtHand, Hold, OcspResponse, Responses};
use evidence::rim::Rim;
use evidence::{CheckId, Examined, Status, UnixTime};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use tests::nras;
use tests::real::{self, Case, Manifest};
use tests::served::{self, Served};
use verifier_service::AppraisalSettings;
use verifier_service::anchors;
use verifier_service::nvidia::claims::{self, Form, Waivers};
use verifier_service::nvidia::token::{self, Expected, FaultCode, KeySet};

/// Of every report of hopper-1 and switch-1.
const NONCE: &str = "931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb";
const EXCEPTIONS: &str = include_str!("../vectors/exceptions.json");

/// Reference file, case, submodule, version.
const REFERENCES: [(&str, &str, &str, ClaimsVersion); 10] = [
    (
        "hopper-1-pass.local-v2-claims.json",
        "hopper-1-pass",
        "GPU-0",
        ClaimsVersion::V2,
    ),
    (
        "hopper-1-pass.local-v3-claims.json",
        "hopper-1-pass",
        "GPU-0",
        ClaimsVersion::V3,
    ),
    (
        "hopper-1.nras-v4-claims.json",
        "hopper-1-pass",
        "GPU-0",
        ClaimsVersion::V3,
    ),
    (
        "hopper-1-wrong-nonce.local-v2-claims.json",
        "hopper-1-wrong-nonce",
        "GPU-0",
        ClaimsVersion::V2,
    ),
    (
        "hopper-1-wrong-nonce.local-v3-claims.json",
        "hopper-1-wrong-nonce",
        "GPU-0",
        ClaimsVersion::V3,
    ),
    (
        "hopper-1-other-driver-rim.local-v2-claims.json",
        "hopper-1-other-driver-rim",
        "GPU-0",
        ClaimsVersion::V2,
    ),
    (
        "hopper-1-other-driver-rim.local-v3-claims.json",
        "hopper-1-other-driver-rim",
        "GPU-0",
        ClaimsVersion::V3,
    ),
    (
        "switch-1-pass.local-v2-claims.json",
        "switch-1-pass",
        "SWITCH-0",
        ClaimsVersion::V2,
    ),
    (
        "switch-1-pass.local-v3-claims.json",
        "switch-1-pass",
        "SWITCH-0",
        ClaimsVersion::V3,
    ),
    (
        "switch-1.nras-v4-claims.json",
        "switch-1-pass",
        "SWITCH-0",
        ClaimsVersion::V3,
    ),
];

/// Members of the token around the claims, different in each.
const REGISTERED: [&str; 5] = ["iss", "iat", "nbf", "exp", "jti"];

/// Inside the window of every stored answer about a manifest.
const ANSWERED: &str = "2025-10-24T23:00:00Z";

/// A difference that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// Reference files it applies to.
    files: Vec<String>,
    /// JSON pointer of the claim.
    claim: String,
    /// What NVIDIA's verifier says; absent where it has no such claim.
    #[serde(default, deserialize_with = "stated")]
    theirs: Option<Value>,
    /// What we say; absent where we have no such claim.
    #[serde(default, deserialize_with = "stated")]
    ours: Option<Value>,
    /// Why.
    reason: String,
}

/// `null` is a value, absence is none.
fn stated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn main() {
    let arguments = Arguments::from_args();
    let trials = match real::directory() {
        Some(directory) => trials(&directory),
        None => ignored(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

/// Beside one for each reference file.
const OTHER_TRIALS: [&str; 6] = [
    "exceptions_name_known_files_and_reasons",
    "manifests_are_good_on_the_day_of_their_answers",
    "no_case_claims_what_was_not_found",
    "real_evidence_over_http",
    "real_evidence_over_http_at_an_isolated_site",
    "tokens_of_nvidia_are_read",
];

/// The names of all trials, for machines without the files.
fn names() -> impl Iterator<Item = &'static str> {
    let files = REFERENCES.iter().map(|(file, ..)| *file);
    files.chain(OTHER_TRIALS)
}

fn ignored() -> Vec<Trial> {
    let unavailable = || Err("needs real evidence, see POGW_EVIDENCE_DIR".into());
    let named = names().map(|name| Trial::test(name, unavailable));
    named.map(|trial| trial.with_ignored_flag(true)).collect()
}

fn trials(directory: &Path) -> Vec<Trial> {
    let trials = REFERENCES.into_iter().map(|reference| {
        let directory = directory.to_owned();
        Trial::test(reference.0, move || check(&directory, reference))
    });
    let mut trials: Vec<_> = trials.collect();
    trials.push(Trial::test(
        "exceptions_name_known_files_and_reasons",
        || {
            for exception in exceptions() {
                let known = |file: &String| REFERENCES.iter().any(|(name, ..)| name == file);
                if !exception.files.iter().all(known) || exception.reason.len() < 20 {
                    return Err(format!("{exception:?}").into());
                }
            }
            Ok(())
        },
    ));
    let of_answers = directory.to_owned();
    trials.push(Trial::test(
        "manifests_are_good_on_the_day_of_their_answers",
        move || check_on_the_day_of_the_answers(&of_answers),
    ));
    let of_tokens = directory.to_owned();
    trials.push(Trial::test("tokens_of_nvidia_are_read", move || {
        check_tokens(&of_tokens)
    }));
    let of_service = directory.to_owned();
    trials.push(Trial::test("real_evidence_over_http", move || {
        tokio::runtime::Runtime::new()?.block_on(check_service(&of_service))
    }));
    let of_site = directory.to_owned();
    trials.push(Trial::test(
        "real_evidence_over_http_at_an_isolated_site",
        move || tokio::runtime::Runtime::new()?.block_on(check_isolated_service(&of_site)),
    ));
    let of_real = directory.to_owned();
    trials.push(Trial::test(
        "no_case_claims_what_was_not_found",
        move || check_all(&of_real),
    ));
    let made: BTreeSet<_> = trials.iter().map(Trial::name).collect();
    assert_eq!(made, names().collect(), "trials made and trials listed");
    trials
}

fn exceptions() -> Vec<Exception> {
    serde_json::from_str(EXCEPTIONS).expect("exceptions.json")
}

fn check(
    directory: &Path,
    (file, case, submodule, version): (&str, &str, &str, ClaimsVersion),
) -> Result<(), Failed> {
    let text = std::fs::read_to_string(directory.join("reference").join(file))?;
    let reference: Value = serde_json::from_str(&text)?;
    let theirs = reference.get("submods").unwrap_or(&reference)[submodule].clone();
    let cases = Manifest::read(directory).cases;
    let case = cases.iter().find(|c| c.id == case).ok_or("no such case")?;
    let ours = Value::Object(claims_of(directory, case, version));

    let [mut theirs, ours] = [theirs, ours].map(|claims| leaves(&claims));
    theirs.retain(|pointer, _| !REGISTERED.iter().any(|name| *pointer == format!("/{name}")));
    let mut listed: BTreeMap<String, Exception> = exceptions()
        .into_iter()
        .filter(|exception| exception.files.iter().any(|name| name == file))
        .map(|exception| (exception.claim.clone(), exception))
        .collect();
    let mut wrong = Vec::new();
    let pointers: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    for pointer in pointers {
        let (their, our) = (theirs.get(pointer), ours.get(pointer));
        match listed.remove(pointer) {
            None if their == our => {}
            None => wrong.push(format!("{pointer}: theirs {their:?}, ours {our:?}")),
            Some(_) if their == our => wrong.push(format!("{pointer}: no longer differs")),
            Some(exception) => {
                if exception.theirs.as_ref() != their || exception.ours.as_ref() != our {
                    wrong.push(format!(
                        "{pointer}: differs otherwise: theirs {their:?}, ours {our:?}"
                    ));
                }
            }
        }
    }
    wrong.extend(
        listed
            .keys()
            .map(|pointer| format!("{pointer}: nobody claims it")),
    );
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// Values by JSON pointer.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let Value::Object(members) = value else {
        return BTreeMap::from([(String::new(), value.clone())]);
    };
    let nested = members.iter().flat_map(|(name, value)| {
        let leaves = leaves(value).into_iter();
        leaves.map(move |(pointer, value)| (format!("/{name}{pointer}"), value))
    });
    nested.collect()
}

fn claims_of(directory: &Path, case: &Case, version: ClaimsVersion) -> Map<String, Value> {
    let form = Form {
        version,
        extended: false,
        waivers: Waivers::default(),
    };
    claims::of(&appraise(directory, case, as_of(case)), form)
}

fn as_of(case: &Case) -> UnixTime {
    UnixTime::parse_rfc3339(&case.as_of.to_string()).expect("a time")
}

/// Judges a case with the manifests and the answers about revocation that it comes with. An answer counts in its own
/// window alone, so not all of those stored count at any one time.
fn appraise(directory: &Path, case: &Case, as_of: UnixTime) -> DeviceAppraisal {
    let read = |file: &String| std::fs::read(directory.join(file)).expect("a file");
    let anchors = anchors::load(&[]).expect("anchors");
    let nonce: [u8; 32] = hex::decode(&case.nonce)
        .expect("hex")
        .try_into()
        .expect("32 bytes");
    let chain = CertificateChain::examine(&read(&case.chain), ChainProfile::Device, &anchors);
    let report = read(&case.report);
    let examine = |file: &Option<String>| -> Option<Examined<Rim>> {
        Some(Rim::examine(&read(file.as_ref()?), &anchors))
    };
    let [driver, vbios] = [&case.driver_rim, &case.vbios_rim].map(examine);
    let reading = DeviceReading::new(DeviceEvidence {
        claimed: Architecture::parse(&case.arch),
        report: &report,
        chain: &chain,
    });
    let ids = reading.reference_ids();
    let reference = |id, rim| {
        Some(Reference {
            id,
            rim,
            obtained_at: None,
        })
    };
    let references = References {
        driver: driver
            .as_ref()
            .and_then(|rim| reference(ids.driver.as_deref(), rim)),
        vbios: vbios
            .as_ref()
            .and_then(|rim| reference(ids.vbios.as_deref(), rim)),
        ..References::default()
    };
    let responses = responses(directory, &reading, &references);
    let revocation = Revocation::Asked {
        responses: &responses,
        max_age_secs: None,
        hold: Hold::Refuted,
    };
    let collateral = Collateral {
        references,
        revocation,
    };
    reading.appraise(&nonce, collateral, as_of)
}

/// Each stored answer, for the certificate it is about.
fn responses(
    directory: &Path,
    reading: &DeviceReading<'_>,
    references: &References<'_>,
) -> Responses {
    let mut responses = Responses::new();
    let files = std::fs::read_dir(directory.join("ocsp")).expect("answers");
    let stored: Vec<_> = files
        .map(|file| std::fs::read(file.expect("an entry").path()).expect("an answer"))
        .collect();
    for link in reading.revocation_links(references) {
        for der in &stored {
            let response = OcspResponse::examine(der, &link);
            if response
                .peek()
                .is_some_and(|response| *response.id() == link.id())
            {
                let at_hand = AtHand::Response {
                    response: Arc::new(response),
                    nonce_sent: None,
                };
                responses.insert(link.id(), at_hand);
            }
        }
    }
    responses
}

/// The tokens NVIDIA's service issued are read, and without its keys they are unverifiable, never a pass.
fn check_tokens(directory: &Path) -> Result<(), Failed> {
    let nonce: [u8; 32] = hex::decode(NONCE)?.try_into().map_err(|_| "32 bytes")?;
    #[rustfmt::skip]
    let tokens = [
        ("hopper-1", "https://nras.attestation.nvidia.com",
            "478176379286082186618948445787393647364802107249", 1_749_601_900),
        ("switch-1", "https://nras.attestation-stg.nvidia.com",
            "694931143880983876767046803400974855445978836716", 1_751_155_100),
    ];
    for (device, issuer, ueid, at) in tokens {
        let file = format!("reference/{device}.nras-v4-detached-eat.json");
        let text = std::fs::read_to_string(directory.join(file))?;
        let ueids = [ueid.to_owned()];
        let codes_at = |at: i64| {
            let expected = Expected {
                issuer,
                nonce: &nonce,
                ueids: Some(&ueids),
                at: UnixTime::from_secs(at),
            };
            let verdict = token::validate(&text, &KeySet::default(), &expected);
            let codes = verdict.faults.iter().map(|fault| fault.code);
            (verdict.status(), codes.collect::<BTreeSet<_>>())
        };
        if codes_at(at) != (Status::Unverifiable, [FaultCode::KeyUnknown].into()) {
            return Err(format!("{device}: {:?}", codes_at(at)).into());
        }
        let later = codes_at(at + 7200);
        if later
            != (
                Status::Refuted,
                [FaultCode::KeyUnknown, FaultCode::Expired].into(),
            )
        {
            return Err(format!("{device}: {later:?}").into());
        }
    }
    Ok(())
}

/// Real evidence over HTTP passes in every check but revocation, which nobody asks about.
async fn check_service(directory: &Path) -> Result<(), Failed> {
    let settings = AppraisalSettings {
        rim_dir: Some(directory.join("rims")),
        policy: Some("danger-without-revocation".to_owned()),
        ..AppraisalSettings::default()
    };
    let unwaived = &[FaultCode::OverallResult];
    check_routes(directory, &settings, "not_requested", Some(unwaived)).await
}

/// Or about which there are no answers, at a site without a way out.
async fn check_isolated_service(directory: &Path) -> Result<(), Failed> {
    let empty = tempfile::tempdir()?;
    let mut settings = AppraisalSettings {
        rim_dir: Some(directory.join("rims")),
        policy: Some("air-gapped".to_owned()),
        ..AppraisalSettings::default()
    };
    settings.ocsp.dir = Some(empty.path().to_owned());
    check_routes(directory, &settings, "unverifiable", None).await
}

/// Every route passes with the operator's waiver, and says `mark`; without it there are these faults, or no token.
async fn check_routes(
    directory: &Path,
    appraisal: &AppraisalSettings,
    mark: &str,
    unwaived: Option<&[FaultCode]>,
) -> Result<(), Failed> {
    for (device, arch, kind, as_of) in [
        ("gpu/hopper-1", "HOPPER", "gpu", "2025-08-21T08:00:00Z"),
        ("switch/switch-1", "LS10", "switch", "2026-11-22T12:00:00Z"),
    ] {
        let request = nras::real_request(directory, device, arch, NONCE).to_string();
        for waived in [false, true] {
            let folder = tempfile::tempdir()?;
            let mut config = served::config(folder.path(), appraisal.clone());
            config.nvidia.danger_result_without_revocation = waived;
            let now = UnixTime::parse_rfc3339(as_of).ok_or("no time")?;
            let served = Served::start(config, now).await;
            let client = served.client();
            let keys = client.get("/.well-known/jwks.json").await.text().await?;
            let keys = KeySet::parse(&keys)?;
            for version in ["v3", "v4"] {
                let path = format!("/{version}/attest/{kind}");
                let answer = client
                    .post(&path, "application/json", request.clone())
                    .await;
                let unanswered = answer.status() == 503;
                if !waived && unwaived.is_none() && unanswered {
                    continue;
                }
                let text = answer.text().await?;
                let nonce: [u8; 32] = hex::decode(NONCE)?.try_into().map_err(|_| "32 bytes")?;
                let expected = Expected {
                    issuer: served::ISSUER,
                    nonce: &nonce,
                    ueids: None,
                    at: now,
                };
                let verdict = token::validate(&text, &keys, &expected);
                let codes: Vec<_> = verdict.faults.iter().map(|fault| fault.code).collect();
                let expected: &[FaultCode] = match waived {
                    true => &[],
                    false => unwaived.ok_or(text)?,
                };
                let measured = verdict.devices.first().map(|d| d.claims["measres"].clone());
                if codes != expected
                    || verdict.simulated
                    || measured != Some(json!("success"))
                    || verdict.claims["x-pogw-revocation"] != mark
                {
                    return Err(format!("{path}: {verdict:#?}").into());
                }
            }
            served.stop().await;
        }
    }
    Ok(())
}

/// The other half of the exceptions about revocation: what is not known on one day is known on the other.
fn check_on_the_day_of_the_answers(directory: &Path) -> Result<(), Failed> {
    let cases = Manifest::read(directory).cases;
    let case = cases
        .iter()
        .find(|c| c.id == "hopper-1-pass")
        .ok_or("no such case")?;
    let form = |version| Form {
        version,
        extended: true,
        waivers: Waivers::default(),
    };
    let day = UnixTime::parse_rfc3339(ANSWERED).ok_or("no time")?;
    let device = appraise(directory, case, day);
    let claims = claims::of(&device, form(ClaimsVersion::V3));
    let chains = [
        ("attestation-report-cert-chain", json!(null), false),
        ("driver-rim-cert-chain", json!("good"), true),
        ("vbios-rim-cert-chain", json!("good"), true),
    ];
    for (chain, status, valid) in chains {
        let chain = &claims[&format!("x-nvidia-gpu-{chain}")];
        if chain["x-nvidia-cert-ocsp-status"] != status
            || chain["x-nvidia-cert-ocsp-response-valid"] != valid
        {
            return Err(format!("{chain:#}").into());
        }
    }
    let claims = claims::of(&device, form(ClaimsVersion::V2));
    let validated = ["driver-rim-cert-validated", "vbios-rim-cert-validated"]
        .map(|name| &claims[&format!("x-nvidia-gpu-{name}")]);
    match validated == [&json!(true); 2] {
        true => Ok(()),
        false => Err(format!("{claims:#?}").into()),
    }
}

/// Over every real case: a claim that is true or "success" has an affirmed check behind it, in both versions.
fn check_all(directory: &Path) -> Result<(), Failed> {
    let cases = Manifest::read(directory).cases;
    let mut seen = 0;
    for case in &cases {
        let device = appraise(directory, case, as_of(case));
        for version in [ClaimsVersion::V2, ClaimsVersion::V3] {
            let claims = claims_of(directory, case, version);
            let text = |name: &str| claims[name].as_str().map(str::to_owned);
            let success = text("measres").as_deref() == Some("success");
            let expired_only = case.overall == "fail"
                && case.expect.measurements == "match"
                && !device.affirms(CheckId::Measurements);
            if success && !device.affirms(CheckId::Measurements) && !expired_only {
                return Err(format!("{}: success without a match", case.id).into());
            }
            for (part, check) in [
                ("nonce-match", CheckId::Nonce),
                ("signature-verified", CheckId::ReportSignature),
                ("parsed", CheckId::Parse),
            ] {
                let name = format!("x-nvidia-{}-attestation-report-{part}", case.kind);
                if claims.get(&name) == Some(&json!(true)) && !device.affirms(check) {
                    return Err(format!("{}: {name}", case.id).into());
                }
            }
            // What ends the appraisal ends the claims.
            let ended = [CheckId::Nonce, CheckId::ReportSignature, CheckId::Parse]
                .into_iter()
                .any(|id| !device.affirms(id));
            if ended && (success || claims.get("secboot") == Some(&json!(true))) {
                return Err(format!("{}: told beyond the end", case.id).into());
            }
            seen += 1;
        }
    }
    match seen {
        0 => Err("no case".into()),
        _ => Ok(()),
    }
}
