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
    let wait = |topic| hub.wait_for(topic).unwrap();
    let of_job = wait(Topic::Job(job.clone()));
    let of_agent = wait(Topic::Agent(agent.clone()));
    let also_of_agent = wait(Topic::Agent(agent.clone()));
    let of_other = wait(Topic::Agent(other));
    events.write(note(1, job, Some(agent)));
    assert_eq!(of_job.until(late()).await, Woken::News);
    assert_eq!(of_agent.until(late()).await, Woken::News);
    assert_eq!(also_of_agent.until(late()).await, Woken::News);
    assert_eq!(of_other.until(shortly()).await, Woken::Late);
    assert!(lock(&hub.waiters.places).topics.is_empty());
}

#[tokio::test]
async fn what_this_process_wrote_wakes_without_the_store() {
    let (events, hub) = hub();
    events.is_away.store(true, Ordering::SeqCst);
    let agent = agent();
    let waiter = hub.wait_for(Topic::Agent(agent.clone())).unwrap();
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
    let waiter = hub.wait_for(Topic::Job(job.clone())).unwrap();
    sleep(4 * SOON).await;
    assert!(events.asked() > 1);
    events.write(note(1, job, None));
    events.is_away.store(false, Ordering::SeqCst);
    assert_eq!(waiter.until(late()).await, Woken::News);
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
    let waiter = two.wait_for(Topic::Agent(agent.clone())).unwrap();
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
        hub.until(topic.clone(), late(), look).await,
        Ok(Some("there"))
    );
    assert_eq!(looks.load(Ordering::SeqCst), 3);
    let nothing = || async { Ok::<Option<()>, TooManyWait>(None) };
    assert_eq!(hub.until(topic, shortly(), nothing).await, Ok(None));
}

#[tokio::test]
async fn the_end_wakes_everybody_and_there_is_a_limit() {
    let (_events, hub) = hub();
    let waiter = hub.wait_for(Topic::Job(job())).unwrap();
    let ended = tokio::spawn(waiter.until(late()));
    tokio::task::yield_now().await;
    hub.close();
    assert_eq!(ended.await.unwrap(), Woken::Closing);
    let after = hub.wait_for(Topic::Job(job())).unwrap();
    assert_eq!(after.until(late()).await, Woken::Closing);
    let topic = Topic::Agent(agent());
    let all: Vec<_> = (0..MAX_WAITERS)
        .map(|_| hub.wait_for(topic.clone()).unwrap())
        .collect();
    assert_eq!(hub.wait_for(topic.clone()).err(), Some(TooManyWait));
    drop(all);
    assert!(hub.wait_for(topic).is_ok());
}
