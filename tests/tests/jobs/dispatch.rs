//! Who is offered what, through the verifier: agents that are full, that decline, that are removed.

use std::time::Duration;

use evidence::work::wire::{Assurance, Conditions, Offer};
use reqwest::Method;

use super::*;

/// How many assignments a host of the market takes at one time.
const CAPACITY: usize = 4;
/// After so long a job is offered again to an agent that had declined it, seconds: the rules' `OFFER_S`.
const OFFER_S: i64 = 30;

/// A policy that refuses whatever it is asked about, and asks what the verifier's own asks.
const NEVER: &str = r#"package pogw
import rego.v1
revocation := {"mode": "cached", "max_age_s": 86400, "allow_hold": false}
deny contains {"code": "never", "message": "never"} if true
"#;

/// Everything a host is offered now.
async fn offers(host: &mut Host, market: &Market) -> Vec<Offer> {
    let mut offers = Vec::new();
    while let Some(next) = host.next(market, 2).await {
        match next {
            Next::Offer(offer) => offers.push(*offer),
            other => panic!("expected an offer: {other:?}"),
        }
    }
    offers
}

async fn decline(host: &Host, market: &Market, offer: &Offer) {
    let path = format!("/v1/assignments/{}/release", offer.assignment);
    let code = json!({ "code": "capacity_exceeded" });
    assert_eq!(host.post(market, &path, &code).await.status(), 204);
}

async fn remove(host: &Host, of: &Party, market: &Market) {
    let path = format!("/v1/agents/{}", host.id);
    let request = market.request(Method::DELETE, &path).bearer_auth(&of.key);
    assert_eq!(request.send().await.unwrap().status(), 204);
}

