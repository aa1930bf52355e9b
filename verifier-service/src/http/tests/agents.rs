//! Agents: how they get in, how they are heard of, and what is no request of theirs.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::http::Method;
use evidence::work::enrolment_message;
use evidence::work::request::{SignatureParams, SignedRequest, Target};

use super::served::Served;
use super::*;
use crate::collateral::Used;
use crate::id::Id;
use crate::store::{Challenge, ChallengeBounds, NewReceipt, Spent, StoredReceipt};

/// An agent's key and, once it is in, its name.
pub(super) struct Machine {
    pair: Ed25519KeyPair,
    pub(super) id: String,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            pair: Ed25519KeyPair::generate().unwrap(),
            id: String::new(),
        }
    }

    pub(super) fn key(&self) -> Base64Url<32> {
        Base64Url(self.pair.public_key().as_ref().try_into().unwrap())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().unwrap()
    }

    pub(super) fn enrolment(&self, token: &str) -> Value {
        let proof = self.sign(&enrolment_message(token, &self.key()));
        json!({ "token": token, "agent_key": self.key(), "proof": Base64Url(proof) })
    }

    /// Sends what it signs to a path, query included.
    pub(super) async fn post(
        &self,
        served: &Served,
        path: &str,
        media_type: &str,
        body: &Value,
    ) -> Answered {
        let body = body.to_string();
        let (plain, query) = path
            .split_once('?')
            .map_or((path, None), |(path, query)| (path, Some(query)));
        let params = SignatureParams {
            created: served.rig.clock.now(),
            key_id: self.id.clone(),
            nonce: Base64Url(crate::random::bytes()),
        };
        let target = Target::new("POST", plain, query).unwrap();
        let signed = SignedRequest::new(target, params, body.as_bytes()).unwrap();
        let fields = signed.sign(|message| self.sign(message));
        let request = served
            .request(Method::POST, path)
            .header("content-type", media_type)
            .header("content-digest", fields.content_digest)
            .header("signature-input", fields.signature_input)
            .header("signature", fields.signature);
        served.answer(request.body(body)).await
    }

    fn params(&self, created: UnixTime, nonce: u8) -> SignatureParams {
        SignatureParams {
            created,
            key_id: self.id.clone(),
            nonce: Base64Url([nonce; 16]),
        }
    }

    pub(super) fn heartbeat_path(&self) -> String {
        format!("/v1/agents/{}/heartbeat", self.id)
    }
}

/// One change to a request that was signed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Spoilt {
    Not,
    Body,
    Path,
    Query,
    Method,
    Without(&'static str),
    Twice(&'static str),
    Replaced(&'static str, &'static str),
}

/// Sends a heartbeat that `machine` signed, spoilt on the way.
async fn send(
    served: &Served,
    machine: &Machine,
    params: SignatureParams,
    body: &Value,
    spoilt: Spoilt,
) -> Answered {
    let mut path = machine.heartbeat_path();
    let mut body = body.to_string();
    let target = Target::new("POST", &path, None).unwrap();
    let fields = SignedRequest::new(target, params, body.as_bytes()).unwrap();
    let fields = fields.sign(|message| machine.sign(message));
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("content-digest", fields.content_digest),
        ("signature-input", fields.signature_input),
        ("signature", fields.signature),
    ];
    let mut method = Method::POST;
    match spoilt {
        Spoilt::Not => {}
        Spoilt::Body => body.push(' '),
        Spoilt::Path => path = path.replace(&machine.id, &"0".repeat(32)),
        Spoilt::Query => path.push_str("?x=1"),
        Spoilt::Method => method = Method::PUT,
        Spoilt::Without(name) => headers.retain(|(header, _)| *header != name),
        Spoilt::Twice(name) => {
            let again = headers.iter().find(|(header, _)| *header == name).cloned();
            headers.extend(again);
        }
        Spoilt::Replaced(from, to) => {
            for (_, value) in &mut headers {
                *value = value.replace(from, to);
            }
        }
    }
    let request = served.request(method, &path).body(body);
    let request = headers.into_iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    });
    served.answer(request).await
}

