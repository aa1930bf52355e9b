//! Tokens of an issuer on this machine, over HTTP.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::UnixTime;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use super::fixture::{FakeIssuer, Key};
use super::*;
use crate::clock::ManualClock;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

struct Rig {
    fake: FakeIssuer,
    clock: Arc<ManualClock>,
    issuer: Issuer,
}

impl Rig {
    async fn new() -> Self {
        let fake = FakeIssuer::start().await;
        let clock = Arc::new(ManualClock::new(NOW));
        let on_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let issuer = Issuer::open(&fake.settings(), on_clock).unwrap().unwrap();
        Self {
            fake,
            clock,
            issuer,
        }
    }

    fn claims(&self) -> Value {
        self.fake.claims(self.clock.now())
    }

    /// What is said to a token of the first key with the claims of a good one.
    async fn ask(&self) -> Result<Named, NotTaken> {
        self.issuer.check(&self.fake.token(&self.claims())).await
    }

    /// The same, with one claim changed.
    async fn with(&self, claim: &str, value: Value) -> Result<Named, NotTaken> {
        let mut claims = self.claims();
        match value.is_null() {
            true => drop(claims.as_object_mut().unwrap().remove(claim)),
            false => claims[claim] = value,
        }
        self.issuer.check(&self.fake.token(&claims)).await
    }

    /// The same, with another header.
    async fn headed(&self, header: Header) -> Result<Named, NotTaken> {
        let token = self.fake.key().sign(&header, &self.claims());
        self.issuer.check(&token).await
    }
}

fn refused(refusal: TokenRefusal) -> Result<Named, NotTaken> {
    Err(NotTaken::Refused(refusal))
}

fn is_malformed(answer: &Result<Named, NotTaken>) -> bool {
    matches!(answer, Err(NotTaken::Refused(TokenRefusal::Malformed(_))))
}

fn claim(name: &str) -> Result<Named, NotTaken> {
    refused(TokenRefusal::Claim(name.into()))
}

