//! A run of a job as its agent has it, and what is said of it on the wire: commitment, opening, answers to a referee.

use std::collections::BTreeMap;
use std::sync::Arc;

use attestation_agent::{
    AgentKey, CpuReference, DeviceSet, Execution, Executor, InputBytes, NamedOutput, Occasion,
    PreparedJob, SystemClock, Work, commit, seal, vouch,
};
use evidence::UnixTime;
use evidence::work::wire::{Answer, Ask, Lease, Offer, Open, Outputs, Question, Reply};
use evidence::work::{
    Base64Url, Blob, Bundle, JobSpec, OpenedSlice, OpenedTensor, Opening, Profile,
    ResultCommitment, Secrets,
};
use kernels::bisect::{Witness, WitnessError};
use kernels::committed::{AtHand, Committed};
use kernels::point::{SliceMissing, Slices, Tensor};
use kernels::slices::{Stretch, stretches};
use kernels::{Blake3Digest, KeyedDigest, Randomness, audit};

/// What a run left.
pub struct Made {
    job: PreparedJob,
    run: Execution,
    /// In the order of the job.
    pub outputs: Vec<Vec<u8>>,
    /// States of a run that went astray; an honest one regains them.
    states: Vec<Vec<u8>>,
}

/// A training that goes wrong at a step.
#[derive(Clone, Copy, Debug)]
pub struct Astray {
    /// The first whose state is wrong. What comes after follows from that state as it should.
    pub step: u64,
    /// The bits of a byte that are.
    pub bits: u8,
}

impl Made {
    /// By the reference of the kernel.
    ///
    /// # Panics
    /// The job is not one that can be run without inputs.
    #[must_use]
    pub fn of(spec: &JobSpec) -> Self {
        let job = PreparedJob::new(spec.clone(), InputBytes::new()).expect("job");
        let work = Work {
            job: job.job.clone(),
            inputs: Arc::clone(&job.inputs),
            keep_outputs: true,
            clock: Arc::new(SystemClock::new()),
        };
        let run = CpuReference.execute(&work).expect("run");
        let outputs = run.outputs.iter().map(|output| output.bytes.clone());
        Self {
            outputs: outputs.map(|bytes| bytes.expect("kept")).collect(),
            states: Vec::new(),
            job,
            run,
        }
    }

    /// The same gone astray: trace, states and checkpoints are of what it went through.
    ///
    /// # Panics
    /// The job has no steps.
    #[must_use]
    pub fn gone(mut self, astray: Astray) -> Self {
        self.states = self.states_of(astray);
        let digests = self.states.iter().map(|state| Blake3Digest::of(state));
        self.run.trace = digests.collect();
        let checkpoints = &mut self.outputs[1];
        let every = self.states.len() / (checkpoints.len() / self.states[0].len());
        *checkpoints = self
            .states
            .iter()
            .skip(every - 1)
            .step_by(every)
            .flatten()
            .copied()
            .collect();
        self
    }

    /// The run with outputs as they are here.
    fn execution(&self) -> Execution {
        let outputs = self.run.outputs.iter().zip(&self.outputs);
        let named = outputs.map(|(output, bytes)| NamedOutput {
            name: output.name,
            len: bytes.len() as u64,
            digest: Blake3Digest::of(bytes),
            bytes: Some(bytes.clone()),
        });
        Execution {
            outputs: named.collect(),
            ..self.run.clone()
        }
    }

    fn states_of(&self, astray: Astray) -> Vec<Vec<u8>> {
        let (job, inputs) = (&self.job.job, &self.job.inputs);
        let steps = job.steps().expect("a job in steps");
        let len = usize::try_from(steps.state_len()).expect("a state in memory");
        let mut states: Vec<Vec<u8>> = Vec::new();
        for entry in 0..job.marks() {
            let before = Before {
                at_hand: AtHand::new(job, inputs, &[]),
                state: states.last().map_or(&[], Vec::as_slice),
            };
            let mut state = steps.eval(entry, 0, len, &before).expect("a state");
            if entry == astray.step {
                state[len / 2] ^= astray.bits;
            }
            states.push(state);
        }
        states
    }
}