async fn heartbeat(served: &Served, machine: &Machine, nonce: u8, body: &Value) -> Answered {
    let params = machine.params(served.rig.clock.now(), nonce);
    send(served, machine, params, body, Spoilt::Not).await
}

pub(super) fn declared(capacity: u32) -> Value {
    let device = json!({ "architecture": "HOPPER", "assurance": "A2", "simulated": false });
    json!({ "devices": [device], "executors": ["cuda"], "capacity": capacity })
}

const BOTH: [&str; 2] = ["agents:read", "agents:write"];

/// A provider's key, and an agent of it.
async fn with_agent(served: &Served) -> (String, Machine) {
    let (_, key) = served.party_with_key("provider", &BOTH).await;
    let machine = another_agent(served, &key).await;
    (key, machine)
}

async fn token(served: &Served, key: &str) -> String {
    let made = served.post("/v1/enrolment-tokens", key, json!({})).await;
    made.is(201, "");
    made.json()["token"].as_str().unwrap().to_owned()
}

pub(super) async fn another_agent(served: &Served, key: &str) -> Machine {
    let mut machine = Machine::new();
    let token = token(served, key).await;
    let enrolled = served
        .post("/v1/agents", "", machine.enrolment(&token))
        .await;
    enrolled.is(201, "");
    machine.id = enrolled.json()["id"].as_str().unwrap().to_owned();
    machine
}

#[tokio::test]
async fn a_token_lets_one_agent_in() {
    let served = Served::new().await;
    let (provider, key) = served.party_with_key("provider", &BOTH).await;
    let made = served
        .post("/v1/enrolment-tokens", &key, json!({ "label": "rack 7" }))
        .await;
    made.is(201, "");
    assert_eq!(made.header("cache-control"), "no-store");
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("pogwe_") && token.len() == 58, "{token}");
    let machine = Machine::new();
    let mut enrolment = machine.enrolment(&token);
    enrolment["name"] = json!("gpu-7");
    let enrolled = served.post("/v1/agents", "", enrolment.clone()).await;
    enrolled.is(201, "");
    let answer = enrolled.json();
    assert_eq!(answer["provider"], provider);
    // The same again, since the answer may have been lost; the token's time does not matter any more.
    served.rig.clock.advance_s(86_400);
    let again = served.post("/v1/agents", "", enrolment).await;
    again.is(200, "");
    assert_eq!(again.json()["id"], answer["id"]);
    let another = served
        .post("/v1/agents", "", Machine::new().enrolment(&token))
        .await;
    another.is(401, "enrolment_token_unknown");
    let listed = served.get("/v1/agents", &key).await.json();
    assert_eq!(listed["agents"].as_array().unwrap().len(), 1);
    let agent = &listed["agents"][0];
    assert_eq!(
        (&agent["name"], &agent["present"]),
        (&json!("gpu-7"), &json!(false))
    );
    assert_eq!(
        &served.get(enrolled.header("location"), &key).await.json(),
        agent
    );
}

