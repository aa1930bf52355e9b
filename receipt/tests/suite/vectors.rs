//! The vectors in `receipt/vectors`: held by validation, and still what the table below makes.
//!
//! `cargo test --release -p pogw-receipt --test suite -- --ignored write_vectors` writes them anew.

mod key_sets;
mod meaning;
mod strict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{fs, io};

use aws_lc_rs::hmac;
use receipt::{
    ClaimsError, ClaimsParts, Expectations, JsonFault, Jwks, Level, Method, Rejected, Signer,
    Source, Status, Tier, Validator,
};
use serde_json::{Map, Value, json};

use crate::kit::{
    AUDIENCE, IAT, ISSUER, RETIRED_AT, TestKey, base64url, code, finding, header, key_set, nonce,
    parts, parts_at_a3, parts_of_audit, parts_of_program, parts_simulated, payload_of, set_finding,
    sha256, time,
};

/// One vector: a token that is wrong in at most one way, and what to answer.
struct Case {
    name: &'static str,
    expect: &'static str,
    comment: &'static str,
    /// What the relying party demands; `issuer` and `audience` are always there.
    demands: BTreeMap<&'static str, String>,
    header: String,
    payload: String,
    /// The bytes of the payload, where they are not those of its text.
    bytes: fn(&str) -> Vec<u8>,
    signature: Signature,
    /// A last change to the whole token.
    spoil: fn(String) -> String,
}

#[derive(Clone, Copy)]
enum Signature {
    By(TestKey),
    /// ECDSA in the form of certificates, not of tokens.
    DerBy(TestKey),
    /// HMAC-SHA256 with the text of the key set as the secret.
    HmacOfKeySet,
    Empty,
}

impl Case {
    fn new(name: &'static str, expect: &'static str, comment: &'static str) -> Self {
        let demands = [
            ("now", IAT.to_string()),
            ("issuer", ISSUER.to_owned()),
            ("audience", AUDIENCE.to_owned()),
            ("minimum_level", "A1".to_owned()),
        ];
        Self {
            name,
            expect,
            comment,
            demands: demands.into(),
            header: sorted(Value::Object(header(TestKey::Es384))),
            payload: sorted(Value::Object(payload_of(parts()))),
            bytes: |text| text.as_bytes().to_vec(),
            signature: Signature::By(TestKey::Es384),
            spoil: |token| token,
        }
    }

    fn demand(mut self, name: &'static str, value: impl ToString) -> Self {
        self.demands.insert(name, value.to_string());
        self
    }

    fn key(mut self, key: TestKey) -> Self {
        self.header = sorted(Value::Object(header(key)));
        self.signature = Signature::By(key);
        self
    }

    fn signed(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }

    fn header(mut self, change: fn(&mut Map<String, Value>)) -> Self {
        let mut members = serde_json::from_str(&self.header).unwrap();
        change(&mut members);
        self.header = sorted(Value::Object(members));
        self
    }

    fn header_text(mut self, change: fn(String) -> String) -> Self {
        self.header = change(self.header);
        self
    }

    fn claims(mut self, parts: ClaimsParts) -> Self {
        self.payload = sorted(Value::Object(payload_of(parts)));
        self
    }

    /// Changes the claims as an issuer without our rules would.
    fn payload(mut self, change: fn(&mut Value)) -> Self {
        let mut payload = serde_json::from_str(&self.payload).unwrap();
        change(&mut payload);
        self.payload = sorted(payload);
        self
    }

    fn text(mut self, change: fn(String) -> String) -> Self {
        self.payload = change(self.payload);
        self
    }

    fn bytes(mut self, bytes: fn(&str) -> Vec<u8>) -> Self {
        self.bytes = bytes;
        self
    }

    fn spoiled(mut self, spoil: fn(String) -> String) -> Self {
        self.spoil = spoil;
        self
    }

    /// The file, with `signature` in place of one made now.
    fn render(&self, signature: Option<&str>) -> String {
        let payload = base64url((self.bytes)(&self.payload));
        let input = format!("{}.{payload}", base64url(&self.header));
        let signature = signature
            .map(str::to_owned)
            .unwrap_or_else(|| match self.signature {
                Signature::By(key) => base64url(key.signer().sign(input.as_bytes()).unwrap()),
                Signature::DerBy(key) => {
                    base64url(der(&key.signer().sign(input.as_bytes()).unwrap()))
                }
                Signature::HmacOfKeySet => {
                    let secret = hmac::Key::new(hmac::HMAC_SHA256, key_set().to_json().as_bytes());
                    base64url(hmac::sign(&secret, input.as_bytes()))
                }
                Signature::Empty => String::new(),
            });
        let token = (self.spoil)(format!("{input}.{signature}"));
        let demands = self
            .demands
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"));
        let demands: String = demands.collect();
        format!(
            "expect: {}\ncomment: {}\n{demands}\n{token}\n",
            self.expect, self.comment
        )
    }
}