#[tokio::test]
async fn a_good_token_names_party_and_scopes() {
    let rig = Rig::new().await;
    let named = rig.ask().await.unwrap();
    assert_eq!(named.party, "acme");
    assert_eq!(named.scopes.to_string(), "jobs:read agents:write");
    let table = [
        ("scope", json!(["jobs:write", 5]), "jobs:write"),
        ("scope", json!(""), ""),
        ("scope", Value::Null, ""),
        (
            "aud",
            json!(["other", "pogw-staging"]),
            "jobs:read agents:write",
        ),
        ("exp", json!(1_800_000_000.9), "jobs:read agents:write"),
        ("nbf", Value::Null, "jobs:read agents:write"),
    ];
    for (name, value, scopes) in table {
        let named = rig.with(name, value.clone()).await.unwrap();
        assert_eq!(named.scopes.to_string(), scopes, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_claim_that_is_wrong() {
    let rig = Rig::new().await;
    let now = NOW.secs();
    let issuer = || refused(TokenRefusal::Issuer);
    let audience = || refused(TokenRefusal::Audience);
    let expired = |exp| refused(TokenRefusal::Expired { exp, now });
    let early = |nbf| refused(TokenRefusal::NotYetValid { nbf, now });
    let table = [
        ("iss", json!("http://127.0.0.1/realm"), issuer()),
        ("iss", json!(rig.fake.url.clone() + "/"), issuer()),
        ("iss", Value::Null, issuer()),
        ("aud", json!("other"), audience()),
        ("aud", json!(["other", 7]), audience()),
        ("aud", Value::Null, audience()),
        ("exp", json!(now - 30), expired(now - 30)),
        ("exp", json!(now - 86_400), expired(now - 86_400)),
        ("exp", Value::Null, claim("exp")),
        ("exp", json!("tomorrow"), claim("exp")),
        ("nbf", json!(now + 31), early(now + 31)),
        ("nbf", json!("yesterday"), claim("nbf")),
        ("sub", Value::Null, claim("sub")),
        ("sub", json!(7), claim("sub")),
        ("sub", json!(""), claim("sub")),
        ("scope", json!(7), claim("scope")),
    ];
    for (name, value, expected) in table {
        assert_eq!(
            rig.with(name, value.clone()).await,
            expected,
            "{name}: {value}"
        );
    }
    // Clocks may differ by 30 s.
    for (name, value) in [("exp", json!(now - 29)), ("nbf", json!(now + 30))] {
        assert!(rig.with(name, value).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_configured() {
    let rig = Rig::new().await;
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let good = rig.fake.token(&rig.claims());
    let (_, rest) = good.split_once('.').unwrap();
    for algorithm in ["none", "None", "HS256", "ES384", "EdDSA", ""] {
        let token = format!(
            "{}.{rest}",
            header(&format!(r#"{{"alg":"{algorithm}","kid":"one"}}"#))
        );
        let answer = rig.issuer.check(&token).await;
        assert_eq!(answer, refused(TokenRefusal::Algorithm), "{algorithm}");
    }
    assert_eq!(rig.fake.asked(), 0, "known before the issuer is asked");
    // Configured, and not that of the key.
    let token = format!("{}.{rest}", header(r#"{"alg":"RS256","kid":"one"}"#));
    assert_eq!(
        rig.issuer.check(&token).await,
        refused(TokenRefusal::KeyUnknown)
    );
    let stranger = Key::new("two", Algorithm::EdDSA);
    let token = stranger.sign(&stranger.header(), &rig.claims());
    assert_eq!(
        rig.issuer.check(&token).await,
        refused(TokenRefusal::Algorithm)
    );
}

#[tokio::test]
async fn a_key_in_the_header_is_not_followed() {
    let rig = Rig::new().await;
    let stranger = Key::new("one", Algorithm::ES256);
    let mut header = stranger.header();
    header.jku = Some("http://127.0.0.1:1/keys".into());
    let token = stranger.sign(&header, &rig.claims());
    assert_eq!(
        rig.issuer.check(&token).await,
        refused(TokenRefusal::Signature)
    );
    let good = rig.fake.token(&rig.claims());
    let changed = good.replace(&good[good.len() - 8..], "AAAAAAAA");
    assert_eq!(
        rig.issuer.check(&changed).await,
        refused(TokenRefusal::Signature)
    );
}

#[tokio::test]
async fn what_is_no_token_for_us() {
    let rig = Rig::new().await;
    let good = rig.fake.token(&rig.claims());
    let (header, rest) = good.split_once('.').unwrap();
    let not_json = URL_SAFE_NO_PAD.encode("{");
    let long = format!("{header}.{}.x", "a".repeat(8192));
    for token in [
        "",
        "a",
        "a.b",
        "a.b.c.d",
        &good[1..],
        &format!("{not_json}.{rest}"),
        &long,
    ] {
        assert!(is_malformed(&rig.issuer.check(token).await), "{token}");
    }
    let typed = |typ: Option<&str>| Header {
        typ: typ.map(str::to_owned),
        ..rig.fake.key().header()
    };
    for typ in [
        None,
        Some("JWT"),
        Some("at+jwt"),
        Some("application/AT+JWT"),
    ] {
        assert!(rig.headed(typed(typ)).await.is_ok(), "{typ:?}");
    }
    for typ in [Some("eat+jwt"), Some("logout+jwt"), Some("")] {
        assert!(is_malformed(&rig.headed(typed(typ)).await), "{typ:?}");
    }
    let critical = Header {
        crit: Some(vec!["b64".into()]),
        ..rig.fake.key().header()
    };
    assert!(is_malformed(&rig.headed(critical).await));
}

#[tokio::test]
async fn a_token_that_names_no_key_needs_a_set_of_one() {
    let rig = Rig::new().await;
    let nameless = || Header {
        kid: None,
        ..rig.fake.key().header()
    };
    assert!(rig.headed(nameless()).await.is_ok());
    rig.fake
        .set(|fake| fake.keys.push(Key::new("two", Algorithm::ES256)));
    rig.clock.advance_s(25 * 3600);
    assert_eq!(
        rig.headed(nameless()).await,
        refused(TokenRefusal::KeyUnknown)
    );
    assert!(rig.ask().await.is_ok());
    // Another type of key is no other key for this token.
    rig.fake
        .set(|fake| fake.keys[1] = Key::new("two", Algorithm::RS256));
    rig.clock.advance_s(25 * 3600);
    assert!(rig.headed(nameless()).await.is_ok());
    let rsa = Key::new("three", Algorithm::RS256);
    rig.fake.set(|fake| fake.keys = vec![rsa.clone()]);
    rig.clock.advance_s(25 * 3600);
    assert!(rig.ask().await.is_ok(), "RS256");
}

#[tokio::test]
async fn keys_that_are_rotated() {
    let rig = Rig::new().await;
    rig.ask().await.unwrap();
    assert_eq!(rig.fake.asked(), 2, "discovery and keys");
    let old = rig.fake.token(&rig.claims());
    rig.fake
        .set(|fake| fake.keys = vec![Key::new("two", Algorithm::ES256)]);
    rig.clock.advance_s(29);
    for _ in 0..5 {
        assert_eq!(rig.ask().await, refused(TokenRefusal::KeyUnknown));
    }
    assert_eq!(
        rig.fake.asked(),
        2,
        "names of keys that nobody has move nothing for 30 s"
    );
    rig.clock.advance_s(1);
    assert!(rig.ask().await.is_ok());
    assert_eq!(rig.fake.asked(), 4);
    assert_eq!(
        rig.issuer.check(&old).await,
        refused(TokenRefusal::KeyUnknown)
    );
    assert_eq!(rig.fake.asked(), 4);
}

#[tokio::test]
async fn an_outage_says_nothing_about_a_token() {
    let rig = Rig::new().await;
    rig.fake.set(|fake| fake.is_away = true);
    assert_eq!(rig.ask().await, Err(NotTaken::Unavailable));
    assert_eq!(rig.ask().await, Err(NotTaken::Unavailable));
    assert_eq!(rig.fake.asked(), 1, "asked again after 10 s");
    rig.fake.set(|fake| fake.is_away = false);
    rig.clock.advance_s(10);
    assert!(rig.ask().await.is_ok());

    // Known keys serve on; what may be a new one nobody can say.
    rig.fake.set(|fake| fake.is_away = true);
    rig.clock.advance_s(24 * 3600 - 1);
    assert!(rig.ask().await.is_ok());
    let new = Key::new("two", Algorithm::ES256);
    let of_new = |rig: &Rig| new.sign(&new.header(), &rig.claims());
    assert_eq!(
        rig.issuer.check(&of_new(&rig)).await,
        Err(NotTaken::Unavailable)
    );
    rig.clock.advance_s(1);
    assert_eq!(rig.ask().await, Err(NotTaken::Unavailable), "too old");
}

#[tokio::test]
async fn keys_are_renewed_in_the_background_before_they_are_old() {
    let rig = Rig::new().await;
    rig.ask().await.unwrap();
    rig.clock.advance_s(3599);
    rig.ask().await.unwrap();
    assert_eq!(rig.fake.asked(), 2);
    rig.clock.advance_s(1);
    rig.ask().await.unwrap();
    for _ in 0..500 {
        if rig.fake.asked() == 4 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} requests", rig.fake.asked());
}

#[tokio::test]
async fn many_who_come_at_once_share_one_request() {
    let rig = Arc::new(Rig::new().await);
    let asks: Vec<_> = (0..50)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.ask().await })
        })
        .collect();
    for ask in asks {
        assert!(ask.await.unwrap().is_ok());
    }
    assert_eq!(rig.fake.asked(), 2);
}

#[tokio::test]
async fn documents_of_no_use() {
    let changes: [fn(&mut fixture::Published); 3] = [
        |fake| fake.calls_itself = Some("https://other.example".into()),
        |fake| fake.padding = 256 * 1024,
        |fake| fake.is_away = true,
    ];
    for change in changes {
        let rig = Rig::new().await;
        rig.fake.set(change);
        assert_eq!(rig.ask().await, Err(NotTaken::Unavailable));
    }
}
