//! The token as bytes: header tricks, confused algorithms, and every flipped bit.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use receipt::{Claims, Rejected, Signer, UnverifiedReceipt, Validator, issue, limits};
use serde_json::{Value, json};

use crate::kit::{
    IAT, TestKey, base64url, code, expectations, header, key_set, parts, payload, time, token,
    token_of, validate,
};

fn payload_text() -> String {
    Value::Object(payload()).to_string()
}

fn with_header(name: &str, value: Value) -> Result<receipt::Receipt, Rejected> {
    let mut header = header(TestKey::Es384);
    header.insert(name.to_owned(), value);
    validate(&token(
        &Value::Object(header).to_string(),
        &payload_text(),
        TestKey::Es384,
    ))
}

fn not_allowed(name: &str, value: Value) {
    let name = name.to_owned();
    assert_eq!(
        with_header(&name, value),
        Err(Rejected::HeaderMemberNotAllowed { name })
    );
}

#[test]
fn header_is_exactly_three_members() {
    let signed = issue(&Claims::new(parts()).unwrap(), &TestKey::Es384.signer()).unwrap();
    let seen = UnverifiedReceipt::peek(signed.as_str()).unwrap();
    assert_eq!(*seen.header(), header(TestKey::Es384));
    assert_eq!(*seen.payload(), payload());
}

#[test]
fn header_jwk_is_refused() {
    let stranger = json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"});
    not_allowed("jwk", stranger);
}

#[test]
fn header_jku_is_refused() {
    not_allowed("jku", json!("https://evil.example/jwks.json"));
}

#[test]
fn header_x5c_is_refused() {
    not_allowed("x5c", json!(["MIIB"]));
}

#[test]
fn header_x5u_is_refused() {
    not_allowed("x5u", json!("https://evil.example/cert.pem"));
}

#[test]
fn header_x5t_is_refused() {
    not_allowed("x5t", json!("AA"));
    not_allowed("x5t#S256", json!("AA"));
}

#[test]
fn header_crit_is_refused() {
    not_allowed("crit", json!(["exp"]));
    not_allowed("crit", json!([]));
}

#[test]
fn header_b64_is_refused() {
    not_allowed("b64", json!(false));
}

#[test]
fn header_zip_and_cty_are_refused() {
    not_allowed("zip", json!("DEF"));
    not_allowed("cty", json!("JWT"));
}

#[test]
fn header_members_are_all_needed() {
    for name in ["typ", "alg", "kid"] {
        let mut header = header(TestKey::Es384);
        header.remove(name);
        let header = Value::Object(header).to_string();
        let answer = validate(&token(&header, &payload_text(), TestKey::Es384));
        assert_eq!(answer, Err(Rejected::HeaderMemberMissing { name }));
        for value in [json!(null), json!(1), json!(["eat+jwt"])] {
            assert_eq!(
                with_header(name, value),
                Err(Rejected::HeaderMemberMalformed { name })
            );
        }
    }
}

