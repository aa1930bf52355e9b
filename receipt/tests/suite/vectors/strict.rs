//! Vectors of form: what lax readers of tokens, base64, JSON and claims let through.

use serde_json::json;

use super::{Case, Signature};
use crate::kit::{TestKey, parts_of_audit, parts_of_program};

/// The character after this one in the alphabet of base64url: where bits are spare, only they differ.
fn next_character(token: String) -> String {
    let mut token = token.into_bytes();
    let last = token.last_mut().unwrap();
    *last = last.checked_add(1).unwrap();
    String::from_utf8(token).unwrap()
}

/// Another character in the middle of the signature.
fn flip_signature(token: String) -> String {
    let place = (token.rfind('.').unwrap() + 20).min(token.len() - 1);
    let mut token = token.into_bytes();
    token[place] = if token[place] == b'A' { b'B' } else { b'A' };
    String::from_utf8(token).unwrap()
}

fn zero_signature(token: String) -> String {
    let signed = token.rsplit_once('.').unwrap().0;
    format!("{signed}.{}", "A".repeat(128))
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let case = Case::new;
    vec![
        // The token.
        case("token_spare_bits", "base64url_malformed", "the last character of the signature has bits that say nothing")
            .key(TestKey::Ed25519).spoiled(next_character),
        case("signature_flipped_es384", "signature_invalid", "another character in the signature").spoiled(flip_signature),
        case("signature_flipped_es256", "signature_invalid", "another character in the signature")
            .key(TestKey::Es256).spoiled(flip_signature),
        case("signature_flipped_ed25519", "signature_invalid", "another character in the signature")
            .key(TestKey::Ed25519).spoiled(flip_signature),
        case("signature_zero", "signature_invalid", "r and s are zero").spoiled(zero_signature),
        case("signature_der", "signature_invalid", "well signed, in the form of certificates").signed(Signature::DerBy(TestKey::Es384)),

        // The header.
        case("header_cty", "header_member_not_allowed", "says that a token is inside").header(|h| { h.insert("cty".into(), json!("JWT")); }),
        case("header_alg_null", "header_member_malformed", "alg is null").header(|h| { h.insert("alg".into(), json!(null)); }),
        case("header_duplicate_alg", "json_duplicate_member", "names two algorithms")
            .header_text(|h| h.replacen('{', "{\"alg\":\"none\",", 1)),
        case("header_alg_lower_case", "algorithm_mismatch", "alg is compared exactly").header(|h| { h.insert("alg".into(), json!("es384")); }),

        // The JSON.
        case("payload_duplicate_escaped", "json_duplicate_member", "a member twice, its name once spelt with an escape")
            .text(|p| p.replacen('{', "{\"\\u0069ss\":\"https://evil.example\",", 1)),
        case("payload_exponent", "json_number_not_integer", "iat has an exponent")
            .text(|p| p.replacen("\"iat\":1795420800", "\"iat\":17954208e2", 1)),
        case("payload_minus_zero", "json_number_not_integer", "minus zero, which only doubles have")
            .text(|p| p.replacen("\"log_index\":7", "\"log_index\":-0", 1)),
        case("good_largest_integer", "ok", "the largest integer of 53 bits")
            .text(|p| p.replacen("\"log_index\":7", "\"log_index\":9007199254740991", 1)),
        case("payload_nan", "json_malformed", "a number that is none").text(|p| p.replacen("\"log_index\":7", "\"log_index\":NaN", 1)),
        case("payload_lone_surrogate", "json_malformed", "half a character, spelt with an escape")
            .text(|p| p.replacen('{', "{\"colour\":\"\\ud800\",", 1)),
        case("payload_not_utf8", "json_malformed", "a byte that is no UTF-8, in a claim nobody reads")
            .text(|p| p.replacen('{', "{\"colour\":\"~\",", 1))
            .bytes(|text| text.bytes().map(|byte| if byte == b'~' { 0xff } else { byte }).collect()),
        case("payload_byte_order_mark", "json_malformed", "begins with a byte order mark").text(|p| format!("\u{feff}{p}")),
        case("payload_trailing_comma", "json_malformed", "a comma after the last member").text(|p| p[..p.len() - 1].to_owned() + ",}"),
        case("payload_two_values", "json_malformed", "something follows the claims").text(|p| p + "{}"),
        case("payload_raw_control", "json_malformed", "a tabulator inside a string").text(|p| p.replacen('{', "{\"colour\":\"\t\",", 1)),
        case("payload_too_deep_by_one", "json_too_deep", "a nesting of 17")
            .text(|p| p.replacen('{', &format!("{{\"a\":{}{},", "[".repeat(16), "]".repeat(16)), 1)),
        case("payload_too_deep_empty", "json_too_deep", "an empty object where the nesting is 17")
            .text(|p| p.replacen('{', &format!("{{\"a\":{}{{}}{},", "[".repeat(15), "]".repeat(15)), 1)),
        case("good_deepest", "ok", "a nesting of 16")
            .text(|p| p.replacen('{', &format!("{{\"a\":{}{},", "[".repeat(15), "]".repeat(15)), 1)),

        // Text, and other small values.
        case("claim_text_empty", "claim_malformed", "sub is empty").payload(|p| p["sub"] = json!("")),
        case("claim_text_control", "claim_malformed", "a control character in sub").payload(|p| p["sub"] = json!("provider\u{7}")),
        case("claim_text_reordering", "claim_malformed", "a character in sub that reorders what stands around it")
            .payload(|p| p["sub"] = json!("provider\u{202e}71")),
        case("claim_text_too_long", "claim_malformed", "sub has 257 characters of two bytes each").payload(|p| p["sub"] = json!("é".repeat(257))),
        case("good_text_longest", "ok", "sub has 512 bytes").payload(|p| p["sub"] = json!("é".repeat(256))),
        case("claim_jti_number", "claim_malformed", "jti is a number").payload(|p| p["jti"] = json!(17)),
        case("claim_nbf_negative", "claim_malformed", "a time before 1970").payload(|p| p["nbf"] = json!(-1)),
        case("claim_aud_empty", "claim_malformed", "an array of no audience").payload(|p| p["aud"] = json!([])),
        case("claim_aud_twice", "claim_malformed", "one audience twice").payload(|p| p["aud"] = json!([p["aud"], p["aud"]])),
        case("claim_nonce_short", "claim_malformed", "a nonce of 7 bytes").payload(|p| p["eat_nonce"] = json!("AAAAAAAAAA")),
        case("claim_nonce_padded", "claim_malformed", "a nonce with padding").payload(|p| p["eat_nonce"] = json!("ERERERERERE=")),
        case("claim_cnf_with_key", "claim_malformed", "cnf says more than a thumbprint").payload(|p| p["cnf"]["jwk"] = json!({})),
        case("claim_cnf_array", "claim_malformed", "the members of an object in an array, without their names").payload(|p| p["cnf"] = json!([p["cnf"]["jkt"]])),
        case("claim_kernel_array", "claim_malformed", "the members of an object of the work in an array").payload(|p| {
            let kernel = p["pogw"]["kernel"].clone();
            p["pogw"]["kernel"] = json!([kernel["name"], kernel["digest"]]);
        }),
        case("claim_output_array", "claim_malformed", "an object of a list as an array").payload(|p| {
            let output = p["pogw"]["outputs"][0].clone();
            p["pogw"]["outputs"][0] = json!([output["name"], output["len"], output["blake3"]]);
        }),
        case("claim_status_object", "claim_malformed", "a word as an object around null")
            .payload(|p| p["pogw"]["assurance"]["level"] = json!({ "A2": null })),
        case("claim_digest_short", "claim_malformed", "a digest of 31 bytes").payload(|p| p["pogw"]["evidence_digest"] = json!("10".repeat(31))),

        // Names.
        case("good_claim_other_case", "ok", "claims that nobody knows, and that differ from ours by their capitals")
            .payload(|p| { p["Iss"] = json!("https://evil.example"); p["AUD"] = json!("x"); p["Pogw"] = json!({}); }),
        case("good_submod_odd_name", "ok", "a submodule whose name means something to JavaScript").payload(|p| {
            p["submods"] = json!({ "__proto__": p["submods"]["gpu0"] });
            p["pogw"]["devices"][0]["submod"] = json!("__proto__");
        }),
        case("claim_pogw_member_odd_name", "claim_unknown", "a member of pogw whose name means something to JavaScript")
            .payload(|p| p["pogw"]["constructor"] = json!({})),

        // Objects inside.
        case("claim_vector_category_unknown", "claim_malformed", "a category that AR4SI has not")
            .payload(|p| p["submods"]["gpu0"]["ear_trustworthiness_vector"]["luck"] = json!(2)),
        case("claim_vector_beyond_byte", "claim_malformed", "a value of the vector that is no signed byte")
            .payload(|p| p["submods"]["gpu0"]["ear_trustworthiness_vector"]["hardware"] = json!(128)),
        case("good_vector_category_missing", "ok", "a category that is left out makes no claim")
            .payload(|p| { p["submods"]["gpu0"]["ear_trustworthiness_vector"].as_object_mut().unwrap().remove("sourced-data"); }),
        case("claim_measres_other_word", "claim_malformed", "measres is neither success nor fail")
            .payload(|p| p["submods"]["gpu0"]["measres"] = json!("maybe")),
        case("good_measres_null", "ok", "null, as NVIDIA writes what was not reached").payload(|p| p["submods"]["gpu0"]["measres"] = json!(null)),
        case("good_submod_claim_unknown", "ok", "a claim about a device that the profile does not know")
            .payload(|p| p["submods"]["gpu0"]["colour"] = json!("green")),
        case("good_submod_claims_like_ours", "ok", "claims about a device whose names begin as ours do").payload(|p| {
            p["submods"]["gpu0"]["ear_status_detail"] = json!(1);
            p["submods"]["gpu0"]["ear_trust"] = json!({});
            p["submods"]["gpu0"]["ear_trustworthiness_vectors"] = json!("none");
            p["submods"]["gpu0"]["ear_appraisal_policy_id"] = json!(null);
        }),
        case("good_texts_hostile", "ok", "texts that are markup to a browser, commands to a terminal, or long").payload(|p| {
            let markup = "<img src=x onerror=\"hacked=1\"><script>hacked=1</script><b>&amp;</b>";
            p["sub"] = json!(markup);
            p["pogw"]["kernel"]["name"] = json!("</code><svg onload=hacked=1>");
            p["pogw"]["executor"]["value"] = json!("javascript:hacked=1//".to_owned() + &"x".repeat(400));
            p["pogw"]["outputs"][0]["name"] = json!("\"><iframe srcdoc='<script>hacked=1</script>'>");
            p["submods"]["gpu0"]["hwmodel"] = json!(format!("\u{1b}[2J\u{1b}]0;hacked\u{7}{markup}"));
            p["submods"]["gpu0"]["x-nvidia-gpu-driver-version"] = json!(format!("{markup}\u{202e}{}", "9".repeat(20_000)));
        }),
        case("claim_device_member_unknown", "claim_malformed", "a device with a member this version does not know")
            .payload(|p| p["pogw"]["devices"][0]["borrowed"] = json!(true)),
        case("claim_output_without_len", "claim_malformed", "an output without its length")
            .payload(|p| { p["pogw"]["outputs"][0].as_object_mut().unwrap().remove("len"); }),
        case("claim_simulated_number", "claim_malformed", "a number where true or false is wanted")
            .payload(|p| p["pogw"]["devices"][0]["simulated"] = json!(0)),
        case("claim_kernel_null", "claim_malformed", "null is not a way to be absent").payload(|p| p["pogw"]["kernel"] = json!(null)),
        case("claim_exit_code_256", "claim_malformed", "an exit status that no program has")
            .claims(parts_of_program()).payload(|p| p["pogw"]["program"]["value"]["exit_code"] = json!(256)),
        case("claim_level_unknown", "claim_malformed", "a level this version does not know").payload(|p| p["pogw"]["assurance"]["level"] = json!("A4")),
        case("claim_result_unknown", "claim_malformed", "a result check this version does not know")
            .payload(|p| p["pogw"]["assurance"]["results"] = json!(["freivalds", "luck"])),
        case("claim_method_upper_case", "claim_malformed", "a method in upper case")
            .payload(|p| p["pogw"]["methods"][0]["method"] = json!("Device_Report")),
        case("claim_log2_error_positive", "claim_malformed", "a probability above one").payload(|p| p["pogw"]["methods"][5]["log2_error"] = json!(1)),
        case("claim_log2_error_null", "claim_malformed", "null is not a way to be absent")
            .payload(|p| p["pogw"]["methods"][0]["log2_error"] = json!(null)),
        case("claim_share_of_nothing", "claim_malformed", "a wrong share of nothing")
            .claims(parts_of_audit()).payload(|p| p["pogw"]["methods"][6]["wrong_ppm"] = json!(0)),
        case("claim_chain_of_one", "claim_malformed", "a chain of one step")
            .claims(parts_of_audit()).payload(|p| p["pogw"]["methods"][6]["chain"]["steps"] = json!(1)),
    ]
}
