//! The desk: passes what the verifier says to the worker that it concerns.
//!
//! One task owns all state, so nothing is locked. It has at most one long poll and one heartbeat under way, and a
//! worker for every assignment.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evidence::work::Task;
use evidence::work::wire::{
    Ended, HeartbeatAnswer, Id, Known, MAX_HELD, MAX_WAIT_S, Next, NextRequest, Offer, Word,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Until;
use super::case::{Case, Home};
use super::end::End;
use super::error::ServeError;
use super::line::{Call, Fault, Line, read};
use super::manager::Manager;
use super::presence::{Beat, Presence, beat};
use super::produce::size_of;
use super::settings::ServeSettings;
use super::shop::Shop;
use super::worker::{Event, Worker, give_back};
use crate::error::AgentError;
use crate::execute::process_spoilt;
use crate::problem::Problem;

/// Everything an agent works on.
pub(super) struct Desk {
    shop: Arc<Shop>,
    home: Home,
    presence: Presence,
    held: BTreeMap<Id, Held>,
    /// What has been handed to a worker, and what nobody can do.
    known: BTreeSet<Known>,
    workers: JoinSet<(Case, End)>,
    stop: watch::Sender<Option<Instant>>,
    manager: Manager,
}

/// An assignment that somebody works on.
struct Held {
    inbox: mpsc::Sender<Event>,
    bytes: u64,
    committed: Arc<AtomicBool>,
}

/// What a long poll came back with.
enum Polled {
    Next(Next),
    Nothing,
    Lost {
        cause: String,
        retry_after: Option<Duration>,
    },
    Removed(Box<Problem>),
}

/// Why a desk closes.
enum Leave {
    Told,
    /// The driver refuses this process ([`process_spoilt`]).
    Spoilt,
    Removed(Box<Problem>),
}

type Going<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Desk {
    /// Takes up every assignment that an earlier process left.
    pub(super) fn new(shop: Arc<Shop>, home: Home, presence: Presence) -> Result<Self, AgentError> {
        let mut desk = Self {
            manager: Manager::new(shop.pulse.clone(), shop.line.url()),
            shop,
            presence,
            held: BTreeMap::new(),
            known: BTreeSet::new(),
            workers: JoinSet::new(),
            stop: watch::channel(None).0,
            home,
        };
        for case in desk.home.cases()? {
            info!(assignment = %case.id(), "taken up again");
            desk.employ(case);
        }
        Ok(desk)
    }

    pub(super) fn settings(&self) -> &ServeSettings {
        &self.shop.agent.settings().serve
    }

    /// Serves until it is told to stop, the verifier does not know this agent, or this process cannot go on.
    pub(super) async fn run(mut self, mut until: Until) -> Result<(), AgentError> {
        match self.serve(&mut until).await {
            Leave::Told => Ok(()),
            Leave::Spoilt => Err(ServeError::ProcessSpoilt.into()),
            Leave::Removed(problem) => {
                self.workers.abort_all();
                self.home.clear();
                Err(ServeError::Removed(problem).into())
            }
        }
    }

    /// Returns why it serves no longer.
    async fn serve(&mut self, until: &mut Until) -> Leave {
        let mut failed = 0;
        let mut poll = self.poll(Duration::ZERO);
        let mut heartbeat = self.heartbeat(Duration::ZERO);
        info!(
            agent = self.shop.line.id(),
            verifier = self.shop.line.url(),
            "serving"
        );
        let leave = loop {
            let end = tokio::select! {
                () = tokio::time::sleep_until(self.manager.next_beat()) => {
                    let (held, uncommitted) = (self.held.len(), self.uncommitted());
                    self.manager.beat(held, uncommitted);
                    None
                }
                polled = &mut poll => {
                    if !matches!(polled, Polled::Lost { .. }) {
                        self.manager.heard();
                    }
                    let pause = match self.take(polled, &mut failed) {
                        Ok(pause) => pause,
                        Err(problem) => return Leave::Removed(problem),
                    };
                    poll = self.poll(pause);
                    None
                }
                beat = &mut heartbeat => {
                    match beat {
                        Beat::Heard(answer) => {
                            self.manager.heard();
                            self.hear(answer);
                        }
                        Beat::Lost => self.manager.unheard(),
                        Beat::Strange => {
                            warn!("the verifier knows no conditions: offers are declined here, by what they show");
                            self.presence.is_not_understood();
                            heartbeat = self.heartbeat(Duration::ZERO);
                            continue;
                        }
                        Beat::Removed(problem) => return Leave::Removed(problem),
                    }
                    heartbeat = self.heartbeat(self.presence.every());
                    None
                }
                Some(done) = self.workers.join_next() => Some(done),
                _ = until.wait_for(|stop| *stop) => break Leave::Told,
            };
            if let Some(problem) = end.and_then(|done| self.dismiss(done)) {
                return Leave::Removed(problem);
            }
            // Whatever it would take on now, it could not run.
            if process_spoilt() {
                break Leave::Spoilt;
            }
        };
        drop(poll);
        drop(heartbeat);
        match self.wind_up().await {
            Some(problem) => Leave::Removed(problem),
            None => leave,
        }
    }

    /// Has what runs committed to, gives back the rest, leaves on disk what is to go on.
    async fn wind_up(&mut self) -> Option<Box<Problem>> {
        let within = Duration::from_secs(self.shop.agent.settings().serve.stop_within_s);
        let deadline = Instant::now() + within;
        info!(
            working_on = self.uncommitted(),
            within_s = within.as_secs(),
            "stopping"
        );
        self.manager.stopping(self.uncommitted());
        self.stop.send_replace(Some(deadline));
        let mut goodbye = self.goodbye();
        let mut said = false;
        let mut kept = 0_usize;
        loop {
            let end = tokio::select! {
                beat = &mut goodbye, if !said => {
                    said = true;
                    match beat {
                        Beat::Removed(problem) => return Some(problem),
                        _ => continue,
                    }
                }
                done = self.workers.join_next() => done,
                () = tokio::time::sleep_until(deadline + GRACE) => break,
            };
            let Some(done) = end else {
                if !said {
                    // Nobody is left to wait for but the verifier, and it need not have heard.
                    let _ = tokio::time::timeout_at(deadline, &mut goodbye).await;
                }
                break;
            };
            kept = kept.saturating_add(usize::from(matches!(&done, Ok((_, End::Paused)))));
            if let Some(problem) = self.dismiss(done) {
                return Some(problem);
            }
        }
        let left = kept.saturating_add(self.held.len());
        if left > 0 {
            warn!(
                assignments = left,
                "committed assignments are to be opened: start again soon, stakes are lost otherwise"
            );
        }
        None
    }

    fn poll(&self, pause: Duration) -> Going<Polled> {
        let line = Arc::clone(&self.shop.line);
        let known = self.known.iter().cloned().collect();
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            poll(&line, NextRequest { known }).await
        })
    }

    fn heartbeat(&self, after: Duration) -> Going<Beat> {
        self.beat(after, self.shop.agent.settings().serve.capacity)
    }

    /// The last sign of life: no more, please.
    fn goodbye(&self) -> Going<Beat> {
        self.beat(Duration::ZERO, 0)
    }

    fn beat(&self, after: Duration, capacity: u32) -> Going<Beat> {
        let line = Arc::clone(&self.shop.line);
        let held = self.held.keys().take(MAX_HELD).cloned().collect();
        let heartbeat = self.presence.heartbeat(capacity, held);
        Box::pin(async move { beat(&line, after, heartbeat).await })
    }

    /// Hands on what a poll brought; returns how long to wait with the next one.
    fn take(&mut self, polled: Polled, failed: &mut u32) -> Result<Duration, Box<Problem>> {
        match polled {
            Polled::Removed(problem) => return Err(problem),
            Polled::Lost { cause, retry_after } => {
                *failed = failed.saturating_add(1);
                let wait = self.shop.line.wait_after(*failed, retry_after);
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                warn!(
                    attempt = *failed,
                    wait_ms, "poll failed, trying again: {cause}"
                );
                return Ok(wait);
            }
            Polled::Nothing => *failed = 0,
            Polled::Next(next) => {
                *failed = 0;
                if !self.note(next.name()) {
                    return Ok(PAUSE);
                }
                self.hand_on(next);
            }
        }
        Ok(Duration::ZERO)
    }

    /// Whether this is new.
    fn note(&mut self, name: Known) -> bool {
        if self.known.contains(&name) {
            return false;
        }
        while self.known.len() >= MAX_HELD {
            // What nobody holds any more goes first.
            let gone = |known: &&Known| !self.held.contains_key(&known.assignment);
            let oldest = self
                .known
                .iter()
                .find(gone)
                .or_else(|| self.known.first())
                .cloned();
            match oldest {
                Some(oldest) => self.known.remove(&oldest),
                None => break,
            };
        }
        self.known.insert(name)
    }

    fn hand_on(&mut self, next: Next) {
        let id = next.assignment().clone();
        let event = match next {
            Next::Offer(offer) => return self.consider(*offer),
            Next::Open(open) => Event::Open(open),
            Next::Question(question) => Event::Question(question),
        };
        match self.held.get(&id) {
            None => warn!(assignment = %id, "asked about an assignment of which nothing is left"),
            Some(held) => {
                if held.inbox.try_send(event).is_err() {
                    warn!(assignment = %id, "asked for more than can be answered");
                }
            }
        }
    }

    /// Takes an offer, or declines it.
    fn consider(&mut self, offer: Offer) {
        let id = offer.assignment.clone();
        if self.held.contains_key(&id) {
            return;
        }
        let case = match self.decline(&offer) {
            None => self.home.begin(offer).map_err(|error| error.code()),
            Some(code) => self.home.begin(offer).map_err(|_| code).and_then(|case| {
                info!(assignment = %id, code, "declined");
                self.send_back(case, Word::lossy(code));
                Err(code)
            }),
        };
        match case {
            Ok(case) => {
                info!(assignment = %id, job = %case.offer.job, "offered");
                self.employ(case);
            }
            Err(code) => warn!(assignment = %id, code, "not taken"),
        }
    }

    /// Why an offer is not for this agent, if it is not.
    fn decline(&self, offer: &Offer) -> Option<&'static str> {
        let settings = &self.shop.agent.settings().serve;
        let digest = offer.spec.digest().ok();
        let bytes = size_of(&offer.spec);
        let command = matches!(offer.spec.task, Task::Command(_));
        let kept: u64 = self
            .held
            .values()
            .map(|held| held.bytes)
            .fold(0, u64::saturating_add);
        let full = |bytes: u64| kept.saturating_add(bytes) > settings.spool_bytes;
        match () {
            () if digest != Some(offer.job) => Some("job_digest_mismatch"),
            () if command && !settings.commands => Some("commands_not_served"),
            () if bytes.is_none() => Some("job_unknown"),
            () if self.uncommitted() >= settings.capacity => Some("capacity_exceeded"),
            () if self.held.len() >= MAX_HELD || bytes.is_some_and(full) => Some("spool_full"),
            () => self.presence.declines(offer),
        }
    }

    fn send_back(&mut self, case: Case, code: Word) {
        let shop = Arc::clone(&self.shop);
        self.workers.spawn(async move {
            let end = give_back(&shop, &case, code).await;
            case.remove();
            (case, end)
        });
    }

    fn employ(&mut self, case: Case) {
        let (inbox, events) = mpsc::channel(MOST_EVENTS);
        let committed = Arc::new(AtomicBool::new(case.committed_at().is_some()));
        let held = Held {
            inbox,
            bytes: size_of(&case.offer.spec).unwrap_or(0),
            committed: Arc::clone(&committed),
        };
        self.held.insert(case.id().clone(), held);
        let worker = Worker {
            shop: Arc::clone(&self.shop),
            case,
            inbox: events,
            stop: self.stop.subscribe(),
            committed,
            early: Default::default(),
        };
        self.workers.spawn(worker.run());
    }

    /// Passes on what is over. What no worker holds needs no word.
    fn hear(&mut self, answer: HeartbeatAnswer) {
        self.presence.hears(&answer);
        self.shop.heard.now();
        for ended in answer.ended {
            let Ended { assignment, .. } = &ended;
            if let Some(held) = self.held.get(assignment) {
                // One that is full hears it with the next heartbeat.
                let _ = held.inbox.try_send(Event::Over(ended));
            }
        }
    }

    /// Lets a worker go that is done; returns what the verifier said, where it does not know this agent.
    fn dismiss(
        &mut self,
        done: Result<(Case, End), tokio::task::JoinError>,
    ) -> Option<Box<Problem>> {
        let (case, end) = match done {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return None,
        };
        self.held.remove(case.id());
        self.known.retain(|known| known.assignment != *case.id());
        info!(assignment = %case.id(), "ended: {end}");
        match end {
            End::Removed(problem) => Some(problem),
            _ => None,
        }
    }

    /// How many assignments are worked on.
    fn uncommitted(&self) -> u32 {
        let open = |held: &&Held| !held.committed.load(Ordering::Relaxed);
        u32::try_from(self.held.values().filter(open).count()).unwrap_or(u32::MAX)
    }
}

async fn poll(line: &Line, request: NextRequest) -> Polled {
    let wait = Duration::from_secs(u64::from(MAX_WAIT_S));
    let call = Call::json("/v1/assignments/next".to_owned(), &request)
        .with_query(format!("wait_s={MAX_WAIT_S}"))
        .waiting(wait);
    let lost = |cause| Polled::Lost {
        cause,
        retry_after: None,
    };
    match line.once(&call).await {
        Ok(answer) if answer.status == 204 => Polled::Nothing,
        Ok(answer) => read(&answer).map_or_else(lost, Polled::Next),
        Err(Fault::Removed(problem)) => Polled::Removed(problem),
        Err(Fault::Refused(problem)) => lost(problem.to_string()),
        Err(Fault::Passing { cause, retry_after }) => Polled::Lost { cause, retry_after },
    }
}

/// Most events that wait for one worker: a verifier asks one thing after the other.
const MOST_EVENTS: usize = 16;
/// The pause after a poll that brought nothing new, from a verifier that does not heed what is known.
const PAUSE: Duration = Duration::from_secs(2);
/// What a worker that was told to stop may take beyond the deadline to give its assignment back.
const GRACE: Duration = Duration::from_secs(5);
