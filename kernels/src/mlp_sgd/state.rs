//! The state between two steps, and the segments that lead from one checkpoint to the next.

use super::data::{Source, initial_weights};
use super::{MlpSgd, step};
use crate::job::CheckedInputs;
use crate::point::{InMemory, SliceMissing, Slices};

/// Parameters and velocities.
pub(super) struct State {
    pub(super) parameters: Vec<f32>,
    /// Without momentum written, never read.
    pub(super) velocities: Vec<f32>,
}

impl State {
    /// Before the first step.
    pub(super) fn initial(job: &MlpSgd) -> Self {
        let labels = ["wa", "wb", "wc"];
        let parameters = initial_weights(job.layers(), &job.params().seed, &labels);
        let velocities = vec![0.0; parameters.len()];
        Self {
            parameters,
            velocities,
        }
    }

    /// From the bytes of a checkpoint, which may be anybody's: numbers that are not finite give what they give.
    pub(super) fn from_bytes(job: &MlpSgd, bytes: &[u8]) -> Self {
        let words = bytes.as_chunks().0.iter().copied();
        let mut parameters: Vec<f32> = words.map(f32::from_le_bytes).collect();
        let count = job.layers().parameters();
        let mut velocities = parameters.split_off(count);
        velocities.resize(count, 0.0);
        Self {
            parameters,
            velocities,
        }
    }

    /// The bytes of a checkpoint.
    pub(super) fn bytes(&self, job: &MlpSgd) -> Vec<u8> {
        let velocities: &[f32] = if job.has_momentum() {
            &self.velocities
        } else {
            &[]
        };
        let all = self.parameters.iter().chain(velocities);
        all.flat_map(|number| number.to_le_bytes()).collect()
    }
}

/// Goes through the steps of a segment and returns their losses as bytes.
pub(super) fn segment(
    job: &MlpSgd,
    source: &Source<'_>,
    state: &mut State,
    segment: u32,
) -> Result<Vec<u8>, SliceMissing> {
    let every = job.params().checkpoint_every;
    let mut losses = Vec::new();
    for step in segment * every..(segment + 1) * every {
        let loss = step::step(job, state, source.batch(step)?);
        losses.extend(loss.to_le_bytes());
    }
    Ok(losses)
}

/// The whole training: losses and checkpoints.
pub(super) fn reference(job: &MlpSgd, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
    let slices = InMemory::new(inputs, []);
    train(job, &slices).expect("accepted inputs are whole")
}

fn train(job: &MlpSgd, slices: &dyn Slices) -> Result<Vec<Vec<u8>>, SliceMissing> {
    let source = Source::new(job, slices);
    let mut state = State::initial(job);
    let (mut losses, mut checkpoints) = (Vec::new(), Vec::new());
    for at in 0..job.segments() {
        losses.extend(segment(job, &source, &mut state, at)?);
        checkpoints.extend(state.bytes(job));
    }
    Ok(vec![losses, checkpoints])
}