/// JSON with members in the order of their names, whatever order this build of serde_json keeps.
fn sorted(value: Value) -> String {
    fn sort(value: Value) -> Value {
        match value {
            Value::Object(members) => {
                let sorted: BTreeMap<String, Value> = members.into_iter().collect();
                sorted
                    .into_iter()
                    .map(|(name, value)| (name, sort(value)))
                    .collect()
            }
            Value::Array(values) => values.into_iter().map(sort).collect(),
            scalar => scalar,
        }
    }
    sort(value).to_string()
}

/// r and s as an ASN.1 sequence of two integers (RFC 3279 section 2.2.3).
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0).unwrap();
        let mut content = bytes[first..].to_vec();
        if content[0] >= 0x80 {
            content.insert(0, 0);
        }
        [vec![0x02, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let content = [integer(r), integer(s)].concat();
    [vec![0x30, u8::try_from(content.len()).unwrap()], content].concat()
}

fn drop_last_part(token: String) -> String {
    token.rsplit_once('.').unwrap().0.to_owned()
}

fn with_finding(method: Method, status: Status, source: Source) -> ClaimsParts {
    let mut parts = parts();
    set_finding(&mut parts, finding(method, status, source));
    parts
}

fn issued_at(iat: u64) -> ClaimsParts {
    let mut parts = parts();
    parts.iat = time(iat);
    parts.nbf = time(iat);
    parts
}

/// All of them.
fn cases() -> Vec<Case> {
    [first_cases(), strict::cases(), meaning::cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[rustfmt::skip]
fn first_cases() -> Vec<Case> {
    let case = Case::new;
    vec![
        // Good ones.
        case("good_es384", "ok", "a matrix product at A2 with Freivalds' check"),
        case("good_es256", "ok", "signed with ECDSA P-256").key(TestKey::Es256),
        case("good_ed25519", "ok", "signed with Ed25519 under its own name").key(TestKey::Ed25519),
        case("good_audit_chained", "ok", "an audit of a training whose segments build on each other").claims(parts_of_audit()),
        case("good_program", "ok", "a command of the tenant's own, with states on the way").claims(parts_of_program()),
        case("good_a3", "ok", "with a CPU TEE quote").claims(parts_at_a3()).demand("minimum_level", "A3"),
        case("good_simulated", "ok", "a simulated device, for a relying party that accepts A0")
            .claims(parts_simulated()).demand("minimum_level", "A0"),
        case("good_audience_array", "ok", "aud is an array").payload(|p| p["aud"] = json!(["https://x.example", AUDIENCE])),
        case("good_retired_key", "ok", "signed before its key was retired").key(TestKey::Retired).claims(issued_at(RETIRED_AT)),
        case("good_without_exp", "ok", "the policy sets no end")
            .payload(|p| { p.as_object_mut().unwrap().remove("exp"); }).demand("now", IAT * 2),
        case("good_unknown_claim", "ok", "a claim the profile does not know, beside ours").payload(|p| p["colour"] = json!("red")),
        case("good_revocation_unverifiable", "ok", "no OCSP answer to be had: a finding, not an error")
            .claims(with_finding(Method::Revocation, Status::Unverifiable, Source::Hardware)),
        case("good_job_and_nonce", "ok", "the job and the challenge are the expected ones")
            .demand("job", sha256(0x0a)).demand("nonce", nonce(0x11)),

        // The token.
        case("token_two_parts", "token_parts", "the signature is cut off").spoiled(drop_last_part),
        case("token_four_parts", "token_parts", "something follows the signature").spoiled(|token| token + ".AA"),
        case("token_padded", "base64url_malformed", "the signature is padded").spoiled(|token| token + "="),
        case("token_standard_alphabet", "base64url_malformed", "the header uses the alphabet of plain base64")
            .spoiled(|token| format!("+{token}")),
        case("token_trailing_space", "base64url_malformed", "white space after the signature").spoiled(|token| token + " "),

        // The header.
        case("header_jwk", "header_member_not_allowed", "brings its own key")
            .header(|h| { h.insert("jwk".into(), json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"})); }),
        case("header_jku", "header_member_not_allowed", "says where to fetch a key")
            .header(|h| { h.insert("jku".into(), json!("https://evil.example/jwks.json")); }),
        case("header_x5c", "header_member_not_allowed", "brings its own certificate")
            .header(|h| { h.insert("x5c".into(), json!(["MIIB"])); }),
        case("header_x5u", "header_member_not_allowed", "says where to fetch a certificate")
            .header(|h| { h.insert("x5u".into(), json!("https://evil.example/cert.pem")); }),
        case("header_crit", "header_member_not_allowed", "demands an extension")
            .header(|h| { h.insert("crit".into(), json!(["exp"])); }),
        case("header_b64", "header_member_not_allowed", "says that the payload is not encoded")
            .header(|h| { h.insert("b64".into(), json!(false)); }),
        case("header_zip", "header_member_not_allowed", "says that the payload is compressed")
            .header(|h| { h.insert("zip".into(), json!("DEF")); }),
        case("header_without_kid", "header_member_missing", "names no key").header(|h| { h.remove("kid"); }),
        case("header_without_typ", "header_member_missing", "has no type").header(|h| { h.remove("typ"); }),
        case("header_without_alg", "header_member_missing", "has no algorithm").header(|h| { h.remove("alg"); }),
        case("header_kid_number", "header_member_malformed", "kid is a number").header(|h| { h.insert("kid".into(), json!(1)); }),
        case("header_typ_jwt", "typ_mismatch", "a JWT of another kind").header(|h| { h.insert("typ".into(), json!("JWT")); }),
        case("header_typ_upper_case", "typ_mismatch", "typ is compared exactly").header(|h| { h.insert("typ".into(), json!("EAT+JWT")); }),
        case("header_typ_with_prefix", "typ_mismatch", "typ carries the prefix it should omit")
            .header(|h| { h.insert("typ".into(), json!("application/eat+jwt")); }),
        case("header_kid_unknown", "key_unknown", "well signed, by a key of somebody else").key(TestKey::Stranger),

        // The algorithm and the signature.
        case("alg_none", "algorithm_mismatch", "no signature at all")
            .header(|h| { h.insert("alg".into(), json!("none")); }).signed(Signature::Empty),
        case("alg_hs256_public_key", "algorithm_mismatch", "HMAC with the public key set as the secret")
            .header(|h| { h.insert("alg".into(), json!("HS256")); }).signed(Signature::HmacOfKeySet),
        case("alg_es256_of_es384_key", "algorithm_mismatch", "another algorithm than the key's")
            .header(|h| { h.insert("alg".into(), json!("ES256")); }),
        case("alg_es384_signed_by_es256", "signature_invalid", "says ES384 and names the P-384 key, signed by the P-256 key")
            .signed(Signature::By(TestKey::Es256)),
        case("alg_eddsa", "algorithm_mismatch", "Ed25519 under the name of its family").key(TestKey::Ed25519)
            .header(|h| { h.insert("alg".into(), json!("EdDSA")); }),
        case("signature_of_another_key", "signature_invalid", "names one key, signed by another")
            .signed(Signature::By(TestKey::Stranger)),
        case("signature_empty", "signature_invalid", "nothing after the second dot").signed(Signature::Empty),
        case("payload_changed", "signature_invalid", "the first character of the payload changed after signing")
            .spoiled(|token| token.replacen(".e", ".f", 1)),

        // The JSON.
        case("payload_duplicate_iss", "json_duplicate_member", "names two issuers")
            .text(|p| p.replacen('{', "{\"iss\":\"https://evil.example\",", 1)),
        case("payload_duplicate_in_pogw", "json_duplicate_member", "a member of pogw occurs twice")
            .text(|p| p.replacen("\"pogw\":{", "\"pogw\":{\"as_of\":1,", 1)),
        case("payload_fraction", "json_number_not_integer", "iat has a fraction")
            .text(|p| p.replacen("\"iat\":1795420800", "\"iat\":1795420800.0", 1)),
        case("payload_integer_too_large", "json_number_not_integer", "an integer beyond 53 bits")
            .text(|p| p.replacen("\"log_index\":7", "\"log_index\":9007199254740992", 1)),
        case("payload_too_deep", "json_too_deep", "nested deeper than any claim")
            .text(|p| p.replacen('{', &format!("{{\"a\":{}{},", "[".repeat(40), "]".repeat(40)), 1)),
        case("payload_array", "json_not_object", "the payload is an array").text(|_| "[]".to_owned()),
        case("payload_not_json", "json_malformed", "the payload ends early").text(|p| p[..40].to_owned()),

        // The claims.
        case("claim_iss_missing", "claim_missing", "no issuer").payload(|p| { p.as_object_mut().unwrap().remove("iss"); }),
        case("claim_aud_missing", "claim_missing", "for nobody").payload(|p| { p.as_object_mut().unwrap().remove("aud"); }),
        case("claim_jti_missing", "claim_missing", "no identity").payload(|p| { p.as_object_mut().unwrap().remove("jti"); }),
        case("claim_cnf_missing", "claim_missing", "no agent key").payload(|p| { p.as_object_mut().unwrap().remove("cnf"); }),
        case("claim_pogw_missing", "claim_missing", "a plain attestation result").payload(|p| { p.as_object_mut().unwrap().remove("pogw"); }),
        case("claim_iat_text", "claim_malformed", "iat is text").payload(|p| p["iat"] = json!("1795420800")),
        case("claim_exp_null", "claim_malformed", "null is not a way to be absent").payload(|p| p["exp"] = json!(null)),
        case("claim_ear_status_number", "claim_malformed", "the number of a tier where JSON wants its word")
            .payload(|p| p["ear_status"] = json!(2)),
        case("claim_digest_upper_case", "claim_malformed", "a digest in upper case")
            .payload(|p| p["pogw"]["job_digest"] = json!("AB".repeat(32))),
        case("claim_pogw_member_unknown", "claim_unknown", "a member of pogw this version does not know")
            .payload(|p| p["pogw"]["valid_on_weekdays_only"] = json!(true)),
        case("profile_other", "profile_mismatch", "the next version of the profile")
            .payload(|p| p["eat_profile"] = json!("tag:pogw.dev,2026:work-receipt#2")),
        case("iss_other", "issuer_mismatch", "well signed, for the wrong issuer").payload(|p| p["iss"] = json!("https://verifier.example/")),
        case("aud_other", "audience_mismatch", "for another market").payload(|p| p["aud"] = json!("https://market.example.evil")),

        // The times; 60 s of leeway.
        case("iat_in_future", "issued_in_future", "a second beyond the leeway").demand("now", IAT - 61),
        case("iat_within_leeway", "ok", "exactly the leeway").demand("now", IAT - 60),
        case("nbf_in_future", "not_yet_valid", "a second beyond the leeway").payload(|p| p["nbf"] = json!(IAT + 61)),
        case("exp_past", "expired", "the first second after the leeway").demand("now", IAT + 3660),
        case("exp_within_leeway", "ok", "the last second of the leeway").demand("now", IAT + 3659),
        case("exp_before_iat", "expiry_not_after_issue", "ends when it begins").payload(|p| p["exp"] = json!(IAT)),
        case("iat_after_key_retired", "key_retired", "issued a second after its key was retired")
            .key(TestKey::Retired).claims(issued_at(RETIRED_AT + 1)),

        // What the claims say together.
        case("devices_empty", "devices_missing", "about no device")
            .payload(|p| { p["pogw"]["devices"] = json!([]); p["submods"] = json!({}); }),
        case("device_without_submod", "device_submod_missing", "a device nobody appraised")
            .payload(|p| p["pogw"]["devices"][0]["submod"] = json!("gpu1")),
        case("submod_without_device", "submod_without_device", "an appraisal of a device the list omits")
            .payload(|p| p["submods"]["gpu1"] = p["submods"]["gpu0"].clone()),
        case("status_better_than_submod", "ear_status_too_good", "affirming over a warning")
            .payload(|p| p["submods"]["gpu0"]["ear_status"] = json!(Tier::Warning)),
        case("status_better_than_vector", "ear_status_too_good", "affirming over a configuration with known vulnerabilities")
            .payload(|p| p["submods"]["gpu0"]["ear_trustworthiness_vector"]["configuration"] = json!(32)),
        case("executables_2", "executables_overstated", "a device report said to cover what runs after boot")
            .payload(|p| p["submods"]["gpu0"]["ear_trustworthiness_vector"]["executables"] = json!(2)),
        case("measres_fail_affirmed", "measurement_contradiction", "measurements differ and executables are affirmed")
            .payload(|p| p["submods"]["gpu0"]["measres"] = json!("fail")),
        case("simulated_affirmed", "simulated_device_affirmed", "software presented as genuine hardware")
            .claims(parts_simulated()).demand("minimum_level", "A0")
            .payload(|p| p["submods"]["gpu0"]["ear_trustworthiness_vector"]["hardware"] = json!(2)),
        case("simulated_measres", "simulated_vendor_claim", "software whose measurements match, under NVIDIA's name")
            .claims(parts_simulated()).demand("minimum_level", "A0")
            .payload(|p| p["submods"]["gpu0"]["measres"] = json!("success")),
        case("simulated_hwmodel_genuine", "simulated_vendor_claim", "software named like a genuine model")
            .claims(parts_simulated()).demand("minimum_level", "A0")
            .payload(|p| p["submods"]["gpu0"]["hwmodel"] = json!("GH100 A01 GSP BROM")),
        case("simulated_hardware_source", "simulated_hardware_source", "a simulated report said to rest on hardware")
            .claims(parts_simulated()).demand("minimum_level", "A0")
            .payload(|p| p["pogw"]["methods"][0]["source"] = json!("hardware")),
        case("method_twice", "method_duplicate", "affirmed and refuted at once")
            .payload(|p| { let again = p["pogw"]["methods"][0].clone(); p["pogw"]["methods"].as_array_mut().unwrap().push(again); }),
        case("timing_as_hardware", "method_source_not_allowed", "timing said to rest on hardware")
            .payload(|p| p["pogw"]["methods"][6]["source"] = json!("hardware")),
        case("strength_of_a_report", "strength_not_allowed", "an error probability for a device report")
            .payload(|p| p["pogw"]["methods"][0]["log2_error"] = json!(-128)),
        case("share_of_freivalds", "strength_share", "a wrong share beside a check that speaks of any wrong output")
            .payload(|p| p["pogw"]["methods"][5]["wrong_ppm"] = json!(50_000)),
        case("chain_of_freivalds", "strength_chain", "points that build on each other, beside a check that draws none")
            .payload(|p| p["pogw"]["methods"][5]["chain"] = json!({"steps": 20, "points": 20, "drawn": 300})),
        case("audit_without_share", "strength_share", "an audit's error probability without the wrong share it speaks of")
            .payload(|p| p["pogw"]["methods"][5]["method"] = json!("audit")),
        case("count_of_freivalds", "agreeing_count", "a number of replicas beside a check of the verifier's own")
            .payload(|p| p["pogw"]["methods"][5]["agreeing"] = json!(2)),
        case("executor_as_hardware", "asserted_source_not_allowed", "where it ran said to rest on hardware")
            .payload(|p| p["pogw"]["executor"]["source"] = json!("hardware")),
        case("module_as_hardware", "asserted_source_not_allowed", "the module loaded said to rest on hardware")
            .payload(|p| p["pogw"]["module_digest"]["source"] = json!("hardware")),
        case("program_as_hardware", "asserted_source_not_allowed", "what program ran said to rest on hardware")
            .claims(parts_of_program()).payload(|p| p["pogw"]["program"]["source"] = json!("hardware")),
        case("program_and_kernel", "program_beside_kernel", "a kernel and a program at once")
            .claims(parts_of_program())
            .payload(|p| p["pogw"]["kernel"] = json!({ "name": "gemm_i8@1", "digest": "0b".repeat(32) })),
        case("result_not_affirmed", "assurance_result_not_affirmed", "claims an audit nobody made")
            .payload(|p| p["pogw"]["assurance"]["results"] = json!(["audit"])),
        case("level_a3_without_quote", "assurance_level_unsupported", "A3 without a CPU TEE quote")
            .payload(|p| p["pogw"]["assurance"]["level"] = json!("A3")),
        case("level_a2_without_commitment", "assurance_level_unsupported", "A2 although the guest alone asserts the output")
            .payload(|p| p["pogw"]["methods"][3]["source"] = json!("guest_asserted")),
        case("level_a1_without_report", "assurance_level_unsupported", "A1 although the report could not be verified")
            .payload(|p| { p["pogw"]["methods"][0]["status"] = json!("unverifiable"); p["pogw"]["assurance"]["level"] = json!("A1"); }),
        case("level_a1_simulated", "assurance_level_unsupported", "A1 on a simulated device")
            .claims(parts_simulated()).payload(|p| p["pogw"]["assurance"]["level"] = json!("A1")),
        case("level_a1_revoked", "assurance_level_unsupported", "A1 on a revoked device")
            .payload(|p| { p["pogw"]["methods"][2]["status"] = json!("refuted"); p["pogw"]["assurance"]["level"] = json!("A1"); }),

        // What the relying party demands.
        case("level_below_minimum", "assurance_level_too_low", "A2 where A3 is asked for").demand("minimum_level", "A3"),
        case("simulated_where_a1_is_asked", "assurance_level_too_low", "a simulated device where a genuine one is asked for")
            .claims(parts_simulated()),
        case("job_other", "job_mismatch", "about another job").demand("job", sha256(0xff)),
        case("nonce_other", "nonce_mismatch", "answers another challenge").demand("nonce", nonce(0x12)),
    ]
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn file_of(name: &str) -> PathBuf {
    folder().join(format!("{name}.txt"))
}

/// As any implementation would run a vector.
fn run(text: &str) -> (String, Result<receipt::Receipt, Rejected>) {
    let (head, token) = text.split_once("\n\n").unwrap();
    let head: BTreeMap<&str, &str> = head
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let mut expected = Expectations::new(head["issuer"], head["audience"]).unwrap();
    expected = match head["minimum_level"].parse().unwrap() {
        Level::A0 => expected.danger_accept_a0(),
        level => expected.minimum_level(level),
    };
    if let Some(job) = head.get("job") {
        expected = expected.job(job.parse().unwrap());
    }
    if let Some(nonce) = head.get("nonce") {
        expected = expected.nonce(nonce.parse().unwrap());
    }
    let jwks = fs::read_to_string(folder().join("jwks.json")).unwrap();
    let validator = Validator::new(Jwks::parse(&jwks).unwrap(), expected);
    let now = time(head["now"].parse().unwrap());
    let token = token.strip_suffix('\n').unwrap();
    (head["expect"].to_owned(), validator.validate(token, now))
}

#[test]
fn vectors_are_answered_as_they_expect() {
    for case in cases() {
        let text = fs::read_to_string(file_of(case.name))
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let (expect, answer) = run(&text);
        assert_eq!(code(&answer), expect, "{}: {answer:?}", case.name);
    }
}

/// Everything but the signatures, which ECDSA draws anew each time.
#[test]
fn vectors_are_what_the_table_makes() {
    for case in cases() {
        let kept = fs::read_to_string(file_of(case.name)).unwrap();
        let signature = kept
            .trim_end_matches('\n')
            .rsplit('.')
            .next()
            .unwrap()
            .to_owned();
        let made = match (case.spoil)("a.e.a".to_owned()) == "a.e.a" {
            true => case.render(Some(&signature)),
            // The signature of a spoiled token may not be its last part: compare the head and the first part.
            false => {
                let made = case.render(None);
                let shared = made.len() - 200;
                assert_eq!(made[..shared], kept[..shared], "{}", case.name);
                continue;
            }
        };
        assert_eq!(made, kept, "{}", case.name);
    }
    let jwks = fs::read_to_string(folder().join("jwks.json")).unwrap();
    assert_eq!(jwks, key_set().to_json() + "\n");
}

#[test]
fn no_vector_is_stray_and_no_name_is_used_twice() {
    let names: Vec<String> = cases()
        .iter()
        .map(|case| format!("{}.txt", case.name))
        .collect();
    let mut expected: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(expected.len(), names.len());
    expected.extend(["README.md", "jwks.json", "key_sets"].map(str::to_owned));
    let found: io::Result<BTreeSet<String>> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| Ok(entry?.file_name().into_string().unwrap()))
        .collect();
    assert_eq!(found.unwrap(), expected);
}

/// Every reason to reject a token has a vector, but the one that would need a megabyte.
#[test]
fn every_rejection_has_a_vector() {
    let expected: BTreeSet<&str> = cases().iter().map(|case| case.expect).collect();
    for code in [Rejected::CODES, JsonFault::CODES, ClaimsError::CODES].concat() {
        assert!(
            expected.contains(code) || code == "token_too_large",
            "{code}"
        );
    }
}

#[test]
#[ignore = "writes files: run it after changing the table"]
fn write_vectors() {
    for case in cases() {
        fs::write(file_of(case.name), case.render(None)).unwrap();
    }
    fs::write(folder().join("jwks.json"), key_set().to_json() + "\n").unwrap();
    key_sets::write();
}
