//! Binding a command's run: the statement about a program, and the bundle with it.

use std::fs::File;
use std::io::Read;

use evidence::work::{Blob, Ran, RequestedCheck, UnsignedBundle};

use super::error::CommandError;
use super::job::CommandJob;
use super::outputs::FileOutput;
use super::run::CommandRun;
use crate::bind::{Account, BindError, Commitment, Occasion, attested, is_within_a_bundle};
use crate::collect::DeviceSet;
use crate::error::AgentError;

/// States which program was run and what came out.
///
/// # Errors
/// [`BindError::Json`].
pub fn commit_command(
    job: &CommandJob,
    run: &CommandRun,
    occasion: Occasion,
) -> Result<Commitment, BindError> {
    let account = Account {
        job: job.digest,
        ran: Ran::Program(run.program.clone()),
        outputs: run.outputs.iter().map(FileOutput::commitment).collect(),
        trace: run.trace.commitment(),
        run_us: run.run_us,
        digest_us: run.digest_us,
        telemetry: run.telemetry.clone(),
    };
    account.commit(occasion)
}

/// Has every device sign the commitment, and puts everything into one bundle. Outputs travel along only where the job
/// asks for their digests to be checked; inputs never do.
///
/// # Errors
/// [`BindError`] as for a kernel; [`CommandError::OutputChanged`] for an output that is no longer what was digested.
pub fn vouch_for_command(
    job: &CommandJob,
    run: &CommandRun,
    commitment: Commitment,
    devices: &DeviceSet,
) -> Result<UnsignedBundle, AgentError> {
    // Before files are read, which a host of too many devices need not wait for.
    is_within_a_bundle(devices)?;
    let disclosed = job.spec.checks.contains(&RequestedCheck::OutputDigest);
    let outputs = run.outputs.iter().filter(|_| disclosed);
    let outputs = outputs.map(|output| Ok((output.name.clone(), Blob(read(output)?))));
    let outputs = outputs.collect::<Result<_, AgentError>>()?;
    let attested = attested(&commitment, devices)?;
    Ok(UnsignedBundle {
        job: job.spec.clone(),
        statement: commitment.statement,
        devices: attested,
        inputs: std::collections::BTreeMap::new(),
        outputs,
    })
}

/// The bytes that were digested.
fn read(output: &FileOutput) -> Result<Vec<u8>, AgentError> {
    let io = |action| CommandError::io(action, &output.path);
    let file = File::open(&output.path).map_err(io("open"))?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(output.len.saturating_add(1));
    bounded.read_to_end(&mut bytes).map_err(io("read"))?;
    if blake3::hash(&bytes).as_bytes() != &output.blake3.0 {
        let name = output.name.clone();
        let detail = "after it was digested".to_owned();
        return Err(CommandError::OutputChanged { name, detail }.into());
    }
    Ok(bytes)
}
