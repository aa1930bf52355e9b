//! Jobs over real HTTP: from an offer to settlement among software devices, and every way to lose a stake.

use receipt::{Method, ResultCheck};
use serde_json::{Value, json};
use tests::market::{FUNDS, Market, PRICE, STAKE, audited, new_database, terms};
use tests::scene::gemm;
use tests::world::validate;
use verifier_service::Clock;

/// Runs a body over SQLite, and over PostgreSQL where `POGW_TEST_POSTGRES` names a database.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($market:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body(mut $market: Market) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                body(Market::new(None).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(url) = new_database() {
                    body(Market::new(Some(&url)).await).await;
                }
            }
        }
    )*};
}

on_both! {
    async fn two_honest_replicas_are_paid_and_their_receipts_say_that_they_agree(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let mut h1 = market.host(&p1).await;
        let mut h2 = market.host(&p2).await;
        let job = market.job(&gemm(16, "[]"), audited(2)).await;
        assert_eq!(market.balance(&market.tenant).await, FUNDS - 2 * PRICE);
        let o1 = h1.offer(&market).await;
        let o2 = h2.offer(&market).await;
        let r1 = h1.run(&market, &o1, |_| {}).await;
        market.restart(0).await;
        let r2 = h2.run(&market, &o2, |_| {}).await;
        assert_eq!(market.balance(&p1).await, FUNDS - STAKE);
        assert_eq!(h1.commit(&market, &r1).await.status(), 204);
        assert_eq!(h1.commit(&market, &r1).await.status(), 204, "again");
        assert_eq!(market.seen(&job).await["assignments"], json!([]), "nothing before openings");
        market.restart(0).await;
        assert_eq!(h2.commit(&market, &r2).await.status(), 204);
        let (a1, a2) = (h1.open(&market).await, h2.open(&market).await);
        assert_eq!((a1.points, a1.whole, a1.cross.len()), (271, false, 1));
        assert_eq!(h1.hand_in(&market, &r1, &a1).await.status(), 202);
        market.restart(0).await;
        assert_eq!(h2.hand_in(&market, &r2, &a2).await.status(), 202);
        let accepted = market.until(&job, "accepted").await;
        assert_eq!(accepted["agreeing"], 2, "{accepted:#}");
        let receipts = market.receipts(&job).await;
        assert_eq!(receipts.len(), 2);
        let keys = market.key_set().await;
        for token in &receipts {
            let receipt = validate(&keys, token, market.clock.now()).unwrap();
            assert!(receipt.results().contains(&ResultCheck::Replicas));
            assert!(receipt.results().contains(&ResultCheck::Audit));
            let methods = &receipt.claims().pogw.methods;
            let replicas = methods.iter().find(|f| f.method == Method::Replicas).unwrap();
            assert_eq!(replicas.agreeing.unwrap().get(), 2);
            let audit = methods.iter().find(|f| f.method == Method::Audit).unwrap();
            assert_eq!(audit.wrong_ppm.unwrap().get(), 50_000);
            assert!(audit.log2_error.unwrap().get() <= -20);
        }
        market.restart(0).await;
        market.clock.advance_s(3_601);
        market.until(&job, "settled").await;
        assert_eq!(market.balance(&p1).await, FUNDS + PRICE);
        assert_eq!(market.balance(&p2).await, FUNDS + PRICE);
        assert_eq!(market.balance(&market.tenant).await, FUNDS - 2 * PRICE);
        let events = market.get(&market.tenant, &format!("/v1/jobs/{job}/events")).await;
        let events = events.text().await.unwrap();
        let kinds: Vec<_> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(kinds.first(), Some(&"job_created"));
        assert_eq!(kinds.last(), Some(&"job_settled"));
        assert!(!kinds.contains(&"assignment_committed"), "{kinds:?}");
    }
}