#[test]
fn header_members_occur_once() {
    let kid = TestKey::Es384.kid();
    let header = format!(r#"{{"typ":"eat+jwt","alg":"none","kid":"{kid}","alg":"ES384"}}"#);
    let answer = validate(&token(&header, &payload_text(), TestKey::Es384));
    assert_eq!(code(&answer), "json_duplicate_member");
}

#[test]
fn typ_is_exact() {
    for other in [
        "JWT",
        "EAT+JWT",
        "application/eat+jwt",
        "eat+jwt ",
        "eat-jwt",
        "",
    ] {
        assert_eq!(
            code(&with_header("typ", json!(other))),
            "typ_mismatch",
            "{other}"
        );
    }
}

#[test]
fn kid_names_a_key_of_the_set() {
    let stranger = TestKey::Stranger.kid().to_string();
    for other in [
        stranger.as_str(),
        "",
        "../../etc/passwd",
        "\u{0}",
        &"k".repeat(10_000),
    ] {
        assert_eq!(
            code(&with_header("kid", json!(other))),
            "key_unknown",
            "{other:?}"
        );
    }
    let header = Value::Object(header(TestKey::Stranger)).to_string();
    let answer = validate(&token(&header, &payload_text(), TestKey::Stranger));
    assert_eq!(code(&answer), "key_unknown");
}

#[test]
fn algorithm_none_is_refused() {
    for none in ["none", "None", "NONE", ""] {
        let mut header = header(TestKey::Es384);
        header.insert("alg".to_owned(), json!(none));
        let input = format!(
            "{}.{}",
            base64url(Value::Object(header).to_string()),
            base64url(payload_text())
        );
        for signature in ["", "AA"] {
            assert_eq!(
                code(&validate(&format!("{input}.{signature}"))),
                "algorithm_mismatch"
            );
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let mut header = header(TestKey::Es384);
    header.insert("alg".to_owned(), json!("HS256"));
    let input = format!(
        "{}.{}",
        base64url(Value::Object(header).to_string()),
        base64url(payload_text())
    );
    let jwks = key_set().to_json();
    let x = URL_SAFE_NO_PAD.decode(
        serde_json::from_str::<Value>(&jwks).unwrap()["keys"][0]["x"]
            .as_str()
            .unwrap(),
    );
    for secret in [
        jwks.into_bytes(),
        x.unwrap(),
        TestKey::Es384.kid().to_string().into_bytes(),
    ] {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &secret),
            input.as_bytes(),
        );
        let answer = validate(&format!("{input}.{}", base64url(tag)));
        let expected = Rejected::AlgorithmMismatch {
            expected: "ES384",
            actual: "HS256".to_owned(),
        };
        assert_eq!(answer, Err(expected));
    }
}

#[test]
fn each_key_has_one_algorithm() {
    for key in TestKey::PUBLISHED {
        for other in [
            "ES384", "ES256", "Ed25519", "EdDSA", "ES512", "RS256", "HS384", "es384",
        ] {
            if other == key.algorithm().as_str() {
                continue;
            }
            let mut header = header(key);
            header.insert("alg".to_owned(), json!(other));
            let token = token(&Value::Object(header).to_string(), &payload_text(), key);
            assert_eq!(
                code(&validate(&token)),
                "algorithm_mismatch",
                "{other} for {key:?}"
            );
        }
    }
}

#[test]
fn another_keys_signature_does_not_hold() {
    for signing in [
        TestKey::Es256,
        TestKey::Retired,
        TestKey::Ed25519,
        TestKey::Stranger,
    ] {
        let header = Value::Object(header(TestKey::Es384)).to_string();
        let answer = validate(&token(&header, &payload_text(), signing));
        let kid = TestKey::Es384.kid();
        assert_eq!(answer, Err(Rejected::SignatureInvalid { kid }));
    }
}

#[test]
fn signatures_of_other_forms_do_not_hold() {
    let good = token_of(&payload());
    let (input, _) = good.rsplit_once('.').unwrap();
    let der = {
        use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &TestKey::Es384.pkcs8())
                .unwrap();
        let signature = pair
            .sign(&aws_lc_rs::rand::SystemRandom::new(), input.as_bytes())
            .unwrap();
        signature.as_ref().to_vec()
    };
    for signature in [
        vec![],
        vec![0; 96],
        vec![0xff; 96],
        der,
        vec![0; 95],
        vec![0; 97],
    ] {
        let answer = validate(&format!("{input}.{}", base64url(&signature)));
        assert_eq!(
            code(&answer),
            "signature_invalid",
            "{} bytes",
            signature.len()
        );
    }
}

#[test]
fn parts_are_three() {
    let good = token_of(&payload());
    let parts: Vec<&str> = good.split('.').collect();
    let cases = [
        (String::new(), 1),
        (".".to_owned(), 2),
        (parts[..2].join("."), 2),
        (format!("{good}."), 4),
        (format!(".{good}"), 4),
        (format!("{good}.{}", parts[2]), 4),
    ];
    for (token, actual) in cases {
        assert_eq!(
            validate(&token),
            Err(Rejected::TokenParts {
                expected: 3,
                actual
            }),
            "{token}"
        );
    }
}

#[test]
fn base64url_is_strict_in_every_part() {
    let good = token_of(&payload());
    let parts: Vec<&str> = good.split('.').collect();
    for index in 0..3 {
        for spoil in ["=", "==", " ", "\n", "+", "é"] {
            let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            parts[index].push_str(spoil);
            assert_eq!(
                code(&validate(&parts.join("."))),
                "base64url_malformed",
                "{index} {spoil:?}"
            );
        }
    }
    for outside in [format!(" {good}"), format!("{good}\n")] {
        assert_eq!(code(&validate(&outside)), "base64url_malformed");
    }
}

/// Ed25519 signatures end in four spare bits; setting one must not make a second token.
#[test]
fn spare_bits_do_not_make_a_second_token() {
    let signed = issue(&Claims::new(parts()).unwrap(), &TestKey::Ed25519.signer()).unwrap();
    let good = signed.into_string();
    let last = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = alphabet.find(last).unwrap();
    for spare in 1..16 {
        let twin = alphabet.chars().nth(value + spare).unwrap();
        let token = format!("{}{twin}", &good[..good.len() - 1]);
        assert_eq!(code(&validate(&token)), "base64url_malformed");
    }
}

