//! Runs of small jobs as disputes and openings see them: outputs, states, trace.

use kernels::bisect::{
    Claims, Progress, Question, Referee, Ruling, Side, TraceClaim, Witness, WitnessError,
    largest_answer, most_questions,
};
use kernels::committed::{AtHand, Committed};
use kernels::point::{InMemory, SliceMissing, Slices, Tensor};
use kernels::{Blake3Digest, CheckedInputs, Job};

/// What one replica has.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) outputs: Vec<Vec<u8>>,
    pub(crate) states: Vec<Vec<u8>>,
}

impl Replica {
    /// As it should be.
    pub(crate) fn honest(job: &Job, inputs: &CheckedInputs<'_>) -> Self {
        let outputs = job.reference_bytes(inputs);
        let slices = in_memory(job, inputs, &outputs);
        let state = |entry| job.steps().unwrap().regain(entry, &slices).unwrap();
        let states = (0..job.marks()).map(state).collect();
        Self { outputs, states }
    }

    pub(crate) fn trace(&self) -> Vec<Blake3Digest> {
        self.states
            .iter()
            .map(|state| Blake3Digest::of(state))
            .collect()
    }

    pub(crate) fn claims(&self) -> Claims {
        let outputs = self.outputs.iter().map(|bytes| Blake3Digest::of(bytes));
        Claims {
            outputs: outputs.collect(),
            trace: trace_claim(&self.trace()),
        }
    }

    pub(crate) fn committed(&self) -> Vec<Committed<'static>> {
        let outputs = self.outputs.iter().cloned();
        outputs.map(|bytes| Committed::of(bytes).unwrap()).collect()
    }

    pub(crate) fn witness<'a>(
        &'a self,
        job: &'a Job,
        inputs: &'a CheckedInputs<'a>,
        outputs: &'a [Committed<'a>],
    ) -> Witness<'a> {
        let witness = Witness::new(job, inputs, outputs, &self.trace()).unwrap();
        witness.with_states(|entry| {
            let state = self.states.get(entry as usize);
            state.cloned().ok_or(WitnessError::Question)
        })
    }
}

pub(crate) fn trace_claim(trace: &[Blake3Digest]) -> Option<TraceClaim> {
    let bytes: Vec<u8> = trace.iter().flat_map(|entry| *entry.as_bytes()).collect();
    (!trace.is_empty()).then(|| TraceClaim {
        entries: trace.len() as u64,
        digest: Blake3Digest::of(&bytes),
    })
}

pub(crate) fn in_memory<'a>(
    job: &Job,
    inputs: &'a CheckedInputs<'_>,
    outputs: &'a [Vec<u8>],
) -> InMemory<'a> {
    let specs = job.outputs().into_iter();
    let named = specs
        .map(|spec| spec.name)
        .zip(outputs.iter().map(Vec::as_slice));
    InMemory::new(inputs, named)
}

/// Own outputs, and one state.
pub(crate) struct WithState<'a> {
    pub(crate) at_hand: AtHand<'a>,
    pub(crate) state: (u64, &'a [u8]),
}

impl Slices for WithState<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        match tensor {
            Tensor::State(entry) if entry == self.state.0 => {
                into.copy_from_slice(&self.state.1[offset as usize..][..into.len()]);
                Ok(())
            }
            _ => self.at_hand.read(tensor, offset, into),
        }
    }
}

//------------ Disputes --------------------------------------------------------

/// What a dispute took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) rounds: u64,
    /// Of each side.
    pub(crate) bytes: u64,
    pub(crate) longest: u64,
}

pub(crate) type Answerer<'a> = Box<dyn FnMut(&Question) -> Vec<u8> + 'a>;

/// Plays a dispute to its end.
pub(crate) fn play(
    job: &Job,
    inputs: &CheckedInputs<'_>,
    claims: [Claims; 2],
    mut sides: [Answerer<'_>; 2],
) -> (Progress, Taken) {
    let [a, b] = claims;
    let mut referee = Referee::new(job, inputs, a, b).unwrap();
    let mut taken = Taken::default();
    let (most, largest) = (u64::from(most_questions(job)), largest_answer(job));
    loop {
        let question = referee.question().unwrap();
        let text = serde_json::to_string(&question).unwrap();
        assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
        let answers = [0, 1].map(|side| sides[side](&question));
        taken.rounds += 1;
        assert!(taken.rounds <= most, "{} of {most}", taken.rounds);
        let len = question.answer_len(job).unwrap();
        assert!(len <= largest, "{question:?}: {len} of {largest}");
        taken.bytes += answers[0].len() as u64;
        taken.longest = taken.longest.max(answers[0].len() as u64);
        assert_eq!(referee.answer(Side::A, &answers[0]), Progress::Waiting);
        assert!(!referee.awaits(Side::A) && referee.awaits(Side::B));
        match referee.answer(Side::B, &answers[1]) {
            Progress::Ask(next) => assert_eq!(Some(next), referee.question()),
            over => {
                assert_eq!(referee.question(), None);
                assert_eq!(referee.answer(Side::A, &[]), over);
                return (over, taken);
            }
        }
    }
}

pub(crate) fn answering<'a>(mut witness: Witness<'a>) -> Answerer<'a> {
    Box::new(move |question| {
        let answer = witness.answer(question);
        // Whoever cannot answer sends something.
        answer.unwrap_or_default()
    })
}

/// A dispute between two replicas that answer as well as they can.
pub(crate) fn dispute(
    job: &Job,
    inputs: &CheckedInputs<'_>,
    a: &Replica,
    b: &Replica,
) -> (Progress, Taken) {
    let outputs = [a.committed(), b.committed()];
    let claims = [a.claims(), b.claims()];
    let sides = [
        answering(a.witness(job, inputs, &outputs[0])),
        answering(b.witness(job, inputs, &outputs[1])),
    ];
    play(job, inputs, claims, sides)
}

pub(crate) fn loser_codes(progress: &Progress) -> Vec<(Side, &'static str)> {
    match progress {
        Progress::Decided(Ruling { losers, .. }) => losers
            .iter()
            .map(|(side, loss)| (*side, loss.code()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn losers(progress: &Progress) -> Vec<Side> {
    match progress {
        Progress::Decided(Ruling { losers, .. }) => losers.iter().map(|(side, _)| *side).collect(),
        other => panic!("{other:?}"),
    }
}

/// The liar loses, on either side, in as many questions as the trees have levels.
pub(crate) fn found(
    name: &str,
    job: &Job,
    inputs: &CheckedInputs<'_>,
    honest: &Replica,
    liar: &Replica,
) -> Taken {
    let (progress, _) = dispute(job, inputs, liar, honest);
    assert_eq!(losers(&progress), [Side::A], "{name}: {progress:?}");
    let (progress, taken) = dispute(job, inputs, honest, liar);
    assert_eq!(losers(&progress), [Side::B], "{name}: {progress:?}");
    assert!(taken.rounds <= 8, "{name}: {taken:?}");
    taken
}

/// Both ends and the middle.
pub(crate) fn places(len: usize) -> [usize; 3] {
    [0, len / 2, len - 1]
}
