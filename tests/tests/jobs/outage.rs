//! The store is away while the verifier runs: nobody is late by it.

use std::time::Duration;

use super::*;

/// After so long without its store a verifier knows of an outage.
const AWAY: Duration = Duration::from_secs(12);
/// Longer than a verifier waits for a lock: what it does then, it began in between.
const ATTEMPT: Duration = Duration::from_secs(7);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_could_not_be_heard_for_want_of_a_store_is_not_late() {
    let mut market = Market::new(None).await;
    let pair = pair(&mut market, &gemm(16, "[]"), terms(2), |_| {}).await;
    let held = market.hold_store().await;
    tokio::time::sleep(AWAY).await;
    // Far beyond the time in which openings are due.
    market.clock.advance_s(700);
    tokio::time::sleep(ATTEMPT).await;
    drop(held);
    // At once: until the outage is over, agents are told to come again, and never that they are late.
    for place in [0, 1] {
        let answer = loop {
            match pair.hand_in(&market, place).await {
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                answer => break answer,
            }
        };
        assert_eq!(answer, 202);
    }
    let seen = market.until(&pair.job, "accepted").await;
    assert_eq!(seen["agreeing"], 2, "{seen:#}");
}
