//! Bundles, and the JSON that means one thing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::limits::{MAX_DEVICES, MAX_OUTPUTS, MAX_REPLICAS, MAX_SLICE_BYTES, MAX_SLICES};
use evidence::work::request::{ReceivedRequest, SignedRequest, Target};
use evidence::work::{Bundle, MAX_SAFE_INTEGER, Opening, StrictValue, canonical_json};
use receipt::UnverifiedReceipt;
use serde_json::Value;

/// Bundles: what is accepted is written and read as the same, and so are the statement's canonical bytes.
pub fn bundle(json: &[u8]) {
    let bundle = match Bundle::parse(json) {
        Ok(bundle) => bundle,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(bundle.devices.len() <= MAX_DEVICES);
    assert!(bundle.statement.outputs.len() <= MAX_OUTPUTS);
    let written = serde_json::to_vec(&bundle).expect("JSON");
    assert_eq!(Bundle::parse(&written).expect("the same bundle"), bundle);
    let digest = bundle
        .job
        .digest()
        .expect("a job read from JSON has a digest");
    let job = canonical_json(&bundle.job).expect("a job has a canonical form");
    assert_eq!(evidence::crypto::sha256(&job), digest.0);
    if let Ok(canonical) = bundle.statement.canonical() {
        is_its_own_canonical_form(canonical.as_bytes());
        let read = serde_json::from_slice(canonical.as_bytes()).expect("a statement");
        assert_eq!(bundle.statement, read);
    }
}

/// Openings: what is accepted is written and read as the same, within its bounds; its bundle is one by itself.
pub fn opening(json: &[u8]) {
    let opening = match Opening::parse(json) {
        Ok(opening) => opening,
        Err(error) => return assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    };
    assert!(opening.slices.len() <= MAX_SLICES && opening.cross.len() <= MAX_REPLICAS);
    let bytes = opening.slices.iter().map(|slice| slice.bytes.0.len());
    assert!(bytes.sum::<usize>() <= MAX_SLICE_BYTES);
    let written = serde_json::to_vec(&opening).expect("JSON");
    assert_eq!(Opening::parse(&written).expect("the same opening"), opening);
    let bundle = serde_json::to_vec(&opening.bundle).expect("JSON");
    assert_eq!(Bundle::parse(&bundle).expect("a bundle"), opening.bundle);
}

/// Signed requests, as lines: method, path, query if there is one, the three fields. What is read has one spelling: the
/// same request signed again has the same base and the same fields but for the digest of the body, which is not known.
pub fn request(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let lines: Vec<&str> = text.split('\n').collect();
    let (method, path, query, [digest, input, signature]) = match lines[..] {
        [method, path, query, digest, input, signature] => {
            (method, path, Some(query), [digest, input, signature])
        }
        [method, path, digest, input, signature] => {
            (method, path, None, [digest, input, signature])
        }
        _ => return,
    };
    let Ok(target) = Target::new(method, path, query) else {
        return;
    };
    let received = match ReceivedRequest::parse(&target, digest, input, signature) {
        Ok(received) => received,
        Err(error) => return assert!(!error.to_string().is_empty() && !error.code().is_empty()),
    };
    let lines = 4 + usize::from(query.is_some());
    let base = String::from_utf8(received.signature_base().to_vec()).expect("text");
    assert_eq!(base.lines().count(), lines, "{base:?}");
    let params = received.params().clone();
    let again = SignedRequest::new(target, params, b"").expect("what was read can be signed");
    let fields = again.sign(|again| {
        let again = String::from_utf8(again.to_vec()).expect("text");
        let but_digest = |base: &str| {
            let lines = base
                .lines()
                .filter(|line| !line.starts_with("\"content-digest\""));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(but_digest(&again), but_digest(&base));
        [0; 64]
    });
    assert_eq!(fields.signature_input, input);
    assert_eq!(fields.signature.len(), signature.len());
    assert_eq!(fields.content_digest.len(), digest.len());
}

/// Strict JSON: what is accepted has one canonical form, by a second opinion, which is read as the same value; the
/// receipt's reader takes it for the same value too, or refuses it.
pub fn strict_json(text: &[u8]) {
    let strict: StrictValue = match serde_json::from_slice(text) {
        Ok(strict) => strict,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let canonical = canonical_json(&strict).expect("a canonical form");
    assert_eq!(
        String::from_utf8_lossy(&canonical),
        canonical_text(strict.as_value())
    );
    is_its_own_canonical_form(&canonical);
    let again: StrictValue = serde_json::from_slice(&canonical).expect("the same value");
    assert_eq!(again, strict);
    assert_eq!(
        StrictValue::new(strict.as_value()).expect("the same value"),
        strict
    );
    let token = format!("e30.{}.", URL_SAFE_NO_PAD.encode(text));
    if let Ok(peeked) = UnverifiedReceipt::peek(&token) {
        assert_eq!(Some(peeked.payload()), strict.as_value().as_object());
    }
}

fn is_its_own_canonical_form(canonical: &[u8]) {
    let value: StrictValue = serde_json::from_slice(canonical).expect("strict JSON");
    assert_eq!(canonical_json(&value).expect("a canonical form"), canonical);
}

/// RFC 8785, for values without fractions.
fn canonical_text(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Number(number) => {
            let integer = number.as_i64().expect("an integer");
            assert!(integer.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs());
            integer.to_string()
        }
        Value::String(text) => canonical_string(text),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(canonical_text).collect();
            format!("[{}]", values.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let members = members.into_iter().map(|(name, value)| {
                format!("{}:{}", canonical_string(name), canonical_text(value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

/// RFC 8785 section 3.2.2.2.
fn canonical_string(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        control if control < ' ' => format!("\\u{:04x}", u32::from(control)),
        other => other.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
