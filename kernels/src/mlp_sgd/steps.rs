//! One step of the training from the state before it. A parameter depends on every other through the batch, so one
//! element of a state costs a whole step.

use super::data::Source;
use super::state::State;
use super::{MlpSgd, step};
use crate::point::{SliceMissing, Slices, Span, Tensor};
use crate::steps::StepKernel;

impl MlpSgd {
    /// Where the state before a step is, unless it is the initial one.
    fn state_before(&self, entry: u64) -> Option<Span> {
        let before = entry.checked_sub(1)?;
        Some(Span::run(Tensor::State(before), 0, self.state_bytes()))
    }

    /// Where the last checkpoint before a step is, and the first step after it.
    fn checkpoint_before(&self, entry: u64) -> (Option<Span>, u64) {
        let every = u64::from(self.params().checkpoint_every);
        let segment = entry / every;
        let len = self.state_bytes();
        let checkpoint = segment.checked_sub(1).map(|before| {
            let output = Tensor::Output("checkpoints");
            Span::run(output, before * len, len)
        });
        (checkpoint, segment * every)
    }

    fn state_at(&self, span: Option<Span>, slices: &dyn Slices) -> Result<State, SliceMissing> {
        let Some(span) = span else {
            return Ok(State::initial(self));
        };
        let mut bytes = vec![0; span.len as usize];
        slices.read(span.tensor, span.offset, &mut bytes)?;
        Ok(State::from_bytes(self, &bytes))
    }

    fn run(
        &self,
        state: &mut State,
        steps: std::ops::RangeInclusive<u64>,
        slices: &dyn Slices,
    ) -> Result<(), SliceMissing> {
        let source = Source::new(self, slices);
        for at in steps {
            step::step(self, state, source.batch(at as u32)?);
        }
        Ok(())
    }
}

impl StepKernel for MlpSgd {
    fn state_len(&self) -> u64 {
        self.state_bytes()
    }

    fn needs(&self, entry: u64) -> Vec<Span> {
        self.state_before(entry).into_iter().collect()
    }

    fn eval(
        &self,
        entry: u64,
        offset: u64,
        len: usize,
        slices: &dyn Slices,
    ) -> Result<Vec<u8>, SliceMissing> {
        let mut state = self.state_at(self.state_before(entry), slices)?;
        self.run(&mut state, entry..=entry, slices)?;
        let bytes = state.bytes(self);
        let start = usize::try_from(offset).unwrap_or(bytes.len());
        let found = bytes.get(start..).and_then(|rest| rest.get(..len));
        Ok(found.unwrap_or_default().to_vec())
    }

    fn regain(&self, entry: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let (checkpoint, first) = self.checkpoint_before(entry);
        let mut state = self.state_at(checkpoint, slices)?;
        self.run(&mut state, first..=entry, slices)?;
        Ok(state.bytes(self))
    }
}
