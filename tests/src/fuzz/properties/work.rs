//! Bundles, and the JSON that means one thing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::limits::{MAX_DEVICES, MAX_OUTPUTS};
use evidence::work::{Bundle, MAX_SAFE_INTEGER, StrictValue, canonical_json};
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
