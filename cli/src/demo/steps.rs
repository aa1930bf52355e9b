//! The steps of a run in words.

use std::fmt;
use std::sync::mpsc;

use attestation_agent::{AgentError, Ending, Progress, Step};

use crate::failure::Failure;

/// One line about one step.
#[derive(Debug)]
pub(super) struct Telling {
    step: &'static str,
    text: String,
}

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12}{}", self.step, self.text)
    }
}

/// Passes steps on to whoever prints them.
pub(super) struct Narrator(mpsc::Sender<Telling>);

impl Narrator {
    pub(super) fn new(telling: mpsc::Sender<Telling>) -> Self {
        Self(telling)
    }

    /// A listener that has gone misses the rest; the run goes on.
    pub(super) fn tell(&self, step: &'static str, text: fmt::Arguments<'_>) {
        let text = text.to_string();
        let _ = self.0.send(Telling { step, text });
    }
}

impl Progress for Narrator {
    fn step(&self, step: &Step<'_>) {
        match step {
            Step::Prepared { job } => {
                self.tell(
                    "job",
                    format_args!("{}, sha256 {}", job.job.kernel().name(), job.digest),
                );
            }
            Step::DevicesOpened { devices } => {
                for device in *devices {
                    let driver = device.driver.as_deref().unwrap_or("unknown");
                    self.tell("device", format_args!("{}, driver {driver}", device.name));
                }
            }
            Step::Challenged { challenge } => {
                let (value, until) = (challenge.challenge, challenge.expires_at);
                self.tell(
                    "challenge",
                    format_args!("{value}, to be answered by {until}"),
                );
            }
            Step::Executed { executor, run } => {
                let ms = run.run_us / 1000;
                self.tell("run", format_args!("{executor}, {ms} ms"));
                for output in &run.outputs {
                    let commitment = output.commitment();
                    self.tell(
                        "output",
                        format_args!(
                            "{}: {} bytes, blake3 {}",
                            commitment.name, commitment.len, commitment.blake3
                        ),
                    );
                }
            }
            Step::Committed { nonce, .. } => {
                self.tell(
                    "statement",
                    format_args!("fixes job and output; its nonce is {nonce}"),
                );
            }
            Step::Attested { devices } => {
                let reports = if *devices == 1 { "report" } else { "reports" };
                self.tell(
                    "evidence",
                    format_args!("{devices} {reports} signed over that nonce"),
                );
            }
            Step::Sealed { digest, bytes } => {
                let kib = bytes / 1024;
                self.tell(
                    "bundle",
                    format_args!("{kib} KiB, signed by the agent, sha256 {digest}"),
                );
            }
            Step::Retrying {
                request,
                cause,
                wait,
                ..
            } => {
                let ms = wait.as_millis();
                self.tell(
                    "retry",
                    format_args!("{request}: {cause}; again in {ms} ms"),
                );
            }
            Step::Received { location, .. } => {
                self.tell(
                    "receipt",
                    format_args!("issued as {}", location.unwrap_or("(no location)")),
                );
            }
            _ => {}
        }
    }
}

/// A failed run in the words of the step that failed.
pub(super) fn failure(error: &AgentError) -> Failure {
    let text = format!("{}: {error}\nremedy: {}", error.code(), error.remedy());
    match error.ending() {
        Ending::Refused => Failure::Refused(text),
        Ending::Unusable => Failure::Usage(text),
        Ending::Unavailable => Failure::Unavailable(text),
    }
}
