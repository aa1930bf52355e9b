mod load;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::id::Id;
use crate::store::StoreError;

const SOON: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(20);

/// Events that are written by the test.
#[derive(Default)]
pub(super) struct Written {
    notes: Mutex<BTreeMap<i64, Note>>,
    asked: AtomicUsize,
    is_away: std::sync::atomic::AtomicBool,
}

impl Written {
    pub(super) fn write(&self, note: Note) {
        lock(&self.notes).insert(note.number, note);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn answer<'a, T: Send + 'a>(&'a self, answer: T) -> Answer<'a, T> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let is_away = self.is_away.load(Ordering::SeqCst);
        Box::pin(async move {
            match is_away {
                true => Err(StoreError::Unavailable(sqlx::Error::PoolClosed)),
                false => Ok(answer),
            }
        })
    }
}

impl Events for Written {
    fn last(&self) -> Answer<'_, i64> {
        let last = lock(&self.notes).last_key_value().map_or(0, |(n, _)| *n);
        self.answer(last)
    }

    fn after(&self, number: i64, limit: u32) -> Answer<'_, Vec<Note>> {
        let limit = usize::try_from(limit).unwrap();
        let notes = lock(&self.notes);
        let page = notes
            .range(number + 1..)
            .take(limit)
            .map(|(_, note)| note.clone());
        self.answer(page.collect())
    }
}

fn hub() -> (Arc<Written>, Hub) {
    let events = Arc::<Written>::default();
    let hub = Hub::with_pace(Arc::clone(&events) as Arc<dyn Events>, SOON);
    (events, hub)
}

pub(super) fn job() -> JobId {
    Id::random().into()
}

pub(super) fn party() -> Id {
    Id::random()
}

fn agent() -> AgentId {
    Id::random().into()
}

fn note(number: i64, job: JobId, agent: Option<AgentId>) -> Note {
    Note { number, job, agent }
}

fn late() -> Instant {
    Instant::now() + LONG
}

fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(60)
}

#[tokio::test]
async fn those_concerned_wake_and_nobody_else() {
    let (events, hub) = hub();
    let (job, agent, other) = (job(), agent(), agent());
    let wait = |topic| hub.wait_for(party(), topic).unwrap();
    let mut of_job = wait(Topic::Job(job.clone()));
    let mut of_agent = wait(Topic::Agent(agent.clone()));
    let mut also_of_agent = wait(Topic::Agent(agent.clone()));
    let mut of_other = wait(Topic::Agent(other));
    events.write(note(1, job, Some(agent)));
    assert_eq!(of_job.until(late()).await, Woken::News);
    assert_eq!(of_agent.until(late()).await, Woken::News);
    assert_eq!(also_of_agent.until(late()).await, Woken::News);
    assert_eq!(of_other.until(shortly()).await, Woken::Late);
    drop((of_job, of_agent, also_of_agent, of_other));
    let places = lock(&hub.waiters.places);
    assert!(places.topics.is_empty() && places.of_parties.is_empty());
}

#[tokio::test]
async fn what_this_process_wrote_wakes_without_the_store() {
    let (events, hub) = hub();
    events.is_away.store(true, Ordering::SeqCst);
    let agent = agent();
    let mut waiter = hub.wait_for(party(), Topic::Agent(agent.clone())).unwrap();
    // Before anybody waits for it: a wake-up between looking and waiting is not lost.
    hub.wrote(&[note(1, job(), Some(agent))]);
    assert_eq!(waiter.until(late()).await, Woken::News);
}

#[tokio::test]
async fn the_store_is_asked_while_somebody_waits_and_survives_its_outage() {
    let (events, hub) = hub();
    let job = job();
    sleep(4 * SOON).await;
    assert_eq!(events.asked(), 0, "nobody waits");
    events.is_away.store(true, Ordering::SeqCst);
    let mut waiter = hub.wait_for(party(), Topic::Job(job.clone())).unwrap();
    sleep(4 * SOON).await;
    assert!(events.asked() > 1);
    events.write(note(1, job, None));
    events.is_away.store(false, Ordering::SeqCst);
    assert_eq!(waiter.until(late()).await, Woken::News);
    drop(waiter);
    sleep(4 * SOON).await;
    let asked = events.asked();
    sleep(10 * SOON).await;
    assert_eq!(events.asked(), asked, "nobody waits any more");
}

