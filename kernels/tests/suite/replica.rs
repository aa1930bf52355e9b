//! Runs of small jobs as disputes and openings see them: outputs, states, trace.

use kernels::bisect::{Claims, TraceClaim, Witness, WitnessError};
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
