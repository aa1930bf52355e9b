//! One assignment, from its offer to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evidence::UnixTime;
use evidence::work::ResultCommitment;
use evidence::work::wire::{Empty, Ended, Lease, Open, Question, Word};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{Instrument, error, info, warn};

use super::case::Case;
use super::end::End;
use super::figures::Phase;
use super::line::{Call, read};
use super::shop::Shop;
use super::witness::LastState;
use super::{opening, produce, witness};
use crate::agent::blocking;
use crate::error::AgentError;
use crate::http::Answer;

/// What the verifier wants of an assignment.
#[derive(Debug)]
pub(super) enum Event {
    Open(Open),
    Question(Question),
    Over(Ended),
}

/// From when on an agent that was told to stop waits for nothing more; none before it was told.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// One assignment and whoever works on it.
pub(super) struct Worker {
    pub(super) shop: Arc<Shop>,
    pub(super) case: Case,
    pub(super) inbox: Receiver<Event>,
    pub(super) stop: Stop,
    /// Told to whoever counts how many are worked on.
    pub(super) committed: Arc<AtomicBool>,
    /// What came before its time.
    pub(super) early: VecDeque<Event>,
}

impl Worker {
    /// Works until the assignment ends, and removes what it left unless it goes on later.
    pub(super) async fn run(mut self) -> (Case, End) {
        let (assignment, job) = (self.case.id().clone(), self.case.offer.job);
        let step = telemetry::span!(parent: None, "assignment", %assignment, %job);
        let shop = Arc::clone(&self.shop);
        shop.line.figures().begins();
        let end = self.until_end().instrument(step).await;
        shop.line.figures().ends(&end);
        if !end.is_to_be_kept() {
            self.case.remove();
        }
        (self.case, end)
    }

    async fn until_end(&mut self) -> End {
        match self.commit().await {
            Ok(()) => self.wait_for_end().await,
            Err(end) => end,
        }
    }