#[tokio::test]
async fn what_lets_nobody_in() {
    let served = Served::new().await;
    let (_, key) = served.party_with_key("provider", &BOTH).await;
    let (_, other_key) = served.party_with_key("provider", &BOTH).await;
    let machine = Machine::new();
    let enrol = async |enrolment: Value| served.post("/v1/agents", "", enrolment).await;
    let good = token(&served, &key).await;

    let mut of_another_key = machine.enrolment(&good);
    of_another_key["agent_key"] = json!(Machine::new().key());
    enrol(of_another_key).await.is(422, "agent_proof_invalid");
    let mut for_another_token = machine.enrolment(&token(&served, &key).await);
    for_another_token["token"] = json!(good);
    enrol(for_another_token)
        .await
        .is(422, "agent_proof_invalid");
    let unknown = good.replace(&good[good.len() - 6..], "AAAAAA");
    enrol(machine.enrolment(&unknown))
        .await
        .is(401, "enrolment_token_unknown");
    enrol(machine.enrolment("pogwe_x"))
        .await
        .is(401, "enrolment_token_unknown");
    enrol(machine.enrolment(&key))
        .await
        .is(401, "enrolment_token_unknown");
    enrol(json!({ "token": good }))
        .await
        .is(400, "request_malformed");

    let short = json!({ "expires_in_s": 60 });
    let made = served
        .post("/v1/enrolment-tokens", &key, short)
        .await
        .json();
    served.rig.clock.advance_s(60);
    let late = machine.enrolment(made["token"].as_str().unwrap());
    enrol(late).await.is(401, "enrolment_token_expired");

    let made = served
        .post("/v1/enrolment-tokens", &key, json!({}))
        .await
        .json();
    let of_token = format!("/v1/enrolment-tokens/{}", made["id"].as_str().unwrap());
    served
        .delete(&of_token, &other_key)
        .await
        .is(404, "enrolment_token_not_found");
    assert_eq!(
        served.delete(&of_token, &key).await.status,
        StatusCode::NO_CONTENT
    );
    served
        .delete(&of_token, &key)
        .await
        .is(404, "enrolment_token_not_found");
    let ended = machine.enrolment(made["token"].as_str().unwrap());
    enrol(ended).await.is(401, "enrolment_token_unknown");
    for life in [0, 7 * 86_400 + 1] {
        let new = json!({ "expires_in_s": life });
        served
            .post("/v1/enrolment-tokens", &key, new)
            .await
            .is(422, "expiry_not_allowed");
    }

    // A key enrols once, whoever's token it is.
    enrol(machine.enrolment(&good)).await.is(201, "");
    for key in [&key, &other_key] {
        let again = machine.enrolment(&token(&served, key).await);
        enrol(again).await.is(409, "agent_key_taken");
    }
}

#[tokio::test]
async fn an_agent_that_is_removed_is_nobody() {
    let served = Served::new().await;
    let (key, machine) = with_agent(&served).await;
    let (_, other_key) = served.party_with_key("provider", &BOTH).await;
    let path = format!("/v1/agents/{}", machine.id);
    heartbeat(&served, &machine, 1, &declared(1))
        .await
        .is(200, "");
    served
        .get(&path, &other_key)
        .await
        .is(404, "agent_not_found");
    served
        .delete(&path, &other_key)
        .await
        .is(404, "agent_not_found");
    assert_eq!(
        served.get("/v1/agents", &other_key).await.json()["agents"],
        json!([])
    );
    assert_eq!(
        served.delete(&path, &key).await.status,
        StatusCode::NO_CONTENT
    );
    served.delete(&path, &key).await.is(404, "agent_not_found");
    served.get(&path, &key).await.is(404, "agent_not_found");
    assert_eq!(
        served.get("/v1/agents", &key).await.json()["agents"],
        json!([])
    );
    let late = heartbeat(&served, &machine, 2, &declared(1)).await;
    late.is(401, "agent_unknown");
    let again = machine.enrolment(&token(&served, &key).await);
    served
        .post("/v1/agents", "", again)
        .await
        .is(409, "agent_key_taken");
    for id in ["x", "me", &"0".repeat(32)] {
        served
            .get(&format!("/v1/agents/{id}"), &key)
            .await
            .is(404, "agent_not_found");
    }
}

#[tokio::test]
async fn a_heartbeat_says_what_there_is_and_costs_a_write_a_minute() {
    let served = Served::new().await;
    let (key, machine) = with_agent(&served).await;
    let path = format!("/v1/agents/{}", machine.id);
    let seen = async || served.get(&path, &key).await.json();
    let beat = heartbeat(&served, &machine, 1, &declared(2)).await;
    beat.is(200, "");
    assert_eq!(beat.json()["heartbeat_every_s"], 30);
    let first = seen().await;
    assert_eq!(
        (&first["present"], &first["declared"]),
        (&json!(true), &declared(2))
    );
    served.rig.clock.advance_s(30);
    heartbeat(&served, &machine, 2, &declared(2))
        .await
        .is(200, "");
    assert_eq!(
        seen().await["seen_at"],
        first["seen_at"],
        "nothing new in this minute"
    );
    heartbeat(&served, &machine, 3, &declared(1))
        .await
        .is(200, "");
    let second = seen().await;
    assert_ne!(second["seen_at"], first["seen_at"]);
    assert_eq!(second["declared"]["capacity"], 1);
    served.rig.clock.advance_s(60);
    heartbeat(&served, &machine, 4, &declared(1))
        .await
        .is(200, "");
    assert_ne!(seen().await["seen_at"], second["seen_at"]);
    served.rig.clock.advance_s(120);
    assert_eq!(seen().await["present"], true);
    served.rig.clock.advance_s(1);
    assert_eq!(seen().await["present"], false);
    let of_no_size = json!({ "devices": [], "executors": [], "capacity": 5000 });
    for (nonce, body) in [(10, json!({})), (11, of_no_size)] {
        heartbeat(&served, &machine, nonce, &body)
            .await
            .is(400, "request_malformed");
    }
}

