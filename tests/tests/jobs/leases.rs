//! What becomes of an assignment between its offer and its commitment.

use evidence::work::wire::{Empty, Lease, Next, Offer};
use serde_json::json;
use tests::market::{FUNDS, Host, Market, PRICE, STAKE, new_database, terms};
use tests::scene::gemm;
use tests::served::problem;

/// How long a lease lasts without a sign of life.
const LEASE_S: i64 = 120;

/// The one of two hosts that has the offer, and the other.
async fn offered(market: &Market, [mut a, mut b]: [Host; 2]) -> (Host, Host, Offer) {
    for _ in 0..10 {
        if let Some(Next::Offer(offer)) = a.next(market, 1).await {
            return (a, b, *offer);
        }
        std::mem::swap(&mut a, &mut b);
    }
    panic!("nobody is offered anything");
}

async fn renew(host: &Host, market: &Market, offer: &Offer) -> reqwest::Response {
    let path = format!("/v1/assignments/{}/renew", offer.assignment);
    host.post(market, &path, &Empty {}).await
}

async fn release(host: &Host, market: &Market, offer: &Offer) -> reqwest::Response {
    let path = format!("/v1/assignments/{}/release", offer.assignment);
    host.post(market, &path, &json!({ "code": "device_lost" }))
        .await
}

async fn refusal(answer: reqwest::Response) -> (u16, String) {
    let (status, code, _) = problem(answer).await;
    (status, code)
}

on_both! {
    async fn a_lease_is_renewed_by_its_holder_until_it_runs_out(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let hosts = [market.host(&p1).await, market.host(&p2).await];
        let job = market.job(&gemm(16, "[]"), terms(1)).await;
        let (host, other, offer) = offered(&market, hosts).await;
        assert_eq!(refusal(renew(&host, &market, &offer).await).await, (409, "assignment_status".to_owned()));
        let lease = host.lease(&market, &offer).await;
        market.clock.advance_s(LEASE_S - 1);
        assert_eq!(refusal(renew(&other, &market, &offer).await).await, (404, "assignment_unknown".to_owned()));
        let answer = renew(&host, &market, &offer).await;
        assert_eq!(answer.status(), 200);
        let renewed: Lease = answer.json().await.unwrap();
        assert_eq!(renewed.until.secs() - lease.until.secs(), LEASE_S - 1);
        assert_eq!(renewed.challenge.0, lease.challenge.0, "the work goes on as it is");
        assert_eq!(renewed.commit_until, lease.commit_until);
        market.clock.advance_s(LEASE_S);
        assert_eq!(refusal(renew(&host, &market, &offer).await).await, (410, "lease_over".to_owned()));
        // The stake of the first is back by the time that somebody has it.
        other.heartbeat(&market).await;
        let (other, _, again) = offered(&market, [other, host]).await;
        assert_ne!(again.assignment.as_str(), offer.assignment.as_str());
        let run = other.run(&market, &again, |_| {}).await;
        let left = market.balance(&p1).await + market.balance(&p2).await;
        assert_eq!(left, 2 * FUNDS - STAKE);
        assert_eq!(other.commit(&market, &run).await.status(), 204);
        // One that crossed the commitment on its way.
        assert_eq!(renew(&other, &market, &again).await.status(), 200);
        market.until(&job, "opening").await;
    }

    async fn what_is_given_back_goes_to_somebody_else_and_costs_nothing(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let hosts = [market.host(&p1).await, market.host(&p2).await];
        let job = market.job(&gemm(16, "[]"), terms(1)).await;
        let (host, mut other, offer) = offered(&market, hosts).await;
        assert_eq!(refusal(release(&other, &market, &offer).await).await, (404, "assignment_unknown".to_owned()));
        host.lease(&market, &offer).await;
        for _ in 0..2 {
            assert_eq!(release(&host, &market, &offer).await.status(), 204, "and again");
        }
        for provider in [&p1, &p2] {
            assert_eq!(market.balance(provider).await, FUNDS);
        }
        let again = other.offer(&market).await;
        let run = other.run(&market, &again, |_| {}).await;
        assert_eq!(other.commit(&market, &run).await.status(), 204);
        let late = release(&other, &market, &again).await;
        assert_eq!(refusal(late).await, (409, "assignment_status".to_owned()), "it is committed to");
        let open = other.open(&market).await;
        other.hand_in(&market, &run, &open).await;
        market.until(&job, "accepted").await;
        market.clock.advance_s(3_601);
        let settled = market.until(&job, "settled").await;
        let mut ends: Vec<_> = settled["assignments"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
        ends.sort_by_key(ToString::to_string);
        assert_eq!(ends, [&json!("paid")], "what was given back is nobody's business");
        let earned = market.balance(&p1).await + market.balance(&p2).await;
        assert_eq!(earned, 2 * FUNDS + PRICE);
    }

    async fn a_stake_that_is_gone_meanwhile_is_missing(market) {
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        market.job(&gemm(16, "[]"), terms(1)).await;
        let offer = host.offer(&market).await;
        assert_eq!(market.withdraw(&provider, FUNDS - STAKE + 1, "out").await.status(), 201);
        assert_eq!(refusal(host.accept(&market, &offer).await).await, (402, "stake_missing".to_owned()));
        assert_eq!(market.balance(&provider).await, STAKE - 1);
        market.deposit(&provider.id, 1).await;
        host.lease(&market, &offer).await;
        assert_eq!(market.balance(&provider).await, 0);
    }
}