#[test]
fn size_is_capped_before_anything_is_decoded() {
    let huge = "A".repeat(limits::MAX_TOKEN_BYTES + 1);
    let answer = validate(&huge);
    let fields = Rejected::TokenTooLarge {
        limit: limits::MAX_TOKEN_BYTES,
        actual: limits::MAX_TOKEN_BYTES + 1,
    };
    assert_eq!(answer, Err(fields));
    assert_eq!(
        code(&validate(&huge[..limits::MAX_TOKEN_BYTES])),
        "token_parts"
    );
}

#[test]
fn payload_is_strict_json() {
    let header = Value::Object(header(TestKey::Es384)).to_string();
    let good = payload_text();
    let twice = good.replacen('{', r#"{"iss":"https://evil.example","#, 1);
    let inside = good.replacen(r#""pogw":{"#, r#""pogw":{"as_of":1,"#, 1);
    let cases = [
        (twice.as_str(), "json_duplicate_member"),
        (inside.as_str(), "json_duplicate_member"),
        ("[]", "json_not_object"),
        ("\"text\"", "json_not_object"),
        ("", "json_malformed"),
        ("{", "json_malformed"),
        (&format!("{good}{good}"), "json_malformed"),
        (
            &format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40)),
            "json_too_deep",
        ),
    ];
    for (payload, expected) in cases {
        assert_eq!(
            code(&validate(&token(&header, payload, TestKey::Es384))),
            expected
        );
    }
}

/// Nothing of the payload is read before the signature holds: a forged token learns nothing about expectations.
#[test]
fn an_unsigned_payload_is_not_read() {
    let header = Value::Object(header(TestKey::Es384)).to_string();
    for payload in ["", "[", r#"{"iss":"x","iss":"y"}"#] {
        let answer = validate(&token(&header, payload, TestKey::Stranger));
        assert_eq!(code(&answer), "signature_invalid");
    }
}

/// Every byte of the token, three of its bits each, for the slowest and the fastest algorithm.
#[test]
fn one_flipped_bit_never_validates() {
    let started = Instant::now();
    let keys = std::sync::Arc::new(key_set());
    let validator = Validator::new(keys, expectations());
    for key in [TestKey::Es384, TestKey::Ed25519] {
        let signed = issue(&Claims::new(parts()).unwrap(), &key.signer()).unwrap();
        let good = signed.into_string().into_bytes();
        let validates = |bytes: &[u8]| {
            let token = std::str::from_utf8(bytes).ok();
            token.is_some_and(|token| validator.validate(token, time(IAT)).is_ok())
        };
        assert!(validates(&good));
        for place in 0..good.len() {
            for bit in [0, 1, 5] {
                let mut flipped = good.clone();
                flipped[place] ^= 1 << bit;
                assert!(!validates(&flipped), "bit {bit} of byte {place}");
            }
        }
        for shorter in 0..good.len() {
            assert!(!validates(&good[..shorter]), "cut to {shorter}");
        }
    }
    assert!(started.elapsed() < Duration::from_secs(300));
}

/// An ECDSA signature has a twin: (r, n - s). It is the same receipt, and `jti` says so.
#[test]
fn a_twin_signature_is_the_same_receipt() {
    const ORDER_OF_P384: [u8; 48] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37,
        0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc,
        0xc5, 0x29, 0x73,
    ];
    let good = token_of(&payload());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0;
    for place in (0..48).rev() {
        let difference =
            i16::from(ORDER_OF_P384[place]) - i16::from(signature[48 + place]) - borrow;
        borrow = i16::from(difference < 0);
        signature[48 + place] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let twin = format!("{input}.{}", base64url(signature));
    assert_ne!(twin, good);
    assert_eq!(validate(&twin).unwrap().id(), validate(&good).unwrap().id());
}

#[test]
fn peeking_believes_nothing_and_bounds_everything() {
    let header = r#"{"alg":"none","jwk":{}}"#;
    let forged = token(header, r#"{"iss":"anybody"}"#, TestKey::Stranger);
    let seen = UnverifiedReceipt::peek(&forged).unwrap();
    assert_eq!(seen.header()["alg"], json!("none"));
    assert_eq!(seen.payload()["iss"], json!("anybody"));
    let huge = "A".repeat(limits::MAX_TOKEN_BYTES + 1);
    assert_eq!(
        UnverifiedReceipt::peek(&huge).unwrap_err().code(),
        "token_too_large"
    );
    assert_eq!(
        UnverifiedReceipt::peek("a.b.c").unwrap_err().code(),
        "base64url_malformed"
    );
    assert_eq!(
        TestKey::Stranger.signer().public_jwk().algorithm().as_str(),
        "ES384"
    );
}
