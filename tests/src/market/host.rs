//! A host: a software device, an agent's key, and the wire spoken by a script.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use attestation_agent::device::Selection;
use attestation_agent::device::simulated::{SimulatedDevice, Window};
use attestation_agent::{
    AgentKey, CpuReference, DeviceSet, Execution, Executor, InputBytes, NamedOutput, Occasion,
    PreparedJob, SystemClock, Work, commit, seal, vouch,
};
use evidence::work::request::{SignatureParams, SignedRequest, Target};
use evidence::work::wire::{
    Answer, Ask, Enrolment, EnrolmentToken, Known, Lease, Next, NextRequest, Offer, Open, Outputs,
    Question, Reply,
};
use evidence::work::{
    Base64Url, Blob, Bundle, OpenedSlice, OpenedTensor, Opening, Profile, ResultCommitment, Secrets,
};
use kernels::bisect::Witness;
use kernels::committed::{AtHand, Committed};
use kernels::point::Tensor;
use kernels::slices::{Stretch, stretches};
use kernels::{Blake3Digest, KeyedDigest, Randomness, audit};
use reqwest::{Method, Response};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Market;
use crate::scene::AS_OF;

static NONCES: AtomicU64 = AtomicU64::new(1);

/// Media type of an opening.
const OPENING: &str = "application/vnd.pogw.opening+json";

/// A host that speaks the wire by a script.
pub struct Host {
    devices: DeviceSet,
    key: AgentKey,
    /// Its name.
    pub id: String,
    known: Vec<Known>,
}

/// One run of a job by a host.
pub struct Run {
    /// The assignment.
    pub id: String,
    job: PreparedJob,
    /// Outputs in the order of the job.
    pub outputs: Vec<Vec<u8>>,
    trace: Vec<Blake3Digest>,
    secrets: Secrets,
    bundle: Bundle,
}

fn device_dir(folder: &Path, place: usize) -> PathBuf {
    folder.join(format!("device-{place}"))
}

/// Makes the device of this place, with what a verifier needs to appraise it.
pub(super) fn device(folder: &Path, place: usize) {
    let at = |secs: i64| OffsetDateTime::from_unix_timestamp(secs).expect("a time");
    let answered = Window {
        from: at(AS_OF.secs() - 3600),
        until: at(AS_OF.secs() + 23 * 3600),
    };
    let collateral = folder.join("collateral");
    SimulatedDevice::open(&device_dir(folder, place))
        .and_then(|device| {
            device.write_collateral(&collateral)?;
            device.write_answers(&collateral.join("ocsp"), answered)
        })
        .expect("software device");
}

impl Host {
    pub(super) fn new(folder: &Path, place: usize) -> Self {
        let dir = device_dir(folder, place);
        let seed = NONCES.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let seed: [u8; 32] = std::array::from_fn(|at| seed[at % 8]);
        Self {
            devices: DeviceSet::open(&Selection::Simulated { dir }).expect("software device"),
            key: AgentKey::from_seed(&seed).expect("any 32 bytes are a seed"),
            id: String::new(),
            known: Vec::new(),
        }
    }

    pub(super) async fn enrol(&mut self, market: &Market, token: &str) {
        let token = EnrolmentToken::parse(token).expect("token");
        let enrolment = Enrolment::new(token, self.key.public(), |message| self.key.sign(message));
        let request = market.request(Method::POST, "/v1/agents").json(&enrolment);
        let answer = request.send().await.expect("answer");
        assert_eq!(answer.status(), 201);
        let answer: Value = answer.json().await.expect("JSON");
        answer["id"].as_str().expect("id").clone_into(&mut self.id);
    }

    /// Says that it is there.
    ///
    /// # Panics
    /// The verifier does not take it.
    pub async fn heartbeat(&self, market: &Market) -> Value {
        let path = format!("/v1/agents/{}/heartbeat", self.id);
        let device = json!({ "architecture": "HOPPER", "assurance": "A0", "simulated": true });
        let body = json!({ "devices": [device], "executors": ["cpu-reference"], "capacity": 4 });
        let answer = self.post(market, &path, None, &body).await;
        assert_eq!(
            answer.status(),
            200,
            "{}",
            answer.text().await.expect("text")
        );
        answer.json().await.expect("JSON")
    }

