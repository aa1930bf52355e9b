//! Whoever ran the job, answering.

use std::io;

use super::leaf;
use super::question::{Question, Tree};
use crate::committed::{AtHand, Committed};
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Job};
use crate::point::SliceMissing;
use crate::slices::Stretch;
use crate::tree::Node;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The bytes of an output cannot be read.
    #[error("cannot read what was committed to: {0}")]
    Io(#[from] io::Error),
    /// It asks for what the job does not have, or for too much.
    #[error("question is not one of this job")]
    Question,
    /// What a state is regained from is not at hand.
    #[error(transparent)]
    Slice(#[from] SliceMissing),
}

impl WitnessError {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "output_unreadable",
            Self::Question => "question_malformed",
            Self::Slice(error) => error.code(),
        }
    }
}

/// A state by its place in the trace.
type Regain<'a> = Box<dyn Fn(u64) -> Result<Vec<u8>, WitnessError> + Send + Sync + 'a>;

/// The outputs and the trace of a run, and a way to its states.
pub struct Witness<'a> {
    job: &'a Job,
    inputs: &'a CheckedInputs<'a>,
    outputs: &'a [Committed<'a>],
    trace: Committed<'a>,
    regain: Option<Regain<'a>>,
    /// The state asked for last: several questions are about the same.
    state: Option<(u64, Committed<'a>)>,
}

impl<'a> Witness<'a> {
    /// Of a run of `job`: its outputs in order, the digests it marked. States are regained from inputs and outputs by
    /// the kernel itself ([`StepKernel::regain`](crate::steps::StepKernel::regain)).
    ///
    /// # Errors
    ///
    /// Never; the trace is in memory.
    pub fn new(
        job: &'a Job,
        inputs: &'a CheckedInputs<'a>,
        outputs: &'a [Committed<'a>],
        trace: &[Blake3Digest],
    ) -> Result<Self, WitnessError> {
        let trace: Vec<u8> = trace.iter().flat_map(|entry| *entry.as_bytes()).collect();
        Ok(Self {
            job,
            inputs,
            outputs,
            trace: Committed::of(trace)?,
            regain: None,
            state: None,
        })
    }

    /// With another way to the states, such as running the job again on its device.
    #[must_use]
    pub fn with_states(
        mut self,
        regain: impl Fn(u64) -> Result<Vec<u8>, WitnessError> + Send + Sync + 'a,
    ) -> Self {
        self.regain = Some(Box::new(regain));
        self
    }

    /// The answer to a question.
    ///
    /// # Errors
    ///
    /// [`WitnessError`].
    pub fn answer(&mut self, question: &Question) -> Result<Vec<u8>, WitnessError> {
        let job = self.job;
        let len = question.answer_len(job).ok_or(WitnessError::Question)?;
        match question {
            Question::Nodes { tree, levels, .. } => {
                let node: Node = question.node(job).ok_or(WitnessError::Question)?;
                Ok(self.tree(*tree)?.nodes(node, *levels)?)
            }
            Question::Open(stretches) => {
                let mut answer = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
                for (tree, start, len) in stretches {
                    let stretch = Stretch {
                        start: *start,
                        len: *len,
                    };
                    answer.extend(self.tree(*tree)?.slice(stretch)?);
                }
                Ok(answer)
            }
            Question::Reads { point } => {
                let own = AtHand::new(job, self.inputs, self.outputs);
                let reads = job.points().reads(*point, &own)?;
                leaf::hints(job, &reads).ok_or(WitnessError::Question)
            }
        }
    }

    fn tree(&mut self, tree: Tree) -> Result<&Committed<'a>, WitnessError> {
        match tree {
            Tree::Trace => Ok(&self.trace),
            Tree::Output(index) => self.outputs.get(index).ok_or(WitnessError::Question),
            Tree::State(entry) => self.state(entry),
        }
    }

    fn state(&mut self, entry: u64) -> Result<&Committed<'a>, WitnessError> {
        let known = self.state.take().filter(|(known, _)| *known == entry);
        let state = match known {
            Some((_, state)) => state,
            None => Committed::of(self.regained(entry)?)?,
        };
        Ok(&self.state.insert((entry, state)).1)
    }

    fn regained(&self, entry: u64) -> Result<Vec<u8>, WitnessError> {
        if let Some(regain) = &self.regain {
            return regain(entry);
        }
        let steps = self.job.steps().ok_or(WitnessError::Question)?;
        let own = AtHand::new(self.job, self.inputs, self.outputs);
        Ok(steps.regain(entry, &own)?)
    }
}
