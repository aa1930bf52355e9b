//! A segment recomputed from the checkpoint before it: its losses, or the checkpoint at its end.

use super::data::{Source, X, Y, sample_of};
use super::state::{State, segment};
use super::{DataSource, MlpSgd};
use crate::job::Cost;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

const LOSS: usize = 0;
const CHECKPOINTS: usize = 1;
const STATES: Tensor = Tensor::Output("checkpoints");

/// What a point is of a segment.
enum Part {
    Checkpoint(u32),
    Losses(u32),
}

impl MlpSgd {
    fn part(&self, point: u64) -> Part {
        let segments = u64::from(self.segments());
        let segment = (point % segments) as u32;
        if point < segments {
            Part::Losses(segment)
        } else {
            Part::Checkpoint(segment)
        }
    }

    /// The state before a segment, where it is an output.
    fn before(&self, segment: u32) -> Option<Span> {
        let len = self.state_bytes();
        let offset = u64::from(segment.checked_sub(1)?) * len;
        Some(Span::run(STATES, offset, len))
    }

    /// The given samples of a segment: one run of them, or two where it goes past the last one, or all.
    fn samples(&self, segment: u32) -> Vec<[u64; 2]> {
        if self.params().data == DataSource::Seeded {
            return Vec::new();
        }
        let (samples, every) = (
            u64::from(self.params().samples),
            self.params().checkpoint_every,
        );
        let count = u64::from(every) * u64::from(self.params().batch);
        let first = sample_of(self, segment * every, 0);
        if count >= samples {
            return vec![[0, samples]];
        }
        let past = (first + count).saturating_sub(samples);
        let runs = [[first, count - past], [0, past]];
        runs.into_iter().filter(|[_, count]| *count > 0).collect()
    }
}

/// A segment, recomputed.
#[derive(Clone)]
struct Segment {
    losses: Vec<u8>,
    checkpoint: Vec<u8>,
}

impl Segment {
    fn into_part(self, job: &MlpSgd, point: u64) -> Vec<u8> {
        match job.part(point) {
            Part::Checkpoint(_) => self.checkpoint,
            Part::Losses(_) => self.losses,
        }
    }
}

impl MlpSgd {
    fn recomputed(&self, at: u32, slices: &dyn Slices) -> Result<Segment, SliceMissing> {
        let mut state = match self.before(at) {
            None => State::initial(self),
            Some(span) => {
                let mut bytes = vec![0; span.len as usize];
                slices.read(span.tensor, span.offset, &mut bytes)?;
                State::from_bytes(self, &bytes)
            }
        };
        let losses = segment(self, &Source::new(self, slices), &mut state, at)?;
        Ok(Segment {
            losses,
            checkpoint: state.bytes(self),
        })
    }
}

impl PointKernel for MlpSgd {
    fn points(&self) -> u64 {
        2 * u64::from(self.segments())
    }

    fn place(&self, point: u64) -> Place {
        let (output, segment, len) = match self.part(point) {
            Part::Checkpoint(segment) => (CHECKPOINTS, segment, self.state_bytes()),
            Part::Losses(segment) => (LOSS, segment, 4 * u64::from(self.params().checkpoint_every)),
        };
        Place {
            output,
            offset: u64::from(segment) * len,
            len: len as usize,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        let (Part::Checkpoint(segment) | Part::Losses(segment)) = self.part(point);
        let (x, y) = (self.layers().inputs() as u64, self.target_words() as u64);
        let mut spans: Vec<Span> = self.before(segment).into_iter().collect();
        for [first, count] in self.samples(segment) {
            spans.push(Span::run(X, 4 * x * first, 4 * x * count));
            spans.push(Span::run(Y, 4 * y * first, 4 * y * count));
        }
        spans
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let (Part::Checkpoint(at) | Part::Losses(at)) = self.part(point);
        Ok(self.recomputed(at, slices)?.into_part(self, point))
    }

    /// A segment is recomputed once for its losses and its checkpoint.
    fn unit(&self, point: u64) -> u64 {
        let (Part::Checkpoint(segment) | Part::Losses(segment)) = self.part(point);
        segment.into()
    }

    fn eval_unit(&self, points: &[u64], slices: &dyn Slices) -> Result<Vec<Vec<u8>>, SliceMissing> {
        let Some(first) = points.first() else {
            return Ok(Vec::new());
        };
        let (Part::Checkpoint(at) | Part::Losses(at)) = self.part(*first);
        let segment = self.recomputed(at, slices)?;
        let parts = points
            .iter()
            .map(|point| segment.clone().into_part(self, *point));
        Ok(parts.collect())
    }

    fn shared_cost(&self) -> Option<Cost> {
        let (of_segment, segments) = (self.point_cost(0), u64::from(self.segments()));
        Some(Cost {
            operations: segments.saturating_mul(of_segment.operations),
            bytes_read: segments.saturating_mul(of_segment.bytes_read),
            bytes_written: segments.saturating_mul(of_segment.bytes_written),
        })
    }

    fn chain_steps(&self) -> u64 {
        self.segments().into()
    }

    fn point_cost(&self, _point: u64) -> Cost {
        let every = u64::from(self.params().checkpoint_every);
        let of_a_sample = 4 * (self.layers().inputs() + self.target_words()) as u64;
        Cost {
            operations: every * self.step_operations(),
            bytes_read: self.state_bytes() + every * u64::from(self.params().batch) * of_a_sample,
            bytes_written: self.state_bytes().max(4 * every),
        }
    }
}
