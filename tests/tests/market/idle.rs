//! What a thousand agents cost that have nothing to do: each enrolled, with a signed long poll of a minute open.

use std::time::Duration;

use evidence::UnixTime;
use tests::market::{Host, Verifier};
use tokio::time::sleep;

use crate::honest::now;
use crate::place::Market;

const AGENTS: usize = 1000;
/// So that polls end and begin anew while it is measured.
const MEASURED: Duration = Duration::from_secs(90);
/// Wanted: less than this.
const MEMORY_BYTES: u64 = 100 * 1024 * 1024;
/// Of one processor: twice what was measured on a quiet machine (README), since a shared one is slower. Each poll is a signed
/// request and a look into the store, 1000 of them a minute.
const PROCESSOR_SHARE: f64 = 0.026;

struct At(String);

impl Verifier for At {
    fn url(&self) -> &str {
        &self.0
    }

    fn now(&self) -> UnixTime {
        now()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; prints figures"]
async fn a_thousand_idle_agents_cost_next_to_nothing() {
    let market = Market::open(None).await;
    let provider = market.provider().await;
    let before = market.verifier().resident_bytes();
    let mut polls = Vec::new();
    for _ in 0..AGENTS {
        let at = At(market.url.clone());
        let mut host = Host::new(market.device(0));
        host.enrol(&at, &market.enrolment_token(&provider).await)
            .await;
        polls.push(tokio::spawn(async move {
            loop {
                // Present for two minutes at a time, as `attestation-agent serve` sees to it.
                host.heartbeat(&at).await;
                assert!(host.next(&at, 60).await.is_none(), "there is nothing to do");
            }
        }));
    }
    sleep(Duration::from_secs(10)).await;
    let (from, started) = (
        market.verifier().processor_time(),
        std::time::Instant::now(),
    );
    sleep(MEASURED).await;
    let spent = market.verifier().processor_time() - from;
    let share = spent.as_secs_f64() / started.elapsed().as_secs_f64();
    let resident = market.verifier().resident_bytes();
    println!(
        "{AGENTS} agents: {} MiB resident, {} MiB before them; {:.2} % of a processor",
        resident / 1024 / 1024,
        before / 1024 / 1024,
        share * 100.0
    );
    for poll in &polls {
        assert!(!poll.is_finished(), "a poll failed");
        poll.abort();
    }
    assert!(resident < MEMORY_BYTES && share < PROCESSOR_SHARE);
}
