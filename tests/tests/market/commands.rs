//! Jobs that are commands: a tenant's program, its inputs and outputs by BLAKE3, run by honest agents whose providers
//! allow it and have the inputs.

use std::time::Duration;

use evidence::work::JobSpec;
use kernels::Blake3Digest;
use receipt::{Method, ResultCheck, Source, Status};
use serde_json::{Value, json};
use tests::world::validate;

use crate::on_both;
use crate::place::{Allowed, FUNDS, Market, PRICE, Party, has_ended, terms};

const INPUT: &[u8] = b"a corpus of some bytes";

/// A script over one input, `corpus`, that leaves `out`.
fn command(script: &str) -> JobSpec {
    let spec = json!({
        "profile": "pogw/1", "checks": [],
        "command": {
            "argv": ["sh", "-c", script],
            "inputs": { "corpus": { "blake3": Blake3Digest::of(INPUT).to_string(), "len": INPUT.len() } },
            "outputs": ["out"],
            "limits": { "wall_s": 60, "output_bytes": 10_000, "processes": 8, "memory_bytes": 1_000_000_000 },
        },
    });
    serde_json::from_value(spec).unwrap()
}

/// What every honest host leaves.
fn same() -> JobSpec {
    command("cat corpus corpus > out")
}

/// What no two runs leave.
fn differing() -> JobSpec {
    command("cat corpus /proc/sys/kernel/random/uuid > out")
}

/// Agents of as many providers, each with what it allows, all present.
async fn agents(market: &mut Market, allowed: &[Allowed<'_>]) -> Vec<Party> {
    let mut providers = Vec::new();
    for (place, allowed) in allowed.iter().enumerate() {
        let provider = market.provider().await;
        market.agent_that(&provider, place, *allowed).await;
        market.present(&provider, 1).await;
        providers.push(provider);
    }
    providers
}

/// Runs commands and has the input.
const EQUIPPED: Allowed<'_> = Allowed {
    commands: true,
    inputs: &[INPUT],
    gpus: None,
};
/// Runs commands and has no input.
const BARE: Allowed<'_> = Allowed {
    commands: true,
    inputs: &[],
    gpus: None,
};
/// Runs no commands.
const KERNELS_ALONE: Allowed<'_> = Allowed {
    commands: false,
    inputs: &[INPUT],
    gpus: None,
};

fn outputs_of(token: &str, keys: &str, now: evidence::UnixTime) -> Value {
    let receipt = validate(keys, token, now).unwrap();
    let methods = &receipt.claims().pogw.methods;
    let replicas = methods
        .iter()
        .find(|found| found.method == Method::Replicas)
        .unwrap();
    assert_eq!(
        (replicas.status, replicas.source),
        (Status::Affirmed, Source::Replicas)
    );
    assert_eq!(replicas.agreeing.unwrap().get(), 2);
    // Nobody can recompute it, and the receipt does not say that anybody did.
    let results: Vec<_> = receipt.results().iter().copied().collect();
    assert_eq!(results, [ResultCheck::Replicas]);
    json!(receipt.claims().pogw.outputs)
}

on_both! {
    async fn a_command_is_run_twice_and_the_receipts_name_what_came_of_it(mut market) {
        let providers = agents(&mut market, &[EQUIPPED, EQUIPPED]).await;
        let job = market.job(&same(), &terms(2)).await;
        let settled = market.until(&job, "settled").await;
        assert_eq!(settled["agreeing"], 2);
        for provider in &providers {
            assert_eq!(market.balance(provider).await, FUNDS + PRICE);
        }
        let keys = market.key_set().await;
        let receipts = market.receipts(&job).await;
        assert_eq!(receipts.len(), 2);
        let digest = Blake3Digest::of(&[INPUT, INPUT].concat()).to_string();
        for token in &receipts {
            let outputs = outputs_of(token, &keys, crate::honest::now());
            assert_eq!(outputs.as_array().unwrap().len(), 1, "{outputs:#}");
            assert_eq!(outputs[0]["name"], "out");
            assert_eq!(outputs[0]["blake3"], digest.as_str(), "as b3sum prints it");
        }
        market.books().await.are_closed().await;
    }

    /// Nobody can tell who is right: nobody is paid, and nobody loses anything but the trust it had.
    async fn replicas_of_a_command_that_differ_are_nobodys_fault(mut market) {
        let providers = agents(&mut market, &[EQUIPPED, EQUIPPED]).await;
        let job = market.job(&differing(), &terms(2)).await;
        let failed = market.until(&job, "failed").await;
        assert_eq!(failed["code"], "replicas_disagree");
        for one in failed["assignments"].as_array().unwrap() {
            assert_eq!((&one["status"], &one["code"]), (&json!("refused"), &json!("replicas_disagree")), "{failed:#}");
        }
        for party in [&providers[0], &providers[1], &market.tenant] {
            assert_eq!(market.balance(party).await, FUNDS);
        }
        assert!(market.receipts(&job).await.is_empty());
        let mut books = market.books().await;
        assert_eq!((books.transfers("slash").await, books.transfers("pay").await), (0, 0));
        assert_eq!(books.transfers("return_stake").await, 2);
        books.are_closed().await;
    }

    /// The agent says why it gives the work back; somebody who has the input gets it.
    async fn an_input_that_an_agent_lacks_sends_the_work_to_another(mut market) {
        let without = agents(&mut market, &[BARE]).await;
        let job = market.job(&same(), &terms(1)).await;
        market.agent_says(0, "input_missing").await;
        let with = market.provider().await;
        market.agent_that(&with, 1, EQUIPPED).await;
        let settled = market.until(&job, "settled").await;
        let took = settled["assignments"].as_array().unwrap();
        assert_eq!(took.len(), 1, "{settled:#}");
        assert_eq!(took[0]["provider"], with.id.as_str());
        assert_eq!(market.balance(&with).await, FUNDS + PRICE);
        assert_eq!(market.balance(&without[0]).await, FUNDS, "the stake is back");
        market.books().await.are_closed().await;
    }

    /// Whose settings allow no commands says so, and is offered none.
    async fn an_agent_that_runs_no_commands_is_offered_none(mut market) {
        let unwilling = agents(&mut market, &[KERNELS_ALONE]).await;
        let job = market.job(&same(), &terms(1)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seen = market.seen(&job).await.unwrap();
        assert_eq!(seen["status"], "open", "{seen:#}");
        let willing = market.provider().await;
        market.agent_that(&willing, 1, EQUIPPED).await;
        market.until(&job, "settled").await;
        let mut books = market.books().await;
        assert_eq!(books.transfers("stake").await, 1, "of the one that took it");
        books.are_closed().await;
        assert_eq!(market.balance(&unwilling[0]).await, FUNDS);
        assert_eq!(market.balance(&willing).await, FUNDS + PRICE);
    }

    /// A program that fails leaves nothing to commit to.
    async fn a_program_that_fails_is_given_back(mut market) {
        let providers = agents(&mut market, &[EQUIPPED]).await;
        let job = market.job(&command("echo no > out; exit 3"), &terms(1)).await;
        market.agent_says(0, "command_failed").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = market.seen(&job).await.unwrap();
        assert!(!has_ended(&seen) && seen["assignments"] == json!([]), "{seen:#}");
        let cancelled = market.cancel(&job).await;
        assert_eq!(cancelled["status"], "cancelled");
        assert_eq!(market.balance(&market.tenant).await, FUNDS);
        assert_eq!(market.balance(&providers[0]).await, FUNDS);
    }
}
