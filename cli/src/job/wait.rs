//! Waiting for a job, by the events of its history.

use std::time::Duration;

use clap::ValueEnum;
use serde_json::Value;
use tokio::time::Instant;

use super::progress::Progress;
use super::{path, show};
use crate::api::{Api, Call, EventStream};
use crate::{Exit, Failure, Format, Output};

/// What to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Until {
    /// The result is accepted; its dispute window may be open
    #[default]
    Accepted,
    /// Everybody has what is theirs
    Settled,
}

/// Which job, until when.
pub(super) struct Wanted<'a> {
    pub(super) job: &'a str,
    pub(super) until: Until,
    pub(super) timeout: Option<u64>,
}

impl Wanted<'_> {
    /// How the wait ends with a job of this status, if it does.
    fn exit(&self, status: &str) -> Option<Exit> {
        match (status, self.until) {
            ("settled", _) | ("accepted", Until::Accepted) => Some(Exit::Done),
            ("failed" | "cancelled", _) => Some(Exit::Refused),
            _ => None,
        }
    }
}

pub(super) async fn wait(
    api: &Api,
    wanted: &Wanted<'_>,
    format: Format,
    out: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let deadline = wanted
        .timeout
        .and_then(|s| Instant::now().checked_add(Duration::from_secs(s)));
    let mut progress = Progress::new(out.is_terminal());
    let ended = follow(api, wanted, &mut progress, out);
    let ended = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, ended).await,
        None => Ok(ended.await),
    };
    let (job, exit) = match ended {
        Ok(ended) => ended?,
        Err(_) => {
            let seconds = wanted.timeout.unwrap_or_default();
            let message = format!("the job has not ended after {seconds} s");
            return Err(Failure::Unavailable(message));
        }
    };
    show(&job, format, out)?;
    Ok(exit)
}

/// Until the job is at its end. The stream says when to look; what is so, the job itself says.
async fn follow(
    api: &Api,
    wanted: &Wanted<'_>,
    progress: &mut Progress,
    out: &mut Output<'_>,
) -> Result<(Value, Exit), Failure> {
    let mut last_id = None;
    let mut failed = 0_u32;
    loop {
        let (job, exit) = look(api, wanted, progress, out).await?;
        if let Some(exit) = exit {
            progress.end(out);
            return Ok((job, exit));
        }
        let events = format!("{}/events", path(wanted.job));
        match EventStream::open(api, &events, last_id.as_deref()).await {
            Ok(mut stream) => {
                failed = 0;
                while let Some(events) = stream.next().await {
                    let read = !events.is_empty();
                    events.iter().for_each(|event| progress.event(event, out));
                    if read && look(api, wanted, progress, out).await?.1.is_some() {
                        break;
                    }
                }
                last_id = stream.last_id().map(str::to_owned).or(last_id);
            }
            Err(Failure::Unavailable(_)) if failed < MOST_FAILURES => {
                failed = failed.saturating_add(1)
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(
    api: &Api,
    wanted: &Wanted<'_>,
    progress: &mut Progress,
    out: &mut Output<'_>,
) -> Result<(Value, Option<Exit>), Failure> {
    let job = api.json(&Call::get(path(wanted.job))).await?;
    let status = job
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or_default();
    progress.status(status, out);
    let exit = wanted.exit(status);
    Ok((job, exit))
}

/// Before a stream that ended is opened again.
const PAUSE: Duration = Duration::from_millis(300);
/// How often in a row a stream may not open.
const MOST_FAILURES: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_as_its_job_does() {
        let exit = |until, status| {
            let wanted = Wanted {
                job: "j",
                until,
                timeout: None,
            };
            wanted.exit(status)
        };
        for status in ["open", "opening", "disputed", "", "a later word"] {
            assert_eq!(exit(Until::Accepted, status), None, "{status}");
        }
        assert_eq!(exit(Until::Accepted, "accepted"), Some(Exit::Done));
        assert_eq!(exit(Until::Settled, "accepted"), None);
        assert_eq!(exit(Until::Settled, "settled"), Some(Exit::Done));
        assert_eq!(exit(Until::Accepted, "settled"), Some(Exit::Done));
        assert_eq!(exit(Until::Settled, "failed"), Some(Exit::Refused));
        assert_eq!(exit(Until::Accepted, "cancelled"), Some(Exit::Refused));
    }
}
