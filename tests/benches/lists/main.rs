//! Whether lists stay as fast as they are while what is listed grows: pages of receipts and jobs, an account and a
//! provider's statement, over HTTP, with a thousand, a hundred thousand and a million receipts of one tenant.
//!
//! ```sh
//! tests/postgres/with cargo bench -p tests --bench lists       # without PostgreSQL: over SQLite alone
//! ```
//!
//! Rows are made by bulk SQL, one job, assignment, receipt, bundle and payment for each, a million of them in a year of the
//! verifier's time, with short bodies and tokens, which lists do not read. One client asks on one connection, as often as `ASKED`
//! says, the questions in turn; the time is from the request to the last byte of the answer, for the whole statement to
//! the first. `POGW_LISTS_MOST` bounds the number of rows.

mod seed;

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use tests::market::{Party, new_database, party};
use tests::process::Verifier;
use tests::scene::AS_OF;
use tests::served::{AUDIENCE, ISSUER};

use seed::{Database, Seed};

const SIZES: [i64; 3] = [1_000, 100_000, 1_000_000];
/// How often each question is asked.
const ASKED: usize = 200;
/// Entries of a statement over a short period, about.
const ENTRIES: i64 = 100;

#[tokio::main]
async fn main() {
    println!(
        "{:<10}{:>9}  {:<44}{:>9}{:>9}",
        "database", "receipts", "question", "p50", "p99"
    );
    measure("SQLite", None).await;
    match new_database() {
        Some(url) => measure("PostgreSQL", Some(url)).await,
        None => println!("no PostgreSQL: see tests/postgres/with"),
    }
}

async fn measure(name: &str, url: Option<String>) {
    let folder = tempfile::tempdir().expect("folder");
    let mut verifier = verifier(folder.path(), url.as_deref());
    verifier.start().await;
    let client = Client::builder().no_proxy().build().expect("client");
    let token = std::fs::read_to_string(folder.path().join("state/operator-token"));
    let token = token.expect("operator token");
    let tenant = party(&client, &verifier.url, token.trim_end(), "tenant").await;
    let provider = party(&client, &verifier.url, token.trim_end(), "provider").await;
    let sqlite = folder.path().join("state/verifier.sqlite");
    let mut seed = Seed::new(&tenant.id, &provider.id, AS_OF.secs());
    for size in SIZES.into_iter().filter(|size| *size <= most()) {
        verifier.kill();
        let begun = Instant::now();
        let mut database = Database::open(url.as_deref(), &sqlite).await;
        seed.grow(&mut database, size).await;
        drop(database);
        println!(
            "{name:<10}{size:>9}  made in {:.1} s",
            begun.elapsed().as_secs_f64()
        );
        verifier.start().await;
        let questions = questions(&client, &verifier.url, (&tenant, &provider), &seed).await;
        ask(name, size, &client, questions).await;
    }
}

/// The largest size that is measured.
fn most() -> i64 {
    let most = std::env::var("POGW_LISTS_MOST").ok();
    most.map_or(i64::MAX, |text| text.parse().expect("a number"))
}

/// At a time just after the last row there will ever be.
fn verifier(folder: &Path, url: Option<&str>) -> Verifier {
    let store = url.map(|url| format!("[store]\nurl = {url:?}\n"));
    let settings = format!(
        "state_dir = {:?}\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\n{}",
        folder.join("state"),
        store.unwrap_or_default()
    );
    let program = env!("CARGO_BIN_EXE_verifier-under-test");
    Verifier::new(program, folder, "verifier", &settings, Some(AS_OF))
}

/// Something that is asked again and again.
struct Question {
    name: &'static str,
    url: String,
    key: String,
    /// Whether the first bytes are waited for, or all.
    is_begun: bool,
    times: Vec<Duration>,
}

impl Question {
    fn new(name: &'static str, party: &Party, url: String) -> Self {
        Self {
            name,
            url,
            key: party.key.clone(),
            is_begun: false,
            times: Vec::new(),
        }
    }

    async fn ask(&mut self, client: &Client) {
        let begun = Instant::now();
        let answer = client.get(&self.url).bearer_auth(&self.key).send().await;
        let mut answer = answer.expect("answer");
        assert_eq!(answer.status(), 200, "{}", self.url);
        match self.is_begun {
            true => drop(answer.chunk().await.expect("a chunk")),
            false => drop(answer.bytes().await.expect("an answer")),
        }
        self.times.push(begun.elapsed());
    }

    /// Of so many hundred, in milliseconds.
    fn percentile(&mut self, of_hundred: usize) -> f64 {
        self.times.sort_unstable();
        let at = (self.times.len() * of_hundred / 100).min(self.times.len() - 1);
        self.times[at].as_secs_f64() * 1e3
    }
}

async fn questions(
    client: &Client,
    url: &str,
    (tenant, provider): (&Party, &Party),
    seed: &Seed,
) -> Vec<Question> {
    let middle = seed.middle();
    let page = |list: &str, cursor: &str| format!("{url}/v1/{list}?limit=50{cursor}");
    let deep = format!("&cursor={middle}");
    let statement = format!("{url}/v1/providers/{}/statement", provider.id);
    let period = |from: i64| {
        let [from, to] = [from, from + ENTRIES * seed::EVERY_S].map(seed::rfc3339);
        format!("{statement}?from={from}&to={to}")
    };
    let mut all = vec![
        Question::new("receipts, first page", tenant, page("receipts", "")),
        Question::new(
            "receipts, page in the middle",
            tenant,
            page("receipts", &deep),
        ),
        Question::new("jobs, first page", tenant, page("jobs", "")),
        Question::new("jobs, page in the middle", tenant, page("jobs", &deep)),
        Question::new(
            "account of the tenant",
            tenant,
            format!("{url}/v1/accounts/{}", tenant.id),
        ),
        Question::new(
            "statement, last 100 entries",
            provider,
            period(seed.last() - ENTRIES * seed::EVERY_S),
        ),
        Question::new(
            "statement, 100 entries in the middle",
            provider,
            period(seed.half()),
        ),
        Question {
            is_begun: true,
            ..Question::new(
                "whole statement, to the first bytes",
                provider,
                statement.clone(),
            )
        },
    ];
    for question in &mut all {
        shows_something(client, question).await;
    }
    all
}

/// That the answer is about what was made, once before anything is measured.
async fn shows_something(client: &Client, question: &Question) {
    if question.is_begun {
        return;
    }
    let answer = client.get(&question.url).bearer_auth(&question.key).send();
    let answer: Value = answer.await.expect("answer").json().await.expect("JSON");
    let lists = ["receipts", "jobs", "entries", "balances"].map(|name| answer[name].as_array());
    let length = lists.into_iter().flatten().next().map_or(0, Vec::len);
    assert!(length > 0, "{}: {answer:#}", question.name);
}

async fn ask(database: &str, size: i64, client: &Client, mut questions: Vec<Question>) {
    for _ in 0..ASKED {
        for question in &mut questions {
            question.ask(client).await;
        }
    }
    for question in &mut questions {
        let name = question.name;
        let (p50, p99) = (question.percentile(50), question.percentile(99));
        println!("{database:<10}{size:>9}  {name:<44}{p50:>6.2} ms{p99:>6.2} ms");
    }
}
