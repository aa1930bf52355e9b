//! Every way to cheat, among three honest agents of two providers: refused by its own reason code, the stake lost, the
//! honest replicas paid. Every job has three replicas, so that the liar has one of them.

use evidence::work::JobSpec;
use serde_json::{Value, json};
use tests::scene::gemm;

use crate::liar::{Cheat, Liar, Played};
use crate::on_both;
use crate::place::{FUNDS, Market, PRICE, Party, STAKE, audited, terms};

/// Three honest agents of two providers, and a liar of a third.
struct Cast {
    market: Market,
    honest: [Party; 2],
    liar: Liar,
    provider: Party,
}

/// What became of a job in which the liar took part.
struct Outcome {
    played: Played,
    job: Value,
    liar: Party,
}

impl Cast {
    async fn new(mut market: Market) -> Self {
        let honest = [market.provider().await, market.provider().await];
        for (place, provider) in [0, 0, 1].into_iter().enumerate() {
            market.agent(&honest[provider], place).await;
        }
        for (provider, agents) in honest.iter().zip([2, 1]) {
            market.present(provider, agents).await;
        }
        let provider = market.provider().await;
        let liar = Liar::enrol(&market, &provider, 3).await;
        Self {
            market,
            honest,
            liar,
            provider,
        }
    }

    /// A job in which the liar cheats, to its settlement.
    async fn play(&mut self, cheat: Cheat, spec: &JobSpec, terms: &Value) -> Outcome {
        self.liar.cheat = cheat;
        let job = self.market.job(spec, terms).await;
        let played = self.liar.play().await;
        let job = self.market.until(&job, "settled").await;
        let liar = self.provider.clone();
        Outcome { played, job, liar }
    }

    /// The money of the honest and of the liar, after so many jobs of which each of the honest was paid for all.
    async fn ends(&self, jobs: i64, liar: i64) {
        for honest in &self.honest {
            assert_eq!(self.market.balance(honest).await, FUNDS + jobs * PRICE);
        }
        assert_eq!(self.market.balance(&self.provider).await, FUNDS + liar);
        self.market.books().await.are_closed().await;
    }
}

impl Outcome {
    /// The liar's replica was refused for this, and the two others were paid.
    fn is_refused(&self, code: &str) {
        let assignments = self.job["assignments"].as_array().unwrap();
        let (lied, honest): (Vec<_>, Vec<_>) = assignments
            .iter()
            .partition(|one| one["provider"] == self.liar.id.as_str());
        assert_eq!(lied.len(), 1, "{:#}", self.job);
        assert_eq!(
            (&lied[0]["status"], &lied[0]["code"]),
            (&json!("refused"), &json!(code))
        );
        assert_eq!(honest.len(), 2, "{:#}", self.job);
        assert!(
            honest.iter().all(|one| one["status"] == "paid"),
            "{:#}",
            self.job
        );
        assert_eq!(self.job["agreeing"], 2);
        assert_eq!(
            self.played.ended.as_deref(),
            Some(code),
            "what the liar heard"
        );
    }
}

