//! What a relying party demands: who, for whom, when, how much, about what.

use receipt::{
    Audience, ClaimsParts, Expectations, Level, Receipt, Rejected, ResultCheck, Validator, issue,
};

use crate::kit::{
    AUDIENCE, IAT, ISSUER, RETIRED_AT, TestKey, code, expectations, key_set, nonce, parts,
    parts_at_a3, parts_simulated, sha256, text, time,
};

fn answer(
    parts: ClaimsParts,
    key: TestKey,
    expected: Expectations,
    now: u64,
) -> Result<Receipt, Rejected> {
    let claims = receipt::Claims::new(parts).unwrap();
    let signed = issue(&claims, &key.signer()).unwrap();
    Validator::new(key_set(), expected).validate(signed.as_str(), time(now))
}

fn now(parts: ClaimsParts, expected: Expectations) -> Result<Receipt, Rejected> {
    answer(parts, TestKey::Es384, expected, IAT)
}

#[test]
fn a_good_receipt_says_what_was_signed() {
    let receipt = now(parts(), expectations()).unwrap();
    assert_eq!(**receipt.claims(), parts());
    assert_eq!(receipt.id(), parts().jti.as_str());
    assert_eq!(receipt.subject(), "provider-17");
    assert_eq!(receipt.kid(), TestKey::Es384.kid());
    assert_eq!(receipt.job_digest(), sha256(0x0a));
    assert_eq!(receipt.outputs().len(), 1);
    assert_eq!(receipt.level(), Level::A2);
    assert_eq!(receipt.results().len(), 1);
    assert_eq!(receipt.finding(&receipt::Method::Audit), None);
    assert!(!receipt.is_simulated());
}

#[test]
fn a_receipt_meets_a_level_and_checks() {
    let receipt = now(parts(), expectations()).unwrap();
    let freivalds = ResultCheck::Freivalds;
    assert!(receipt.meets(Level::A2, [freivalds]) && receipt.meets(Level::A0, []));
    assert!(!receipt.meets(Level::A3, []));
    assert!(!receipt.meets(Level::A2, [freivalds, ResultCheck::Audit]));
}

#[test]
fn the_issuer_is_exact() {
    for other in [
        "https://verifier.example/",
        "https://VERIFIER.example",
        "https://verifier",
    ] {
        let expected = Expectations::new(other, AUDIENCE).unwrap();
        let refused = now(parts(), expected).unwrap_err();
        let fields = Rejected::IssuerMismatch {
            expected: other.to_owned(),
            actual: ISSUER.to_owned(),
        };
        assert_eq!(refused, fields);
    }
}

#[test]
fn the_audience_is_one_of_those_named() {
    let mut several = parts();
    several.aud = Audience::new([text("https://other.example"), text(AUDIENCE)]).unwrap();
    assert_eq!(code(&now(several, expectations())), "ok");

    let mut other = parts();
    other.aud = text("https://market.example.evil").into();
    assert_eq!(code(&now(other, expectations())), "audience_mismatch");
}

#[test]
fn times_have_the_stated_leeway_to_the_second() {
    let mut parts = parts();
    parts.nbf = time(IAT);
    let exp = IAT + 3600;
    let cases = [
        (60, IAT - 61, "issued_in_future"),
        (60, IAT - 60, "ok"),
        (60, exp + 59, "ok"),
        (60, exp + 60, "expired"),
        (0, IAT - 1, "issued_in_future"),
        (0, IAT, "ok"),
        (0, exp - 1, "ok"),
        (0, exp, "expired"),
        (u64::MAX, IAT - 601, "issued_in_future"),
        (u64::MAX, IAT - 600, "ok"),
        (u64::MAX, exp + 600, "expired"),
        (60, 0, "issued_in_future"),
        (60, u64::MAX, "expired"),
    ];
    for (leeway_s, at, expected) in cases {
        let expectations = expectations().leeway_s(leeway_s);
        let answer = answer(parts.clone(), TestKey::Es384, expectations, at);
        assert_eq!(code(&answer), expected, "leeway {leeway_s}, now {at}");
    }
    assert_eq!(receipt::DEFAULT_LEEWAY_S, 60);
}

#[test]
fn nbf_counts_apart_from_iat() {
    let mut parts = parts();
    parts.nbf = time(IAT + 100);
    for (at, expected) in [(IAT + 39, "not_yet_valid"), (IAT + 40, "ok")] {
        let answer = answer(parts.clone(), TestKey::Es384, expectations(), at);
        assert_eq!(code(&answer), expected);
    }
}

#[test]
fn without_exp_a_receipt_counts_for_ever() {
    let mut parts = parts();
    parts.exp = None;
    let in_a_century = IAT + 100 * 366 * 86_400;
    assert_eq!(
        code(&answer(parts, TestKey::Es384, expectations(), in_a_century)),
        "ok"
    );
}

#[test]
fn a_retired_key_vouches_for_its_own_time_only() {
    let mut parts = parts();
    for (iat, expected) in [
        (RETIRED_AT - 1, "ok"),
        (RETIRED_AT, "ok"),
        (RETIRED_AT + 1, "key_retired"),
    ] {
        parts.iat = time(iat);
        parts.nbf = time(iat);
        let answer = answer(parts.clone(), TestKey::Retired, expectations(), IAT);
        assert_eq!(code(&answer), expected);
    }
}

#[test]
fn levels_below_the_minimum_are_refused() {
    for (minimum, expected) in [
        (Level::A0, "ok"),
        (Level::A1, "ok"),
        (Level::A2, "ok"),
        (Level::A3, "assurance_level_too_low"),
    ] {
        let answer = now(parts(), expectations().minimum_level(minimum));
        assert_eq!(code(&answer), expected, "{minimum}");
    }
    assert_eq!(
        code(&now(parts_at_a3(), expectations().minimum_level(Level::A3))),
        "ok"
    );
}

#[test]
fn a_simulated_device_takes_a_word_of_danger() {
    let too_low = Rejected::LevelTooLow {
        expected: Level::A1,
        actual: Level::A0,
    };
    for expected in [expectations(), expectations().minimum_level(Level::A0)] {
        assert_eq!(now(parts_simulated(), expected).unwrap_err(), too_low);
    }
    let receipt = now(parts_simulated(), expectations().danger_accept_a0()).unwrap();
    assert!(receipt.is_simulated());
}

#[test]
fn job_and_challenge_are_compared_when_given() {
    assert_eq!(code(&now(parts(), expectations().job(sha256(0x0a)))), "ok");
    let refused = now(parts(), expectations().job(sha256(0xff))).unwrap_err();
    let fields = Rejected::JobMismatch {
        expected: sha256(0xff),
        actual: sha256(0x0a),
    };
    assert_eq!(refused, fields);

    assert_eq!(code(&now(parts(), expectations().nonce(nonce(0x11)))), "ok");
    assert_eq!(
        code(&now(parts(), expectations().nonce(nonce(0x12)))),
        "nonce_mismatch"
    );
    let prefix = receipt::Nonce::from_bytes([0x11; 16]).unwrap();
    assert_eq!(
        code(&now(parts(), expectations().nonce(prefix))),
        "nonce_mismatch"
    );
}

#[test]
fn logs_show_no_claims() {
    let receipt = now(parts(), expectations()).unwrap();
    assert_eq!(format!("{receipt:?}"), format!("Receipt({})", parts().jti));
}
