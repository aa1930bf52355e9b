//! What a dispute about a job can take, before there is one: whoever takes the job knows that it can be carried
//! through.

use super::leaf;
use super::question::{MAX_ANSWER, MAX_LEVELS, Tree};
use crate::audit::by_output;
use crate::job::Job;
use crate::point::{Span, Tensor};
use crate::tree::{CHUNK, VALUE};

/// Most questions of a dispute about `job`.
#[must_use]
pub fn most_questions(job: &Job) -> u32 {
    let outputs = job.outputs().into_iter();
    // Each output is followed down at most once; then one question what a point reads, and one for the bytes.
    let outputs = outputs.map(|spec| descent(spec.len).saturating_add(2));
    let outputs = outputs.fold(0, u32::saturating_add);
    let state = job.steps().map_or(0, |steps| steps.state_len());
    let trace = match job.marks() {
        0 => 0,
        marks => {
            descent(marks.saturating_mul(VALUE)).saturating_add(descent(state).saturating_add(1))
        }
    };
    outputs.saturating_add(trace)
}

/// Questions from the root of a tree of so many bytes to the bytes of a chunk.
fn descent(len: u64) -> u32 {
    let chunks = len.div_ceil(CHUNK).max(1);
    let levels = chunks.next_power_of_two().ilog2();
    levels.div_ceil(MAX_LEVELS).saturating_add(1)
}

/// Most bytes of a right answer in a dispute about `job`.
#[must_use]
pub fn largest_answer(job: &Job) -> u64 {
    let nodes = VALUE << MAX_LEVELS;
    let points = by_output(job).into_iter().flat_map(|of| of.neediest);
    let of_points = points.map(|point| opening_len(job, job.points().needs(point)));
    let last = job.marks().checked_sub(1);
    let of_state = last
        .zip(job.steps())
        .map(|(entry, steps)| opening_len(job, steps.needs(entry)));
    of_points.chain(of_state).fold(nodes, u64::max)
}

/// Bytes of the slices that open these spans; what is beyond the longest answer is asked for in part.
fn opening_len(job: &Job, spans: Vec<Span>) -> u64 {
    let committed = |span: &Span| !matches!(span.tensor, Tensor::Input(_));
    let question = leaf::opening(job, spans.into_iter().filter(committed));
    question.answer_len(job).unwrap_or(MAX_ANSWER)
}

/// Bytes of all outputs and of the trace of a job.
#[must_use]
pub fn whole_len(job: &Job) -> u64 {
    let outputs = (0..job.outputs().len()).map(Tree::Output);
    let lens = outputs
        .chain([Tree::Trace])
        .filter_map(|tree| tree.len(job));
    lens.fold(0, u64::saturating_add)
}
