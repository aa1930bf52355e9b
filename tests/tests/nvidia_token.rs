//! Detached EATs checked (NVIDIA's own are in `nvidia_claims`): one that is right in every way, and one wrong in each of rows 122 to 130 (nvidia-evidence 10).

use std::path::Path;
use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use evidence::{Status, UnixTime, crypto};
use serde_json::{Value, json};
use verifier_service::nvidia::token::{self, Expected, KeySet, Verdict};

const ISSUER: &str = "https://nras.example";
const NOW: i64 = 1_800_000_000;
const NONCE: [u8; 32] = [0xab; 32];
const UEIDS: [&str; 2] = ["1001", "1002"];

struct Key {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

static ISSUERS: LazyLock<Key> = LazyLock::new(|| Key::new("nv-eat-kid-1"));
static STRANGERS: LazyLock<Key> = LazyLock::new(|| Key::new("nv-eat-kid-1"));

impl Key {
    fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self { pair, kid }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": self.kid,
            "x": coordinate(&point[1..49]), "y": coordinate(&point[49..]),
        })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|v| URL_SAFE_NO_PAD.encode(v.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// Changes tokens by name.
type Swap = fn(&mut [(String, String)]);

/// A detached EAT not yet signed.
struct Draft {
    header: Value,
    overall: Value,
    devices: Vec<(String, Value)>,
    label: &'static str,
    /// Over the submodule tokens, after their digests were taken.
    swap: Option<Swap>,
    digests: fn(&mut Value),
    signer: &'static Key,
    keys: Value,
}

impl Draft {
    fn good() -> Self {
        let registered = json!({
            "iss": ISSUER, "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 3590, "jti": "x",
            "eat_nonce": hex::encode(NONCE),
        });
        let mut overall = registered.clone();
        overall["sub"] = json!("NVIDIA-PLATFORM-ATTESTATION");
        overall["x-nvidia-ver"] = json!("3.0");
        overall["x-nvidia-overall-att-result"] = json!(true);
        let device = |(position, ueid): (usize, &&str)| {
            let mut claims = registered.clone();
            claims["ueid"] = json!(ueid);
            claims["measres"] = json!("success");
            claims["x-nvidia-error-details"] = Value::Null;
            (format!("GPU-{position}"), claims)
        };
        Self {
            header: json!({ "kid": ISSUERS.kid, "alg": "ES384" }),
            overall,
            devices: UEIDS.iter().enumerate().map(device).collect(),
            label: "SHA-256",
            swap: None,
            digests: |_| {},
            signer: &ISSUERS,
            keys: json!({ "keys": [ISSUERS.jwk()] }),
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut draft = Self::good();
        change(&mut draft);
        draft
    }

    /// Every token of it.
    fn each(&mut self, change: impl Fn(&mut Value)) {
        change(&mut self.overall);
        self.devices
            .iter_mut()
            .for_each(|(_, claims)| change(claims));
    }

    fn build(&self) -> String {
        let sign = |claims: &Value| self.signer.sign(&self.header, claims);
        let devices = self.devices.iter();
        let mut tokens: Vec<_> = devices.map(|(name, c)| (name.clone(), sign(c))).collect();
        let mut submods = json!({});
        for (name, token) in &tokens {
            let digest = hex::encode(crypto::sha256(token.as_bytes()));
            submods[name] = json!(["DIGEST", [self.label, digest]]);
        }
        (self.digests)(&mut submods);
        if let Some(swap) = self.swap {
            swap(&mut tokens);
        }
        let mut overall = self.overall.clone();
        overall["submods"] = submods;
        let tokens: serde_json::Map<_, _> = tokens
            .into_iter()
            .map(|(name, token)| (name, json!(token)))
            .collect();
        json!([["JWT", sign(&overall)], tokens]).to_string()
    }

    fn verdict(&self) -> Verdict {
        let keys = KeySet::parse(&self.keys.to_string()).unwrap();
        validate(&self.build(), &keys)
    }
}

fn validate(text: &str, keys: &KeySet) -> Verdict {
    let ueids = UEIDS.map(str::to_owned);
    let expected = Expected {
        issuer: ISSUER,
        nonce: &NONCE,
        ueids: Some(&ueids),
        at: UnixTime::from_secs(NOW),
    };
    token::validate(text, keys, &expected)
}

fn codes(verdict: &Verdict) -> std::collections::BTreeSet<&'static str> {
    verdict
        .faults
        .iter()
        .map(|fault| fault.code.as_str())
        .collect()
}

#[test]
fn what_is_right_is_affirmed_under_both_labels() {
    for label in ["SHA-256", "SHA256"] {
        let verdict = Draft::with(|draft| draft.label = label).verdict();
        assert_eq!(verdict.status(), Status::Affirmed, "{:?}", verdict.faults);
        assert_eq!(verdict.overall_result, Some(true));
        assert_eq!(verdict.devices.len(), 2);
    }
    // As `nvattest` prints it, and with a nonce in capitals.
    let draft = Draft::with(|draft| draft.each(|c| c["eat_nonce"] = json!("AB".repeat(32))));
    let wrapped = format!(r#"{{"result_code":0,"detached_eat":{}}}"#, draft.build());
    let keys = KeySet::parse(&draft.keys.to_string()).unwrap();
    assert_eq!(validate(&wrapped, &keys).status(), Status::Affirmed);
}

#[test]
fn each_row_has_a_token_wrong_in_that_alone() {
    type Change = fn(&mut Draft);
    #[rustfmt::skip]
    let table: &[(&str, Change, &str)] = &[
        ("122 alg", |d| d.header["alg"] = json!("ES256"), "eat_algorithm"),
        ("122 alg none", |d| d.header["alg"] = json!("none"), "eat_algorithm"),
        ("122 alg HS384", |d| d.header["alg"] = json!("HS384"), "eat_algorithm"),
        ("122 signature", |d| d.signer = &STRANGERS, "eat_signature_invalid"),
        ("123 x5c of another key", |d| {
            let certificate = rcgen::generate_simple_self_signed(vec!["x".into()]).unwrap();
            d.keys["keys"][0]["x5c"] = json!([STANDARD.encode(certificate.cert.der())]);
        }, "eat_key_certificate_mismatch"),
        ("123 x5c of junk", |d| d.keys["keys"][0]["x5c"] = json!(["AAAA"]), "eat_key_certificate_mismatch"),
        ("124 iss", |d| d.each(|c| c["iss"] = json!("https://nras.example.evil")), "eat_issuer"),
        ("124 iss of a submodule", |d| d.devices[1].1["iss"] = json!("x"), "eat_issuer"),
        ("124 exp", |d| d.each(|c| c["exp"] = json!(NOW - 60)), "eat_expired"),
        ("124 no exp", |d| d.each(|c| _ = c.as_object_mut().unwrap().remove("exp")), "eat_expired"),
        ("124 nbf", |d| d.each(|c| c["nbf"] = json!(NOW + 61)), "eat_not_yet_valid"),
        ("124 iat", |d| d.each(|c| c["iat"] = json!(NOW + 61)), "eat_not_yet_valid"),
        ("125 nonce", |d| d.overall["eat_nonce"] = json!("00".repeat(32)), "eat_nonce_mismatch"),
        ("125 nonce cut short", |d| d.overall["eat_nonce"] = json!("ab".repeat(31)), "eat_nonce_mismatch"),
        ("125 no nonce", |d| _ = d.overall.as_object_mut().unwrap().remove("eat_nonce"), "eat_nonce_mismatch"),
        ("125 nonce of a submodule", |d| d.devices[0].1["eat_nonce"] = json!("00".repeat(32)), "eat_nonce_mismatch"),
        ("126 tokens swapped", |d| d.swap = Some(|tokens| {
            let [first, second] = tokens else { panic!() };
            std::mem::swap(&mut first.1, &mut second.1);
        }), "eat_submodule_digest"),
        ("126 digest of another kind", |d| d.label = "SHA-1", "eat_submodule_digest"),
        ("127 submodule left out", |d| {
            d.devices.truncate(1);
            d.digests = |submods| submods["GPU-1"] = json!(["DIGEST", ["SHA-256", "00"]]);
        }, "eat_submodule_count"),
        ("127 digest left out", |d| d.digests = |submods| _ = submods.as_object_mut().unwrap().remove("GPU-1"), "eat_submodule_count"),
        ("128 another device", |d| d.devices[0].1["ueid"] = json!("1003"), "eat_ueid_mismatch"),
        ("128 one device twice", |d| d.devices[0].1["ueid"] = json!("1002"), "eat_ueid_mismatch"),
        ("128 no ueid", |d| _ = d.devices[0].1.as_object_mut().unwrap().remove("ueid"), "eat_ueid_mismatch"),
        ("129 result", |d| d.overall["x-nvidia-overall-att-result"] = json!(false), "eat_overall_result"),
        ("129 result as text", |d| d.overall["x-nvidia-overall-att-result"] = json!("true"), "eat_overall_result"),
        ("129 no result", |d| _ = d.overall.as_object_mut().unwrap().remove("x-nvidia-overall-att-result"), "eat_overall_result"),
        ("130 error", |d| d.devices[1].1["x-nvidia-error-details"] = json!({"code": 4010, "message": "NONCE_NOT_MATCHING"}), "eat_error_claim"),
        ("header with a key", |d| d.header["jwk"] = json!({}), "eat_malformed"),
    ];
    for (what, change, code) in table {
        let verdict = Draft::with(change).verdict();
        let mut found = codes(&verdict);
        assert!(found.remove(code), "{what}: {:?}", verdict.faults);
        // A token that is not there has no device either, and one that cannot be read no content.
        let follows: &[&str] = match *what {
            "127 submodule left out" => &["eat_ueid_mismatch"],
            "header with a key" => &[
                "eat_submodule_count",
                "eat_ueid_mismatch",
                "eat_overall_result",
            ],
            _ => &[],
        };
        found.retain(|code| !follows.contains(code));
        assert!(found.is_empty(), "{what}: {:?}", verdict.faults);
        assert_eq!(verdict.status(), Status::Refuted, "{what}");
    }
}

#[test]
fn an_empty_map_of_submodules_is_no_pass() {
    let verdict = Draft::with(|draft| draft.devices.clear()).verdict();
    assert!(
        codes(&verdict).contains("eat_submodule_count"),
        "{:?}",
        verdict.faults
    );
    // Also where nobody says how many devices there should be.
    let draft = Draft::with(|draft| draft.devices.clear());
    let keys = KeySet::parse(&draft.keys.to_string()).unwrap();
    let expected = Expected {
        issuer: ISSUER,
        nonce: &NONCE,
        ueids: None,
        at: UnixTime::from_secs(NOW),
    };
    let verdict = token::validate(&draft.build(), &keys, &expected);
    assert_eq!(codes(&verdict), ["eat_submodule_count"].into());
}

#[test]
fn an_unknown_key_is_unverifiable_and_hides_nothing() {
    let unknown = |draft: &mut Draft| draft.header["kid"] = json!("another");
    let verdict = Draft::with(unknown).verdict();
    assert_eq!(codes(&verdict), ["eat_key_unknown"].into());
    assert_eq!(verdict.status(), Status::Unverifiable);
    let verdict = Draft::with(|draft| {
        unknown(draft);
        draft.overall["x-nvidia-overall-att-result"] = json!(false);
    })
    .verdict();
    assert_eq!(
        codes(&verdict),
        ["eat_key_unknown", "eat_overall_result"].into()
    );
    assert_eq!(verdict.status(), Status::Refuted);
}

#[test]
fn all_faults_are_told_together() {
    let verdict = Draft::with(|draft| {
        draft.signer = &STRANGERS;
        draft.each(|claims| claims["iss"] = json!("x"));
        draft.overall["eat_nonce"] = Value::Null;
        draft.devices[0].1["ueid"] = json!("7");
    })
    .verdict();
    let expected = [
        "eat_signature_invalid",
        "eat_issuer",
        "eat_nonce_mismatch",
        "eat_ueid_mismatch",
    ];
    assert_eq!(codes(&verdict), expected.into());
}

#[test]
fn junk_is_malformed_and_bounded() {
    let keys = KeySet::default();
    let long = " ".repeat(token::MAX_EAT_BYTES + 1);
    for (text, code) in [
        ("", "eat_malformed"),
        ("[]", "eat_malformed"),
        (r#"[["JWT"],{}]"#, "eat_malformed"),
        (r#"[["NONE","a.b.c"],{}]"#, "eat_malformed"),
        (r#"[["JWT","a"],{"GPU-0":1}]"#, "eat_malformed"),
        (
            r#"[["JWT","a"],{"GPU-0":"a","GPU-0":"b"}]"#,
            "eat_malformed",
        ),
        (long.as_str(), "eat_too_large"),
    ] {
        let verdict = validate(text, &keys);
        assert!(
            codes(&verdict).contains(code),
            "{text:.40}: {:?}",
            verdict.faults
        );
        assert_eq!(verdict.status(), Status::Refuted);
    }
    let verdict = validate(r#"[["JWT","a.b"],{"GPU-0":"...."}]"#, &keys);
    assert!(codes(&verdict).contains("eat_malformed"));
}

/// What a person types: exit status and answer.
fn command(folder: &Path, draft: &Draft, more: &[&str]) -> (u8, String) {
    let path = |name: &str| folder.join(name).into_os_string();
    std::fs::write(path("eat.json"), draft.build()).unwrap();
    std::fs::write(path("jwks.json"), draft.keys.to_string()).unwrap();
    let nonce = hex::encode(NONCE);
    let mut args: Vec<std::ffi::OsString> = ["pogw", "eat", "verify"].map(Into::into).into();
    args.extend([path("eat.json"), "--jwks".into(), path("jwks.json")]);
    let named = ["--nonce", &nonce, "--issuer", ISSUER];
    args.extend(named.iter().chain(more).map(|arg| (*arg).into()));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = cli::run(args, &mut stdout, &mut stderr);
    (exit as u8, String::from_utf8(stdout).unwrap())
}

/// Tokens that say of themselves that they are weaker are not valid unless that is allowed, each by its own option.
#[test]
fn tokens_that_say_they_are_weaker_count_only_where_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let at = UnixTime::from_secs(NOW).to_string();
    let (simulated, revocation) = ("--allow-simulated", "--allow-without-revocation");
    type Change = fn(&mut Draft);
    #[rustfmt::skip]
    let table: [(Change, &[&str]); 6] = [
        (|d| d.overall["x-pogw-simulated"] = json!(true), &[simulated]),
        (|d| d.devices[1].1["x-pogw-simulated"] = json!(true), &[simulated]),
        (|d| d.overall["x-pogw-revocation"] = json!("not_requested"), &[revocation]),
        (|d| d.devices[0].1["x-pogw-revocation"] = json!("unverifiable"), &[revocation]),
        (|d| d.overall["x-pogw-revocation"] = json!(7), &[revocation]),
        (|d| d.each(|c| {
            c["x-pogw-simulated"] = json!(true);
            c["x-pogw-revocation"] = json!("not_requested");
        }), &[simulated, revocation]),
    ];
    for (change, needed) in table {
        let draft = Draft::with(change);
        for (allowed, exit) in [(&[][..], 3), (&needed[1..], 3), (needed, 0)] {
            let mut args = vec!["--at", &at, "--format", "json"];
            args.extend(allowed);
            let (found, answer) = command(folder.path(), &draft, &args);
            assert_eq!(found, exit, "{allowed:?}: {answer}");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["valid"], exit == 0, "{answer}");
        }
        let (_, text) = command(folder.path(), &draft, &["--at", &at]);
        assert!(text.starts_with("unverifiable  "), "{text}");
        assert!(text.contains(needed[0]), "{text}");
    }
    let refused = Draft::with(|draft| {
        draft.signer = &STRANGERS;
        draft.overall["x-pogw-simulated"] = json!(true);
    });
    assert_eq!(command(folder.path(), &refused, &["--at", &at]).0, 1);
}

/// Without the evidence nobody can say which devices a token should be about, and the answer says that.
#[test]
fn what_was_not_compared_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = UnixTime::from_secs(NOW).to_string();
    let (_, text) = command(folder.path(), &Draft::good(), &["--at", &at]);
    assert!(text.contains("not compared: which devices"), "{text}");
    let (_, json) = command(
        folder.path(),
        &Draft::good(),
        &["--at", &at, "--format", "json"],
    );
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["devices_compared"], false);
}

/// The exit status of each verdict.
#[test]
fn the_command_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string();
    let run = |draft: &Draft, more: &[&str]| {
        let more: Vec<_> = ["--format", "json"].iter().chain(more).copied().collect();
        command(folder.path(), draft, &more)
    };
    let at = UnixTime::from_secs(NOW).to_string();
    let (exit, answer) = run(&Draft::good(), &["--at", &at]);
    assert_eq!(exit, 0, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (&answer["valid"], &answer["status"]),
        (&json!(true), &json!("affirmed"))
    );
    let refused = Draft::with(|draft| draft.signer = &STRANGERS);
    let (exit, answer) = run(&refused, &["--at", &at]);
    assert_eq!(exit, 1);
    assert!(answer.contains("eat_signature_invalid"), "{answer}");
    let unknown = Draft::with(|draft| draft.header["kid"] = json!("another"));
    assert_eq!(run(&unknown, &["--at", &at]).0, 3);
    assert_eq!(run(&Draft::good(), &["--at", "yesterday"]).0, 2);
    let evidence = path("evidence.json");
    std::fs::write(&evidence, "[]").unwrap();
    let evidence = evidence.into_string().unwrap();
    assert_eq!(
        run(&Draft::good(), &["--at", &at, "--evidence", &evidence]).0,
        2
    );
}
