//! An agent that cheats in one way and is honest in every other: a software device, an agent's key, and the wire spoken
//! by a script.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use attestation_agent::device::Selection;
use attestation_agent::{
    AgentKey, CpuReference, DeviceSet, Execution, Executor, InputBytes, Occasion, PreparedJob,
    SystemClock, Work, commit, seal, vouch,
};
use evidence::UnixTime;
use evidence::device::Architecture;
use evidence::work::request::{SignatureParams, SignedRequest, Target};
use evidence::work::wire::{
    Answer, Ask, Assurance, DeclaredDevice, Empty, Enrolled, Enrolment, EnrolmentToken, Heartbeat,
    HeartbeatAnswer, Id, Known, Lease, Next, NextRequest, Offer, Open, Outputs, Question, Reply,
    Word,
};
use evidence::work::{
    Base64Url, Blob, Bundle, JobSpec, OpenedSlice, OpenedTensor, Opening, Profile,
    ResultCommitment, Secrets,
};
use kernels::bisect::Witness;
use kernels::committed::{AtHand, Committed};
use kernels::point::Tensor;
use kernels::slices::stretches;
use kernels::{Blake3Digest, KeyedDigest, Randomness, audit};
use reqwest::{Client, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::place::{Market, Party};

/// How an agent cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    /// Not at all.
    None,
    /// Commits to a digest it was told, and gets the output of an accomplice before it is to open.
    CopiedAnswer,
    /// Leaves one row in eleven at zero.
    SkippedFraction,
    /// Computes the job with operands of another seed.
    WrongOperands,
    /// Computes it with operands of zeros, which takes less power.
    StructuredOperands,
    /// Makes an output up of which every column has the right sum.
    ChecksumRow,
    /// Answers with the run, the reports and the commitment of an earlier assignment.
    ReplayedChallenge,
    /// Commits to what it once committed to, and runs the job when it knows what is asked.
    ReplayedCommitment,
    /// Does not open.
    WithheldOpening,
    /// Opens after the deadline.
    LateOpening,
    /// Commits after the deadline.
    LateCommitment,
}

/// See the [module documentation](self).
pub(crate) struct Liar {
    /// What it does about the next assignment.
    pub(crate) cheat: Cheat,
    url: String,
    client: Client,
    devices: DeviceSet,
    key: AgentKey,
    id: String,
    known: Vec<Known>,
    before: Option<Run>,
}

/// What the verifier said to it of one assignment.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Codes with which its requests were refused.
    pub(crate) refused: Vec<String>,
    /// Questions of a referee that it was asked.
    pub(crate) questions: usize,
    /// The code with which the assignment ended, if it had one.
    pub(crate) ended: Option<String>,
}

/// A run, and what was committed to.
#[derive(Clone)]
struct Run {
    /// What was asked for.
    job: Arc<PreparedJob>,
    /// What was run.
    ran: Arc<PreparedJob>,
    /// In the order of the job.
    outputs: Vec<Vec<u8>>,
    trace: Vec<Blake3Digest>,
    secrets: Secrets,
    bundle: Bundle,
}

impl Liar {
    /// Enrols with a provider, on the device of this place.
    pub(crate) async fn enrol(market: &Market, provider: &Party, place: usize) -> Self {
        let dir: PathBuf = market.device(place);
        let mut liar = Self {
            cheat: Cheat::None,
            url: market.url.clone(),
            client: Client::builder().no_proxy().build().unwrap(),
            devices: DeviceSet::open(&Selection::Simulated { dir }).unwrap(),
            key: AgentKey::from_seed(&random::<32>()).unwrap(),
            id: String::new(),
            known: Vec::new(),
            before: None,
        };
        let token = EnrolmentToken::parse(&market.enrolment_token(provider).await).unwrap();
        let key = &liar.key;
        let enrolment = Enrolment::new(token, key.public(), |message| key.sign(message));
        let request = liar.client.post(format!("{}/v1/agents", liar.url));
        let answer = request.json(&enrolment).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let enrolled: Enrolled = read(answer).await;
        enrolled.id.as_str().clone_into(&mut liar.id);
        liar.beat(Vec::new()).await;
        liar
    }

