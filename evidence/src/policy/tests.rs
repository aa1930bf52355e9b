//! Both kinds of policy: what they state about revocation, and NVIDIA's over claim sets.

use serde_json::{Value, json};

use super::*;
use crate::UnixTime;
use crate::appraise::{Document, EvidenceAppraisal};
use crate::check::{Check, CheckId, Status};
use crate::reason::Reason;

fn compiled(rest: &str) -> Result<Policy, PolicyError> {
    let text = format!(
        "package pogw\nimport rego.v1\ndeny contains {{\"code\": \"no\", \"message\": \"no\"}} if input.no\n{rest}\n"
    );
    Policy::compile("test", &text)
}

#[test]
fn terms_of_revocation_are_read_once() {
    let required = RevocationMode::Required;
    let cached = |max_age_s| RevocationMode::Cached { max_age_s };
    let table = [
        ("", cached(DEFAULT_MAX_AGE_S), false),
        (r#"revocation := {"mode": "required"}"#, required, false),
        (
            r#"revocation := {"mode": "required", "allow_hold": true}"#,
            required,
            true,
        ),
        (
            r#"revocation := {"mode": "cached", "max_age_s": 1}"#,
            cached(1),
            false,
        ),
        (
            r#"revocation := {"mode": "cached", "max_age_s": day * 7, "allow_hold": false}
               day := 24 * 3600"#,
            cached(604_800),
            false,
        ),
        (
            r#"revocation := {"mode": "off"}"#,
            RevocationMode::Off,
            false,
        ),
        // Another name, and a longer one, state nothing.
        (
            r#"revocations := {"mode": "off"}"#,
            cached(DEFAULT_MAX_AGE_S),
            false,
        ),
    ];
    for (text, mode, allow_hold) in table {
        let policy = compiled(text).unwrap();
        assert_eq!(
            *policy.revocation(),
            RevocationTerms { mode, allow_hold },
            "{text}"
        );
    }
    let shown = serde_json::to_value(RevocationTerms::default()).unwrap();
    let expected = json!({ "mode": "cached", "max_age_s": 86400, "allow_hold": false });
    assert_eq!(shown, expected);
}

#[test]
fn malformed_terms_are_errors_with_what_was_expected() {
    let table = [
        ("\"off\"", "an object", "\"off\""),
        ("{}", "mode \"required\", \"cached\" or \"off\"", "none"),
        (r#"{"mode": 1}"#, "mode \"required\"", "1"),
        (r#"{"mode": "none"}"#, "mode \"required\"", "none"),
        (r#"{"mode": "Off"}"#, "mode \"required\"", "Off"),
        (r#"{"mode": "cached"}"#, "max_age_s of 1 to", "none"),
        (
            r#"{"mode": "cached", "max_age_s": 0}"#,
            "max_age_s of 1 to",
            "0",
        ),
        (
            r#"{"mode": "cached", "max_age_s": -5}"#,
            "max_age_s of 1 to",
            "-5",
        ),
        (
            r#"{"mode": "cached", "max_age_s": 1.5}"#,
            "max_age_s of 1 to",
            "1.5",
        ),
        (
            r#"{"mode": "cached", "max_age_s": "1"}"#,
            "max_age_s of 1 to",
            "\"1\"",
        ),
        (
            r#"{"mode": "cached", "max_age_s": 31622401}"#,
            "max_age_s of 1 to 31622400",
            "31622401",
        ),
        (
            r#"{"mode": "required", "max_age_s": 5}"#,
            "with mode \"cached\" alone",
            "5",
        ),
        (
            r#"{"mode": "off", "max_age_s": null}"#,
            "with mode \"cached\" alone",
            "null",
        ),
        (
            r#"{"mode": "required", "allow_hold": "yes"}"#,
            "allow_hold true or false",
            "\"yes\"",
        ),
        (
            r#"{"mode": "off", "allow_hold": true}"#,
            "no allow_hold with mode",
            "true",
        ),
        (
            r#"{"mode": "required", "max_age": 5}"#,
            "one of mode, max_age_s, allow_hold",
            "max_age",
        ),
        // It sees no input, so this has no value.
        (
            r#"{"mode": "off"} if input.simulated"#,
            "a value without input",
            "none",
        ),
    ];
    for (value, says, found) in table {
        let error = compiled(&format!("revocation := {value}")).unwrap_err();
        assert_eq!(error.code(), Code::PolicyInvalid, "{value}");
        let PolicyError::Revocation { expected, actual } = error else {
            panic!("{value}: {error}")
        };
        assert!(expected.contains(says), "{value}: {expected}");
        assert_eq!(actual, found, "{value}");
    }
    let set = "revocation contains {\"mode\": \"off\"}";
    assert!(matches!(compiled(set), Err(PolicyError::Revocation { .. })));
}

#[test]
fn the_package_tells_the_kind() {
    let nv = "# of a vendor\n\npackage  policy # theirs\nnv_match { true }";
    let policy = Policy::compile("nv", nv).unwrap();
    assert_eq!(policy.kind(), PolicyKind::RelyingParty);
    assert_eq!(*policy.revocation(), RelyingPartyPolicy::REVOCATION);
    assert_eq!(compiled("").unwrap().kind(), PolicyKind::Pogw);
    for text in [
        "",
        "# package policy",
        "package",
        "package policy.sub\nnv_match { true }",
        "package policy\nallow { true }",
        "package policy\nnv_match {",
        "package other\nnv_match { true }",
    ] {
        let error = Policy::compile("none", text).unwrap_err();
        assert!(matches!(error, PolicyError::Compile(_)), "{text}: {error}");
    }
}

#[test]
fn both_kinds_have_the_same_bounds() {
    let filler = "#".repeat(1000) + "\n";
    let long = filler.repeat(263);
    for start in ["package pogw\n", "package policy\n"] {
        let error = Policy::compile("long", &format!("{start}{long}")).unwrap_err();
        assert!(matches!(error, PolicyError::TooLarge(_)), "{error}");
    }
    let endless = "package policy\nnv_match { r := numbers.range(1, 100000); x := r[_]; y := r[_]; x * y == -1 }";
    let policy = RelyingPartyPolicy::compile("endless", endless).unwrap();
    assert!(matches!(
        policy.matches(&json!([])),
        Err(PolicyError::Evaluate(_))
    ));
}

#[test]
fn nv_match_is_true_false_or_undefined() {
    let table = [
        ("default nv_match = false", Some(false)),
        ("nv_match { input[0].missing }", Some(false)),
        ("nv_match { count(input) == 1 }", Some(true)),
        ("nv_match = true { count(input) == 1 }", Some(true)),
        // With the import, the text is v1.
        ("import rego.v1\nnv_match if count(input) == 1", Some(true)),
        ("nv_match = 1", None),
        ("nv_match = \"true\"", None),
        ("nv_match[x] { x := 1 }", None),
    ];
    for (text, expected) in table {
        let policy =
            RelyingPartyPolicy::compile("table", &format!("package policy\n{text}\n")).unwrap();
        let answer = policy.matches(&json!([{}]));
        assert_eq!(answer.is_err(), expected.is_none(), "{text}");
        assert_eq!(answer.ok(), expected, "{text}");
    }
}

/// A policy in the manner of NVIDIA's: Rego v0, one function for each chain, one line of it relaxed.
fn nvidia_style(driver_chain: &str, measurements: &str, ocsp: &str) -> RelyingPartyPolicy {
    let text = format!(
        r#"package policy
import future.keywords.every

default nv_match := false

nv_match {{
    count(input) > 0
    every device in input {{
        device_ok(device)
    }}
}}

device_ok(device) {{
    device["x-nvidia-device-type"] == "gpu"
    measurements_ok(device)
    chain_ok(device["x-nvidia-gpu-attestation-report-cert-chain"])
    driver_chain_ok(device["x-nvidia-gpu-driver-rim-cert-chain"])
    chain_ok(device["x-nvidia-gpu-vbios-rim-cert-chain"])
}}

device_ok(device) {{
    device["x-nvidia-device-type"] == "nvswitch"
    device.measres == "success"
    chain_ok(device["x-nvidia-switch-attestation-report-cert-chain"])
    chain_ok(device["x-nvidia-switch-bios-rim-cert-chain"])
}}

measurements_ok(device) {{
    object.get(device, "x-nvidia-mismatch-measurement-records", null) == null
}}

chain_ok(chain) {{
    chain["x-nvidia-cert-status"] == "valid"
    chain["x-nvidia-cert-ocsp-status"] == "good"
    ocsp_ok(chain)
}}

{measurements}

{driver_chain}

{ocsp}
"#
    );
    RelyingPartyPolicy::compile("nvidia-style", &text).unwrap()
}

const DRIVER_LIKE_ALL: &str = "driver_chain_ok(chain) { chain_ok(chain) }";
const OCSP_FRESH: &str = r#"ocsp_ok(chain) {
    chain["x-nvidia-cert-ocsp-nonce-matches"] == true
    chain["x-nvidia-cert-ocsp-response-valid"] == true
}"#;

fn chain() -> Value {
    json!({
        "x-nvidia-cert-status": "valid",
        "x-nvidia-cert-expiration-date": "2027-01-01T00:00:00Z",
        "x-nvidia-cert-ocsp-status": "good",
        "x-nvidia-cert-ocsp-nonce-matches": true,
        "x-nvidia-cert-ocsp-response-valid": true,
        "x-nvidia-cert-revocation-reason": null,
    })
}

/// Claims of a GPU and a switch that nothing is wrong with, as far as these policies look.
fn claims() -> Value {
    json!([
        {
            "x-nvidia-device-type": "gpu",
            "measres": "success",
            "secboot": true,
            "dbgstat": "disabled",
            "x-nvidia-mismatch-measurement-records": null,
            "x-nvidia-gpu-attestation-report-cert-chain": chain(),
            "x-nvidia-gpu-driver-rim-cert-chain": chain(),
            "x-nvidia-gpu-vbios-rim-cert-chain": chain(),
        },
        {
            "x-nvidia-device-type": "nvswitch",
            "measres": "success",
            "x-nvidia-switch-attestation-report-cert-chain": chain(),
            "x-nvidia-switch-bios-rim-cert-chain": chain(),
        },
    ])
}

fn with(pointer: &str, value: Value) -> Value {
    let mut claims = claims();
    *claims.pointer_mut(pointer).unwrap() = value;
    claims
}

fn mismatch_at(index: u32) -> Value {
    let record = json!({
        "index": index,
        "goldenValue": "00",
        "goldenSize": 1,
        "runtimeValue": "01",
        "runtimeSize": 1,
        "measurementSource": "Firmware",
    });
    let mut claims = with("/0/x-nvidia-mismatch-measurement-records", json!([record]));
    claims[0]["measres"] = "fail".into();
    claims
}

const DRIVER: &str = "/0/x-nvidia-gpu-driver-rim-cert-chain";
const VBIOS: &str = "/0/x-nvidia-gpu-vbios-rim-cert-chain";
const DEVICE: &str = "/0/x-nvidia-gpu-attestation-report-cert-chain";

fn in_chain(chain: &str, name: &str, value: impl Into<Value>) -> Value {
    with(&format!("{chain}/x-nvidia-cert-{name}"), value.into())
}

#[test]
fn a_policy_that_relaxes_nothing() {
    let strict = nvidia_style(DRIVER_LIKE_ALL, "", OCSP_FRESH);
    assert_eq!(strict.matches(&claims()), Ok(true));
    let refused = [
        json!([]),
        mismatch_at(7),
        in_chain(DRIVER, "status", "expired"),
        in_chain(DRIVER, "ocsp-status", "revoked"),
        in_chain(DRIVER, "ocsp-status", "unknown"),
        in_chain(DRIVER, "ocsp-status", Value::Null),
        in_chain(VBIOS, "ocsp-nonce-matches", false),
        in_chain(DEVICE, "ocsp-response-valid", false),
        with("/0/x-nvidia-device-type", "dpu".into()),
        with("/1/measres", "fail".into()),
        json!({ "no": "array" }),
    ];
    for claims in refused {
        assert_eq!(strict.matches(&claims), Ok(false), "{claims}");
    }
    // No claims are nothing that could be counted: a fault, and never a match.
    assert!(strict.matches(&Value::Null).is_err());
}

#[test]
fn policies_that_relax_one_thing_each() {
    let driver = |lines: &str| {
        let text = format!("driver_chain_ok(chain) {{\n{lines}\n    ocsp_ok(chain)\n}}");
        nvidia_style(&text, "", OCSP_FRESH)
    };
    let expired = driver(
        r#"    chain["x-nvidia-cert-status"] in {"valid", "expired"}
    chain["x-nvidia-cert-ocsp-status"] == "good""#,
    );
    let revoked = driver(
        r#"    chain["x-nvidia-cert-status"] == "valid"
    chain["x-nvidia-cert-ocsp-status"] in {"good", "revoked"}"#,
    );
    let unknown = driver(
        r#"    chain["x-nvidia-cert-status"] == "valid"
    chain["x-nvidia-cert-ocsp-status"] in {"good", "unknown"}"#,
    );
    let index_7 = nvidia_style(
        DRIVER_LIKE_ALL,
        r#"measurements_ok(device) {
    records := device["x-nvidia-mismatch-measurement-records"]
    records != null
    every record in records {
        record.index == 7
    }
}"#,
        OCSP_FRESH,
    );
    // A mirror on the premises hands out stored answers: no nonce, and signed by somebody else.
    let outpost = nvidia_style(DRIVER_LIKE_ALL, "", "ocsp_ok(chain) { true }");

    let table = [
        (&expired, in_chain(DRIVER, "status", "expired"), true),
        (&expired, in_chain(VBIOS, "status", "expired"), false),
        (&expired, in_chain(DEVICE, "status", "expired"), false),
        (&expired, in_chain(DRIVER, "ocsp-status", "revoked"), false),
        (&revoked, in_chain(DRIVER, "ocsp-status", "revoked"), true),
        (&revoked, in_chain(DRIVER, "ocsp-status", "unknown"), false),
        (&revoked, in_chain(DEVICE, "ocsp-status", "revoked"), false),
        (&unknown, in_chain(DRIVER, "ocsp-status", "unknown"), true),
        (&unknown, in_chain(DRIVER, "ocsp-status", "revoked"), false),
        (&unknown, in_chain(VBIOS, "ocsp-status", "unknown"), false),
        (&index_7, mismatch_at(7), true),
        (&index_7, mismatch_at(8), false),
        (&index_7, in_chain(DRIVER, "status", "expired"), false),
        (
            &outpost,
            in_chain(DRIVER, "ocsp-nonce-matches", false),
            true,
        ),
        (
            &outpost,
            in_chain(DEVICE, "ocsp-response-valid", false),
            true,
        ),
        (&outpost, in_chain(DEVICE, "ocsp-status", "revoked"), false),
        (&outpost, mismatch_at(7), false),
    ];
    for (row, (policy, claims, expected)) in table.into_iter().enumerate() {
        assert_eq!(policy.matches(&claims), Ok(expected), "row {row}: {claims}");
    }
    for policy in [&expired, &revoked, &unknown, &index_7, &outpost] {
        assert_eq!(policy.matches(&claims()), Ok(true));
    }
}

#[test]
fn a_relying_party_policy_decides_over_the_floor() {
    let says_yes = Policy::compile("yes", "package policy\nnv_match { true }").unwrap();
    let nothing = || EvidenceAppraisal::new(Vec::new(), UnixTime::from_secs(0));
    assert_eq!(
        says_yes.decide(nothing()).err(),
        Some(PolicyError::ClaimsMissing)
    );
    let decided = says_yes
        .decide_with_claims(nothing(), |_| json!([]))
        .unwrap();
    let Decision::Refused(refusal) = decided else {
        panic!("nothing was granted a receipt")
    };
    let codes: Vec<_> = refusal.deny.iter().map(|d| d.code.as_str()).collect();
    // The floor, and what claims do not speak of.
    assert_eq!(codes, ["core_check_not_affirmed", "devices_refuted"]);

    let says_no = Policy::compile("no", "package policy\ndefault nv_match := false").unwrap();
    let denials = says_no.denials(&claims()).unwrap();
    assert_eq!(denials[0].code, "relying_party_mismatch");
    assert_eq!(says_yes.denials(&claims()), Ok(Vec::new()));
}

#[test]
fn ours_is_not_asked_for_claims() {
    let policy = compiled("").unwrap();
    let nothing = EvidenceAppraisal::new(Vec::new(), UnixTime::from_secs(0));
    let asked = policy.objections_with_claims(&nothing, |_| unreachable!());
    assert_eq!(asked, policy.objections(&nothing));
    assert_eq!(
        policy.denials(&json!({ "no": true })).unwrap()[0].code,
        "no"
    );
}

#[test]
fn the_engine_reads_what_json_would_tell_it() {
    let device = Document::Object(vec![
        ("kind", "gpu".into()),
        ("feature_flag", Some(7_u64).into()),
        ("log2_error", (-124).into()),
        ("arch", None::<&str>.into()),
        ("simulated", false.into()),
        ("reasons", Document::List(Vec::new())),
    ]);
    let reason = || vec![Reason::new(Code::RimIdUnbound, "manifest")];
    let checks = [
        Check::affirmed(CheckId::Parse),
        Check::affirmed(CheckId::Nonce),
        Check::with(CheckId::VbiosRim, Status::Affirmed, reason()),
        Check::not_requested(CheckId::Mode),
        Check::with(CheckId::DriverRim, Status::Refuted, reason()),
        Check::with(CheckId::Revocation, Status::Unverifiable, Vec::new()),
    ];
    let by_id = checks
        .iter()
        .map(|check| (check.id.as_str(), Document::Check(check)));
    let input = Document::Object(vec![
        ("of_a_device", Document::Object(by_id.collect())),
        ("purpose", "evidence".to_owned().into()),
        ("devices", Document::List(vec![device.clone(), device])),
        ("checks", Document::Object(Vec::new())),
    ]);
    let json = serde_json::to_value(&input).unwrap();
    assert_eq!(rules::of_json(&json).unwrap(), rules::of_document(input));
}

#[test]
fn words_in_the_input_are_those_of_json() {
    use crate::check::Source;
    use crate::device::DeviceKind;
    use crate::ocsp::RevocationStatus;
    use crate::work::RequestedCheck;

    fn same<T: Serialize>(value: T, word: &str) {
        assert_eq!(serde_json::to_value(value).unwrap(), json!(word));
    }
    for kind in [DeviceKind::Gpu, DeviceKind::Switch] {
        same(kind, kind.as_str());
    }
    for check in [RequestedCheck::OutputDigest, RequestedCheck::Freivalds] {
        same(check, check.as_str());
    }
    let sources = [
        Source::Hardware,
        Source::Recomputation,
        Source::Replicas,
        Source::VerifierClock,
        Source::GuestAsserted,
        Source::ProviderAsserted,
    ];
    for source in sources {
        same(source, source.as_str());
    }
    let statuses = [
        RevocationStatus::Good,
        RevocationStatus::OnHold,
        RevocationStatus::Revoked,
        RevocationStatus::Unknown,
        RevocationStatus::NotChecked,
    ];
    for status in statuses {
        same(status, status.as_str());
    }
}
