//! What was written by a version that knew neither searches nor sizes of work is kept, and keeps its meaning.

use ::jobs::{Currency, Job, Record, Size, Workload};
use serde_json::Value;
use sqlx::{AssertSqlSafe, query};

use super::life::{FUNDS, agent, id, job_id, money, party, request};
use super::*;
use crate::private_files;
use crate::store::agents::{AgentStore, Claimed, SeenDevice};
use crate::store::books::BookStore;
use crate::store::clerk::{ClerkStore, Wanted};
use crate::store::jobs::JobStore;
use crate::store::parties::PartyStore;
use crate::store::sql::Database;

/// The last version before those that this is about, by the numbers of either database.
const BEFORE_SQLITE: usize = 13;
const BEFORE_POSTGRES: usize = 10;
/// When the job that ended did.
const ENDED_AT: i64 = 70;

/// The job that waits for agents.
fn waiting() -> Job {
    let (job, _) = (request("waiting").create)(money(FUNDS).amount).unwrap();
    job
}

/// Its text as it was written when a job did not say how much work it is.
fn body_of(job: &Job) -> String {
    let mut body: Value = serde_json::from_str(&job.to_stored().unwrap()).unwrap();
    let nature = body["job"]["nature"].as_object_mut().unwrap();
    nature.remove("operations").unwrap();
    nature.remove("given").unwrap();
    body.to_string()
}

/// What was there, with bytes in the words of the database.
fn rows(bytes: impl Fn(u8, usize) -> String) -> Vec<String> {
    let (tenant, p1, a1) = (id("tenant"), id("p1"), id("a1"));
    let (digest, body) = (bytes(1, 32), body_of(&waiting()));
    let made = "INSERT INTO jobs (id, tenant, digest, status, created_at, due_at, body) VALUES";
    vec![
        format!(
            "INSERT INTO parties (id, kind, name, created_at)
             VALUES ('{tenant}', 'tenant', 't', 1), ('{p1}', 'provider', 'p', 1)"
        ),
        format!(
            "INSERT INTO agents (id, owner, key, enrolled_at, seen_at, capacity, report)
             VALUES ('{a1}', '{p1}', {}, 1, {}, 3, 'said')",
            bytes(2, 32),
            NOW.secs()
        ),
        format!("INSERT INTO records (agent, workload, good) VALUES ('{a1}', 'kernel/gemm_i8', 7)"),
        format!(
            "INSERT INTO devices (ueid_sha256, owner, agent, first_seen_at, seen_at)
             VALUES ({}, '{p1}', '{a1}', 5, 900)",
            bytes(7, 32)
        ),
        format!("{made} ('waiting', '{tenant}', {digest}, 'open', 1000, 90000, '{body}')"),
        format!("{made} ('ended', '{tenant}', {digest}, 'settled', 5, NULL, '{body}')"),
        format!(
            "INSERT INTO assignments (id, job, agent, status, offered_at, is_open)
             VALUES ('one', 'ended', '{a1}', 'paid', 6, 0)"
        ),
        format!(
            "INSERT INTO events (job, at, kind, body)
             VALUES ('ended', 5, 'job_created', '{{}}'), ('ended', {ENDED_AT}, 'job_settled', '{{}}')"
        ),
        format!(
            "INSERT INTO documents (sha256, job, bytes) VALUES ({}, 'ended', {})",
            bytes(8, 32),
            bytes(9, 3)
        ),
        "INSERT INTO transfers (kind, key, at, currency) VALUES ('deposit', 'm/in', 50, 'EUR')".to_owned(),
        format!(
            "INSERT INTO postings (transfer, account, amount, at)
             SELECT number, 'party/{p1}/available', {FUNDS}, 50 FROM transfers"
        ),
        format!(
            "INSERT INTO accounts (name, currency, balance) VALUES ('party/{p1}/available', 'EUR', {FUNDS})"
        ),
    ]
}