    /// Plays one assignment from its offer to its end.
    pub(crate) async fn play(&mut self) -> Played {
        let mut played = Played::default();
        let offer = self.offer().await;
        let id = &offer.assignment;
        let accepted = self
            .post(&format!("/v1/assignments/{id}/accept"), &Empty {})
            .await;
        assert_eq!(accepted.status(), 200);
        let lease: Lease = read(accepted).await;
        let mut run = self.promised(&offer, &lease);
        if self.cheat == Cheat::LateCommitment {
            until(lease.commit_until).await;
        }
        let path = format!("/v1/assignments/{id}/commitment");
        played.note(self.post(&path, &run.commitment()).await).await;
        if played.refused.is_empty() {
            if self.cheat == Cheat::ReplayedCommitment {
                run = self.run(&offer, &lease);
            }
            self.reveal(id, &run, &mut played).await;
        }
        self.before = Some(run);
        played
    }

    /// From the call for an opening to the end of the assignment.
    async fn reveal(&mut self, id: &Id, run: &Run, played: &mut Played) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(120) {
            match self.next(1).await {
                Some(Next::Open(open)) => self.open(&open, run, played).await,
                Some(Next::Question(question)) => {
                    played.questions += 1;
                    let path = format!("/v1/assignments/{id}/answer");
                    played
                        .note(self.post(&path, &run.answer(&question)).await)
                        .await;
                }
                Some(Next::Offer(_)) | None => {}
            }
            let ended = self.beat(vec![id.clone()]).await.ended;
            if let Some(ended) = ended.first() {
                played.ended = ended.code.as_ref().map(|code| code.as_str().to_owned());
                return;
            }
        }
        panic!("the assignment has no end: {played:?}");
    }

    async fn open(&self, open: &Open, run: &Run, played: &mut Played) {
        match self.cheat {
            Cheat::WithheldOpening => return,
            Cheat::LateOpening => until(open.until).await,
            _ => {}
        }
        let body = serde_json::to_vec(&run.opening(open)).unwrap();
        let path = format!("/v1/assignments/{}/opening", open.assignment);
        let (query, media_type) = (
            format!("round={}", open.round),
            "application/vnd.pogw.opening+json",
        );
        played
            .note(self.send(&path, Some(&query), media_type, body).await)
            .await;
    }

    /// What is committed to.
    fn promised(&self, offer: &Offer, lease: &Lease) -> Run {
        match self.cheat {
            Cheat::ReplayedChallenge | Cheat::ReplayedCommitment => {
                self.before.clone().expect("an assignment before this one")
            }
            _ => self.run(offer, lease),
        }
    }

    /// Runs the job as the cheat has it, states the result and has the device sign it.
    fn run(&self, offer: &Offer, lease: &Lease) -> Run {
        let job = PreparedJob::new(offer.spec.clone(), InputBytes::new()).unwrap();
        let ran = match self.cheat {
            Cheat::WrongOperands => other_operands(&offer.spec),
            _ => offer.spec.clone(),
        };
        let ran = PreparedJob::new(ran, InputBytes::new()).unwrap();
        let mut run = execute(&ran);
        for output in &mut run.outputs {
            let bytes = output.bytes.as_mut().unwrap();
            self.cheat.spoil(bytes);
            output.digest = Blake3Digest::of(bytes);
        }
        let outputs: Vec<_> = run
            .outputs
            .iter()
            .map(|output| output.bytes.clone().unwrap())
            .collect();
        let occasion = Occasion {
            challenge: lease.challenge,
            agent_key: self.key.public(),
            executor: run.executor,
            started_at_ms: now().secs().unsigned_abs() * 1000,
        };
        let statement = commit(&job, &run, occasion).unwrap();
        let mut unsigned = vouch(&job, &run, statement, &self.devices).unwrap();
        unsigned.outputs.clear();
        let keyed = match self.cheat {
            // Without the output there is nothing to digest.
            Cheat::CopiedAnswer => Base64Url(random()),
            _ => keyed(lease.replica_key.reveal(), &outputs, &run.trace),
        };
        Run {
            secrets: Secrets {
                salt: Base64Url(random()),
                keyed,
            },
            bundle: seal(unsigned, &self.key).unwrap().0,
            trace: run.trace,
            job: Arc::new(job),
            ran: Arc::new(ran),
            outputs,
        }
    }

    /// Takes an offer at the verifier that listens there.
    pub(crate) async fn accept_at(&self, url: &str, offer: &Offer) -> Response {
        let path = format!("/v1/assignments/{}/accept", offer.assignment);
        self.send_to(url, &path, None, "application/json", b"{}".to_vec())
            .await
    }

    pub(crate) async fn offer(&mut self) -> Offer {
        for _ in 0..12 {
            if let Some(Next::Offer(offer)) = self.next(5).await {
                return *offer;
            }
            self.beat(Vec::new()).await;
        }
        panic!("no offer comes");
    }

    async fn next(&mut self, wait_s: u32) -> Option<Next> {
        let body = serde_json::to_vec(&NextRequest {
            known: self.known.clone(),
        })
        .unwrap();
        let query = format!("wait_s={wait_s}");
        let path = "/v1/assignments/next";
        let answer = self
            .send(path, Some(&query), "application/json", body)
            .await;
        if answer.status() == 204 {
            return None;
        }
        let next: Next = read(answer).await;
        self.known.push(next.name());
        Some(next)
    }

    async fn beat(&self, held: Vec<Id>) -> HeartbeatAnswer {
        let device = DeclaredDevice {
            architecture: Architecture::Hopper,
            assurance: Assurance::A0,
            simulated: true,
            ueid_sha256: None,
        };
        let heartbeat = Heartbeat {
            devices: vec![device],
            executors: vec![Word::lossy("cpu-reference")],
            capacity: 4,
            held,
        };
        let answer = self
            .post(&format!("/v1/agents/{}/heartbeat", self.id), &heartbeat)
            .await;
        assert_eq!(answer.status(), 200);
        read(answer).await
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Response {
        let body = serde_json::to_vec(body).unwrap();
        self.send(path, None, "application/json", body).await
    }

    async fn send(
        &self,
        path: &str,
        query: Option<&str>,
        media_type: &str,
        body: Vec<u8>,
    ) -> Response {
        self.send_to(&self.url, path, query, media_type, body).await
    }

    async fn send_to(
        &self,
        url: &str,
        path: &str,
        query: Option<&str>,
        media_type: &str,
        body: Vec<u8>,
    ) -> Response {
        let params = SignatureParams {
            created: now(),
            key_id: self.id.clone(),
            nonce: Base64Url(random()),
        };
        let target = Target::new("POST", path, query).unwrap();
        let signed = SignedRequest::new(target, params, &body).unwrap();
        let fields = signed.sign(|message| self.key.sign(message));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let request = self.client.post(format!("{url}{path}{query}"));
        let request = request
            .header("content-type", media_type)
            .header("content-digest", fields.content_digest)
            .header("signature-input", fields.signature_input)
            .header("signature", fields.signature);
        request.body(body).send().await.unwrap()
    }
}

