//! From an accepted offer to a signed bundle: run, state, attest.
//!
//! In scope: these steps, and what is on disk after each. Out of scope: what the verifier is told.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evidence::work::wire::Lease;
use evidence::work::{
    Base64Url, Bundle, JobSpec, OutputCommitment, Secrets, Task, UnsignedBundle, WorkStatement,
};
use kernels::{Blake3Digest, KeyedDigest};

use super::case::{Case, Stated};
use super::inputs;
use super::line::random;
use super::shop::Shop;
use crate::agent::blocking;
use crate::bind::{self, Occasion};
use crate::command::{CommandError, PROGRAM_EXECUTOR, commit_command};
use crate::error::AgentError;
use crate::execute::{Execution, NamedOutput};
use crate::files::{self, FileError, PRIVATE};

/// Runs the job of an assignment, keeps what it left, and states it.
pub(super) async fn run(shop: &Shop, case: &Case, lease: &Lease) -> Result<Stated, AgentError> {
    let spec = case.offer.spec.clone();
    let statement = match &case.offer.spec.task {
        Task::Kernel(_) => run_kernel(shop, case, spec, lease.challenge).await?,
        Task::Command(_) => run_command(shop, case, spec, lease.challenge).await?,
    };
    let (case, key) = (case.clone(), lease.replica_key.clone());
    blocking(move || {
        let keyed = keyed(&case, &statement, key.reveal())?;
        let salt = Base64Url(random()?);
        let stated = Stated::new(statement, &Secrets { salt, keyed });
        case.state(&stated)?;
        Ok(stated)
    })
    .await
}

async fn run_kernel(
    shop: &Shop,
    case: &Case,
    spec: JobSpec,
    challenge: Base64Url<32>,
) -> Result<WorkStatement, AgentError> {
    let agent = &shop.agent;
    let folder = agent.settings().serve.inputs_dir.clone();
    let of_spec = spec.clone();
    let inputs = blocking(move || inputs::bytes_for(folder.as_deref(), &of_spec)).await?;
    let job = agent.prepare(spec, inputs, shop.progress.as_ref()).await?;
    let started_at_ms = agent.clock().unix_ms();
    let run = agent.execute(&job).await?;
    let occasion = Occasion {
        challenge,
        agent_key: agent.public_key(),
        executor: run.executor,
        started_at_ms,
    };
    let statement = bind::commit(&job, &run, occasion)?.statement;
    let case = case.clone();
    blocking(move || keep_execution(&case, run)).await?;
    Ok(statement)
}

fn keep_execution(case: &Case, run: Execution) -> Result<(), FileError> {
    for output in run.outputs {
        let NamedOutput { name, bytes, .. } = output;
        files::write_whole(&case.output(name), &bytes.unwrap_or_default(), PRIVATE)?;
    }
    case.put_trace(
        &run.trace
            .iter()
            .flat_map(|entry| *entry.as_bytes())
            .collect::<Vec<u8>>(),
    )
}

async fn run_command(
    shop: &Shop,
    case: &Case,
    spec: JobSpec,
    challenge: Base64Url<32>,
) -> Result<WorkStatement, AgentError> {
    let agent = &shop.agent;
    let inputs = inputs::files_for(agent.settings().serve.inputs_dir.as_deref(), &spec);
    let progress = shop.progress.as_ref();
    let job = agent.prepare_command(spec, None, inputs, progress).await?;
    let host = agent.host(false)?;
    let finished = agent.run_command(&job, host, progress).await?;
    let occasion = Occasion {
        challenge,
        agent_key: agent.public_key(),
        executor: PROGRAM_EXECUTOR,
        started_at_ms: finished.started_at_ms,
    };
    let statement = commit_command(&job, &finished.run, occasion)?.statement;
    let case = case.clone();
    blocking(move || {
        for output in &finished.run.outputs {
            take(&output.path, &case.output(&output.name))?;
        }
        case.put_trace(&finished.run.trace.digests())?;
        Ok::<_, AgentError>(statement)
    })
    .await
}

