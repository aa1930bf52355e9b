//! Verifier and agents killed (SIGKILL) while a job is under way, and started again: it ends, and nobody is paid twice.

use std::time::Duration;

use serde_json::Value;
use tests::scene::gemm;

use crate::on_both;
use crate::place::{FUNDS, Market, PRICE, audited};

/// When they are killed, after the job was offered; an honest job takes about as long as the last.
const AFTER_MS: [u64; 6] = [0, 60, 150, 300, 700, 1500];

/// Every job with two replicas, both paid, as the last books have it.
async fn all_are_paid(market: &Market, jobs: i64) {
    assert_eq!(
        market.balance(&market.tenant).await,
        FUNDS - jobs * 2 * PRICE
    );
    let mut books = market.books().await;
    assert_eq!(books.transfers("pay").await, jobs * 2);
    assert_eq!(books.transfers("slash").await, 0);
    books.are_closed().await;
}

fn is_whole(job: &Value) {
    assert_eq!(job["agreeing"], 2, "{job:#}");
}

on_both! {
    async fn a_verifier_killed_at_any_moment_goes_on(mut market) {
        market.four_agents().await;
        for after in AFTER_MS {
            let job = market.job(&gemm(64, "[]"), &audited(2)).await;
            tokio::time::sleep(Duration::from_millis(after)).await;
            market.kill_verifier();
            market.start_verifier().await;
            is_whole(&market.until(&job, "settled").await);
        }
        all_are_paid(&market, 6).await;
    }

    async fn agents_killed_at_any_moment_go_on(mut market) {
        market.four_agents().await;
        for after in AFTER_MS {
            let job = market.job(&gemm(64, "[]"), &audited(2)).await;
            tokio::time::sleep(Duration::from_millis(after)).await;
            for number in 0..market.agents() {
                market.kill_agent(number);
                market.start_agent(number);
            }
            is_whole(&market.until(&job, "settled").await);
        }
        all_are_paid(&market, 6).await;
    }

    async fn all_of_them_killed_at_once_go_on(mut market) {
        market.four_agents().await;
        for after in AFTER_MS {
            let job = market.job(&gemm(64, "[]"), &audited(2)).await;
            tokio::time::sleep(Duration::from_millis(after)).await;
            market.kill_verifier();
            for number in 0..market.agents() {
                market.kill_agent(number);
            }
            market.start_verifier().await;
            for number in 0..market.agents() {
                market.start_agent(number);
            }
            is_whole(&market.until(&job, "settled").await);
        }
        all_are_paid(&market, 6).await;
    }
}