impl Cheat {
    /// What becomes of an output, rows of 64 numbers of 4 bytes.
    fn spoil(self, bytes: &mut [u8]) {
        const ROW: usize = 64 * 4;
        match self {
            Self::SkippedFraction => bytes
                .chunks_mut(ROW)
                .step_by(11)
                .for_each(|row| row.fill(0)),
            Self::StructuredOperands => bytes.fill(0),
            Self::ChecksumRow => bytes.rotate_left(ROW),
            _ => {}
        }
    }
}

impl Played {
    async fn note(&mut self, answer: Response) {
        if answer.status().is_success() {
            return;
        }
        let problem: Value = answer.json().await.unwrap();
        self.refused
            .push(problem["code"].as_str().unwrap().to_owned());
    }
}

impl Run {
    fn commitment(&self) -> ResultCommitment {
        let statement = self.bundle.statement.canonical().unwrap();
        ResultCommitment::to(&statement, &self.secrets)
    }

    fn opening(&self, open: &Open) -> Opening {
        let cross = open.cross.iter().map(|other| {
            let digest = keyed(other.replica_key.reveal(), &self.outputs, &self.trace);
            (other.assignment.to_string(), digest)
        });
        Opening {
            profile: Profile::V1,
            salt: self.secrets.salt,
            keyed: self.secrets.keyed,
            cross: cross.collect(),
            bundle: Bundle {
                outputs: match open.whole {
                    true => self.named_outputs(),
                    false => BTreeMap::new(),
                },
                ..self.bundle.clone()
            },
            slices: match open.points {
                0 => Vec::new(),
                points => self.slices(open.randomness.0, points),
            },
        }
    }