    /// Until the verifier has the commitment.
    async fn commit(&mut self) -> Result<(), End> {
        if self.case.committed_at().is_some() {
            self.committed.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let steps = Steps {
            shop: &self.shop,
            case: &self.case,
            stop: self.stop.clone(),
        };
        tokio::select! {
            done = steps.all() => done?,
            ended = over(&mut self.inbox, &mut self.early) => return Err(End::Over(ended)),
        }
        self.committed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// From the commitment on: openings and answers, until it is over.
    async fn wait_for_end(&mut self) -> End {
        let last = Arc::new(LastState::default());
        let mut unheard = std::pin::pin!(unheard(Arc::clone(&self.shop), self.case.clone()));
        loop {
            let event = match self.early.pop_front() {
                Some(event) => Some(event),
                None => tokio::select! {
                    event = self.inbox.recv() => event,
                    _ = told(&mut self.stop) => return End::Paused,
                    () = &mut unheard => return End::Forgotten,
                },
            };
            let done = match event {
                Some(Event::Open(open)) => self.open(open).await,
                Some(Event::Question(question)) => self.answer(question, &last).await,
                Some(Event::Over(ended)) => Err(End::Over(ended)),
                None => Err(End::Paused),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn open(&self, open: Open) -> Result<(), End> {
        let (name, round, until) = (
            format!("opening-{}.json", open.round),
            open.round,
            open.until,
        );
        let (shop, case) = (Arc::clone(&self.shop), self.case.clone());
        let make = move || opening::opening(&shop, &case, &open);
        let begun = std::time::Instant::now();
        let made = self.made(&name, until, Arc::new(make));
        let made = made.instrument(telemetry::span!("open")).await;
        self.shop.line.figures().took(Phase::Opening, begun);
        let Some(bytes) = made else {
            return Ok(());
        };
        info!(assignment = %self.case.id(), round, bytes = bytes.len(), "opening the commitment");
        let call = Call::bytes(path(&self.case, "opening"), opening::MEDIA_TYPE, bytes);
        let call = call.with_query(format!("round={round}"));
        self.say("opening", call).await
    }

    async fn answer(&self, question: Question, last: &Arc<LastState>) -> Result<(), End> {
        let (number, until) = (question.number, question.until);
        let name = format!("answer-{number}.json");
        let (shop, case, last) = (Arc::clone(&self.shop), self.case.clone(), Arc::clone(last));
        let make = move || witness::answer(&shop, &case, &question, &last);
        let begun = std::time::Instant::now();
        let made = self.made(&name, until, Arc::new(make));
        let made = made.instrument(telemetry::span!("reply")).await;
        self.shop.line.figures().took(Phase::Answer, begun);
        let Some(bytes) = made else {
            return Ok(());
        };
        info!(assignment = %self.case.id(), number, bytes = bytes.len(), "answering a referee");
        let call = Call::bytes(path(&self.case, "answer"), "application/json", bytes);
        self.say("answer", call).await
    }

    async fn say(&self, request: &'static str, call: Call) -> Result<(), End> {
        self.shop
            .line
            .insist(&call)
            .await
            .map(drop)
            .map_err(End::of(request))
    }

    /// The bytes to be sent: those on disk, else made now and put there. A disk that is full is waited for; `None` where it
    /// stays so until it is too late.
    async fn made(
        &self,
        name: &str,
        until: UnixTime,
        make: Arc<dyn Fn() -> Result<Vec<u8>, AgentError> + Send + Sync>,
    ) -> Option<Vec<u8>> {
        loop {
            let (case, name, make) = (self.case.clone(), name.to_owned(), Arc::clone(&make));
            let made = blocking(move || {
                if let Some(bytes) = case.sent(&name)? {
                    return Ok(bytes);
                }
                let bytes = make()?;
                case.put_sent(&name, &bytes)?;
                Ok::<_, AgentError>(bytes)
            });
            let cause = match made.await {
                Ok(bytes) => return Some(bytes),
                Err(error) => error,
            };
            error!(assignment = %self.case.id(), code = cause.code(), "cannot be answered: {cause}");
            if self.shop.line.left(until).is_zero() {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The steps up to the commitment.
struct Steps<'a> {
    shop: &'a Arc<Shop>,
    case: &'a Case,
    stop: Stop,
}

impl Steps<'_> {
    async fn all(mut self) -> Result<(), End> {
        match self.case.release() {
            Ok(Some(release)) => return Err(self.give_back(release.code).await),
            Ok(None) => {}
            Err(error) => return Err(self.fail(&error.into()).await),
        }
        let commitment = match self.committable().await {
            Ok(Some(commitment)) => commitment,
            Ok(None) => self.work().await?,
            Err(error) => return Err(self.fail(&error).await),
        };
        let call = Call::json(path(self.case, "commitment"), &commitment);
        self.ask("commitment", &call).await?;
        info!(assignment = %self.case.id(), "committed");
        self.shop.line.figures().committed();
        // If this is lost, the same commitment is sent again.
        if let Err(error) = self.case.committed() {
            warn!(assignment = %self.case.id(), code = error.code(), "{error}");
        }
        Ok(())
    }

    /// The commitment, where the bundle is on disk.
    async fn committable(&self) -> Result<Option<ResultCommitment>, AgentError> {
        let case = self.case.clone();
        blocking(move || {
            let (Some(stated), Some(_)) = (case.stated()?, case.bundle()?) else {
                return Ok(None);
            };
            let canonical = stated
                .statement
                .canonical()
                .map_err(crate::bind::BindError::Json)?;
            Ok(Some(ResultCommitment::to(&canonical, &stated.secrets())))
        })
        .await
    }

    /// Takes the assignment and works on it, with signs of life meanwhile.
    async fn work(&mut self) -> Result<ResultCommitment, End> {
        let call = Call::json(path(self.case, "accept"), &Empty {});
        let lease = self.lease("accept", &call).await?;
        if let Err(error) = self.case.put_lease(&lease) {
            return Err(self.fail(&error.into()).await);
        }
        info!(assignment = %self.case.id(), job = %self.case.offer.job, "accepted");
        self.shop.line.figures().taken();
        let renewed = Self {
            stop: self.stop.clone(),
            ..*self
        }
        .renew_from(lease);
        let done = tokio::select! {
            done = self.bundle() => done,
            end = renewed => return Err(end),
        };
        let committable = match done {
            Ok(()) => self.committable().await,
            Err(Halt::Stopped) => return Err(self.give_back(Word::lossy("shutting_down")).await),
            Err(Halt::Failed(error)) => return Err(self.fail(&error).await),
        };
        match committable {
            Ok(Some(commitment)) => Ok(commitment),
            Ok(None) => Err(self.give_back(Word::lossy("bundle_missing")).await),
            Err(error) => Err(self.fail(&error).await),
        }
    }

    /// Everything that needs the bench. A kernel cannot be broken off: what nobody waits for any more holds its place until
    /// it ends, and what it leaves is dropped with the folder it belonged to.
    async fn bundle(&mut self) -> Result<(), Halt> {
        let place = tokio::select! {
            place = Arc::clone(&self.shop.bench).acquire_owned() => place,
            _ = told(&mut self.stop) => return Err(Halt::Stopped),
        };
        let (shop, case) = (Arc::clone(self.shop), self.case.clone());
        let making = async move {
            let made = make_bundle(&shop, &case).await;
            drop(place);
            made
        };
        let made = tokio::spawn(making.in_current_span());
        tokio::select! {
            made = made => match made {
                Ok(made) => made.map_err(Halt::Failed),
                // Nobody aborts it; what is left is a defect, and goes on as the panic it was.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = past(&mut self.stop) => Err(Halt::Stopped),
        }
    }

    /// Renews a lease for ever; ends when the verifier refuses.
    async fn renew_from(self, mut lease: Lease) -> End {
        loop {
            let left = self.shop.line.left(lease.until);
            tokio::time::sleep((left / 3).max(SHORTEST_RENEWAL)).await;
            let call = Call::json(path(self.case, "renew"), &Empty {});
            match self.lease("renew", &call).await {
                Ok(renewed) => lease = renewed,
                Err(end) => return end,
            }
        }
    }

    /// Asks for a lease. One whose answer is not understood is given back.
    async fn lease(&self, request: &'static str, call: &Call) -> Result<Lease, End> {
        let answer = self.ask(request, call).await?;
        match read(&answer) {
            Ok(lease) => Ok(lease),
            Err(detail) => {
                error!(assignment = %self.case.id(), request, "{detail}");
                Err(self.give_back(Word::lossy("answer_unexpected")).await)
            }
        }
    }

    async fn ask(&self, request: &'static str, call: &Call) -> Result<Answer, End> {
        self.shop.line.insist(call).await.map_err(End::of(request))
    }

    /// Gives it back for what went wrong.
    async fn fail(&self, error: &AgentError) -> End {
        error!(assignment = %self.case.id(), code = error.code(), "cannot be done: {error}");
        self.give_back(Word::lossy(error.code())).await
    }

    async fn give_back(&self, code: Word) -> End {
        give_back(self.shop, self.case, code).await
    }
}

/// Why there is no bundle.
enum Halt {
    Failed(AgentError),
    Stopped,
}

/// Runs the job, unless that was done, and has the devices sign.
async fn make_bundle(shop: &Shop, case: &Case) -> Result<(), AgentError> {
    let stated = match (case.stated()?, case.lease()?) {
        (Some(stated), _) => stated,
        (None, Some(lease)) => {
            let begun = std::time::Instant::now();
            let run = produce::run(shop, case, &lease);
            let stated = run.instrument(telemetry::span!("run")).await;
            shop.line.figures().took(Phase::Run, begun);
            stated?
        }
        (None, None) => return Err(case.lacks("lease.json").into()),
    };
    let begun = std::time::Instant::now();
    let attest = produce::attest(shop, case, &stated);
    let attested = attest.instrument(telemetry::span!("evidence")).await;
    shop.line.figures().took(Phase::Evidence, begun);
    attested.map(drop)
}

/// Gives an assignment back, with the reason on disk first, so that a start in between does not run it again.
pub(super) async fn give_back(shop: &Shop, case: &Case, code: Word) -> End {
    if let Err(error) = case.put_release(code.clone()) {
        warn!(assignment = %case.id(), code = error.code(), "{error}");
    }
    let body = evidence::work::wire::Release { code: code.clone() };
    let call = Call::json(path(case, "release"), &body);
    match shop.line.insist(&call).await.map_err(End::of("release")) {
        Err(end @ End::Removed(_)) => end,
        // Whether it was still ours to give back or not: it is not ours any more.
        _ => End::GivenBack(code),
    }
}

fn path(case: &Case, request: &str) -> String {
    format!("/v1/assignments/{}/{request}", case.id())
}

/// The end that the verifier told; never, if it tells none. What else it wants is kept for later: the verifier may have the
/// commitment although we were not told.
async fn over(inbox: &mut Receiver<Event>, early: &mut VecDeque<Event>) -> Ended {
    loop {
        match inbox.recv().await {
            Some(Event::Over(ended)) => return ended,
            Some(event) => early.push_back(event),
            None => std::future::pending().await,
        }
    }
}

/// Until nobody said for `keep_s` that an assignment is over, and nobody could have: a verifier that answers to what is held
/// ends it or wants it kept.
async fn unheard(shop: Arc<Shop>, case: Case) {
    let keep = Duration::from_secs(shop.agent.settings().serve.keep_s);
    loop {
        let since = case.committed_at().max(shop.heard.at());
        // A clock that was set back shortens nothing.
        let since = since.and_then(|since| since.elapsed().ok());
        let left = keep.saturating_sub(since.unwrap_or_default());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

/// Until the agent is told to stop.
async fn told(stop: &mut Stop) -> Option<Instant> {
    match stop.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        Err(_) => Some(Instant::now()),
    }
}

/// Until an agent that was told to stop waits no longer.
async fn past(stop: &mut Stop) {
    if let Some(deadline) = told(stop).await {
        tokio::time::sleep_until(deadline).await;
    }
}

/// The pause before something that failed here is tried again.
const PAUSE: Duration = Duration::from_secs(5);
/// Leases are not renewed more often.
const SHORTEST_RENEWAL: Duration = Duration::from_millis(500);
