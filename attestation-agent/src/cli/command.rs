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
use serde_json::{Value, json};

use super::args::RunArgs;
use super::log::Narrator;
use super::report::Report;
use super::run::{Target, add_receipt, lines};

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
        let mut files = self.write(&bound)?;
        let (sealed, until) = (bound.sealed.clone(), challenge.deadline);
        let submitted = self.agent.submit(sealed, &verifier, until, &Narrator);
        let (receipt, stored) = submitted.await?;
        if let Some(out) = &self.out {
            let path = out.join("receipt.jwt");
            write_result(&path, receipt.jwt.as_bytes())?;
            files.push(path);
        }
        let text = match files.as_slice() {
            [] => format!("{}\n", receipt.jwt),
            files => lines(files),
        };
        let mut json = self.describe(&bound, &files);
        add_receipt(&mut json, &receipt, &stored);
        Ok(Report::done(text, json))
    }

    async fn bundle(self, challenge: Base64Url<32>) -> Result<Report, AgentError> {
        let bound = self.bind(challenge).await?;
        let files = self.write(&bound)?;
        let mut json = self.describe(&bound, &files);
        if !files.is_empty() {
            return Ok(Report::done(lines(&files), json));
        }
        if let Some(object) = json.as_object_mut() {
            object.insert("bundle".to_owned(), json!(bound.bundle));
        }
        let text = String::from_utf8_lossy(bound.sealed.json());
        Ok(Report::done(format!("{text}\n"), json))
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

    fn describe(&self, bound: &BoundCommand, files: &[PathBuf]) -> Value {
        let files: Vec<_> = files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let folder = &self.finished.run.folder;
        json!({
            "outcome": "bundle",
            "statement": bound.statement,
            "bundle_sha256": bound.sealed.digest(),
            "files": files,
            "run_folder": folder.is_kept().then(|| folder.path().display().to_string()),
        })
    }
}