on_both! {
    async fn an_answer_copied_after_the_commitment_is_known_by_its_keyed_digest(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::CopiedAnswer, &gemm(64, "[]"), &audited(3)).await;
        outcome.is_refused("keyed_digest_mismatch");
        assert_eq!(outcome.played.questions, 1, "the referee asks who holds the output");
        // Where the verifier holds the outputs, it needs no referee.
        let outcome = cast.play(Cheat::CopiedAnswer, &gemm(64, r#"["freivalds"]"#), &terms(3)).await;
        outcome.is_refused("keyed_digest_mismatch");
        assert_eq!(outcome.played.questions, 0);
        cast.ends(2, -2 * STAKE).await;
    }

    async fn a_skipped_fraction_is_found_by_the_audit(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::SkippedFraction, &gemm(64, "[]"), &audited(3)).await;
        outcome.is_refused("audit_refuted");
        cast.ends(1, -STAKE).await;
    }

    async fn wrong_operands_lose_the_dispute(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::WrongOperands, &gemm(64, "[]"), &terms(3)).await;
        outcome.is_refused("dispute_lost");
        assert!(outcome.played.questions > 0);
        // Of a run in steps, the referee looks for the first that differs.
        let outcome = cast.play(Cheat::WrongOperands, &crate::honest::steps(), &terms(3)).await;
        outcome.is_refused("dispute_lost");
        assert!(outcome.played.questions > 1);
        cast.ends(2, -2 * STAKE).await;
    }

    async fn structured_operands_are_found_by_the_audit_and_may_not_be_asked_for(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::StructuredOperands, &gemm(64, "[]"), &audited(3)).await;
        outcome.is_refused("audit_refuted");
        let answer = cast.market.offer(&chosen_operands(), &terms(3)).await;
        assert_eq!(answer.status(), 422);
        let problem: Value = answer.json().await.unwrap();
        // Its form knows seeds alone.
        assert_eq!(problem["code"], "job_parameters_invalid", "{problem:#}");
        cast.ends(1, -STAKE).await;
    }

    async fn garbage_under_the_right_checksum_row_is_found_by_freivalds(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::ChecksumRow, &gemm(64, r#"["freivalds"]"#), &terms(3)).await;
        outcome.is_refused("freivalds_refuted");
        cast.ends(1, -STAKE).await;
    }

    async fn a_replayed_challenge_is_an_answer_to_another_question(market) {
        let mut cast = Cast::new(market).await;
        cast.play(Cheat::None, &gemm(64, "[]"), &audited(3)).await;
        let outcome = cast.play(Cheat::ReplayedChallenge, &gemm(64, "[]"), &audited(3)).await;
        outcome.is_refused("challenge_mismatch");
        cast.ends(2, PRICE - STAKE).await;
    }

    async fn a_replayed_commitment_opens_to_nothing_new(market) {
        let mut cast = Cast::new(market).await;
        cast.play(Cheat::None, &gemm(64, "[]"), &audited(3)).await;
        let outcome = cast.play(Cheat::ReplayedCommitment, &gemm(64, "[]"), &audited(3)).await;
        outcome.is_refused("commitment_mismatch");
        cast.ends(2, PRICE - STAKE).await;
    }

    async fn a_withheld_opening_costs_the_stake(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::WithheldOpening, &gemm(64, "[]"), &quick(&audited(3))).await;
        outcome.is_refused("opening_withheld");
        cast.ends(1, -STAKE).await;
    }

    async fn a_late_opening_is_a_withheld_one(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::LateOpening, &gemm(64, "[]"), &quick(&audited(3))).await;
        assert_eq!(outcome.played.refused, ["opening_late"]);
        outcome.is_refused("opening_withheld");
        cast.ends(1, -STAKE).await;
    }

    /// Nothing was promised, so the stake goes back.
    async fn a_late_commitment_is_none(market) {
        let mut cast = Cast::new(market).await;
        let outcome = cast.play(Cheat::LateCommitment, &gemm(64, "[]"), &quick(&audited(3))).await;
        assert_eq!(outcome.played.refused, ["commitment_late"]);
        let assignments = outcome.job["assignments"].as_array().unwrap();
        assert_eq!(assignments.len(), 2, "{:#}", outcome.job);
        assert!(assignments.iter().all(|one| one["status"] == "paid"));
        cast.ends(1, 0).await;
    }

    /// Software is known by nothing: whose it was before, nobody can say.
    async fn two_identities_on_one_software_device_both_lose_their_stakes(market) {
        let mut cast = Cast::new(market).await;
        // On the device of the second provider's agent.
        cast.liar = Liar::enrol(&cast.market, &cast.provider, 2).await;
        let outcome = cast.play(Cheat::None, &gemm(64, "[]"), &audited(3)).await;
        let code_of = |party: &Party| {
            let mut all = outcome.job["assignments"].as_array().unwrap().iter();
            let one = all.find(|one| one["provider"] == party.id.as_str()).unwrap();
            (one["status"].clone(), one["code"].clone())
        };
        let shared = (json!("refused"), json!("device_shared"));
        assert_eq!(code_of(&cast.provider), shared);
        assert_eq!(code_of(&cast.honest[1]), shared);
        assert_eq!(code_of(&cast.honest[0]), (json!("paid"), Value::Null));
        assert_eq!(outcome.job["agreeing"], 1);
        let balances = [&cast.honest[0], &cast.honest[1], &cast.provider];
        for (party, change) in balances.into_iter().zip([PRICE, -STAKE, -STAKE]) {
            assert_eq!(cast.market.balance(party).await, FUNDS + change);
        }
        cast.market.books().await.are_closed().await;
    }
}

/// With deadlines that a test can wait for, and no time to give a replica to somebody else.
fn quick(terms: &Value) -> Value {
    let mut terms = terms.clone();
    terms["commit_within_s"] = json!(10);
    terms["open_within_s"] = json!(10);
    terms["deadline_s"] = json!(40);
    terms
}

/// A measurement of matrix products, over operands of the tenant's choice instead of a seed.
fn chosen_operands() -> JobSpec {
    let zeros = kernels::Blake3Digest::of(&[0; 64 * 64]).to_string();
    let job = json!({
        "profile": "pogw/1", "kernel": "gemm_chain", "checks": [],
        "params": { "n": 64, "steps": 2, "weights": 1, "operands": { "given": { "a": zeros, "b": zeros } } },
    });
    serde_json::from_value(job).unwrap()
}
