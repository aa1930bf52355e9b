//! The one point that a dispute comes down to.

use super::question::{HINT, Question, Tree};
use super::{Fault, Undecidable};
use crate::job::Job;
use crate::point::{SliceMissing, Slices, Span, Tensor};
use crate::slices::Chunks;
use crate::slices::Stretch;

/// A chunk that differs, and in it the point or element with the first byte that does.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    tree: Tree,
    point: Option<u64>,
    /// First byte of the point or element in its tensor, and its length.
    place: [u64; 2],
    /// First byte of the chunk, and the chunk of each side.
    chunk: u64,
    bytes: [Vec<u8>; 2],
}

impl Leaf {
    /// `bytes` are the chunk from `chunk` on as each side has it; `None` if they are equal.
    pub(super) fn new(
        job: &Job,
        tree: Tree,
        chunk: u64,
        bytes: [Vec<u8>; 2],
    ) -> Result<Self, Undecidable> {
        let first = first_difference(&bytes).ok_or(Undecidable::Collision)?;
        let at = chunk + first;
        let (point, place) = match tree {
            Tree::Output(output) => {
                let point = job.points().point_at(output, at);
                let point = point.ok_or(Undecidable::NeedsIncomplete)?;
                let place = job.points().place(point);
                (Some(point), [place.offset, place.len as u64])
            }
            _ => (None, [chunk, bytes[0].len() as u64]),
        };
        Ok(Self {
            tree,
            point,
            place,
            chunk,
            bytes,
        })
    }

    /// The output it is in; none of a state.
    pub(super) const fn output(&self) -> Option<usize> {
        match self.tree {
            Tree::Output(index) => Some(index),
            _ => None,
        }
    }

    pub(super) const fn point(&self) -> Option<u64> {
        self.point
    }

    /// What it may be computed from, beside inputs.
    pub(super) fn needs(&self, job: &Job) -> Vec<Span> {
        let needs = match (self.tree, self.point) {
            (_, Some(point)) => job.points().needs(point),
            (Tree::State(entry), None) => job
                .steps()
                .map_or_else(Vec::new, |steps| steps.needs(entry)),
            _ => Vec::new(),
        };
        let committed = |span: &Span| !matches!(span.tensor, Tensor::Input(_));
        needs.into_iter().filter(committed).collect()
    }

    /// Whether what it reads of its own output is before the first difference, as the rule of kernels has it.
    pub(super) fn reads_only_before(&self, span: &Span) -> bool {
        let first = first_difference(&self.bytes).unwrap_or_default();
        let runs = span.stride.saturating_mul(span.count.saturating_sub(1));
        let end = span.offset.saturating_add(runs).saturating_add(span.len);
        end <= self.chunk + first
    }

    /// Recomputes it; the bytes that differ from what is right tell who is wrong.
    pub(super) fn judge(&self, job: &Job, slices: &dyn Slices) -> Result<Fault, SliceMissing> {
        let [start, len] = self.place;
        let chunk_end = self.chunk + self.bytes[0].len() as u64;
        let [from, to] = [start.max(self.chunk), (start + len).min(chunk_end)];
        let expected = match (self.point, self.tree) {
            (Some(point), _) => {
                let whole = job.points().eval(point, slices)?;
                cut(&whole, from - start, to - start)
            }
            (None, Tree::State(entry)) => match job.steps() {
                Some(steps) => steps.eval(entry, from, (to - from) as usize, slices)?,
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        let of = |bytes: &Vec<u8>| cut(bytes, from - self.chunk, to - self.chunk);
        Ok(Fault {
            tree: self.tree,
            point: self.point,
            offset: from,
            expected,
            actual: [of(&self.bytes[0]), of(&self.bytes[1])],
        })
    }
}

fn cut(bytes: &[u8], from: u64, to: u64) -> Vec<u8> {
    let range = from as usize..to as usize;
    bytes.get(range).unwrap_or_default().to_vec()
}

/// The first place at which both sides have another byte.
pub(super) fn first_difference([a, b]: &[Vec<u8>; 2]) -> Option<u64> {
    let mut pairs = a.iter().zip(b);
    pairs.position(|(a, b)| a != b).map(|at| at as u64)
}

/// The question that opens what these spans cover.
pub(super) fn opening(job: &Job, spans: impl IntoIterator<Item = Span>) -> Question {
    let mut chunks = Chunks::default();
    spans.into_iter().for_each(|span| chunks.add(span));
    let tree = |tensor| Tree::of(tensor, job);
    let total = |tensor| tree(tensor).and_then(|tree| tree.len(job)).unwrap_or(0);
    let merged = chunks.merged(total).into_iter();
    let stretches = merged.filter_map(|(tensor, Stretch { start, len })| {
        (len > 0).then_some((tree(tensor)?, start, len))
    });
    Question::Open(stretches.collect())
}

/// The runs that a side names as read, as far as they are runs of outputs.
pub(super) fn hinted(job: &Job, answer: &[u8]) -> Option<Vec<Span>> {
    let (hints, []) = answer.as_chunks::<HINT>() else {
        return None;
    };
    let span = |hint: &[u8; HINT]| {
        let word = |at: usize| {
            hint.get(at..at + 4)?
                .try_into()
                .ok()
                .map(u32::from_le_bytes)
        };
        let offset = hint.get(8..)?.try_into().ok().map(u64::from_le_bytes)?;
        let tree = Tree::Output(word(0)? as usize);
        let len = u64::from(word(4)?);
        let within = offset.checked_add(len)? <= tree.len(job)?;
        (len > 0 && within).then_some(Span::run(tree.tensor(job)?, offset, len))
    };
    hints.iter().map(span).collect()
}

/// Inverse of [`hinted`]; `None` for what is not of an output.
pub(super) fn hints(job: &Job, spans: &[Span]) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    for span in spans {
        let Some(Tree::Output(output)) = Tree::of(span.tensor, job) else {
            continue;
        };
        for run in 0..span.count {
            answer.extend(u32::try_from(output).ok()?.to_le_bytes());
            answer.extend(u32::try_from(span.len).ok()?.to_le_bytes());
            answer.extend((span.offset + run * span.stride).to_le_bytes());
        }
    }
    Some(answer)
}
