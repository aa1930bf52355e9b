//! Answering a referee.

use std::sync::Mutex;

use evidence::work::Blob;
use evidence::work::wire::{Answer, Ask, Outputs, Question, Reply};
use kernels::bisect::{Witness, WitnessError};
use kernels::committed::AtHand;

use super::case::Case;
use super::error::ServeError;
use super::opening::{committed, outputs};
use super::produce::{prepared, trace_of};
use super::shop::Shop;
use crate::error::AgentError;

/// The state that was asked for last: several questions in a row are about the same, and regaining one may take as long
/// as the run.
pub(super) type LastState = Mutex<Option<(u64, Vec<u8>)>>;

/// The bytes of an answer. Blocks for as long as outputs are read and a state is regained.
pub(super) fn answer(
    shop: &Shop,
    case: &Case,
    question: &Question,
    last: &LastState,
) -> Result<Vec<u8>, AgentError> {
    let reply = match &question.ask {
        Ask::Outputs {} => everything(case)?,
        Ask::Witness(text) => Reply::Witness(Blob(testify(shop, case, text, last)?)),
    };
    let answer = Answer {
        number: question.number,
        reply,
    };
    Ok(serde_json::to_vec(&answer).map_err(crate::bind::BindError::Json)?)
}

fn everything(case: &Case) -> Result<Reply, ServeError> {
    let statement = stated(case)?;
    Ok(Reply::Outputs(Outputs {
        outputs: outputs(case, &statement)?,
        trace: Blob(case.trace()?),
    }))
}

fn stated(case: &Case) -> Result<evidence::work::WorkStatement, ServeError> {
    let stated = case.stated()?;
    stated
        .map(|stated| stated.statement)
        .ok_or_else(|| case.lacks("statement.json"))
}

fn testify(shop: &Shop, case: &Case, text: &str, last: &LastState) -> Result<Vec<u8>, AgentError> {
    let question = serde_json::from_str(text).map_err(|e| case.damaged("outputs", e))?;
    let job = prepared(shop, case)?;
    let outputs = committed(case, &stated(case)?)?;
    let regain = |entry| regained(&job, &outputs, last, entry);
    let witness = Witness::new(&job.job, &job.inputs, &outputs, &trace_of(case)?);
    let answered = witness.and_then(|witness| witness.with_states(regain).answer(&question));
    Ok(answered.map_err(|e| case.damaged("outputs", e))?)
}

/// A state on the way of the run: the one asked for last, or computed again.
fn regained(
    job: &crate::job::PreparedJob,
    outputs: &[kernels::committed::Committed<'_>],
    last: &LastState,
    entry: u64,
) -> Result<Vec<u8>, WitnessError> {
    if let Ok(last) = last.lock()
        && let Some((known, state)) = last.as_ref()
        && *known == entry
    {
        return Ok(state.clone());
    }
    let steps = job.job.steps().ok_or(WitnessError::Question)?;
    let state = steps.regain(entry, &AtHand::new(&job.job, &job.inputs, outputs))?;
    if let Ok(mut last) = last.lock() {
        *last = Some((entry, state.clone()));
    }
    Ok(state)
}
