//! An OpenID issuer on a port of this machine, for tests.

use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use evidence::UnixTime;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::config::{OidcSettings, TokenAlgorithm};
use crate::lock::lock;

/// Signs tokens and publishes keys; can be told to be away, or to publish nonsense.
pub(crate) struct FakeIssuer {
    pub(crate) url: String,
    state: Arc<Mutex<Published>>,
}

/// What it publishes.
pub(crate) struct Published {
    url: String,
    pub(crate) keys: Vec<Key>,
    pub(crate) is_away: bool,
    /// What the discovery document calls the issuer.
    pub(crate) calls_itself: Option<String>,
    /// White space around the key set.
    pub(crate) padding: usize,
    asked: usize,
}

/// A key pair of the issuer.
#[derive(Clone)]
pub(crate) struct Key {
    kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
}

impl Key {
    /// A new pair; its private half is PKCS#8.
    pub(crate) fn new(kid: &str, algorithm: Algorithm) -> Self {
        let signing = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::RS256 => {
                use aws_lc_rs::rsa::{KeyPair, KeySize};
                let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let pem = pem_of(der.as_ref());
                EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
            }
            other => panic!("no key for {other:?}"),
        };
        Self {
            kid: kid.to_owned(),
            algorithm,
            signing,
        }
    }

    /// The header of its tokens.
    pub(crate) fn header(&self) -> Header {
        Header {
            kid: Some(self.kid.clone()),
            ..Header::new(self.algorithm)
        }
    }

    /// A token with this header.
    pub(crate) fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.signing).unwrap()
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.signing, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.clone());
        json!(jwk)
    }
}

impl FakeIssuer {
    /// An issuer with one ES256 key, `one`.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/realm", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Published {
            url: url.clone(),
            keys: vec![Key::new("one", Algorithm::ES256)],
            is_away: false,
            calls_itself: None,
            padding: 0,
            asked: 0,
        }));
        let router = axum::Router::new()
            .route("/realm/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Changes what it publishes.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Published)) {
        change(&mut lock(&self.state));
    }

    /// How many requests it got.
    pub(crate) fn asked(&self) -> usize {
        lock(&self.state).asked
    }

    /// Its first key.
    pub(crate) fn key(&self) -> Key {
        lock(&self.state).keys[0].clone()
    }

    /// The claims of a good token.
    pub(crate) fn claims(&self, now: UnixTime) -> Value {
        let now = now.secs();
        json!({
            "iss": self.url, "aud": "pogw", "sub": "acme", "scope": "openid jobs:read agents:write",
            "exp": now + 300, "nbf": now,
        })
    }

    /// A token of its first key.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let key = self.key();
        key.sign(&key.header(), claims)
    }

    /// Settings of a verifier that takes its tokens.
    pub(crate) fn settings(&self) -> OidcSettings {
        OidcSettings {
            issuer: Some(self.url.clone()),
            audience: vec!["pogw".into(), "pogw-staging".into()],
            algorithms: vec![TokenAlgorithm::ES256, TokenAlgorithm::RS256],
            timeout_s: 1,
            ..OidcSettings::default()
        }
    }
}

type Shared = State<Arc<Mutex<Published>>>;

async fn discovery(State(state): Shared) -> Result<Json<Value>, StatusCode> {
    let mut state = lock(&state);
    state.asked += 1;
    let issuer = state.calls_itself.as_ref().unwrap_or(&state.url);
    let keys = state.url.replace("/realm", "/keys");
    match state.is_away {
        true => Err(StatusCode::SERVICE_UNAVAILABLE),
        false => Ok(Json(json!({ "issuer": issuer, "jwks_uri": keys }))),
    }
}

async fn keys(State(state): Shared) -> Result<String, StatusCode> {
    let mut state = lock(&state);
    state.asked += 1;
    // One that no program here knows, one that is a secret, then the real ones.
    let mut keys = vec![
        json!({ "kty": "ML-DSA", "kid": "next" }),
        json!({ "kty": "oct", "kid": "secret", "k": "AAAA" }),
    ];
    keys.extend(state.keys.iter().map(Key::public));
    let padding = " ".repeat(state.padding);
    Ok(format!("{}{padding}", json!({ "keys": keys })))
}

fn pem_of(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}
