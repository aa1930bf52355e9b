//! The profile's text as RFC 9421 and RFC 9530 write it, and a negative for every rule.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::*;

/// `test-key-ed25519` of RFC 9421 B.1.4: known to everybody.
const SEED: &str = "9f8362f87a484a954e6e740c5b4c0e84229139a20aa8ab56ff66586f6a7d29c5";
const NOW: UnixTime = UnixTime::from_secs(1_795_392_000);
const BODY: &[u8] = br#"{"hello": "world"}"#;

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&hex::decode(SEED).unwrap()).unwrap()
}

fn public() -> [u8; 32] {
    key().public_key().as_ref().try_into().unwrap()
}

fn sign(message: &[u8]) -> [u8; 64] {
    key().sign(message).as_ref().try_into().unwrap()
}

fn params() -> SignatureParams {
    SignatureParams {
        created: NOW,
        key_id: "agent-1".to_owned(),
        nonce: Base64Url(std::array::from_fn(|i| i as u8)),
    }
}

fn next() -> Target<'static> {
    Target::new("POST", "/v1/assignments/next", Some("wait_s=60")).unwrap()
}

fn signed(target: Target<'_>, body: &[u8]) -> SignatureFields {
    SignedRequest::new(target, params(), body)
        .unwrap()
        .sign(sign)
}

fn received(
    target: &Target<'_>,
    fields: &SignatureFields,
) -> Result<ReceivedRequest, RequestError> {
    ReceivedRequest::parse(
        target,
        &fields.content_digest,
        &fields.signature_input,
        &fields.signature,
    )
}

fn code(result: Result<impl Sized, RequestError>) -> &'static str {
    result.err().map_or("", |error| error.code())
}

