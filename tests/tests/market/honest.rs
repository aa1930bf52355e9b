//! A market in which nobody cheats: every replica is paid once, and the receipts say what was shown.

use evidence::UnixTime;
use evidence::work::JobSpec;
use receipt::{Method, ResultCheck};
use serde_json::{Value, json};
use tests::scene::gemm;
use tests::world::validate;

use crate::on_both;
use crate::place::{FUNDS, Market, PRICE, Party, audited, terms};

pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(time::OffsetDateTime::now_utc().unix_timestamp())
}

/// What everybody has, in the order of the providers, beside what they began with.
async fn earned(market: &Market, providers: &[Party; 3]) -> [i64; 3] {
    let mut earned = [0; 3];
    for (earned, provider) in earned.iter_mut().zip(providers) {
        *earned = market.balance(provider).await - FUNDS;
    }
    earned
}

/// The providers of a settled job, all paid, all different.
fn paid(job: &Value) -> Vec<&str> {
    let assignments = job["assignments"].as_array().unwrap();
    assert!(
        assignments.iter().all(|one| one["status"] == "paid"),
        "{job:#}"
    );
    let mut providers: Vec<_> = assignments
        .iter()
        .map(|one| one["provider"].as_str().unwrap())
        .collect();
    providers.sort_unstable();
    providers.dedup();
    assert_eq!(
        providers.len(),
        assignments.len(),
        "distinct owners: {job:#}"
    );
    providers
}

/// Each provider has the price once if it took part, and nothing else has moved.
async fn is_paid_once(market: &Market, providers: &[Party; 3], job: &Value) {
    let paid = paid(job);
    let expected =
        providers
            .each_ref()
            .map(|provider| match paid.contains(&provider.id.as_str()) {
                true => PRICE,
                false => 0,
            });
    assert_eq!(earned(market, providers).await, expected);
    let spent = FUNDS - market.balance(&market.tenant).await;
    assert_eq!(spent, i64::try_from(paid.len()).unwrap() * PRICE);
}