#[tokio::test]
async fn what_was_there_before_is_kept_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("verifier.sqlite");
    private_files::touch(&path).unwrap();
    let old = Database::sqlite_as_of(&path, BEFORE_SQLITE).await;
    for row in rows(|byte, count| format!("x'{}'", format!("{byte:02x}").repeat(count))) {
        query(AssertSqlSafe(row)).execute(&old).await.unwrap();
    }
    old.close().await;
    means_the_same(&SqlStore::sqlite(&path).await.unwrap()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn what_was_there_before_is_kept_on_postgres() {
    let server = postgres::new_database(&postgres::server()).await;
    let old = Database::postgres_as_of(&server, BEFORE_POSTGRES).await;
    for row in rows(|byte, count| format!(r"'\x{}'", format!("{byte:02x}").repeat(count))) {
        query(AssertSqlSafe(row)).execute(&old).await.unwrap();
    }
    old.close().await;
    means_the_same(&SqlStore::postgres(&server).await.unwrap()).await;
}

async fn means_the_same(store: &SqlStore) {
    a_waiting_job_is_looked_after(store).await;
    what_a_job_left_is_kept_as_long_as_others(store).await;
    a_record_counts_where_little_is_at_stake(store).await;
    // Nobody is barred, and what belonged to whom does.
    let owner = store.party(id("p1")).await.unwrap().unwrap();
    assert_eq!(owner.barred_at, None);
    let stranger = SeenDevice {
        ueid_sha256: [7; 32],
        owner: id("tenant"),
        agent: id("a1"),
        at: NOW,
        held_since: UnixTime::from_secs(0),
    };
    let since = UnixTime::from_secs(5);
    let claimed = store.claim_device(stranger).await.unwrap();
    assert_eq!(
        claimed,
        Claimed {
            owner: id("p1"),
            since
        }
    );
    let held = store.holdings(&party("p1")).await.unwrap();
    assert_eq!(held[0].available, FUNDS);
    let before = store.opening_balances(&party("p1"), NOW).await.unwrap();
    assert_eq!(before, [(money(0).currency, FUNDS)]);
}

/// It lacks agents, and no search was made for it yet.
async fn a_waiting_job_is_looked_after(store: &SqlStore) {
    let job = store.job(&job_id("waiting")).await.unwrap().unwrap();
    assert_eq!(body_of_old(&job), body_of(&waiting()));
    assert!(job.wants_agents(NOW));
    assert_eq!(store.latest_search().await.unwrap(), Some(0));
    let tenants = store.tenants_lacking(1).await.unwrap();
    assert_eq!(tenants, [party("tenant")]);
}

/// What the older version would read of it.
fn body_of_old(job: &Job) -> String {
    assert_eq!((job.nature().operations, job.nature().given), (None, false));
    body_of(job)
}

async fn what_a_job_left_is_kept_as_long_as_others(store: &SqlStore) {
    let (ended, sha256) = (job_id("ended"), evidence::work::Hex([8; 32]));
    let kept = store.document(&ended, sha256).await.unwrap();
    assert_eq!(kept, Some(vec![9; 3]));
    let swept = async |before| {
        let before = UnixTime::from_secs(before);
        store.forget_documents(before).await.unwrap()
    };
    assert_eq!(swept(ENDED_AT).await, 0, "it counts from its last event on");
    assert_eq!(swept(ENDED_AT + 1).await, 1);
    assert_eq!(store.document(&ended, sha256).await.unwrap(), None);
    assert!(store.job(&ended).await.unwrap().is_some());
}

/// Nobody knows how much work its good results were.
async fn a_record_counts_where_little_is_at_stake(store: &SqlStore) {
    for (size, record) in [(Size::of(1), Record(7)), (Size::of(1 << 40), Record(0))] {
        let wanted = Wanted {
            now: NOW,
            since: UnixTime::from_secs(0),
            workload: Workload::of(waiting().spec()),
            size: Some(size),
            currency: Currency::parse("EUR").unwrap(),
        };
        let available = store.available(wanted).await.unwrap();
        let [one] = available.as_slice() else {
            panic!("{available:?}")
        };
        assert_eq!((&one.agent, &one.owner), (&agent("a1"), &party("p1")));
        assert_eq!((one.record, one.busy, one.funds), (record, 0, FUNDS));
    }
}