/// Moves an output of a program out of its run folder; to another disk it is copied.
fn take(from: &Path, to: &Path) -> Result<(), CommandError> {
    if fs::rename(from, to).is_err() {
        fs::copy(from, to).map_err(CommandError::io("copy", from))?;
    }
    let file = File::open(to).map_err(CommandError::io("open", to))?;
    file.sync_all().map_err(CommandError::io("write", to))
}

/// The digest of outputs and trace under a replica's key.
pub(super) fn keyed(
    case: &Case,
    statement: &WorkStatement,
    key: &[u8; 32],
) -> Result<Base64Url<32>, FileError> {
    let mut digest = KeyedDigest::new(key);
    for output in &statement.outputs {
        let path = case.output(&output.name);
        let mut file = File::open(&path).map_err(FileError::io("open", &path))?;
        io::copy(&mut file, &mut digest).map_err(FileError::io("read", &path))?;
    }
    Ok(Base64Url(digest.finish(&trace_of(case)?)))
}

/// The digests of the trace.
pub(super) fn trace_of(case: &Case) -> Result<Vec<Blake3Digest>, FileError> {
    let bytes = case.trace()?;
    let (entries, _) = bytes.as_chunks::<32>();
    Ok(entries
        .iter()
        .copied()
        .map(Blake3Digest::from_bytes)
        .collect())
}

/// Has every device of this host sign the statement, and the agent the whole. The bundle is without outputs and inputs,
/// which no signature covers: what is opened is said later.
pub(super) async fn attest(
    shop: &Shop,
    case: &Case,
    stated: &Stated,
) -> Result<Bundle, AgentError> {
    let devices = shop.agent.devices(shop.progress.as_ref()).await?;
    let (spec, statement) = (case.offer.spec.clone(), stated.statement.clone());
    let (key, case) = (shop.agent.key(), case.clone());
    let _watched = shop.pulse.watch(LONGEST_ATTESTATION);
    blocking(move || {
        let commitment = bind::Commitment {
            canonical: statement.canonical().map_err(bind::BindError::Json)?,
            statement,
        };
        let unsigned = UnsignedBundle {
            job: spec,
            devices: bind::attested(&commitment, &devices)?,
            statement: commitment.statement,
            inputs: Default::default(),
            outputs: Default::default(),
        };
        let (bundle, _) = bind::seal(unsigned, &key)?;
        case.put_bundle(&bundle)?;
        Ok(bundle)
    })
    .await
}

/// The longest that all devices together may take to sign; a GPU takes about a second. Beyond it the driver hangs, and
/// the watchdog has the agent started again.
const LONGEST_ATTESTATION: Duration = Duration::from_secs(300);

/// What the outputs of a job may take on disk; `None` for a job that this agent does not know.
pub(super) fn size_of(spec: &JobSpec) -> Option<u64> {
    match &spec.task {
        Task::Command(command) => Some(command.limits().output_bytes),
        Task::Kernel(kernel) => {
            let job = kernels::Job::parse(&kernel.name, kernel.params.as_value()).ok()?;
            Some(
                job.outputs()
                    .iter()
                    .map(|output| output.len)
                    .fold(0, u64::saturating_add),
            )
        }
    }
}

/// The bytes of an output, as stated.
pub(super) fn output_bytes(case: &Case, output: &OutputCommitment) -> Result<Vec<u8>, FileError> {
    files::read_bounded(&case.output(&output.name), output.len)
}

/// A job again, with its inputs, for whoever opens its outputs.
pub(super) fn prepared(
    shop: &Shop,
    case: &Case,
) -> Result<Arc<crate::job::PreparedJob>, AgentError> {
    let folder = shop.agent.settings().serve.inputs_dir.as_deref();
    let inputs = inputs::bytes_for(folder, &case.offer.spec)?;
    Ok(Arc::new(crate::job::PreparedJob::new(
        case.offer.spec.clone(),
        inputs,
    )?))
}