    /// What there is to do, waiting for at most so long.
    ///
    /// # Panics
    /// The verifier does not say.
    pub async fn next(&mut self, market: &Market, wait_s: u32) -> Option<Next> {
        let body = NextRequest {
            known: self.known.clone(),
        };
        let query = format!("wait_s={wait_s}");
        let answer = self
            .post(market, "/v1/assignments/next", Some(&query), &body)
            .await;
        if answer.status() == 204 {
            return None;
        }
        let text = answer.text().await.expect("text");
        let next: Next = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
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
    pub async fn offer(&mut self, market: &Market) -> Offer {
        match self.next(market, 10).await {
            Some(Next::Offer(offer)) => *offer,
            other => panic!("expected an offer: {other:?}"),
        }
    }

    /// The opening that is asked for next.
    ///
    /// # Panics
    /// There is none.
    pub async fn open(&mut self, market: &Market) -> Open {
        match self.next(market, 10).await {
            Some(Next::Open(open)) => open,
            other => panic!("expected a call for an opening: {other:?}"),
        }
    }

    /// Takes an offer.
    pub async fn accept(&self, market: &Market, offer: &Offer) -> Response {
        let path = format!("/v1/assignments/{}/accept", offer.assignment);
        self.post(market, &path, None, &json!({})).await
    }

    /// Takes an offer and runs it, with outputs as `alter` leaves them.
    ///
    /// # Panics
    /// The offer cannot be taken or run.
    pub async fn run(
        &self,
        market: &Market,
        offer: &Offer,
        alter: impl FnOnce(&mut [Vec<u8>]),
    ) -> Run {
        let answer = self.accept(market, offer).await;
        assert_eq!(answer.status(), 200);
        let lease: Lease = answer.json().await.expect("a lease");
        self.run_under(offer, &lease, alter)
    }

    fn run_under(&self, offer: &Offer, lease: &Lease, alter: impl FnOnce(&mut [Vec<u8>])) -> Run {
        let job = PreparedJob::new(offer.spec.clone(), InputBytes::new()).expect("job");
        let mut run = CpuReference
            .execute(&Work {
                job: job.job.clone(),
                inputs: Arc::clone(&job.inputs),
                keep_outputs: true,
                clock: Arc::new(SystemClock::new()),
            })
            .expect("run");
        let mut outputs: Vec<_> = run
            .outputs
            .iter()
            .map(|output| output.bytes.clone().expect("kept"))
            .collect();
        alter(&mut outputs);
        run.outputs = named(&run, &outputs);
        let occasion = Occasion {
            challenge: lease.challenge,
            agent_key: self.key.public(),
            executor: run.executor,
            started_at_ms: 1_790_000_000_000,
        };
        let commitment = commit(&job, &run, occasion).expect("statement");
        let mut unsigned = vouch(&job, &run, commitment, &self.devices).expect("evidence");
        unsigned.outputs = BTreeMap::new();
        let (bundle, _) = seal(unsigned, &self.key).expect("canonical statement");
        let keyed = keyed(lease.replica_key.reveal(), &outputs, &run.trace);
        Run {
            id: offer.assignment.to_string(),
            secrets: Secrets {
                salt: Base64Url(*Blake3Digest::of(self.id.as_bytes()).as_bytes()),
                keyed,
            },
            trace: run.trace,
            job,
            outputs,
            bundle,
        }
    }

    /// Commits to a run.
    pub async fn commit(&self, market: &Market, run: &Run) -> Response {
        let path = format!("/v1/assignments/{}/commitment", run.id);
        self.post(market, &path, None, &run.commitment()).await
    }

    /// Hands in an opening.
    pub async fn hand_in(&self, market: &Market, run: &Run, open: &Open) -> Response {
        let opening = serde_json::to_vec(&run.opening(open)).expect("JSON");
        self.hand_in_bytes(market, run, open.round, opening).await
    }

    /// Hands in these bytes as an opening.
    pub async fn hand_in_bytes(
        &self,
        market: &Market,
        run: &Run,
        round: u32,
        bytes: Vec<u8>,
    ) -> Response {
        let path = format!("/v1/assignments/{}/opening", run.id);
        let query = format!("round={round}");
        self.send(market, &path, Some(&query), OPENING, bytes).await
    }

    /// Answers every question until there is none for a while.
    ///
    /// # Panics
    /// An answer is not taken.
    pub async fn testify(&mut self, market: &Market, run: &Run) {
        while let Some(next) = self.next(market, 3).await {
            let Next::Question(question) = next else {
                panic!("expected a question: {next:?}");
            };
            let path = format!("/v1/assignments/{}/answer", run.id);
            let answer = run.answer(&question);
            let answered = self.post(market, &path, None, &answer).await;
            assert_eq!(
                answered.status(),
                204,
                "{}",
                answered.text().await.expect("text")
            );
        }
    }

    /// A request with a JSON body, signed.
    pub async fn post(
        &self,
        market: &Market,
        path: &str,
        query: Option<&str>,
        body: &impl Serialize,
    ) -> Response {
        let body = serde_json::to_vec(body).expect("JSON");
        self.send(market, path, query, "application/json", body)
            .await
    }

    async fn send(
        &self,
        market: &Market,
        path: &str,
        query: Option<&str>,
        media_type: &str,
        body: Vec<u8>,
    ) -> Response {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&NONCES.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let params = SignatureParams {
            created: verifier_service::Clock::now(&*market.clock),
            key_id: self.id.clone(),
            nonce: Base64Url(nonce),
        };
        let target = Target::new("POST", path, query).expect("target");
        let fields = SignedRequest::new(target, params, &body).expect("request");
        let fields = fields.sign(|message| self.key.sign(message));
        let full = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let request = market
            .request(Method::POST, &full)
            .header("content-type", media_type)
            .header("content-digest", fields.content_digest)
            .header("signature-input", fields.signature_input)
            .header("signature", fields.signature)
            .body(body);
        request.send().await.expect("answer")
    }
}

fn named(run: &Execution, outputs: &[Vec<u8>]) -> Vec<NamedOutput> {
    let named = run.outputs.iter().zip(outputs);
    named
        .map(|(output, bytes)| NamedOutput {
            name: output.name,
            len: bytes.len() as u64,
            digest: Blake3Digest::of(bytes),
            bytes: Some(bytes.clone()),
        })
        .collect()
}

fn keyed(key: &[u8; 32], outputs: &[Vec<u8>], trace: &[Blake3Digest]) -> Base64Url<32> {
    let outputs = outputs.iter().map(Vec::as_slice);
    Base64Url(KeyedDigest::of(key, outputs, trace))
}

impl Run {
    /// What it commits to.
    ///
    /// # Panics
    /// The statement has no canonical form.
    #[must_use]
    pub fn commitment(&self) -> ResultCommitment {
        let statement = self.bundle.statement.canonical().expect("canonical");
        ResultCommitment::to(&statement, &self.secrets)
    }