#[tokio::test]
async fn two_verifiers_on_one_store() {
    let (events, one) = hub();
    let two = Hub::with_pace(Arc::clone(&events) as Arc<dyn Events>, SOON);
    let agent = agent();
    let mut waiter = two.wait_for(party(), Topic::Agent(agent.clone())).unwrap();
    let written = note(7, job(), Some(agent));
    events.write(written.clone());
    one.wrote(&[written]);
    assert_eq!(waiter.until(late()).await, Woken::News);
}

#[tokio::test]
async fn looking_comes_before_waiting_and_after_each_wake_up() {
    let (_events, hub) = hub();
    let topic = Topic::Job(job());
    let looks = AtomicUsize::new(0);
    let look = || {
        let look = looks.fetch_add(1, Ordering::SeqCst);
        let Topic::Job(job) = &topic else { panic!() };
        // The first two wake-ups are for nothing.
        if look < 2 {
            hub.wrote(&[note(1, job.clone(), None)]);
        }
        async move { Ok::<_, TooManyWait>((look == 2).then_some("there")) }
    };
    assert_eq!(
        hub.until(party(), topic.clone(), late(), look).await,
        Ok(Some("there"))
    );
    assert_eq!(looks.load(Ordering::SeqCst), 3);
    let nothing = || async { Ok::<Option<()>, TooManyWait>(None) };
    assert_eq!(
        hub.until(party(), topic, shortly(), nothing).await,
        Ok(None)
    );
}

#[tokio::test]
async fn the_end_wakes_everybody_and_there_is_a_limit() {
    let (_events, hub) = hub();
    let mut waiter = hub.wait_for(party(), Topic::Job(job())).unwrap();
    let ended = tokio::spawn(async move { waiter.until(late()).await });
    tokio::task::yield_now().await;
    hub.close();
    assert_eq!(ended.await.unwrap(), Woken::Closing);
    let mut after = hub.wait_for(party(), Topic::Job(job())).unwrap();
    assert_eq!(after.until(late()).await, Woken::Closing);
    drop(after);
    let topic = Topic::Agent(agent());
    let all: Vec<_> = (0..MAX_WAITERS)
        .map(|_| hub.wait_for(party(), topic.clone()).unwrap())
        .collect();
    let refused = hub.wait_for(party(), topic.clone()).err();
    assert_eq!(refused, Some(TooManyWait::InAll));
    drop(all);
    assert!(hub.wait_for(party(), topic).is_ok());
}

#[tokio::test]
async fn no_party_takes_all_places() {
    let (_events, hub) = hub();
    let (greedy, other) = (party(), party());
    for (topic, most) in [
        (Topic::Job(job()), MAX_OF_PARTY_ON_JOBS),
        (Topic::Agent(agent()), MAX_OF_PARTY_ON_AGENTS),
    ] {
        let wait = |party| hub.wait_for(party, topic.clone());
        let mut all: Vec<_> = (0..most).map(|_| wait(greedy).unwrap()).collect();
        assert_eq!(wait(greedy).err(), Some(TooManyWait::OfParty(most)));
        assert!(wait(other).is_ok());
        // Who leaves makes room for one.
        all.pop();
        all.push(wait(greedy).unwrap());
        assert_eq!(wait(greedy).err(), Some(TooManyWait::OfParty(most)));
    }
    const { assert!(2 * (MAX_OF_PARTY_ON_JOBS + MAX_OF_PARTY_ON_AGENTS) < MAX_WAITERS) };
    let problem = Problem::from(TooManyWait::OfParty(7));
    assert_eq!(problem.code(), "too_many_waiting");
}