/// Inputs, and the state before a step.
struct Before<'a> {
    at_hand: AtHand<'a>,
    state: &'a [u8],
}

impl Slices for Before<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        let Tensor::State(_) = tensor else {
            return self.at_hand.read(tensor, offset, into);
        };
        let start = usize::try_from(offset).expect("within a state");
        into.copy_from_slice(&self.state[start..][..into.len()]);
        Ok(())
    }
}

/// Who signs for a run.
pub struct Signer<'a> {
    /// The reports.
    pub devices: &'a DeviceSet,
    /// The bundle.
    pub key: &'a AgentKey,
    /// When it is said to have begun.
    pub now: UnixTime,
}

/// One run of a job, stated and signed.
#[derive(Clone)]
pub struct Run {
    /// The assignment.
    pub id: String,
    /// What was asked for.
    job: Arc<PreparedJob>,
    /// What was run.
    ran: Arc<PreparedJob>,
    /// Outputs in the order of the job.
    pub outputs: Vec<Vec<u8>>,
    trace: Vec<Blake3Digest>,
    states: Vec<Vec<u8>>,
    secrets: Secrets,
    bundle: Bundle,
}

impl Run {
    /// Of what was made for an offer.
    ///
    /// # Panics
    /// It cannot be stated or signed.
    #[must_use]
    pub fn stated(offer: &Offer, lease: &Lease, made: Made, signer: &Signer<'_>) -> Self {
        let job = PreparedJob::new(offer.spec.clone(), InputBytes::new()).expect("job");
        let run = made.execution();
        let occasion = Occasion {
            challenge: lease.challenge,
            agent_key: signer.key.public(),
            executor: run.executor,
            started_at_ms: signer.now.secs().unsigned_abs() * 1000,
        };
        let commitment = commit(&job, &run, occasion).expect("statement");
        let mut unsigned = vouch(&job, &run, commitment, signer.devices).expect("evidence");
        unsigned.outputs.clear();
        let (bundle, _) = seal(unsigned, signer.key).expect("canonical statement");
        Self {
            id: offer.assignment.to_string(),
            secrets: Secrets {
                salt: Base64Url(random()),
                keyed: keyed(lease.replica_key.reveal(), &made.outputs, &run.trace),
            },
            job: Arc::new(job),
            ran: Arc::new(made.job),
            trace: run.trace,
            outputs: made.outputs,
            states: made.states,
            bundle,
        }
    }

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
                _ => self.slices(open),
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

    /// What it answers a referee: of what it ran, all as it was committed to.
    ///
    /// # Panics
    /// The question is none that can be answered.
    #[must_use]
    pub fn answer(&self, question: &Question) -> Answer {
        let reply = match &question.ask {
            Ask::Witness(text) => Reply::Witness(Blob(self.testimony(text))),
            Ask::Outputs {} => {
                let trace = self.trace.iter().flat_map(|entry| *entry.as_bytes());
                Reply::Outputs(Outputs {
                    outputs: self.named_outputs(),
                    trace: Blob(trace.collect()),
                })
            }
        };
        Answer {
            number: question.number,
            reply,
        }
    }

    fn testimony(&self, text: &str) -> Vec<u8> {
        let asked = serde_json::from_str(text).expect("a question");
        let (ran, outputs) = (&self.ran, self.committed());
        let witness = Witness::new(&ran.job, &ran.inputs, &outputs, &self.trace);
        let mut witness = witness.expect("a trace in memory");
        if !self.states.is_empty() {
            witness = witness.with_states(|entry| {
                let state = usize::try_from(entry)
                    .ok()
                    .and_then(|at| self.states.get(at));
                state.cloned().ok_or(WitnessError::Question)
            });
        }
        witness.answer(&asked).expect("an answer")
    }
}

fn keyed(key: &[u8; 32], outputs: &[Vec<u8>], trace: &[Blake3Digest]) -> Base64Url<32> {
    let outputs = outputs.iter().map(Vec::as_slice);
    Base64Url(KeyedDigest::of(key, outputs, trace))
}

/// Fresh random bytes.
///
/// # Panics
/// The machine has none.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    bytes
}