on_both! {
    async fn jobs_that_nobody_fits_stand_in_nobodys_way(market) {
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        let mut unfit = audited(1);
        unfit["devices"]["architectures"] = json!(["BLACKWELL"]);
        for _ in 0..40 {
            market.job(&gemm(16, "[]"), unfit.clone()).await;
        }
        market.job(&gemm(16, "[]"), audited(1)).await;
        let offers = tokio::time::timeout(Duration::from_secs(20), host.offer(&market));
        // The others cannot be offered to this host.
        offers.await.expect("an offer within seconds");
    }

    async fn an_agent_is_offered_what_its_devices_can_show_and_told_what_is_asked(market) {
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        host.conditions = None;
        host.heartbeat(&market).await;
        let mut beyond = terms(1);
        beyond["devices"] = json!({ "simulated": true, "min_assurance": "A1" });
        let waits = market.job(&gemm(16, "[]"), beyond).await;
        market.job(&gemm(16, "[]"), terms(1)).await;
        let fits = offers(&mut host, &market).await;
        assert_eq!(fits.len(), 1, "its device is software, and says so");
        // An agent of before there were conditions would not understand more.
        assert_eq!((&fits[0].terms.devices, &fits[0].terms.policy), (&None, &None));
        assert_eq!(market.seen(&waits).await["status"], "open");
        decline(&host, &market, &fits[0]).await;
        market.clock.advance_s(OFFER_S);
        host.conditions = Some(Conditions::default());
        host.heartbeat(&market).await;
        let told = host.offer(&market).await;
        let asked = told.terms.devices.unwrap();
        assert_eq!((asked.count, asked.min_assurance, asked.simulated), (1, Assurance::A0, true));
    }

    async fn work_that_does_not_meet_an_agents_conditions_is_never_offered_to_it(market) {
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        let least_price = u64::try_from(PRICE).unwrap() + 1;
        host.conditions = Some(Conditions { least_price, ..Conditions::default() });
        host.heartbeat(&market).await;
        for _ in 0..20 {
            market.job(&gemm(16, "[]"), terms(1)).await;
        }
        assert_eq!(offers(&mut host, &market).await.len(), 0);
        let mut better = terms(1);
        better["price"]["amount"] = json!(PRICE + 1);
        market.job(&gemm(16, "[]"), better).await;
        assert_eq!(offers(&mut host, &market).await.len(), 1);
    }

    /// Whoever was asked for more than the verifier itself asks keeps its record: it still runs alone.
    async fn evidence_that_only_the_policy_of_the_terms_refuses_costs_no_record(market) {
        market.policy("never", NEVER).await;
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        let trusted = format!(
            "INSERT INTO records (agent, workload, size, good) VALUES ('{}', 'kernel/gemm_i8', 31, 1000000000)",
            host.id
        );
        market.restart_after(&trusted).await;
        let mut named = terms(1);
        named["policy"] = json!("never");
        let refused = market.job(&gemm(16, "[]"), named).await;
        let offer = host.offer(&market).await;
        let run = host.run(&market, &offer, honest).await;
        assert_eq!(host.commit(&market, &run).await.status(), 204);
        let open = host.open(&market).await;
        assert_eq!(host.hand_in(&market, &run, &open).await.status(), 202);
        let seen = market.until(&refused, "failed").await;
        assert_eq!(seen["code"], "no_result");
        assert_eq!(market.balance(&provider).await, FUNDS);
        let mut adaptive = terms(2);
        adaptive["replicas"]["adaptive"] = json!(true);
        let alone = market.job(&gemm(16, "[]"), adaptive).await;
        let offer = host.offer(&market).await;
        let run = host.run(&market, &offer, honest).await;
        assert_eq!(host.commit(&market, &run).await.status(), 204);
        market.until(&alone, "opening").await;
    }

    async fn many_jobs_at_once_are_offered_to_an_agent_as_far_as_it_has_room(market) {
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        let spec = gemm(16, "[]");
        let jobs = (0..2 * CAPACITY).map(|_| market.job(&spec, terms(1)));
        futures_util::future::join_all(jobs).await;
        let taken = offers(&mut host, &market).await;
        assert_eq!(taken.len(), CAPACITY);
        for offer in &taken {
            assert_eq!(host.accept(&market, offer).await.status(), 200);
        }
        // The others wait for room, and get it.
        market.clock.advance_s(2);
        assert_eq!(offers(&mut host, &market).await.len(), 0);
        decline(&host, &market, &taken[0]).await;
        market.clock.advance_s(2);
        assert_eq!(offers(&mut host, &market).await.len(), 1);
    }

    async fn an_agent_that_declined_is_offered_the_job_again(market) {
        let provider = market.provider().await;
        let mut host = market.host(&provider).await;
        market.job(&gemm(16, "[]"), terms(1)).await;
        let first = host.offer(&market).await;
        decline(&host, &market, &first).await;
        market.clock.advance_s(OFFER_S - 2);
        assert_eq!(offers(&mut host, &market).await.len(), 0, "too early");
        market.clock.advance_s(OFFER_S / 4);
        let second = host.offer(&market).await;
        assert_ne!(first.assignment, second.assignment);
        assert_eq!(first.job, second.job);
        let run = host.run(&market, &second, honest).await;
        assert_eq!(host.commit(&market, &run).await.status(), 204);
        host.open(&market).await;
    }

    async fn what_a_removed_agent_was_offered_goes_to_another(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let mut h1 = market.host(&p1).await;
        let job = market.job(&gemm(16, "[]"), terms(1)).await;
        h1.offer(&market).await;
        let mut h2 = market.host(&p2).await;
        remove(&h1, &p1, &market).await;
        let offer = h2.offer(&market).await;
        let run = h2.run(&market, &offer, honest).await;
        assert_eq!(h2.commit(&market, &run).await.status(), 204);
        market.until(&job, "opening").await;
    }

    async fn what_a_removed_agent_had_taken_goes_to_another_and_its_stake_back(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let mut h1 = market.host(&p1).await;
        market.job(&gemm(16, "[]"), terms(1)).await;
        let offer = h1.offer(&market).await;
        assert_eq!(h1.accept(&market, &offer).await.status(), 200);
        assert_eq!(market.balance(&p1).await, FUNDS - STAKE);
        let mut h2 = market.host(&p2).await;
        remove(&h1, &p1, &market).await;
        assert_eq!(market.balance(&p1).await, FUNDS);
        h2.offer(&market).await;
        // It is nobody any more, and nothing is offered to it.
        assert_eq!(h1.accept(&market, &offer).await.status(), 401);
    }

    async fn what_a_removed_agent_holds_is_given_to_another_by_the_next_verifier(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let mut h1 = market.host(&p1).await;
        market.job(&gemm(16, "[]"), terms(1)).await;
        let offer = h1.offer(&market).await;
        assert_eq!(h1.accept(&market, &offer).await.status(), 200);
        let mut h2 = market.host(&p2).await;
        // As far as a verifier came that was killed between the removal and the release.
        let removed = format!("UPDATE agents SET removed_at = 1 WHERE id = '{}'", h1.id);
        market.restart_after(&removed).await;
        h2.offer(&market).await;
        assert_eq!(market.balance(&p1).await, FUNDS, "long before its lease ran out");
    }
}
