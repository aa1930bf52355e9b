//! How large what agents hand in can be: for each kind as much as an honest agent may need, and nothing larger is kept.
//!
//! Whether a job is taken is decided by the same figures, so that no honest agent is asked for more than it may hand
//! in.

use evidence::limits::MAX_SLICE_BYTES;
use evidence::work::wire::Ask;
use evidence::work::{JobSpec, Task};
use jobs::Job;
use kernels::bisect;

use super::offer::slice_bytes;

/// Bytes of an opening beside inputs, outputs and slices: statement, reports and chains of a host with eight devices.
pub(super) const OPENING_OVERHEAD: u64 = 256 * 1024;
/// The same of the largest system that a bundle can show, with what slices and outputs are called.
const MOST_OVERHEAD: u64 = 16 * 1024 * 1024;
/// Bytes of an answer beside what is asked for: its number and the names of outputs.
const ANSWER_OVERHEAD: u64 = 64 * 1024;

/// Bytes that an agent can be counted on to hand in in a second: 8.4 Mbit/s, what the uplink of a small provider sends
/// beside other things. Terms leave as much time, and so does whoever reads.
pub(crate) const HANDED_IN_A_SECOND: u64 = 1024 * 1024;

/// Bytes that an opening or an answer of at most `body_limit` bytes can carry, which base64 makes a third more.
pub(super) fn carried(body_limit: usize) -> u64 {
    let limit = u64::try_from(body_limit).unwrap_or(u64::MAX);
    limit.saturating_sub(OPENING_OVERHEAD) / 4 * 3
}

/// Bytes that are sent where an opening or an answer carries so many.
pub(super) fn sent(carried: u64) -> u64 {
    in_base64(carried).saturating_add(OPENING_OVERHEAD)
}

fn in_base64(bytes: u64) -> u64 {
    bytes.div_ceil(3).saturating_mul(4)
}

/// Bytes of inputs, whole outputs and slices in an opening; `points` are those of a round.
pub(super) fn opening(kernel: &kernels::Job, spec: &JobSpec, points: u32) -> u64 {
    let inputs = kernel.inputs().into_iter();
    let inputs = inputs.map(|input| u64::try_from(input.len).unwrap_or(u64::MAX));
    let outputs = match spec.checks.is_empty() {
        true => 0,
        false => outputs(kernel),
    };
    let slices = match points {
        0 => 0,
        points => slice_bytes(kernel, points).min(MAX_SLICE_BYTES as u64),
    };
    inputs.fold(outputs.saturating_add(slices), u64::saturating_add)
}

fn outputs(kernel: &kernels::Job) -> u64 {
    let lens = kernel.outputs().into_iter().map(|output| output.len);
    lens.fold(0, u64::saturating_add)
}

/// Bytes that an agent may be asked for in a dispute, at most: all it is said not to hold, or what a point is computed
/// from.
pub(super) fn dispute(kernel: &kernels::Job) -> u64 {
    bisect::whole_len(kernel).max(bisect::largest_answer(kernel))
}

/// Largest opening that is kept of a job.
pub(crate) fn largest_opening(job: &Job) -> u64 {
    match kernel(job.spec()) {
        Some(kernel) => {
            let needed = opening(&kernel, job.spec(), job.points_in_round());
            in_base64(needed).saturating_add(MOST_OVERHEAD)
        }
        // What a command is handed is its tenant's affair.
        None => u64::MAX,
    }
}

/// Largest answer that is kept of the question that stands; `None` where none does.
pub(crate) fn largest_answer(job: &Job) -> Option<u64> {
    let question = job.dispute()?.question.as_ref()?;
    let asked: Ask = serde_json::from_str(&question.text).ok()?;
    let needed = match (asked, kernel(job.spec())) {
        (Ask::Witness(text), Some(kernel)) => {
            let question: bisect::Question = serde_json::from_str(&text).ok()?;
            question.answer_len(&kernel)?
        }
        (Ask::Outputs {}, Some(kernel)) => bisect::whole_len(&kernel),
        (Ask::Outputs {}, None) => command_outputs(job.spec())?,
        (Ask::Witness(_), None) => return None,
    };
    Some(in_base64(needed).saturating_add(ANSWER_OVERHEAD))
}

fn command_outputs(spec: &JobSpec) -> Option<u64> {
    match &spec.task {
        Task::Command(command) => Some(command.limits().output_bytes),
        Task::Kernel(_) => None,
    }
}

fn kernel(spec: &JobSpec) -> Option<kernels::Job> {
    let task = spec.kernel()?;
    kernels::Job::parse(&task.name, task.params.as_value()).ok()
}