#[test]
fn the_key_and_the_digest_are_those_of_the_rfcs() {
    // RFC 9421 B.1.4, member x.
    assert_eq!(
        Base64Url(public()).to_string(),
        "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
    );
    // RFC 9530 appendix B.1 and D: the body with and without its last line feed; no bytes at all.
    let table: [(&[u8], &str); 3] = [
        (BODY, "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
        (
            b"{\"hello\": \"world\"}\n",
            "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
        ),
        (b"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ];
    for (body, digest) in table {
        assert_eq!(content_digest(body), format!("sha-256=:{digest}:"));
    }
}

#[test]
fn the_signature_base_is_the_text_of_the_rfc() {
    let fields = signed(next(), BODY);
    let request = received(&next(), &fields).unwrap();
    let expected = concat!(
        "\"@method\": POST\n",
        "\"@path\": /v1/assignments/next\n",
        "\"@query\": ?wait_s=60\n",
        "\"content-digest\": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:\n",
        "\"@signature-params\": (\"@method\" \"@path\" \"@query\" \"content-digest\")",
        ";created=1795392000;keyid=\"agent-1\";alg=\"ed25519\";nonce=\"AAECAwQFBgcICQoLDA0ODw\"",
    );
    assert_eq!(request.signature_base(), expected.as_bytes());
    assert_eq!(request.params(), &params());
    assert_eq!(request.verify(&public(), BODY, NOW), Ok(()));
}

#[test]
fn targets_keep_their_spelling() {
    // Paths and queries of RFC 9421 2.2.6 and 2.2.7, and the least there is.
    let table = [
        ("/", None, "\"@path\": /\n\"content-digest\""),
        (
            "/path",
            Some(""),
            "\"@path\": /path\n\"@query\": ?\n\"content-digest\"",
        ),
        (
            "/path",
            Some("param=value&foo=bar&baz=bat%2Dman"),
            "\"@path\": /path\n\"@query\": ?param=value&foo=bar&baz=bat%2Dman\n",
        ),
        ("/path", Some("queryString"), "\"@query\": ?queryString\n"),
        (
            "/a//b/../%2e%2E",
            Some("x=?&y=/"),
            "\"@path\": /a//b/../%2e%2E\n\"@query\": ?x=?&y=/\n",
        ),
    ];
    for (path, query, expected) in table {
        let target = Target::new("GET", path, query).unwrap();
        let request = received(&target, &signed(target, b"")).unwrap();
        let base = String::from_utf8(request.signature_base().to_vec()).unwrap();
        assert!(base.contains(expected), "{base}");
        assert_eq!(request.verify(&public(), b"", NOW), Ok(()));
    }
}

#[test]
fn what_no_request_line_has_is_no_target() {
    let long = format!("/{}", "a".repeat(MAX_TARGET_BYTES));
    let table = [
        ("", "/", None),
        ("post", "/", None),
        ("POST\n", "/", None),
        ("POST", "", None),
        ("POST", "v1", None),
        ("POST", "/a b", None),
        ("POST", "/a\n\"@path\": /b", None),
        ("POST", "/a?b", None),
        ("POST", "/a#b", None),
        ("POST", "/ä", None),
        ("POST", "/", Some("a#b")),
        ("POST", "/", Some("a\r")),
        ("POST", &long, None),
    ];
    for (method, path, query) in table {
        let target = Target::new(method, path, query);
        assert_eq!(
            code(target),
            "request_target_malformed",
            "{method} {path} {query:?}"
        );
    }
}

#[test]
fn nothing_that_is_signed_can_be_changed() {
    let fields = signed(next(), BODY);
    let check = |target: &Target<'_>, fields: &SignatureFields, body: &[u8]| {
        received(target, fields).and_then(|request| request.verify(&public(), body, NOW))
    };
    assert_eq!(check(&next(), &fields, BODY), Ok(()));
    let target = |method, path, query| Target::new(method, path, query).unwrap();
    let path = "/v1/assignments/next";
    for other in [
        target("PUT", path, Some("wait_s=60")),
        target("POST", "/v1/assignments/next/", Some("wait_s=60")),
        target("POST", path, Some("wait_s=61")),
        target("POST", path, Some("")),
    ] {
        assert_eq!(
            code(check(&other, &fields, BODY)),
            "signature_invalid",
            "{other:?}"
        );
    }
    let without = target("POST", path, None);
    assert_eq!(
        code(check(&without, &fields, BODY)),
        "signature_components_mismatch"
    );
    assert_eq!(
        code(check(&next(), &signed(without, BODY), BODY)),
        "signature_components_mismatch"
    );
    assert_eq!(
        code(check(&next(), &fields, b"{}")),
        "content_digest_mismatch"
    );
    let other_body = SignatureFields {
        content_digest: content_digest(b"{}"),
        ..fields.clone()
    };
    assert_eq!(
        code(check(&next(), &other_body, b"{}")),
        "signature_invalid"
    );
    for (from, to) in [
        ("1795392000", "1795392001"),
        ("agent-1", "agent-2"),
        ("AAEC", "BAEC"),
    ] {
        let signature_input = fields.signature_input.replace(from, to);
        let changed = SignatureFields {
            signature_input,
            ..fields.clone()
        };
        assert_eq!(
            code(check(&next(), &changed, BODY)),
            "signature_invalid",
            "{to}"
        );
    }
    let request = received(&next(), &fields).unwrap();
    assert_eq!(
        code(request.verify(&[1; 32], BODY, NOW)),
        "signature_invalid"
    );
}

#[test]
fn a_signature_is_fresh_for_a_minute_either_side() {
    let request = received(&next(), &signed(next(), BODY)).unwrap();
    for (offset, expected) in [
        (-61, "signature_expired"),
        (-60, ""),
        (60, ""),
        (61, "signature_expired"),
    ] {
        let now = UnixTime::from_secs(NOW.secs() + offset);
        assert_eq!(
            code(request.verify(&public(), BODY, now)),
            expected,
            "{offset}"
        );
    }
    for now in [i64::MIN, i64::MAX] {
        let now = UnixTime::from_secs(now);
        assert_eq!(
            code(request.verify(&public(), BODY, now)),
            "signature_expired"
        );
    }
}

/// What other implementations of the RFCs may write and this profile does not.
#[test]
fn fields_have_one_spelling() {
    let good = signed(next(), BODY);
    let input = good.signature_input.as_str();
    let swapped = |from: &str, to: &str| {
        assert!(input.contains(from), "{from}");
        input.replace(from, to)
    };
    let malformed = "signature_input_malformed";
    let components = "signature_components_mismatch";
    let inputs = [
        (String::new(), malformed),
        (swapped("pogw=", "sig1="), malformed),
        (swapped("pogw=", "pogw= "), components),
        (format!("{input}, {input}"), malformed),
        (format!(" {input}"), malformed),
        (format!("{input} "), malformed),
        (format!("{input};tag=\"x\""), malformed),
        (swapped("\"@method\" ", ""), components),
        (
            swapped("\"@method\" \"@path\"", "\"@path\" \"@method\""),
            components,
        ),
        (swapped("\"@path\"", "\"@path\";req"), components),
        (swapped("\"@path\"", "\"@authority\""), components),
        (swapped(" \"content-digest\"", ""), components),
        (swapped("(\"", "( \""), components),
        (
            swapped("created=1795392000", "created=+1795392000"),
            malformed,
        ),
        (
            swapped("created=1795392000", "created=01795392000"),
            malformed,
        ),
        (swapped("created=1795392000", "created=-1"), malformed),
        (
            swapped("created=1795392000", "created=1795392000.0"),
            malformed,
        ),
        (
            swapped("created=1795392000", "created=1000000000000000"),
            malformed,
        ),
        (
            swapped("created=1795392000", "created=99999999999999999999"),
            malformed,
        ),
        (swapped(";created=1795392000", ""), malformed),
        (swapped(";keyid", "; keyid"), malformed),
        (swapped("agent-1", ""), malformed),
        (swapped("agent-1", "agent 1"), malformed),
        (swapped("agent-1", "agent\\\"1"), malformed),
        (
            swapped("agent-1", &"a".repeat(MAX_KEY_ID_BYTES + 1)),
            malformed,
        ),
        (swapped("ed25519", "ed448"), malformed),
        (swapped(";alg=\"ed25519\"", ""), malformed),
        (swapped("ODw\"", "ODw==\""), malformed),
        (swapped("ODw\"", "ODx\""), malformed),
        (swapped("ODw\"", "\""), malformed),
    ];
    for (signature_input, expected) in inputs {
        let fields = SignatureFields {
            signature_input: signature_input.clone(),
            ..good.clone()
        };
        assert_eq!(
            code(received(&next(), &fields)),
            expected,
            "{signature_input}"
        );
    }
    let spoilt = |field: &str| {
        [
            String::new(),
            field.replace("=:", "="),
            field.replace("=:", "=: "),
            field.trim_end_matches(':').to_owned(),
            field.replace("=:", "=:AAAA"),
            field.replacen('=', "= ", 1),
            format!("{field}, {field}"),
            field.to_uppercase(),
            field
                .trim_end_matches("=:")
                .trim_end_matches('=')
                .to_owned()
                + ":",
        ]
    };
    for content_digest in spoilt(&good.content_digest) {
        let fields = SignatureFields {
            content_digest: content_digest.clone(),
            ..good.clone()
        };
        assert_eq!(
            code(received(&next(), &fields)),
            "content_digest_malformed",
            "{content_digest}"
        );
    }
    for signature in spoilt(&good.signature) {
        let fields = SignatureFields {
            signature: signature.clone(),
            ..good.clone()
        };
        assert_eq!(
            code(received(&next(), &fields)),
            "signature_malformed",
            "{signature}"
        );
    }
    let other_algorithm = good.content_digest.replace("sha-256", "sha-512");
    let fields = SignatureFields {
        content_digest: other_algorithm,
        ..good
    };
    assert_eq!(code(received(&next(), &fields)), "content_digest_malformed");
}

#[test]
fn what_could_not_be_read_is_not_signed() {
    for (key_id, created) in [("", 0), ("a\"b", 0), ("a", -1), ("a", MAX_CREATED + 1)] {
        let params = SignatureParams {
            key_id: key_id.to_owned(),
            created: UnixTime::from_secs(created),
            ..params()
        };
        let signed = SignedRequest::new(next(), params, b"");
        assert_eq!(
            code(signed),
            "signature_input_malformed",
            "{key_id} {created}"
        );
    }
}