    /// With another keyed digest than that of its outputs.
    #[must_use]
    pub fn with_keyed(mut self, keyed: [u8; 32]) -> Self {
        self.secrets.keyed = Base64Url(keyed);
        self
    }

    /// What an honest agent opens.
    #[must_use]
    pub fn opening(&self, open: &Open) -> Opening {
        let cross = open.cross.iter().map(|other| {
            let digest = keyed(other.replica_key.reveal(), &self.outputs, &self.trace);
            (other.assignment.to_string(), digest)
        });
        let names = self.bundle.statement.outputs.iter();
        let whole = names.zip(&self.outputs);
        let whole = whole.map(|(output, bytes)| (output.name.clone(), Blob(bytes.clone())));
        Opening {
            profile: Profile::V1,
            salt: self.secrets.salt,
            keyed: self.secrets.keyed,
            cross: cross.collect(),
            bundle: Bundle {
                outputs: if open.whole {
                    whole.collect()
                } else {
                    BTreeMap::new()
                },
                ..self.bundle.clone()
            },
            slices: if open.points > 0 {
                self.slices(open)
            } else {
                Vec::new()
            },
        }
    }

    fn committed(&self) -> Vec<Committed<'static>> {
        let outputs = self.outputs.iter();
        outputs
            .map(|bytes| Committed::of(bytes.clone()).expect("bytes in memory"))
            .collect()
    }

    fn slices(&self, open: &Open) -> Vec<OpenedSlice> {
        let randomness = Randomness::drawn_after_commitment(open.randomness.0);
        let points = audit::draw(&randomness, &self.job.job, open.points);
        let outputs = self.committed();
        let at_hand = AtHand::new(&self.job.job, &self.job.inputs, &outputs);
        let stretches = stretches(&self.job.job, &points, &at_hand).expect("all is at hand");
        let slice = |(tensor, stretch): (Tensor, Stretch)| {
            let Tensor::Output(name) = tensor else {
                panic!("only outputs are opened");
            };
            OpenedSlice {
                tensor: OpenedTensor::Output(name.to_owned()),
                start: stretch.start,
                len: stretch.len,
                bytes: Blob(at_hand.slice(tensor, stretch).expect("all is at hand")),
            }
        };
        stretches.into_iter().map(slice).collect()
    }

    /// What an honest agent answers a referee.
    ///
    /// # Panics
    /// The question is none that can be answered.
    #[must_use]
    pub fn answer(&self, question: &Question) -> Answer {
        let reply = match &question.ask {
            Ask::Witness(text) => {
                let asked = serde_json::from_str(text).expect("a question");
                let outputs = self.committed();
                let (job, inputs) = (&self.job.job, &self.job.inputs);
                let witness = Witness::new(job, inputs, &outputs, &self.trace);
                let answer = witness.and_then(|mut witness| witness.answer(&asked));
                Reply::Witness(Blob(answer.expect("an answer")))
            }
            Ask::Outputs {} => {
                let named = self.bundle.statement.outputs.iter().zip(&self.outputs);
                let trace = self.trace.iter().flat_map(|entry| *entry.as_bytes());
                Reply::Outputs(Outputs {
                    outputs: named
                        .map(|(output, bytes)| (output.name.clone(), Blob(bytes.clone())))
                        .collect(),
                    trace: Blob(trace.collect()),
                })
            }
        };
        Answer {
            number: question.number,
            reply,
        }
    }
}
