//! Many jobs while verifier and agents are killed at random: every job ends, none is paid twice, none is lost.
//!
//! ```sh
//! POGW_SOAK_JOBS=1000 POGW_SOAK_KILLS=100 cargo test --release -p tests --test market soak -- --ignored --nocapture
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::scene::gemm;

use crate::place::{FUNDS, Market, PRICE, audited, has_ended};

/// Jobs that are under way at one time: as many as four agents take, so that some are declined and offered to others.
const UNDER_WAY: usize = 16;
/// From a job to its last commitment, seconds. One that finds no second agent goes on with one.
const DEADLINE_S: u32 = 270;
/// The longest time without the end of a job.
const PATIENCE: Duration = Duration::from_secs(600);

struct Soak {
    market: Market,
    /// Names of all jobs, in the order in which they were taken.
    jobs: Vec<String>,
    /// Those that have not ended.
    open: Vec<String>,
    ended: Vec<Value>,
    verifier_kills: usize,
    agent_kills: usize,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: see tests/README.md"]
async fn soak_on_sqlite() {
    soak(None).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and needs PostgreSQL: see tests/README.md"]
async fn soak_on_postgres() {
    soak(Some(crate::books::new_database().await)).await;
}

async fn soak(store_url: Option<String>) {
    let (jobs, kills) = (
        setting("POGW_SOAK_JOBS", 100),
        setting("POGW_SOAK_KILLS", 20),
    );
    let mut market = Market::open(store_url).await;
    let providers = market.four_agents().await;
    let mut soak = Soak {
        market,
        jobs: Vec::new(),
        open: Vec::new(),
        ended: Vec::new(),
        verifier_kills: 0,
        agent_kills: 0,
    };
    let started = Instant::now();
    let mut moved = started;
    while soak.ended.len() < jobs {
        soak.offer(jobs).await;
        if soak.look().await {
            moved = Instant::now();
        }
        let waits = moved.elapsed() < PATIENCE;
        assert!(waits, "do not end: {:?}", soak.open);
        // Spread over the whole run.
        if soak.kills() * jobs < kills * soak.ended.len() {
            soak.kill().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{}", soak.figures(started.elapsed()));
    soak.is_whole(jobs).await;
    let mut earned = 0;
    for provider in &providers {
        earned += soak.market.balance(provider).await - FUNDS;
    }
    assert_eq!(
        earned,
        FUNDS - soak.market.balance(&soak.market.tenant).await
    );
}

impl Soak {
    const fn kills(&self) -> usize {
        self.verifier_kills + self.agent_kills
    }

    /// Offers jobs until enough are under way. One that got no answer is offered again, under the same key.
    async fn offer(&mut self, all: usize) {
        let mut terms = audited(2);
        terms["deadline_s"] = json!(DEADLINE_S);
        let body = json!({ "spec": gemm(64, "[]"), "terms": terms });
        while self.open.len() < UNDER_WAY && self.jobs.len() < all {
            let key = format!("soak-{}", self.jobs.len());
            let Some(job) = self.market.job_once(&key, &body).await else {
                return;
            };
            assert!(!self.jobs.contains(&job), "{job} was taken for two");
            self.jobs.push(job.clone());
            self.open.push(job);
        }
    }

    /// Whether a job has ended since the last look.
    async fn look(&mut self) -> bool {
        let before = self.ended.len();
        let mut open = Vec::new();
        for job in std::mem::take(&mut self.open) {
            match self.market.seen(&job).await {
                Some(seen) if has_ended(&seen) => self.ended.push(seen),
                _ => open.push(job),
            }
        }
        self.open = open;
        self.ended.len() > before
    }

    /// Kills somebody, the verifier every third time, and starts it again after up to half a second.
    async fn kill(&mut self) {
        let [who, pause] = random();
        let pause = Duration::from_millis(u64::from(pause) * 2);
        if who % 3 == 0 {
            self.verifier_kills += 1;
            self.market.kill_verifier();
            tokio::time::sleep(pause).await;
            self.market.start_verifier().await;
        } else {
            self.agent_kills += 1;
            let agent = usize::from(who) % self.market.agents();
            self.market.kill_agent(agent);
            tokio::time::sleep(pause).await;
            self.market.start_agent(agent);
        }
    }

    fn count(&self, status: &str) -> usize {
        self.ended
            .iter()
            .filter(|job| job["status"] == status)
            .count()
    }

    /// The codes of jobs that failed, and how many failed by each.
    fn failures(&self) -> BTreeMap<&str, usize> {
        let mut failures = BTreeMap::new();
        for job in self.ended.iter().filter(|job| job["status"] == "failed") {
            let code = job["code"].as_str().unwrap_or("without a code");
            *failures.entry(code).or_default() += 1;
        }
        failures
    }

    fn figures(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        format!(
            "{} jobs in {seconds:.0} s ({:.1}/s): {} settled, {} failed {:?}, {} by one replica alone; \
             {} kills of the verifier, {} of agents",
            self.ended.len(),
            self.ended.len() as f64 / seconds,
            self.count("settled"),
            self.count("failed"),
            self.failures(),
            self.ended.iter().filter(|job| job["agreeing"] == 1).count(),
            self.verifier_kills,
            self.agent_kills,
        )
    }

    /// No job is lost, none failed, and the books show one payment for each accepted replica.
    async fn is_whole(&self, jobs: usize) {
        assert_eq!(self.count("settled"), jobs, "settled");
        let paid = self
            .ended
            .iter()
            .flat_map(|job| job["assignments"].as_array().unwrap());
        let paid = paid.filter(|one| one["status"] == "paid").count();
        let paid = i64::try_from(paid).unwrap();
        let mut books = self.market.books().await;
        assert_eq!(
            books.number("SELECT count(*) FROM jobs").await,
            i64::try_from(jobs).unwrap()
        );
        assert_eq!(books.transfers("pay").await, paid);
        assert_eq!(books.transfers("slash").await, 0);
        books.are_closed().await;
        assert_eq!(
            self.market.balance(&self.market.tenant).await,
            FUNDS - paid * PRICE
        );
    }
}

fn setting(name: &str, otherwise: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}

fn random() -> [u8; 2] {
    let mut bytes = [0; 2];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}
