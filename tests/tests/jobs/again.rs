//! Audited again: what a later audit takes back, and what stands.

use super::*;

const DENIES_ALL: &str = "package pogw
deny contains {\"code\": \"too_old\", \"message\": \"a newer driver is out\"} if true
";

async fn dispute(market: &Market, job: &str) {
    let path = format!("/v1/jobs/{job}/dispute");
    let asked = market.post(&market.tenant, &path, json!({})).await;
    assert_eq!(asked.status(), 202);
}

/// What the verifier says of each receipt of a job, whoever asks.
async fn standings(market: &Market, job: &str) -> Vec<String> {
    let listed: Value = market
        .get(&market.tenant, &format!("/v1/jobs/{job}/receipts"))
        .await
        .json()
        .await
        .unwrap();
    let mut said = Vec::new();
    for receipt in listed["receipts"].as_array().unwrap() {
        let asked = market.request(
            reqwest::Method::GET,
            &format!("/v1/receipts/{}", receipt["id"].as_str().unwrap()),
        );
        let answer = asked
            .header("Accept", "application/json")
            .send()
            .await
            .unwrap();
        let header = answer.headers()["pogw-receipt-status"]
            .to_str()
            .unwrap()
            .to_owned();
        let json: Value = answer.json().await.unwrap();
        assert_eq!(json["status"], *header, "{json:#}");
        said.push(header);
    }
    said
}

impl Pair {
    async fn opens(&mut self, market: &Market) {
        for place in 0..2 {
            let open = self.hosts[place].open(market).await;
            let answer = self.hosts[place].hand_in(market, &self.runs[place], &open);
            assert_eq!(answer.await.status(), 202);
        }
    }

    async fn is_paid(&self, market: &Market) {
        market.until(&self.job, "accepted").await;
        assert_eq!(standings(market, &self.job).await, ["provisional"; 2]);
        market.clock.advance_s(3_601);
        market.until(&self.job, "settled").await;
        assert_eq!(standings(market, &self.job).await, ["holds"; 2]);
        for provider in &self.providers {
            assert_eq!(market.balance(provider).await, FUNDS + PRICE);
        }
    }
}

/// A pair whose results are accepted.
async fn accepted(market: &mut Market) -> Pair {
    let pair = pair(market, &gemm(16, "[]"), audited(2), honest).await;
    pair.hand_in(market, 0).await;
    pair.hand_in(market, 1).await;
    market.until(&pair.job, "accepted").await;
    pair
}

/// One replica, audited so little that one wrong point of 256 is missed in six of ten audits, and by the next in three.
fn hardly_audited() -> Value {
    let mut terms = terms(1);
    terms["audit"] = json!({ "wrong_ppm": 50_000, "log2_miss": -10 });
    terms
}

/// The job once no opening of it waits to be judged.
async fn judged(market: &Market, job: &str) -> Value {
    for _ in 0..200 {
        let seen = market.seen(job).await;
        if seen["status"] != "opening" {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("job {job} is not judged")
}

on_both! {
    async fn a_policy_that_comes_in_the_window_takes_nothing_back(market) {
        let mut pair = accepted(&mut market).await;
        market.put_in_force("newer", DENIES_ALL).await;
        dispute(&market, &pair.job).await;
        pair.opens(&market).await;
        pair.is_paid(&market).await;
    }

    async fn the_policy_that_is_in_force_when_evidence_is_first_judged_decides(market) {
        let pair = pair(&mut market, &gemm(16, "[]"), audited(2), honest).await;
        pair.hand_in(&market, 0).await;
        let first = || async {
            let seen = market.seen(&pair.job).await;
            let all = seen["assignments"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["id"] == pair.runs[0].id).unwrap()
        };
        while first().await["status"] != "judged" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // The job was offered and taken before, and its other replica judged.
        market.put_in_force("newer", DENIES_ALL).await;
        pair.hand_in(&market, 1).await;
        let seen = market.until(&pair.job, "accepted").await;
        let all = seen["assignments"].as_array().unwrap().iter();
        let refused: Vec<_> = all.filter(|one| one["status"] == "refused").collect();
        assert_eq!(refused.len(), 1, "{seen:#}");
        assert_eq!((&refused[0]["id"], &refused[0]["code"]), (&json!(pair.runs[1].id), &json!("policy_denied")));
        assert_eq!(market.balance(&pair.providers[1]).await, FUNDS, "the stake is back");
    }

    async fn collateral_that_is_gone_by_then_takes_nothing_back(market) {
        let mut pair = accepted(&mut market).await;
        market.lose_collateral();
        market.restart(0).await;
        dispute(&market, &pair.job).await;
        pair.opens(&market).await;
        pair.is_paid(&market).await;
    }

    async fn a_wrong_point_that_the_first_audit_missed_is_slashed_by_the_second(market) {
        let provider = market.provider().await;
        market.deposit(&provider.id, 9 * FUNDS).await;
        market.deposit(&market.tenant.id, 9 * FUNDS).await;
        let mut host = market.host(&provider).await;
        for _ in 0..100 {
            let job = market.job(&gemm(16, "[]"), hardly_audited()).await;
            let offer = host.offer(&market).await;
            let run = host.run(&market, &offer, wrong_point).await;
            assert_eq!(host.commit(&market, &run).await.status(), 204);
            let open = host.open(&market).await;
            host.hand_in(&market, &run, &open).await;
            if judged(&market, &job).await["status"] != "accepted" {
                continue;
            }
            assert_eq!(standings(&market, &job).await, ["provisional"]);
            dispute(&market, &job).await;
            let open = host.open(&market).await;
            assert_eq!(open.round, 1);
            let before = market.balance(&provider).await;
            host.hand_in(&market, &run, &open).await;
            let seen = judged(&market, &job).await;
            if seen["status"] == "accepted" {
                continue;
            }
            assert_eq!((&seen["status"], &seen["code"]), (&json!("failed"), &json!("no_result")));
            assert_eq!(seen["assignments"][0]["code"], "audit_refuted", "{seen:#}");
            assert_eq!(standings(&market, &job).await, ["revoked"]);
            assert_eq!(market.balance(&provider).await, before, "the stake is not back");
            return;
        }
        panic!("no audit was passed before one found it wrong");
    }

    async fn slices_held_back_in_the_second_audit_are_slashed(market) {
        let mut pair = accepted(&mut market).await;
        dispute(&market, &pair.job).await;
        let open = pair.hosts[0].open(&market).await;
        pair.hosts[0].hand_in(&market, &pair.runs[0], &open).await;
        let open = pair.hosts[1].open(&market).await;
        let mut opening = pair.runs[1].opening(&open);
        opening.slices.clear();
        let bytes = serde_json::to_vec(&opening).unwrap();
        pair.hosts[1].hand_in_bytes(&market, &pair.runs[1].id, 1, bytes).await;
        let seen = market.until(&pair.job, "accepted").await;
        let mut all = seen["assignments"].as_array().unwrap().iter();
        let liar = all.find(|one| one["id"] == pair.runs[1].id).unwrap();
        assert_eq!(liar["code"], "output_not_provided", "{seen:#}");
        assert_eq!(market.receipts(&pair.job).await.len(), 1, "the other is revoked");
        assert_eq!(market.balance(&pair.providers[1]).await, FUNDS - STAKE);
    }
}
