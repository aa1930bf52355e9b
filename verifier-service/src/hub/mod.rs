//! Who waits for what: agents for something to do, subscribers for news of a job.
//!
//! In scope: waking those concerned when an event is written, at once if this process wrote it, within a second if
//! another did. One task asks the store what is new ([`Tail`]), and only while somebody waits. A waiter is an entry in
//! a map: it has no task, no timer but that of its request, and asks the store nothing by itself. The number of waiters
//! is bounded, in all and for each party, so that no party takes all places.
//!
//! Out of scope: what happened. A wake-up is a hint to look again and may come without need; a waiter looks into the
//! store before it waits and after each wake-up ([`Hub::until`]). A lost wake-up, for example while the store was away,
//! delays the waiter until its request ends, and loses no event.

mod tail;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobs::{AgentId, JobId};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::id::Id;
use crate::lock::lock;
use crate::problem::{Problem, ProblemCode};
use crate::store::Answer;
use tail::Tail;

/// How often the store is asked.
const PACE: Duration = Duration::from_secs(1);
/// Most waiters at one time. Beyond it nobody is let wait: memory is bounded, at some 30 MiB.
const MAX_WAITERS: usize = 65_536;
/// Most of one party that follow jobs.
const MAX_OF_PARTY_ON_JOBS: usize = 2048;
/// Most agents' requests of one party: it may have 10 000 agents, of which some ask anew before their last request is known
/// to be gone.
const MAX_OF_PARTY_ON_AGENTS: usize = 16_384;

/// Seconds after which others may have gone.
const RETRY_S: u32 = 10;

/// What can be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Something an agent has to fetch.
    Agent(AgentId),
    /// An event of a job.
    Job(JobId),
}

/// What the hub needs to know of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Its number over the whole service.
    pub(crate) number: i64,
    /// The job it is of.
    pub(crate) job: JobId,
    /// The agent that has something to fetch because of it.
    pub(crate) agent: Option<AgentId>,
}

/// The numbered events of the store.
pub(crate) trait Events: Send + Sync {
    /// The greatest number; 0 before the first.
    fn last(&self) -> Answer<'_, i64>;

    /// Events with greater numbers, in order, at most so many.
    fn after(&self, number: i64, limit: u32) -> Answer<'_, Vec<Note>>;
}

/// See the [module documentation](self). Copies share everything; the task ends with the last of them.
#[derive(Clone)]
pub(crate) struct Hub {
    waiters: Arc<Waiters>,
    _poller: Arc<Poller>,
}

/// A place in the hub, from before its holder first looks until it is dropped.
pub(crate) struct Waiter {
    waiters: Arc<Waiters>,
    party: Id,
    topic: Topic,
    place: Arc<Notify>,
    news: Pin<Box<OwnedNotified>>,
}

/// Why somebody waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// There may be news.
    News,
    /// It is late.
    Late,
    /// The service ends.
    Closing,
}

/// Nobody else is let wait now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManyWait {
    /// Of all parties together.
    #[error("{MAX_WAITERS} requests wait already")]
    InAll,
    /// Of this party.
    #[error("{0} requests of this party wait already")]
    OfParty(usize),
}

impl From<TooManyWait> for Problem {
    fn from(error: TooManyWait) -> Self {
        let code = match error {
            TooManyWait::InAll => ProblemCode::Overloaded,
            TooManyWait::OfParty(_) => ProblemCode::TooManyWaiting,
        };
        Self::new(code)
            .detail(error.to_string())
            .retry_after_s(RETRY_S)
    }
}

impl Topic {
    const fn kind(&self) -> TopicKind {
        match self {
            Self::Agent(_) => TopicKind::Agent,
            Self::Job(_) => TopicKind::Job,
        }
    }
}

/// What is counted for each party by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum TopicKind {
    Agent,
    Job,
}

impl TopicKind {
    const fn most_of_party(self) -> usize {
        match self {
            Self::Agent => MAX_OF_PARTY_ON_AGENTS,
            Self::Job => MAX_OF_PARTY_ON_JOBS,
        }
    }
}

#[derive(Default)]
struct Waiters {
    places: Mutex<Places>,
    first: Notify,
}

#[derive(Default)]
struct Places {
    topics: HashMap<Topic, Place>,
    /// How many of all are which party's.
    of_parties: HashMap<(Id, TopicKind), usize>,
    taken: usize,
    closed: bool,
}

#[derive(Default)]
struct Place {
    news: Arc<Notify>,
    taken: usize,
}

struct Poller(AbortHandle);

impl Hub {
    /// Starts a hub over these events. Needs a runtime.
    pub(crate) fn start(events: Arc<dyn Events>) -> Self {
        Self::with_pace(events, PACE)
    }

    fn with_pace(events: Arc<dyn Events>, pace: Duration) -> Self {
        let waiters = Arc::<Waiters>::default();
        let task = tokio::spawn(poll(events, Arc::clone(&waiters), pace));
        Self {
            waiters,
            _poller: Arc::new(Poller(task.abort_handle())),
        }
    }

    /// Wakes whoever is concerned by events that this process has just committed.
    pub(crate) fn wrote(&self, notes: &[Note]) {
        self.waiters.wake(notes);
    }

