//! Opens a commitment: the statement with its reports, and as much of the outputs as was asked for.

use std::collections::BTreeMap;
use std::fs::File;

use evidence::work::wire::Open;
use evidence::work::{
    Base64Url, Blob, Bundle, OpenedSlice, OpenedTensor, Opening, Profile, Task, WorkStatement,
};
use kernels::committed::{AtHand, Committed};
use kernels::point::Tensor;
use kernels::slices::stretches;
use kernels::{Randomness, audit};

use super::case::{Case, Stated};
use super::error::ServeError;
use super::produce::{keyed, output_bytes, prepared};
use super::shop::Shop;
use crate::error::AgentError;
use crate::files::FileError;
use crate::job::PreparedJob;

/// Media type of an opening.
pub(super) const MEDIA_TYPE: &str = "application/vnd.pogw.opening+json";

/// The bytes of an opening. Blocks for as long as outputs are read.
pub(super) fn opening(shop: &Shop, case: &Case, open: &Open) -> Result<Vec<u8>, AgentError> {
    let (stated, bundle) = signed(case)?;
    let job = match &case.offer.spec.task {
        Task::Kernel(_) => Some(prepared(shop, case)?),
        Task::Command(_) => None,
    };
    let secrets = stated.secrets();
    let opening = Opening {
        profile: Profile::V1,
        salt: secrets.salt,
        keyed: secrets.keyed,
        cross: cross(case, &stated.statement, open)?,
        slices: match &job {
            Some(job) if open.points > 0 => slices(case, &stated.statement, job, open)?,
            _ => Vec::new(),
        },
        bundle: Bundle {
            inputs: job.map(|job| disclosed(&job)).unwrap_or_default(),
            outputs: match open.whole {
                true => outputs(case, &stated.statement)?,
                false => BTreeMap::new(),
            },
            ..bundle
        },
    };
    Ok(serde_json::to_vec(&opening).map_err(crate::bind::BindError::Json)?)
}

/// What was committed to.
fn signed(case: &Case) -> Result<(Stated, Bundle), ServeError> {
    let stated = case.stated()?.ok_or_else(|| case.lacks("statement.json"))?;
    let bundle = case.bundle()?.ok_or_else(|| case.lacks("bundle.json"))?;
    Ok((stated, bundle))
}

fn cross(
    case: &Case,
    statement: &WorkStatement,
    open: &Open,
) -> Result<BTreeMap<String, Base64Url<32>>, FileError> {
    let others = open.cross.iter().map(|other| {
        let digest = keyed(case, statement, other.replica_key.reveal())?;
        Ok((other.assignment.as_str().to_owned(), digest))
    });
    others.collect()
}

/// All outputs, by name.
pub(super) fn outputs(
    case: &Case,
    statement: &WorkStatement,
) -> Result<BTreeMap<String, Blob>, FileError> {
    let outputs = statement.outputs.iter();
    let named = outputs.map(|output| Ok((output.name.clone(), Blob(output_bytes(case, output)?))));
    named.collect()
}

fn disclosed(job: &PreparedJob) -> BTreeMap<String, Blob> {
    let inputs = job.inputs.iter();
    inputs
        .map(|(name, bytes)| (name.to_owned(), Blob(bytes.to_vec())))
        .collect()
}

/// The outputs where they lie, with their trees.
pub(super) fn committed(
    case: &Case,
    statement: &WorkStatement,
) -> Result<Vec<Committed<'static>>, FileError> {
    let outputs = statement.outputs.iter().map(|output| {
        let path = case.output(&output.name);
        let file = File::open(&path).map_err(FileError::io("open", &path))?;
        Committed::new(file, output.len).map_err(FileError::io("read", &path))
    });
    outputs.collect()
}

/// Slices of the points that the verifier drew, and of what they are computed from.
fn slices(
    case: &Case,
    statement: &WorkStatement,
    job: &PreparedJob,
    open: &Open,
) -> Result<Vec<OpenedSlice>, AgentError> {
    let randomness = Randomness::drawn_after_commitment(open.randomness.0);
    let points = audit::draw(&randomness, &job.job, open.points);
    let outputs = committed(case, statement)?;
    let at_hand = AtHand::new(&job.job, &job.inputs, &outputs);
    let unreadable = |detail: String| case.damaged("outputs", detail);
    let stretches =
        stretches(&job.job, &points, &at_hand).map_err(|e| unreadable(e.to_string()))?;
    let names: Vec<_> = statement
        .outputs
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    let mut slices = Vec::new();
    for (tensor, stretch) in stretches {
        let Tensor::Output(name) = tensor else {
            continue;
        };
        let place = names.iter().position(|known| *known == name);
        let Some(output) = place.and_then(|place| outputs.get(place)) else {
            continue;
        };
        let bytes = output
            .slice(stretch)
            .map_err(|e| unreadable(e.to_string()))?;
        slices.push(OpenedSlice {
            tensor: OpenedTensor::Output(name.to_owned()),
            start: stretch.start,
            len: stretch.len,
            bytes: Blob(bytes),
        });
    }
    Ok(slices)
}
