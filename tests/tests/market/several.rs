//! Two verifiers, each a process, on one PostgreSQL: what is done at one is done for both, and done once.

use std::time::{Duration, Instant};

use evidence::work::JobSpec;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::process::Verifier;
use tests::scene::{AS_OF, Scene, gemm};
use tests::served::{AUDIENCE, Challenge, ISSUER, Requests};
use tests::world::validate;

use crate::books::new_database;
use crate::liar::Liar;
use crate::place::{FUNDS, Market, PRICE, audited};

/// How long what one verifier was told takes at most to count at the other. Both look once a second; a machine with too
/// much to do may be late.
const SOON: Duration = Duration::from_secs(5);
/// Challenges that are raced for.
const RACES: usize = 6;
/// Requests at the same moment.
const RACERS: usize = 16;
/// Jobs of the market.
const JOBS: usize = 24;
/// A policy that grants nothing.
const NOTHING: &str =
    "package pogw\nimport rego.v1\ndeny contains {\"code\": \"closed\", \"message\": \"closed\"}\n";

/// Two verifiers that trust one software device, at the time of its evidence.
struct Pair {
    verifiers: [Verifier; 2],
    scene: Scene,
    _folder: TempDir,
}

impl Pair {
    async fn open() -> Self {
        let (scene, folder) = (Scene::new(), tempfile::tempdir().unwrap());
        let collateral = scene.collateral_dir();
        let settings = format!(
            "state_dir = {:?}\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\n[store]\nurl = {:?}\n\
             [appraisal]\nrim_dir = {collateral:?}\nsimulated_anchors = [{:?}]\n[appraisal.ocsp]\ndir = {:?}\n",
            folder.path().join("state"),
            new_database().await,
            collateral.join("anchors.toml"),
            collateral.join("ocsp"),
        );
        let program = env!("CARGO_BIN_EXE_verifier-under-test");
        let mut verifiers = ["one", "other"]
            .map(|name| Verifier::new(program, folder.path(), name, &settings, Some(AS_OF)));
        for verifier in &mut verifiers {
            verifier.start().await;
        }
        Self {
            verifiers,
            scene,
            _folder: folder,
        }
    }

    fn clients(&self) -> [Requests; 2] {
        self.verifiers
            .each_ref()
            .map(|verifier| Requests::new(&verifier.url))
    }

    /// Bundles that answer a challenge, all good, all different.
    fn bundles<const N: usize>(&self, challenge: &Challenge) -> [Vec<u8>; N] {
        std::array::from_fn(|_| {
            let unsigned = self.scene.unsigned(job(), challenge.value);
            self.scene.sign(unsigned).1
        })
    }
}

fn job() -> JobSpec {
    gemm(16, "[]")
}

/// What a verifier says to a bundle.
#[derive(Debug)]
struct Said {
    bundle: usize,
    status: u16,
    text: String,
}

/// Sends bundles in turn to both verifiers, all at the same moment.
async fn race(clients: &[Requests; 2], bundles: &[Vec<u8>], racers: usize) -> Vec<Said> {
    let all = (0..racers).map(|n| {
        let (client, bundle) = (clients[n % 2].clone(), n / 2 % bundles.len());
        let body = bundles[bundle].clone();
        tokio::spawn(async move {
            let (status, text) = submit(&client, &body).await;
            Said {
                bundle,
                status,
                text,
            }
        })
    });
    let mut said = Vec::new();
    for one in all.collect::<Vec<_>>() {
        said.push(one.await.unwrap());
    }
    said
}