    /// Takes a place for a party. What is written from now on wakes its holder, also before [`Waiter::until`].
    ///
    /// # Errors
    /// [`TooManyWait`].
    pub(crate) fn wait_for(&self, party: Id, topic: Topic) -> Result<Waiter, TooManyWait> {
        let place = self.waiters.enter(party, topic.clone())?;
        Ok(Waiter {
            waiters: Arc::clone(&self.waiters),
            party,
            topic,
            news: Box::pin(Arc::clone(&place).notified_owned()),
            place,
        })
    }

    /// Looks, and looks again at each wake-up, until there is something or it is late; `None` then, and when the service
    /// ends.
    ///
    /// # Errors
    /// Those of `look`, and [`TooManyWait`].
    pub(crate) async fn until<T, E, Look>(
        &self,
        party: Id,
        topic: Topic,
        deadline: Instant,
        mut look: impl FnMut() -> Look,
    ) -> Result<Option<T>, E>
    where
        E: From<TooManyWait>,
        Look: Future<Output = Result<Option<T>, E>>,
    {
        let mut waiter = self.wait_for(party, topic)?;
        loop {
            if let Some(found) = look().await? {
                return Ok(Some(found));
            }
            if waiter.until(deadline).await != Woken::News {
                return Ok(None);
            }
        }
    }

    /// Requests of agents that wait now.
    pub(crate) fn agents_waiting(&self) -> usize {
        let places = lock(&self.waiters.places);
        let agents = places.topics.iter();
        let agents = agents.filter(|(topic, _)| matches!(topic, Topic::Agent(_)));
        agents.map(|(_, place)| place.taken).sum()
    }

    /// Wakes everybody for the last time.
    pub(crate) fn close(&self) {
        let mut places = lock(&self.waiters.places);
        places.closed = true;
        for place in places.topics.values() {
            place.news.notify_waiters();
        }
    }
}

impl Waiter {
    /// Waits for news. Whatever is written after it returned wakes its holder the next time.
    pub(crate) async fn until(&mut self, deadline: Instant) -> Woken {
        if lock(&self.waiters.places).closed {
            return Woken::Closing;
        }
        let woken = timeout_at(deadline, self.news.as_mut()).await;
        self.news = Box::pin(Arc::clone(&self.place).notified_owned());
        match woken {
            _ if lock(&self.waiters.places).closed => Woken::Closing,
            Ok(()) => Woken::News,
            Err(_) => Woken::Late,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiters.leave(self.party, &self.topic);
    }
}

impl Places {
    fn leave(&mut self, party: Id, kind: TopicKind) {
        if let Entry::Occupied(mut of_party) = self.of_parties.entry((party, kind)) {
            *of_party.get_mut() -= 1;
            if *of_party.get() == 0 {
                of_party.remove();
            }
        }
    }
}

impl Waiters {
    fn enter(&self, party: Id, topic: Topic) -> Result<Arc<Notify>, TooManyWait> {
        let mut places = lock(&self.places);
        let kind = topic.kind();
        let of_party = places.of_parties.get(&(party, kind)).copied();
        if of_party.unwrap_or_default() >= kind.most_of_party() {
            return Err(TooManyWait::OfParty(kind.most_of_party()));
        }
        if places.taken >= MAX_WAITERS {
            return Err(TooManyWait::InAll);
        }
        *places.of_parties.entry((party, kind)).or_default() += 1;
        places.taken += 1;
        if places.taken == 1 {
            self.first.notify_one();
        }
        let place = places.topics.entry(topic).or_default();
        place.taken += 1;
        Ok(Arc::clone(&place.news))
    }

    fn leave(&self, party: Id, topic: &Topic) {
        let mut places = lock(&self.places);
        places.taken = places.taken.saturating_sub(1);
        places.leave(party, topic.kind());
        let Some(place) = places.topics.get_mut(topic) else {
            return;
        };
        place.taken = place.taken.saturating_sub(1);
        if place.taken == 0 {
            places.topics.remove(topic);
        }
    }

    fn wake(&self, notes: &[Note]) {
        let places = lock(&self.places);
        for note in notes {
            let of_agent = note.agent.clone().map(Topic::Agent);
            let concerned = [Some(Topic::Job(note.job.clone())), of_agent];
            let concerned = concerned.iter().flatten();
            for place in concerned.filter_map(|topic| places.topics.get(topic)) {
                place.news.notify_waiters();
            }
        }
    }

    fn has_any(&self) -> bool {
        lock(&self.places).taken > 0
    }

    async fn until_there_is_one(&self) {
        while !self.has_any() {
            self.first.notified().await;
        }
    }
}

/// Asks the store while somebody waits.
async fn poll(events: Arc<dyn Events>, waiters: Arc<Waiters>, pace: Duration) {
    loop {
        waiters.until_there_is_one().await;
        let mut tail = Tail::default();
        let mut was_good = true;
        while waiters.has_any() {
            match tail.read(&*events, Instant::now()).await {
                Ok(notes) => {
                    waiters.wake(&notes);
                    was_good = true;
                }
                Err(error) if was_good => {
                    tracing::warn!(cause = %error, "the store does not say what is new");
                    was_good = false;
                }
                Err(_) => {}
            }
            sleep(pace).await;
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