#[tokio::test]
async fn only_what_an_agent_signed_is_its_own() {
    let served = Served::new().await;
    let (key, machine) = with_agent(&served).await;
    let malformed = "signature_malformed";
    let table = [
        (Spoilt::Body, 400, "content_digest_mismatch"),
        (Spoilt::Path, 401, "signature_invalid"),
        (Spoilt::Query, 401, malformed),
        (Spoilt::Without("content-digest"), 401, malformed),
        (Spoilt::Without("signature-input"), 401, malformed),
        (Spoilt::Without("signature"), 401, malformed),
        (Spoilt::Twice("signature"), 401, malformed),
        (Spoilt::Replaced("sha-256=", "sha-512="), 401, malformed),
        (Spoilt::Replaced("\"@path\" ", ""), 401, malformed),
        (Spoilt::Replaced("ed25519", "hmac-sha256"), 401, malformed),
        (
            Spoilt::Without("content-type"),
            415,
            "media_type_unsupported",
        ),
        (Spoilt::Method, 405, "method_not_allowed"),
    ];
    for (n, (spoilt, status, code)) in (1..).zip(table) {
        let params = machine.params(NOW, n);
        let answered = send(&served, &machine, params, &declared(1), spoilt).await;
        answered.is(status, code);
        if status == 401 {
            assert_eq!(
                answered.header("www-authenticate"),
                "Signature realm=\"agents\""
            );
        }
    }
    // A head is good for one body, also where that was another one.
    let (params, body) = (machine.params(NOW, 1), declared(1));
    let again = send(&served, &machine, params, &body, Spoilt::Not).await;
    again.is(401, "signature_replayed");
    let by = async |params| send(&served, &machine, params, &declared(1), Spoilt::Not).await;
    for (offset, status) in [(-61, 401), (-60, 200), (60, 200), (61, 401)] {
        let created = UnixTime::from_secs(NOW.secs() + offset);
        let nonce = 100 + u8::try_from(offset.rem_euclid(100)).unwrap();
        by(machine.params(created, nonce))
            .await
            .is(status, "signature_expired");
    }
    by(machine.params(NOW, 200)).await.is(200, "");
    by(machine.params(NOW, 200))
        .await
        .is(401, "signature_replayed");
    by(machine.params(NOW, 201)).await.is(200, "");

    // Another agent's key, name and place.
    let other = another_agent(&served, &key).await;
    let as_other = Machine {
        pair: machine.pair,
        id: other.id.clone(),
    };
    heartbeat(&served, &as_other, 1, &declared(1))
        .await
        .is(401, "signature_invalid");
    let machine = Machine {
        pair: as_other.pair,
        id: machine.id,
    };
    let elsewhere = Machine {
        pair: Ed25519KeyPair::generate().unwrap(),
        id: "0".repeat(32),
    };
    heartbeat(&served, &elsewhere, 1, &declared(1))
        .await
        .is(401, "agent_unknown");
    let nobody = Machine {
        pair: elsewhere.pair,
        id: "nobody".into(),
    };
    heartbeat(&served, &nobody, 1, &declared(1))
        .await
        .is(401, "agent_unknown");
    // Signed by one for the place of another.
    let path = other.heartbeat_path();
    let body = declared(1).to_string();
    let target = Target::new("POST", &path, None).unwrap();
    let signed = SignedRequest::new(target, machine.params(NOW, 250), body.as_bytes()).unwrap();
    let fields = signed.sign(|message| machine.sign(message));
    let request = served.request(Method::POST, &path).body(body);
    let request = request
        .header("content-type", "application/json")
        .header("content-digest", fields.content_digest)
        .header("signature-input", fields.signature_input)
        .header("signature", fields.signature);
    served.answer(request).await.is(403, "agent_mismatch");
}