/// One made the receipt; the same bundle got the same bytes wherever it was sent, any other a conflict.
fn one_won(said: &[Said]) -> &Said {
    let made: Vec<_> = said.iter().filter(|one| one.status == 201).collect();
    let [winner] = made.as_slice() else {
        panic!("expected one receipt: {said:#?}");
    };
    for one in said {
        match one.bundle == winner.bundle {
            true => assert!(
                one.status <= 201 && one.text == winner.text,
                "{one:?} {winner:?}"
            ),
            false => assert!(
                one.status == 409 && one.text.contains("challenge_spent"),
                "{one:?}"
            ),
        }
    }
    winner
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_challenge_answered_at_both_gives_one_receipt() {
    let pair = Pair::open().await;
    let clients = pair.clients();
    for round in 0..RACES {
        // Asked for at one, answered at both.
        let challenge = clients[round % 2].challenge(&pair.scene, &job()).await;
        let two: [Vec<u8>; 2] = pair.bundles(&challenge);
        let first = at_both(&clients, &two).await;
        let winner = one_won(&first);
        // Afterwards both know.
        let again = submit(&clients[1 - round % 2], &two[winner.bundle]).await;
        assert_eq!((again.0, &again.1), (200, &winner.text));
        let loser = submit(&clients[round % 2], &two[1 - winner.bundle]).await;
        assert_eq!(loser.0, 409, "{loser:?}");
    }
}

/// Each bundle at its own verifier.
async fn at_both(clients: &[Requests; 2], bundles: &[Vec<u8>; 2]) -> [Said; 2] {
    let at = |n: usize| submit(&clients[n], &bundles[n]);
    let (first, second) = tokio::join!(at(0), at(1));
    let said = |bundle, (status, text)| Said {
        bundle,
        status,
        text,
    };
    [said(0, first), said(1, second)]
}

async fn submit(client: &Requests, bundle: &[u8]) -> (u16, String) {
    let answer = client.submit(bundle.to_vec()).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_bundle_sent_to_both_gets_the_same_receipt_from_both() {
    let pair = Pair::open().await;
    let clients = pair.clients();
    for _ in 0..RACES {
        let challenge = clients[0].challenge(&pair.scene, &job()).await;
        let [bundle]: [Vec<u8>; 1] = pair.bundles(&challenge);
        let said = race(&clients, &[bundle], 2).await;
        let token = &one_won(&said).text;
        // Both sign with one key: the set of either verifies what any of them issued.
        for client in &clients {
            let set = client.get("/.well-known/jwks.json").await;
            validate(&set.text().await.unwrap(), token, AS_OF).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn of_many_racers_over_both_one_wins() {
    let pair = Pair::open().await;
    let clients = pair.clients();
    for _ in 0..RACES {
        let challenge = clients[0].challenge(&pair.scene, &job()).await;
        let bundles: [Vec<u8>; 4] = pair.bundles(&challenge);
        let said = race(&clients, &bundles, RACERS).await;
        let winner = one_won(&said);
        let same = said.iter().filter(|one| one.bundle == winner.bundle);
        assert_eq!(same.count(), RACERS / bundles.len());
    }
}

/// A market with two verifiers.
async fn market() -> Market {
    let mut market = Market::open(Some(new_database().await)).await;
    market.another_verifier().await;
    market
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn agents_split_over_both_get_each_assignment_once_and_are_paid_once() {
    let mut market = market().await;
    let providers = market.four_agents().await;
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        market.speak_to(n % 2);
        jobs.push(market.job(&gemm(16, "[]"), &audited(2)).await);
    }
    for (n, job) in jobs.iter().enumerate() {
        // At the other than it was offered at.
        market.speak_to(1 - n % 2);
        let settled = market.until(job, "settled").await;
        assert_eq!(settled["agreeing"], 2, "{settled:#}");
    }
    let replicas = 2 * i64::try_from(JOBS).unwrap();
    let mut books = market.books().await;
    books.are_closed().await;
    assert_eq!(books.transfers("pay").await, replicas);
    assert_eq!(books.transfers("slash").await, 0);
    for (wrong, sql) in HANDED_OUT_TWICE {
        assert_eq!(books.number(sql).await, 0, "{wrong}");
    }
    let mut earned = 0;
    for provider in &providers {
        earned += market.balance(provider).await - FUNDS;
    }
    assert_eq!(earned, replicas * PRICE);
    assert_eq!(
        market.balance(&market.tenant).await,
        FUNDS - replicas * PRICE
    );
}

/// Seen from the history, which every verifier wrote a part of.
const HANDED_OUT_TWICE: [(&str, &str); 4] = [
    (
        "assignments taken more than once",
        "SELECT count(*) FROM (SELECT body::json->>'assignment' AS a FROM events WHERE kind = 'assignment_leased'
           GROUP BY 1 HAVING count(*) <> 1) AS t",
    ),
    (
        "jobs that more agents worked on than there are replicas",
        "SELECT count(*) FROM (SELECT job FROM events WHERE kind = 'assignment_leased'
           GROUP BY job HAVING count(*) <> 2) AS t",
    ),
    (
        "agents that worked twice on one job",
        "SELECT count(*) FROM (SELECT job, agent FROM assignments WHERE status = 'paid'
           GROUP BY job, agent HAVING count(*) > 1) AS t",
    ),
    (
        "jobs that were settled more than once, or accepted",
        "SELECT count(*) FROM (SELECT job, kind FROM events WHERE kind IN ('job_settled', 'job_accepted')
           GROUP BY job, kind HAVING count(*) > 1) AS t",
    ),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn an_offer_taken_at_both_at_once_is_one_lease_and_nobody_elses() {
    let mut market = market().await;
    let urls = market.urls();
    let mut hosts = Vec::new();
    for place in 0..2 {
        market.speak_to(place);
        let provider = market.provider().await;
        hosts.push(Liar::enrol(&market, &provider, place).await);
    }
    let [mut one, mut other] = <[Liar; 2]>::try_from(hosts).ok().unwrap();
    market.job(&gemm(16, "[]"), &audited(2)).await;
    // Each asks another verifier, and gets a replica of its own.
    let offer = one.offer().await;
    assert_ne!(other.offer().await.assignment, offer.assignment);
    let takes = |n: usize| one.accept_at(&urls[n % 2], &offer);
    let thefts = |n: usize| other.accept_at(&urls[n % 2], &offer);
    let (a, b, c, d, e, f) =
        tokio::join!(takes(0), takes(1), thefts(0), thefts(1), takes(2), takes(3));
    let mut leases = Vec::new();
    for answer in [a, b, e, f] {
        assert_eq!(answer.status(), 200);
        leases.push(answer.json::<Value>().await.unwrap()["challenge"].clone());
    }
    assert!(leases.iter().all(|lease| *lease == leases[0]), "{leases:?}");
    for answer in [c, d] {
        assert_eq!(code(answer).await, "assignment_unknown");
    }
    assert_eq!(market.books().await.transfers("stake").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_policy_activated_at_one_decides_at_the_other_soon() {
    let mut market = market().await;
    let put = market.operated(Method::PUT, "/v1/policies/nothing");
    let put = put.header("content-type", "text/x-rego").body(NOTHING);
    assert_eq!(put.send().await.unwrap().status(), 201);
    for (at, policy) in [(0, "nothing"), (1, "default"), (0, "strict")] {
        market.speak_to(at);
        let path = format!("/v1/policies/{policy}/versions/1/activate");
        let activated = market.operated(Method::POST, &path).send().await.unwrap();
        assert_eq!(activated.status(), 200);
        let told = Instant::now();
        market.speak_to(1 - at);
        while decides(&market).await != policy {
            assert!(told.elapsed() < SOON, "{policy} does not decide");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The policy that decides at the verifier spoken to.
async fn decides(market: &Market) -> String {
    let answer = market.operated(Method::GET, "/v1/policies").send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    answer["active"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_key_revoked_at_one_is_refused_by_the_other_at_once() {
    let mut market = market().await;
    let tenant = market.tenant.clone();
    market.speak_to(1);
    // The other has seen it good, and may have remembered that.
    assert_eq!(market.get(&tenant, "/v1/jobs").await.status(), 200);
    let keys = format!("/v1/parties/{}/keys", tenant.id);
    market.speak_to(0);
    let listed = market.operated(Method::GET, &keys).send().await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    let key = listed["keys"][0]["id"].as_str().unwrap();
    let revoke = market.operated(Method::DELETE, &format!("{keys}/{key}"));
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    market.speak_to(1);
    let refused = market.get(&tenant, "/v1/jobs").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(code(refused).await, "api_key_revoked");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_job_offered_at_one_is_followed_at_the_other() {
    let mut market = market().await;
    let job = market.job(&gemm(16, "[]"), &audited(2)).await;
    market.speak_to(1);
    let seen = market.seen(&job).await.unwrap();
    assert_eq!(seen["status"], "open");
    let path = format!("/v1/jobs/{job}/events");
    let mut events = market.get(&market.tenant, &path).await;
    until(&mut events, "event: job_created").await;
    market.speak_to(0);
    let cancel = format!("/v1/jobs/{job}/cancel");
    let cancelled = market.post(&market.tenant, &cancel, json!({})).await;
    assert_eq!(cancelled.status(), 200);
    let told = Instant::now();
    until(&mut events, "event: job_cancelled").await;
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
    market.books().await.are_closed().await;
}

/// Reads events until there is this one.
async fn until(events: &mut Response, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = tokio::time::timeout(2 * SOON, events.chunk()).await;
        let chunk = chunk.expect("the event comes").unwrap();
        let chunk = chunk.unwrap_or_else(|| panic!("expected {wanted}: {text}"));
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

async fn code(answer: Response) -> String {
    let problem: Value = answer.json().await.unwrap();
    problem["code"].as_str().unwrap().to_owned()
}
