//! A stock JWT library accepts what we issue and publish, and names keys as we do.

use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use receipt::{Claims, issue};
use serde_json::Value;

use crate::kit::{AUDIENCE, ISSUER, TestKey, key_set, parts, payload_of};

fn published() -> JwkSet {
    serde_json::from_str(&key_set().to_json()).unwrap()
}

#[test]
fn a_stock_library_validates_our_tokens() {
    let keys = published();
    for (key, algorithm) in [
        (TestKey::Es384, Algorithm::ES384),
        (TestKey::Es256, Algorithm::ES256),
    ] {
        // Without end, because that library reads the clock.
        let mut parts = parts();
        parts.exp = None;
        let signed = issue(&Claims::new(parts.clone()).unwrap(), &key.signer()).unwrap();

        let header: Header = decode_header(signed.as_str()).unwrap();
        assert_eq!(header.typ.as_deref(), Some("eat+jwt"));
        let jwk = keys.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["iss", "aud", "sub"]);
        let decoding = DecodingKey::from_jwk(jwk).unwrap();
        let decoded = decode::<Value>(signed.as_str(), &decoding, &validation).unwrap();
        assert_eq!(decoded.claims, Value::Object(payload_of(parts)));
    }
}

#[test]
fn a_stock_library_names_keys_as_we_do() {
    let keys = published().keys;
    assert_eq!(keys.len(), TestKey::PUBLISHED.len());
    for (jwk, key) in keys.iter().zip(TestKey::PUBLISHED) {
        assert_eq!(
            jwk.thumbprint(ThumbprintHash::SHA256).unwrap(),
            key.kid().to_string()
        );
        assert_eq!(jwk.common.key_id, Some(key.kid().to_string()));
    }
}
