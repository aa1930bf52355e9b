//! Signing: every algorithm, keys that do not fit, and signers that misbehave.

use receipt::{
    Algorithm, Claims, IssueError, Jwk, Jwks, LocalSigner, SignError, Signer, Validator, issue,
    limits,
};

use crate::kit::{IAT, TestKey, code, expectations, key_set, parts, text, time, validate};

fn good() -> Claims {
    Claims::new(parts()).unwrap()
}

#[test]
fn every_algorithm_signs_what_validates() {
    for key in [TestKey::Es384, TestKey::Es256, TestKey::Ed25519] {
        let signed = issue(&good(), &key.signer()).unwrap();
        let receipt = validate(signed.as_str()).unwrap();
        assert_eq!(receipt.kid(), key.kid());
        assert_eq!(*receipt.claims(), good());
    }
}

#[test]
fn a_key_fits_its_own_algorithm_only() {
    for key in TestKey::PUBLISHED {
        for algorithm in Algorithm::ALL {
            let signer = LocalSigner::from_pkcs8(*algorithm, &key.pkcs8());
            assert_eq!(
                signer.is_ok(),
                *algorithm == key.algorithm(),
                "{algorithm} {key:?}"
            );
        }
    }
    let truncated = &TestKey::Es384.pkcs8()[..100];
    let refused = LocalSigner::from_pkcs8(Algorithm::Es384, truncated).unwrap_err();
    assert_eq!(
        refused,
        SignError::KeyRejected {
            algorithm: Algorithm::Es384
        }
    );
}

#[test]
fn signers_and_signed_receipts_show_no_secrets_and_no_claims() {
    let signer = TestKey::Es384.signer();
    let shown = format!("{signer:?}");
    assert_eq!(
        shown,
        format!("LocalSigner(Jwk(ES384 {}))", TestKey::Es384.kid())
    );
    let signed = issue(&good(), &signer).unwrap();
    assert_eq!(
        format!("{signed:?}"),
        format!("SignedReceipt({} bytes)", signed.as_str().len())
    );
}

/// A key store that answers what it is told to.
struct Faulty {
    jwk: Jwk,
    answer: Result<Vec<u8>, SignError>,
}

impl Signer for Faulty {
    fn public_jwk(&self) -> &Jwk {
        &self.jwk
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        self.answer.clone()
    }
}

#[test]
fn a_signer_that_answers_der_is_noticed() {
    let jwk = TestKey::Es384.signer().public_jwk().clone();
    let faulty = Faulty {
        jwk,
        answer: Ok(vec![0x30; 103]),
    };
    let refused = issue(&good(), &faulty).unwrap_err();
    assert_eq!(
        refused,
        IssueError::SignatureLength {
            expected: 96,
            actual: 103
        }
    );
}

#[test]
fn a_signer_that_fails_is_passed_on() {
    let reason = "key store is locked".to_owned();
    let jwk = TestKey::Es384.signer().public_jwk().clone();
    let faulty = Faulty {
        jwk,
        answer: Err(SignError::Failed {
            reason: reason.clone(),
        }),
    };
    let refused = issue(&good(), &faulty).unwrap_err();
    assert_eq!(refused.code(), "signing_failed");
    assert_eq!(refused, IssueError::Sign(SignError::Failed { reason }));
}

#[test]
fn what_every_validator_would_reject_is_not_signed() {
    let mut parts = parts();
    let share = [("x-nvidia-share".to_owned(), serde_json::json!(0.5))].into();
    let vendor = receipt::VendorClaims::new(share).unwrap();
    parts.submods.get_mut(&text("gpu0")).unwrap().vendor = vendor;
    let refused = issue(&Claims::new(parts).unwrap(), &TestKey::Es384.signer()).unwrap_err();
    assert_eq!(refused.code(), "json_number_not_integer");
}

#[test]
fn a_token_no_validator_takes_is_not_issued() {
    let mut parts = parts();
    let records = vec![serde_json::json!("x".repeat(1000)); limits::MAX_TOKEN_BYTES / 1000];
    let records = [(
        "x-nvidia-mismatch-measurement-records".to_owned(),
        records.into(),
    )]
    .into();
    let vendor = receipt::VendorClaims::new(records).unwrap();
    parts.submods.get_mut(&text("gpu0")).unwrap().vendor = vendor;
    let refused = issue(&Claims::new(parts).unwrap(), &TestKey::Es384.signer()).unwrap_err();
    assert_eq!(refused.code(), "token_too_large");
}

/// Keys rotate by overlap: published before first use, kept after the last.
#[test]
fn keys_rotate_by_overlap() {
    let old = TestKey::Es384.signer();
    let new = TestKey::Ed25519.signer();
    let overlap = Jwks::new(vec![
        old.public_jwk().clone().into(),
        new.public_jwk().clone().into(),
    ])
    .unwrap();
    let later = Jwks::new(vec![
        receipt::PublishedKey {
            jwk: old.public_jwk().clone(),
            retired_at: Some(time(IAT)),
        },
        new.public_jwk().clone().into(),
    ])
    .unwrap();
    for keys in [overlap, later, key_set()] {
        let validator = Validator::new(keys, expectations());
        for signer in [&old, &new] {
            let signed = issue(&good(), signer).unwrap();
            assert_eq!(code(&validator.validate(signed.as_str(), time(IAT))), "ok");
        }
    }
}
