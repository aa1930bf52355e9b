//! Enrolment, once: a one-time token of a provider makes this agent one of the provider's.
//!
//! An agent that was killed after it was enrolled and before it recorded that asks again with the same key and the same
//! token, and gets the same answer.
//!
//! An agent that is not enrolled within [`ServeSettings::enrol_within_s`](super::ServeSettings::enrol_within_s) ends
//! with the cause. Nothing depends on it yet, and whoever waits for the service to start (`systemctl start`) learns of
//! a wrong address by it. Before that the status line has the cause.

use std::path::PathBuf;
use std::time::Duration;

use daemon::notify;
use evidence::work::wire::{Enrolled, Enrolment, EnrolmentToken};

use super::case::{Home, Identity};
use super::error::ServeError;
use super::line::{Call, Line, No, read};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::files::{self, FileError};
use crate::http::Answer;
use crate::verifier::VerifierError;

/// Name of the systemd credential (systemd.exec(5), `LoadCredential=`).
pub(crate) const CREDENTIAL: &str = "enrolment-token";

/// Longest file of a token, in bytes: the token and a line end.
const MAX_FILE_BYTES: u64 = 512;

/// Makes sure that the verifier knows this agent, and the line its name.
pub(super) async fn enrol(agent: &Agent, line: &Line, home: &Home) -> Result<(), AgentError> {
    let identity = match home.identity()? {
        Some(identity) if identity.verifier == line.url() => identity,
        Some(identity) => {
            return Err(ServeError::EnrolledElsewhere {
                expected: line.url().to_owned(),
                actual: identity.verifier,
            }
            .into());
        }
        None => {
            let identity = ask(agent, line).await?;
            home.enrolled(&identity)?;
            tracing::info!(agent = %identity.id, provider = %identity.provider, "enrolled");
            identity
        }
    };
    line.is_known_as(identity.id);
    Ok(())
}

async fn ask(agent: &Agent, line: &Line) -> Result<Identity, AgentError> {
    let token = token(agent.settings().serve.token_file.clone())?;
    let key = agent.key();
    let body = Enrolment::new(token, key.public(), |message| key.sign(message));
    let call = Call::json("/v1/agents".to_owned(), &body);
    let within = Duration::from_secs(agent.settings().serve.enrol_within_s);
    let answer = be_let_in(line, &call, within).await?;
    let enrolled: Enrolled = read(&answer).map_err(|detail| VerifierError::Answer { detail })?;
    Ok(Identity {
        verifier: line.url().to_owned(),
        id: enrolled.id,
        provider: enrolled.provider,
    })
}

async fn be_let_in(line: &Line, call: &Call, within: Duration) -> Result<Answer, AgentError> {
    let mut last = "it has not answered yet".to_owned();
    let failed = |cause: &str| {
        notify::status(&format!("not let in by {} yet: {cause}", line.url()));
        cause.clone_into(&mut last);
    };
    match tokio::time::timeout(within, line.insist_telling(call, failed)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(No::Removed(problem) | No::Refused(problem))) => {
            Err(VerifierError::Refused(problem).into())
        }
        Err(_) => Err(ServeError::NotLetIn {
            verifier: line.url().to_owned(),
            within,
            cause: last,
        }
        .into()),
    }
}

fn token(set: Option<PathBuf>) -> Result<EnrolmentToken, ServeError> {
    let path = set.or_else(|| daemon::credential::path(CREDENTIAL));
    let path = path.ok_or(ServeError::TokenMissing)?;
    let malformed = |reason: String| ServeError::TokenMalformed {
        path: path.clone(),
        reason,
    };
    let bytes = match files::read_bounded(&path, MAX_FILE_BYTES) {
        Err(FileError::TooLarge { .. }) => return Err(malformed("it is too long".to_owned())),
        read => read?,
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end();
    EnrolmentToken::parse(text).map_err(|error| malformed(error.to_string()))
}