on_both! {
    async fn two_replicas_are_paid_once_and_their_receipts_say_what_was_checked(mut market) {
        let providers = market.four_agents().await;
        let job = market.job(&gemm(64, "[]"), &audited(2)).await;
        let settled = market.until(&job, "settled").await;
        assert_eq!(settled["agreeing"], 2);
        is_paid_once(&market, &providers, &settled).await;
        let keys = market.key_set().await;
        let receipts = market.receipts(&job).await;
        assert_eq!(receipts.len(), 2);
        // Offline from here on: the tokens and the published keys are all that is needed.
        for token in &receipts {
            shows_replicas_and_audit(&keys, token);
        }
        let history = market.history(&job).await;
        let ends: Vec<_> = ["job_created", "openings_asked", "job_accepted", "job_settled"].into();
        let said: Vec<_> = history.iter().filter(|name| ends.contains(&name.as_str())).collect();
        assert_eq!(said, ends.iter().collect::<Vec<_>>(), "{history:?}");
        assert!(!history.iter().any(|name| name == "assignment_committed"), "{history:?}");
        let mut books = market.books().await;
        assert_eq!(books.transfers("pay").await, 2);
        assert_eq!(books.transfers("slash").await, 0);
        books.are_closed().await;
    }

    async fn four_kernels_are_run_by_all_three_providers(mut market) {
        let providers = market.four_agents().await;
        let mut jobs = Vec::new();
        for spec in kernels() {
            jobs.push(market.job(&spec, &terms(3)).await);
        }
        for job in &jobs {
            let settled = market.until(job, "settled").await;
            assert_eq!((settled["agreeing"].as_u64(), paid(&settled).len()), (Some(3), 3));
        }
        let each = i64::try_from(jobs.len()).unwrap() * PRICE;
        assert_eq!(earned(&market, &providers).await, [each; 3]);
        market.books().await.are_closed().await;
    }

    async fn a_job_is_submitted_and_waited_for_from_the_command_line(mut market) {
        let providers = market.four_agents().await;
        let job = json!({ "spec": gemm(64, r#"["freivalds"]"#), "terms": audited(2) });
        let file = market.file("job.json", &job.to_string());
        let submitted = pogw(&market, &["submit".as_ref(), file.as_os_str()]).await;
        let job = submitted["id"].as_str().unwrap().to_owned();
        let waited = ["wait", &job, "--until", "settled", "--timeout", "60"];
        let settled = pogw(&market, &waited.map(str::as_ref)).await;
        assert_eq!(settled["status"], "settled");
        is_paid_once(&market, &providers, &settled).await;
        market.books().await.are_closed().await;
    }

    async fn a_job_without_takers_is_cancelled_and_its_price_comes_back(market) {
        let job = market.job(&gemm(64, "[]"), &audited(2)).await;
        assert_eq!(market.balance(&market.tenant).await, FUNDS - 2 * PRICE);
        let cancelled = pogw(&market, &["cancel", &job].map(str::as_ref)).await;
        assert_eq!(cancelled["status"], "cancelled");
        assert_eq!(market.balance(&market.tenant).await, FUNDS);
        market.books().await.are_closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_of_each_provider_adds_up() {
    let mut market = Market::open(None).await;
    let providers = market.four_agents().await;
    let job = market.job(&gemm(64, "[]"), &terms(3)).await;
    market.until(&job, "settled").await;
    for provider in &providers {
        let statement = market.statement(provider, "application/json").await;
        let statement: Value = serde_json::from_str(&statement).unwrap();
        let entries = statement["entries"].as_array().unwrap();
        let amounts = entries
            .iter()
            .map(|entry| entry["amount"].as_i64().unwrap());
        let kinds: Vec<_> = entries
            .iter()
            .map(|entry| entry["kind"].as_str().unwrap())
            .collect();
        let balance = market.balance(provider).await;
        assert_eq!(amounts.sum::<i64>(), balance, "{statement:#}");
        assert_eq!(statement["closing"][0]["amount"], balance, "{statement:#}");
        assert_eq!(balance, FUNDS + PRICE);
        assert_eq!(kinds[..2], ["deposit", "stake"], "{statement:#}");
        let once = |kind| kinds.iter().filter(|name| **name == kind).count() == 1;
        assert!(
            once("pay") && once("return_stake") && kinds.len() == 4,
            "{statement:#}"
        );
        let csv = market.statement(provider, "text/csv").await;
        let lines = csv.lines().filter(|line| line.contains(&job)).count();
        assert_eq!(lines, 3, "{csv}");
    }
}

fn shows_replicas_and_audit(keys: &str, token: &str) {
    let receipt = validate(keys, token, now()).unwrap();
    let results = receipt.results();
    assert!(results.contains(&ResultCheck::Replicas), "{results:?}");
    assert!(results.contains(&ResultCheck::Audit), "{results:?}");
    let methods = &receipt.claims().pogw.methods;
    let found = |method| {
        methods
            .iter()
            .find(|finding| finding.method == method)
            .unwrap()
    };
    assert_eq!(found(Method::Replicas).agreeing.unwrap().get(), 2);
    let audit = found(Method::Audit);
    assert_eq!(audit.wrong_ppm.unwrap().get(), 50_000);
    assert!(audit.log2_error.unwrap().get() <= -20);
}

/// One of each nature: a product, a chain of products, passes over memory, steps with a trace.
fn kernels() -> Vec<JobSpec> {
    vec![
        gemm(64, r#"["freivalds"]"#),
        spec(
            "gemm_chain",
            json!({ "n": 64, "steps": 2, "weights": 1, "seed": "5eed".repeat(16) }),
        ),
        spec(
            "stream",
            json!({ "words": 4096, "passes": 3, "seed": "5eed".repeat(16) }),
        ),
        steps(),
    ]
}

/// A run in steps, with a trace.
pub(crate) fn steps() -> JobSpec {
    let bodies = json!({ "seed": "5eed".repeat(16) });
    spec(
        "nbody",
        json!({ "n": 64, "steps": 4, "dt": 656, "softening": 3277, "bodies": bodies }),
    )
}

fn spec(kernel: &str, params: Value) -> JobSpec {
    let job = json!({ "profile": "pogw/1", "kernel": kernel, "params": params, "checks": [] });
    serde_json::from_value(job).unwrap()
}

/// What `pogw job` answers a tenant, in JSON.
async fn pogw(market: &Market, arguments: &[&std::ffi::OsStr]) -> Value {
    let key = market.file("api-key", &market.tenant.key);
    let mut line: Vec<std::ffi::OsString> = vec!["pogw".into(), "job".into()];
    line.extend(arguments.iter().map(Into::into));
    let more = [
        "--verifier",
        &market.url,
        "--format",
        "json",
        "--api-key-file",
    ];
    line.extend(more.map(Into::into));
    line.push(key.into());
    let run = move || {
        let (mut answer, mut notes) = (Vec::new(), Vec::new());
        let exit = cli::run(line, &mut answer, &mut notes);
        assert_eq!(exit, cli::Exit::Done, "{}", String::from_utf8_lossy(&notes));
        answer
    };
    let answer = tokio::task::spawn_blocking(run).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}
