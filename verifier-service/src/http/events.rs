//! `/v1/jobs/{id}/events`: the history of a job as server-sent events, as it is made. Ends with the job.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jobs::JobId;
use tokio::time::Instant;

use super::jobs::{Named, seen_by};
use super::{App, no_store};
use crate::hub::{Topic, Waiter, Woken};
use crate::metrics::OpenStream;
use crate::parties::{Caller, Scope};
use crate::problem::{Problem, ProblemCode};
use crate::store::StoreError;
use crate::store::jobs::{EventNumber, JobStore, NumberedEvent};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How often a line without meaning shows proxies that somebody still listens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long to wait for a wake-up before looking again without one.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Events read in one go.
const PAGE: u32 = 100;

struct Follower {
    app: App,
    job: JobId,
    after: EventNumber,
    read: VecDeque<NumberedEvent>,
    waiter: Waiter,
    _open: OpenStream,
}

/// The history of a job, from the beginning or after the event that `Last-Event-ID` names.
pub(super) async fn follow(
    State(app): State<App>,
    caller: Caller,
    id: Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Scope::JobsRead)?;
    let job = seen_by(&app, &caller, id).await?;
    let topic = Topic::Job(job.id().clone());
    let follower = Follower {
        after: last_seen(&headers)?,
        waiter: app.hub.wait_for(caller.party, topic)?,
        job: job.id().clone(),
        read: VecDeque::new(),
        _open: app.meters.follow(),
        app,
    };
    let events = stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(no_store(events.into_response()))
}

fn last_seen(headers: &HeaderMap) -> Result<EventNumber, Problem> {
    let Some(stated) = headers.get(LAST_EVENT_ID) else {
        return Ok(0);
    };
    let number = stated.to_str().ok().and_then(|text| text.parse().ok());
    let number = number.filter(|number| *number >= 0);
    number.ok_or_else(|| Problem::new(ProblemCode::LastEventIdMalformed))
}

impl Follower {
    /// The next event; `None` once there will be none, or none can be had: whoever wants more asks again from where it was.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(shown(&event));
            }
            match self.look().await {
                Ok(true) => {}
                Ok(false) if self.is_over().await => return None,
                Ok(false) => match self.waiter.until(Instant::now() + LOOK_EVERY).await {
                    Woken::Closing => return None,
                    Woken::News | Woken::Late => {}
                },
                Err(error) => {
                    tracing::warn!(job = %self.job, cause = %error, "events cannot be read");
                    return None;
                }
            }
        }
    }

    /// Reads what is new; says whether anything was, if only for others.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let store = self.app.clerk.store();
        let page = store.events(&self.job, self.after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(false);
        };
        self.after = last.number;
        let for_tenant = page.into_iter().filter(|event| event.kind.is_for_tenant());
        self.read.extend(for_tenant);
        Ok(true)
    }

    /// Whether the job has ended and all of its history is read.
    async fn is_over(&self) -> bool {
        let store = self.app.clerk.store();
        let ended = match store.job(&self.job).await {
            Ok(Some(job)) => job.status().is_final(),
            Ok(None) | Err(_) => true,
        };
        // The last event is written with the status.
        let more = store.events(&self.job, self.after, 1).await;
        ended && more.is_ok_and(|more| more.is_empty())
    }
}

fn shown(event: &NumberedEvent) -> Event {
    Event::default()
        .id(event.number.to_string())
        .event(event.kind.as_str())
        .data(&event.body)
}
