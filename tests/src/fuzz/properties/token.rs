//! Receipts as a marketplace reads them: tokens, their claims, key sets.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use receipt::limits::{MAX_KEYS, MAX_TOKEN_BYTES};
use receipt::{
    Algorithm, Expectations, Jwks, LocalSigner, Rejected, Signer, UnixTime, UnverifiedReceipt,
    Validator, issue,
};

use super::legible;

/// When the published vectors are good.
const NOW: UnixTime = UnixTime::from_secs(1_795_420_800);
const ISSUER: &str = "https://verifier.example";
const AUDIENCE: &str = "https://market.example";

const KEY_SET: &str = include_str!("../../../../receipt/vectors/jwks.json");

/// The tokens that the keys of [`KEY_SET`] signed and that are good at [`NOW`].
const GOOD: [&str; 6] = [
    include_str!("../../../../receipt/vectors/good_es384.txt"),
    include_str!("../../../../receipt/vectors/good_es256.txt"),
    include_str!("../../../../receipt/vectors/good_ed25519.txt"),
    include_str!("../../../../receipt/vectors/good_retired_key.txt"),
    include_str!("../../../../receipt/vectors/good_a3.txt"),
    include_str!("../../../../receipt/vectors/good_simulated.txt"),
];

/// The tokens that [`token`] knows to be good.
pub fn good_tokens() -> impl Iterator<Item = &'static str> {
    GOOD.into_iter().map(token_of)
}

/// The token of a vector: the line after the first empty one.
#[must_use]
pub fn token_of(vector: &str) -> &str {
    let (_, after) = vector.split_once("\n\n").expect("a vector");
    after.lines().next().expect("a token")
}

/// Tokens: none validates under the fixed keys but those that were signed with them, byte for byte; the twin of an
/// ECDSA signature aside, which differs in s.
pub fn token(text: &[u8]) {
    let Ok(token) = std::str::from_utf8(text) else {
        return;
    };
    let peeked = UnverifiedReceipt::peek(token);
    let receipt = match VALIDATOR.validate(token, NOW) {
        Ok(receipt) => receipt,
        Err(rejected) => return explained(&rejected),
    };
    let peeked = peeked.expect("what validates can be looked at");
    assert_eq!(peeked.payload()["jti"], receipt.id());
    assert!(
        good_tokens().any(|good| is_the_same(good, token)),
        "a forged token validates"
    );
}

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let keys = Jwks::parse(KEY_SET).expect("a key set");
    Validator::new(keys, expectations())
});

pub(super) fn assert_good() {
    for token in good_tokens() {
        VALIDATOR.validate(token, NOW).expect("a good token");
    }
}

fn is_the_same(good: &str, token: &str) -> bool {
    let (signed, signature) = good.rsplit_once('.').expect("a token");
    let Some((input, other)) = token.rsplit_once('.') else {
        return false;
    };
    let [signature, other] =
        [signature, other].map(|it| URL_SAFE_NO_PAD.decode(it).unwrap_or_default());
    let is_ecdsa = !good_is_ed25519(signed);
    let fixed = if is_ecdsa {
        signature.len() / 2
    } else {
        signature.len()
    };
    signed == input && signature.len() == other.len() && signature[..fixed] == other[..fixed]
}

fn good_is_ed25519(signed: &str) -> bool {
    let header = signed.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    String::from_utf8_lossy(&header).contains("Ed25519")
}

fn expectations() -> Expectations {
    let expectations = Expectations::new(ISSUER, AUDIENCE).expect("names");
    expectations.danger_accept_a0()
}

fn explained(rejected: &Rejected) {
    assert!(!rejected.code().is_empty());
    let text = rejected.to_string();
    assert!(!text.is_empty());
    legible(&text, 2048);
}

/// Claims, signed by the issuer: what validates is issued again and validates as the same claims.
pub fn claims(payload: &[u8]) {
    let key = &*ISSUER_KEY;
    let header = format!(
        r#"{{"alg":"Ed25519","kid":"{}","typ":"eat+jwt"}}"#,
        key.signer.public_jwk().kid()
    );
    let [header, payload] = [header.as_bytes(), payload].map(|it| URL_SAFE_NO_PAD.encode(it));
    let input = format!("{header}.{payload}");
    let signature = key.signer.sign(input.as_bytes()).expect("a signature");
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    let receipt = match key.validator.validate(&token, NOW) {
        Ok(receipt) => receipt,
        Err(rejected) => {
            assert_ne!(rejected.code(), "signature_invalid");
            return explained(&rejected);
        }
    };
    assert!(token.len() <= MAX_TOKEN_BYTES);
    let again = issue(receipt.claims(), &key.signer).expect("what validates can be issued");
    let again = key
        .validator
        .validate(again.as_str(), NOW)
        .expect("what is issued validates");
    assert!(
        again.claims() == receipt.claims(),
        "other claims were read back"
    );
}

/// An issuer of this process: a test key, whose private half is on this page.
struct IssuerKey {
    signer: LocalSigner,
    validator: Validator,
}

static ISSUER_KEY: LazyLock<IssuerKey> = LazyLock::new(|| {
    // RFC 8410 section 7: a private key of 32 bytes.
    let prefix = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    let pkcs8 = [&prefix[..], &[7; 32]].concat();
    let signer = LocalSigner::from_pkcs8(Algorithm::Ed25519, &pkcs8).expect("a key");
    let keys = Jwks::new(vec![signer.public_jwk().clone().into()]).expect("a key set");
    let validator = Validator::new(keys, expectations());
    IssuerKey { signer, validator }
});

/// Key sets: what is accepted is written and read as the same keys, each under its own name.
pub fn jwks(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let set = match Jwks::parse(text) {
        Ok(set) => set,
        Err(error) => {
            assert!(!error.code().is_empty());
            return legible(&error.to_string(), 1024);
        }
    };
    assert!((1..=MAX_KEYS).contains(&set.keys().len()));
    for key in set.keys() {
        assert_eq!(set.find(&key.jwk.kid()), Some(key));
    }
    let again = Jwks::parse(&set.to_json()).expect("the same key set");
    assert_eq!(again.keys(), set.keys());
    assert!(again.skipped().is_empty());
}
