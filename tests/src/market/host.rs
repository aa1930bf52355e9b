//! A host: a software device, an agent's key, and the wire spoken by a script.

use std::path::{Path, PathBuf};

use attestation_agent::device::Selection;
use attestation_agent::device::simulated::{SimulatedDevice, Window};
use attestation_agent::{AgentKey, DeviceSet};
use evidence::UnixTime;
use evidence::device::Architecture;
use evidence::work::Base64Url;
use evidence::work::request::{SignatureParams, SignedRequest, Target};
use evidence::work::wire::{
    Answer, Assurance, Conditions, DeclaredDevice, Empty, Enrolled, Enrolment, EnrolmentToken,
    Heartbeat, HeartbeatAnswer, Id, Known, Lease, Next, NextRequest, Offer, Open, PROGRAM_EXECUTOR,
    Word,
};
use reqwest::{Client, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::{Duration, OffsetDateTime};

use super::run::{Astray, Made, Run, Signer, random};

/// Media type of an opening.
const OPENING: &str = "application/vnd.pogw.opening+json";

/// The verifier that hosts speak to.
pub trait Verifier: Sync {
    /// Where it listens.
    fn url(&self) -> &str;

    /// What time it thinks it is.
    fn now(&self) -> UnixTime;
}

/// A host that speaks the wire by a script.
pub struct Host {
    client: Client,
    devices: DeviceSet,
    key: AgentKey,
    /// Its name.
    pub id: String,
    /// What it says it takes work for; an agent of before there were conditions says nothing.
    pub conditions: Option<Conditions>,
    known: Vec<Known>,
}

/// Makes a software device there, with what a verifier needs to appraise it from an hour before `now` to a day after.
///
/// # Panics
/// The folders cannot be written.
pub fn make_device(dir: &Path, collateral: &Path, now: UnixTime) {
    let now = OffsetDateTime::from_unix_timestamp(now.secs()).expect("a time");
    let answered = Window {
        from: now - Duration::HOUR,
        until: now + Duration::DAY,
    };
    SimulatedDevice::open(dir)
        .and_then(|device| {
            device.write_collateral(collateral)?;
            device.write_answers(&collateral.join("ocsp"), answered)
        })
        .expect("software device");
}

impl Host {
    /// On the device of a folder, not enrolled yet.
    ///
    /// # Panics
    /// The folder has no device.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            client: Client::builder().no_proxy().build().expect("client"),
            devices: DeviceSet::open(&Selection::Simulated { dir }).expect("software device"),
            key: AgentKey::from_seed(&random()).expect("any 32 bytes are a seed"),
            id: String::new(),
            conditions: Some(Conditions::default()),
            known: Vec::new(),
        }
    }

    /// Enrols with a provider's token.
    ///
    /// # Panics
    /// The verifier does not let it in.
    pub async fn enrol(&mut self, at: &impl Verifier, token: &str) {
        let token = EnrolmentToken::parse(token).expect("token");
        let enrolment = Enrolment::new(token, self.key.public(), |message| self.key.sign(message));
        let request = self.client.post(format!("{}/v1/agents", at.url()));
        let answer = request.json(&enrolment).send().await.expect("answer");
        assert_eq!(answer.status(), 201);
        let enrolled: Enrolled = read(answer).await;
        enrolled.id.as_str().clone_into(&mut self.id);
    }

    /// Says that it is there.
    ///
    /// # Panics
    /// The verifier does not take it.
    pub async fn heartbeat(&self, at: &impl Verifier) {
        self.beat(at, Vec::new()).await;
    }

    /// Says that it is there and holds something for these assignments.
    ///
    /// # Panics
    /// The verifier does not take it.
    pub async fn beat(&self, at: &impl Verifier, held: Vec<Id>) -> HeartbeatAnswer {
        let device = DeclaredDevice {
            architecture: Architecture::Hopper,
            assurance: Assurance::A0,
            simulated: true,
            ueid_sha256: None,
        };
        let heartbeat = Heartbeat {
            devices: vec![device],
            executors: ["cpu-reference", PROGRAM_EXECUTOR].map(Word::lossy).into(),
            capacity: 4,
            held,
            conditions: self.conditions.clone(),
        };
        let path = format!("/v1/agents/{}/heartbeat", self.id);
        let answer = self.post(at, &path, &heartbeat).await;
        assert_eq!(answer.status(), 200);
        read(answer).await
    }

    /// What there is to do, waiting for at most so long.
    ///
    /// # Panics
    /// The verifier does not say.
    pub async fn next(&mut self, at: &impl Verifier, wait_s: u32) -> Option<Next> {
        let body = serde_json::to_vec(&NextRequest {
            known: self.known.clone(),
        });
        let (query, path) = (format!("wait_s={wait_s}"), "/v1/assignments/next");
        let answer = self.send(
            at,
            path,
            Some(&query),
            "application/json",
            body.expect("JSON"),
        );
        let answer = answer.await;
        if answer.status() == 204 {
            return None;
        }
        let next: Next = read(answer).await;
        self.known.push(next.name());
        Some(next)
    }

    /// As after a crash: it knows of nothing, and is told everything again.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// The offer that comes next.
    ///
    /// # Panics
    /// There is none.
    pub async fn offer(&mut self, at: &impl Verifier) -> Offer {
        match self.next(at, 10).await {
            Some(Next::Offer(offer)) => *offer,
            other => panic!("expected an offer: {other:?}"),
        }
    }

    /// The opening that is asked for next.
    ///
    /// # Panics
    /// There is none.
    pub async fn open(&mut self, at: &impl Verifier) -> Open {
        match self.next(at, 10).await {
            Some(Next::Open(open)) => open,
            other => panic!("expected a call for an opening: {other:?}"),
        }
    }

    /// Takes an offer.
    pub async fn accept(&self, at: &impl Verifier, offer: &Offer) -> Response {
        let path = format!("/v1/assignments/{}/accept", offer.assignment);
        self.post(at, &path, &Empty {}).await
    }

    /// Takes an offer that can be taken.
    ///
    /// # Panics
    /// It cannot.
    pub async fn lease(&self, at: &impl Verifier, offer: &Offer) -> Lease {
        let answer = self.accept(at, offer).await;
        assert_eq!(answer.status(), 200);
        read(answer).await
    }

    /// Takes an offer and runs it, with outputs as `alter` leaves them.
    ///
    /// # Panics
    /// The offer cannot be taken or run.
    pub async fn run(
        &self,
        at: &impl Verifier,
        offer: &Offer,
        alter: impl FnOnce(&mut [Vec<u8>]),
    ) -> Run {
        let lease = self.lease(at, offer).await;
        let mut made = Made::of(&offer.spec);
        alter(&mut made.outputs);
        self.state(at, offer, &lease, made)
    }

    /// Takes an offer of a training and runs it, wrong from a step on.
    ///
    /// # Panics
    /// The offer cannot be taken or run.
    pub async fn run_astray(&self, at: &impl Verifier, offer: &Offer, astray: Astray) -> Run {
        let lease = self.lease(at, offer).await;
        self.state(at, offer, &lease, Made::of(&offer.spec).gone(astray))
    }

    /// States what was made for an offer, and has the device sign it.
    ///
    /// # Panics
    /// It cannot be stated.
    pub fn state(&self, at: &impl Verifier, offer: &Offer, lease: &Lease, made: Made) -> Run {
        let signer = Signer {
            devices: &self.devices,
            key: &self.key,
            now: at.now(),
        };
        Run::stated(offer, lease, made, &signer)
    }

    /// Commits to a run.
    pub async fn commit(&self, at: &impl Verifier, run: &Run) -> Response {
        let path = format!("/v1/assignments/{}/commitment", run.id);
        self.post(at, &path, &run.commitment()).await
    }

    /// Hands in an opening.
    ///
    /// # Panics
    /// The run has nothing to open.
    pub async fn hand_in(&self, at: &impl Verifier, run: &Run, open: &Open) -> Response {
        let opening = serde_json::to_vec(&run.opening(open)).expect("JSON");
        let id = open.assignment.as_str();
        self.hand_in_bytes(at, id, open.round, opening).await
    }

    /// Hands in these bytes as an opening.
    pub async fn hand_in_bytes(
        &self,
        at: &impl Verifier,
        assignment: &str,
        round: u32,
        bytes: Vec<u8>,
    ) -> Response {
        let path = format!("/v1/assignments/{assignment}/opening");
        let query = format!("round={round}");
        self.send(at, &path, Some(&query), OPENING, bytes).await
    }

    /// Answers every question until there is none for a while.
    ///
    /// # Panics
    /// An answer is not taken.
    pub async fn testify(&mut self, at: &impl Verifier, run: &Run) {
        while let Some(next) = self.next(at, 3).await {
            let Next::Question(question) = next else {
                panic!("expected a question: {next:?}");
            };
            let answered = self.reply(at, &run.id, &run.answer(&question)).await;
            assert_eq!(answered.status(), 204);
        }
    }

    /// Answers a question so.
    pub async fn reply(&self, at: &impl Verifier, assignment: &str, answer: &Answer) -> Response {
        let path = format!("/v1/assignments/{assignment}/answer");
        self.post(at, &path, answer).await
    }

    /// A request with a JSON body, signed.
    ///
    /// # Panics
    /// The verifier does not answer.
    pub async fn post(&self, at: &impl Verifier, path: &str, body: &impl Serialize) -> Response {
        let body = serde_json::to_vec(body).expect("JSON");
        self.send(at, path, None, "application/json", body).await
    }

    async fn send(
        &self,
        at: &impl Verifier,
        path: &str,
        query: Option<&str>,
        media_type: &str,
        body: Vec<u8>,
    ) -> Response {
        let params = SignatureParams {
            created: at.now(),
            key_id: self.id.clone(),
            nonce: Base64Url(random()),
        };
        let target = Target::new("POST", path, query).expect("target");
        let signed = SignedRequest::new(target, params, &body).expect("request");
        let fields = signed.sign(|message| self.key.sign(message));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let request = self.client.post(format!("{}{path}{query}", at.url()));
        let request = request
            .header("content-type", media_type)
            .header("content-digest", fields.content_digest)
            .header("signature-input", fields.signature_input)
            .header("signature", fields.signature);
        request.body(body).send().await.expect("answer")
    }
}

async fn read<T: DeserializeOwned>(answer: Response) -> T {
    let text = answer.text().await.expect("text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