#[tokio::test]
async fn what_devices_showed_is_for_their_provider() {
    let served = Served::new().await;
    let (key, machine) = with_agent(&served).await;
    let path = format!("/v1/agents/{}/devices", machine.id);
    let nothing = served.get(&path, &key).await;
    nothing.is(200, "");
    assert_eq!(nothing.json(), json!({ "devices": [] }));
    let token = include_str!("../../../../receipt/vectors/good_es384.txt");
    let receipt = StoredReceipt {
        id: Id::random(),
        token: token.lines().last().unwrap().to_owned(),
        issued_at: NOW,
        provisional: false,
        revoked_at: None,
    };
    issued(&served, &machine, receipt).await;
    let shown = served.get(&path, &key).await.json();
    assert_eq!(shown["devices"][0]["driver"], "570.124.06", "{shown:#}");
    assert_eq!(shown["appraised_at"], json!(NOW));
    let (other, _) = with_agent(&served).await;
    served.get(&path, &other).await.is(404, "agent_not_found");
}

/// Writes a receipt about work of the machine, as if it had been judged.
async fn issued(served: &Served, machine: &Machine, receipt: StoredReceipt) {
    let database = served.rig.folder.path().join("verifier.sqlite");
    let store = SqlStore::sqlite(&database).await.unwrap();
    let challenge = Challenge {
        id: Id::random(),
        value: [1; 32],
        job: JOB,
        agent_key: machine.key().0,
        audience: None,
        expires_at: later(NOW, 60),
    };
    let bounds = ChallengeBounds {
        now: NOW,
        max_open: 9,
        max_open_of_agent: 9,
        forget_before: UnixTime::from_secs(0),
    };
    store.add_challenge(challenge, bounds).await.unwrap();
    let spent = store.spend(NewReceipt {
        receipt,
        challenge: [1; 32],
        arrived_at: NOW,
        bundle_sha256: [1; 32],
        bundle: vec![1],
        job: JOB,
        agent_key: machine.key().0,
        idempotency_key: None,
        collateral: Used::default(),
    });
    assert_eq!(spent.await.unwrap(), Spent::Issued);
}

#[tokio::test]
async fn an_agent_that_sends_too_much_is_asked_to_wait() {
    let served = Served::new().await;
    let (_, machine) = with_agent(&served).await;
    let agents = served.rig.agents.clone();
    let id = machine.id.parse().unwrap();
    for n in 0..1024_u128 {
        agents.nonces().see(id, n.to_be_bytes(), NOW, NOW);
    }
    let refused = heartbeat(&served, &machine, 0xff, &declared(1)).await;
    refused.is(429, "too_many_requests_of_agent");
    assert_eq!(refused.header("retry-after"), "30");
    served.rig.clock.advance_s(61);
    heartbeat(&served, &machine, 0xff, &declared(1))
        .await
        .is(200, "");
}

#[tokio::test]
async fn a_device_is_its_providers_for_thirty_days() {
    use crate::store::agents::{Agent, Claimed, SeenDevice};

    let served = Served::new().await;
    let agents = &served.rig.agents;
    let agent = async || {
        let (_, machine) = with_agent(&served).await;
        let id = machine.id.parse().unwrap();
        agents.living(id).await.unwrap().unwrap()
    };
    let (first, other) = (agent().await, agent().await);
    let claim = async |agent: &Agent| {
        let seen = SeenDevice::new(b"a device's own name", agent, served.rig.clock.now());
        let Claimed { owner, .. } = agents.store().claim_device(seen).await.unwrap();
        owner
    };
    assert_eq!(claim(&first).await, first.owner);
    served.rig.clock.advance_s(30 * 86_400);
    assert_eq!(claim(&other).await, first.owner);
    served.rig.clock.advance_s(1);
    assert_eq!(claim(&other).await, other.owner);
}