    fn named_outputs(&self) -> BTreeMap<String, Blob> {
        let names = self.bundle.statement.outputs.iter();
        let named = names.zip(&self.outputs);
        named
            .map(|(output, bytes)| (output.name.clone(), Blob(bytes.clone())))
            .collect()
    }

    fn committed(&self) -> Vec<Committed<'static>> {
        let outputs = self.outputs.iter();
        outputs
            .map(|bytes| Committed::of(bytes.clone()).unwrap())
            .collect()
    }

    fn slices(&self, randomness: [u8; 32], points: u32) -> Vec<OpenedSlice> {
        let (job, outputs) = (&self.job, self.committed());
        let randomness = Randomness::drawn_after_commitment(randomness);
        let points = audit::draw(&randomness, &job.job, points);
        let at_hand = AtHand::new(&job.job, &job.inputs, &outputs);
        let slices = stretches(&job.job, &points, &at_hand).unwrap();
        let of_outputs = slices
            .into_iter()
            .filter_map(|(tensor, stretch)| match tensor {
                Tensor::Output(name) => Some(OpenedSlice {
                    tensor: OpenedTensor::Output(name.to_owned()),
                    start: stretch.start,
                    len: stretch.len,
                    bytes: Blob(at_hand.slice(tensor, stretch).unwrap()),
                }),
                _ => None,
            });
        of_outputs.collect()
    }

    fn answer(&self, question: &Question) -> Answer {
        let reply = match &question.ask {
            Ask::Witness(text) => {
                let (asked, outputs) = (serde_json::from_str(text).unwrap(), self.committed());
                let witness = Witness::new(&self.ran.job, &self.ran.inputs, &outputs, &self.trace);
                Reply::Witness(Blob(witness.unwrap().answer(&asked).unwrap()))
            }
            Ask::Outputs {} => Reply::Outputs(Outputs {
                outputs: self.named_outputs(),
                trace: Blob(
                    self.trace
                        .iter()
                        .flat_map(|entry| *entry.as_bytes())
                        .collect(),
                ),
            }),
        };
        Answer {
            number: question.number,
            reply,
        }
    }
}

fn execute(job: &PreparedJob) -> Execution {
    let work = Work {
        job: job.job.clone(),
        inputs: Arc::clone(&job.inputs),
        keep_outputs: true,
        clock: Arc::new(SystemClock::new()),
    };
    CpuReference.execute(&work).unwrap()
}

/// With another seed in place of the one that every job of these tests has.
fn other_operands(spec: &JobSpec) -> JobSpec {
    let spec = serde_json::to_string(spec).unwrap();
    let spec = spec.replace(&"5eed".repeat(16), &"0bad".repeat(16));
    serde_json::from_str(&spec).unwrap()
}

fn keyed(key: &[u8; 32], outputs: &[Vec<u8>], trace: &[Blake3Digest]) -> Base64Url<32> {
    Base64Url(KeyedDigest::of(
        key,
        outputs.iter().map(Vec::as_slice),
        trace,
    ))
}

async fn read<T: DeserializeOwned>(answer: Response) -> T {
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

fn now() -> UnixTime {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    UnixTime::from_secs(i64::try_from(since_epoch.as_secs()).unwrap())
}

/// Waits until a deadline is over.
async fn until(deadline: UnixTime) {
    while now().secs() <= deadline.secs() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
