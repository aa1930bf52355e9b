//! `run`: a job, and a receipt for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use attestation_agent::command::CommandError;
use attestation_agent::{
    Agent, AgentError, BoundWork, DeviceSet, PreparedJob, Settings, Verifier, read_inputs,
    read_job, write_result,
};
use evidence::work::{Base64Url, Task};

use super::args::RunArgs;
use super::command;
use super::log::Narrator;
use super::outcome::Outcome;
use super::report::Report;

pub(super) async fn run(args: RunArgs, settings: Settings) -> Result<Report, AgentError> {
    let spec = read_job(&args.job)?;
    let kernel = match &spec.task {
        Task::Command(_) => return command::run(spec, args, settings).await,
        Task::Kernel(kernel) => kernel.name.clone(),
    };
    if !args.command.is_empty() {
        return Err(CommandError::NotACommand { kernel }.into());
    }
    let paths: BTreeMap<_, _> = args.inputs.into_iter().collect();
    let inputs = read_inputs(&spec, &paths)?;
    let agent = Agent::open(settings)?.with_outputs_kept(args.out.is_some());
    let target = Target::of(&agent, args.challenge)?;
    let job = agent.prepare(spec, inputs, &Narrator).await?;
    if let Target::Verifier(_) = target {
        agent.submit_leftovers(false, &Narrator).await?;
    }
    let devices = agent.devices(&Narrator).await?;
    let prepared = Prepared {
        agent,
        job,
        devices,
        out: args.out,
    };
    match target {
        Target::Verifier(verifier) => prepared.receipt(&verifier).await,
        Target::Challenge(challenge) => prepared.bundle(challenge).await,
    }
}

/// What the work is for.
pub(super) enum Target {
    /// A receipt of this verifier.
    Verifier(Verifier),
    /// A bundle over a challenge that came another way.
    Challenge(Base64Url<32>),
}

impl Target {
    /// The challenge given, else the verifier of the settings.
    pub(super) fn of(agent: &Agent, challenge: Option<Base64Url<32>>) -> Result<Self, AgentError> {
        match challenge {
            Some(challenge) => Ok(Self::Challenge(challenge)),
            None => Ok(Self::Verifier(agent.verifier()?)),
        }
    }
}

/// Everything at hand that a run needs of this host.
struct Prepared {
    agent: Agent,
    job: Arc<PreparedJob>,
    devices: Arc<DeviceSet>,
    out: Option<PathBuf>,
}

impl Prepared {
    /// Runs the job for a verifier. Bundle and outputs are written before the bundle is sent, so
    /// that they are there whatever the verifier says.
    async fn receipt(self, verifier: &Verifier) -> Result<Report, AgentError> {
        let challenge = self.agent.challenge(&self.job, verifier, &Narrator).await?;
        let work = self.work(challenge.challenge).await?;
        let outcome = self.outcome(&work)?;
        let (bundle, until) = (work.sealed.clone(), challenge.deadline);
        let submitted = self.agent.submit(bundle, verifier, until, &Narrator);
        let (receipt, stored) = submitted.await?;
        outcome.received(self.out.as_deref(), &receipt, &stored)
    }

    /// Runs the job for a challenge that came another way.
    async fn bundle(self, challenge: Base64Url<32>) -> Result<Report, AgentError> {
        let work = self.work(challenge).await?;
        Ok(self.outcome(&work)?.unsent())
    }

    fn outcome<'a>(&self, work: &'a BoundWork) -> Result<Outcome<'a>, AgentError> {
        Ok(Outcome {
            statement: &work.statement,
            bundle: &work.bundle,
            sealed: &work.sealed,
            files: self.write(work)?,
            more: Vec::new(),
        })
    }

    async fn work(&self, challenge: Base64Url<32>) -> Result<BoundWork, AgentError> {
        self.agent
            .work(&self.job, &self.devices, challenge, &Narrator)
            .await
    }

    /// Writes bundle and outputs to the folder asked for, if one was; returns their paths.
    fn write(&self, work: &BoundWork) -> Result<Vec<PathBuf>, AgentError> {
        let Some(out) = &self.out else {
            return Ok(Vec::new());
        };
        let bundle = out.join("bundle.json");
        write_result(&bundle, work.sealed.json())?;
        let mut files = vec![bundle];
        for output in &work.outputs {
            let path = out.join(format!("output-{}.bin", output.name));
            // Kept, since a folder was asked for.
            write_result(&path, output.bytes.as_deref().unwrap_or_default())?;
            files.push(path);
        }
        Ok(files)
    }
}
