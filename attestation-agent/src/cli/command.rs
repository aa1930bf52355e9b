//! `run` of a command: a program of the tenant's own, and a receipt for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use attestation_agent::command::CommandJob;
use attestation_agent::{
    Agent, AgentError, BoundCommand, DeviceSet, FileError, FinishedCommand, Settings, copy_result,
    write_result,
};
use evidence::work::{Base64Url, JobSpec};
use serde_json::json;

use super::args::RunArgs;
use super::log::Narrator;
use super::outcome::Outcome;
use super::report::Report;
use super::run::Target;

/// Runs a job that is a command.
pub(super) async fn run(
    spec: JobSpec,
    args: RunArgs,
    settings: Settings,
) -> Result<Report, AgentError> {
    let agent = Agent::open(settings)?;
    let target = Target::of(&agent, args.challenge)?;
    let inputs: BTreeMap<_, _> = args.inputs.into_iter().collect();
    let given = (!args.command.is_empty()).then_some(args.command);
    let job = agent
        .prepare_command(spec, given, inputs, &Narrator)
        .await?;
    if let Target::Verifier(_) = target {
        agent.submit_leftovers(false, &Narrator).await?;
    }
    let devices = agent.devices(&Narrator).await?;
    let host = agent.host(args.keep)?;
    let finished = agent.run_command(&job, host, &Narrator).await?;
    let run = Finished {
        agent,
        job,
        devices,
        finished,
        out: args.out,
    };
    run.hand_in(target).await
}

/// A program that has run, and everything at hand to bind its run.
struct Finished {
    agent: Agent,
    job: Arc<CommandJob>,
    devices: Arc<DeviceSet>,
    finished: FinishedCommand,
    out: Option<PathBuf>,
}

impl Finished {
    async fn hand_in(self, target: Target) -> Result<Report, AgentError> {
        let verifier = match target {
            Target::Challenge(challenge) => return self.bundle(challenge).await,
            Target::Verifier(verifier) => verifier,
        };
        let digest = self.job.digest;
        let asked = self.agent.challenge_for(digest, &verifier, &Narrator);
        let challenge = asked.await?;
        let bound = self.bind(challenge.challenge).await?;
        let outcome = self.outcome(&bound)?;
        let (sealed, until) = (bound.sealed.clone(), challenge.deadline);
        let submitted = self.agent.submit(sealed, &verifier, until, &Narrator);
        let (receipt, stored) = submitted.await?;
        outcome.received(self.out.as_deref(), &receipt, &stored)
    }

    async fn bundle(self, challenge: Base64Url<32>) -> Result<Report, AgentError> {
        let bound = self.bind(challenge).await?;
        Ok(self.outcome(&bound)?.unsent())
    }

    fn outcome<'a>(&self, bound: &'a BoundCommand) -> Result<Outcome<'a>, AgentError> {
        let folder = &self.finished.run.folder;
        let kept = folder
            .is_kept()
            .then(|| folder.path().display().to_string());
        Ok(Outcome {
            statement: &bound.statement,
            bundle: &bound.bundle,
            sealed: &bound.sealed,
            files: self.write(bound)?,
            more: vec![("run_folder", json!(kept))],
        })
    }

    async fn bind(&self, challenge: Base64Url<32>) -> Result<BoundCommand, AgentError> {
        self.agent
            .bind_command(
                &self.job,
                &self.finished,
                &self.devices,
                challenge,
                &Narrator,
            )
            .await
    }

    /// Writes bundle, outputs, trace and streams to the folder asked for, if one was; returns their paths.
    fn write(&self, bound: &BoundCommand) -> Result<Vec<PathBuf>, FileError> {
        let Some(out) = &self.out else {
            return Ok(Vec::new());
        };
        let run = &self.finished.run;
        let mut files = vec![out.join("bundle.json")];
        write_result(&out.join("bundle.json"), bound.sealed.json())?;
        let outputs = run.outputs.iter();
        let outputs = outputs.map(|o| (o.path.clone(), format!("output-{}", o.name)));
        let streams =
            ["stdout", "stderr"].map(|name| (run.folder.path().join(name), format!("{name}.txt")));
        for (source, name) in outputs.chain(streams) {
            let path = out.join(name);
            copy_result(&source, &path)?;
            files.push(path);
        }
        if !run.trace.marks().is_empty() {
            let marks = out.join("trace.json");
            write_result(
                &marks,
                format!("{:#}\n", json!(run.trace.marks())).as_bytes(),
            )?;
            let digests = out.join("trace.bin");
            write_result(&digests, &run.trace.digests())?;
            files.extend([marks, digests]);
        }
        Ok(files)
    }
}
