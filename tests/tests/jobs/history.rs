//! A job's history as server-sent events, for a tenant that loses its connection.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tests::market::{Market, new_database, terms};
use tests::scene::gemm;
use tests::served::problem;

/// An event, as its tenant is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    number: i64,
    name: String,
    body: Value,
}

/// A connection on which events come.
struct Stream {
    answer: Response,
    text: String,
}

impl Stream {
    async fn open(market: &Market, job: &str, after: Option<i64>) -> Self {
        let request = market.request(Method::GET, &format!("/v1/jobs/{job}/events"));
        let request = request.bearer_auth(&market.tenant.key);
        let request = match after {
            Some(number) => request.header("last-event-id", number),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Self {
            answer,
            text: String::new(),
        }
    }

    /// The next event; `None` where the connection ends first.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let told = read(event);
                self.text = rest.to_owned();
                match told {
                    Some(told) => return Some(told),
                    None => continue,
                }
            }
            let more = tokio::time::timeout(Duration::from_secs(30), self.answer.chunk());
            let more = more.await.expect("something within half a minute");
            self.text += std::str::from_utf8(&more.ok().flatten()?).unwrap();
        }
    }

    /// Events up to one of this name, or to the end of the connection.
    async fn until(&mut self, name: &str) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(told) = self.next().await {
            let is_last = told.name == name;
            all.push(told);
            if is_last {
                break;
            }
        }
        all
    }
}

/// `None` for a line that only keeps the connection.
fn read(event: &str) -> Option<Told> {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    Some(Told {
        number: field("id: ")?.parse().unwrap(),
        name: field("event: ")?.to_owned(),
        body: serde_json::from_str(field("data: ")?).unwrap(),
    })
}

on_both! {
    async fn events_are_neither_lost_nor_told_twice_when_the_verifier_starts_again(market) {
        let (p1, p2) = (market.provider().await, market.provider().await);
        let mut hosts = [market.host(&p1).await, market.host(&p2).await];
        // Others' events have numbers in between.
        let mut nobodys = terms(1);
        nobodys["devices"]["architectures"] = json!(["BLACKWELL"]);
        let other = market.job(&gemm(16, "[]"), nobodys).await;
        let job = market.job(&gemm(16, "[]"), terms(2)).await;
        let mut told = Stream::open(&market, &job, None).await.until("job_created").await;
        let mut runs = Vec::new();
        for host in &mut hosts {
            let offer = host.offer(&market).await;
            runs.push(host.run(&market, &offer, |_| {}).await);
        }
        for (host, run) in hosts.iter().zip(&runs) {
            assert_eq!(host.commit(&market, run).await.status(), 204);
        }
        let after = told.last().map(|told: &Told| told.number);
        let mut open = Stream::open(&market, &job, after).await;
        told.extend(open.until("openings_asked").await);
        // The connection breaks with the verifier, and events are made while nobody listens.
        market.restart(0).await;
        while let Some(event) = open.next().await {
            told.push(event);
        }
        for (host, run) in hosts.iter_mut().zip(&runs) {
            let open = host.open(&market).await;
            host.hand_in(&market, run, &open).await;
        }
        market.until(&job, "accepted").await;
        let after = told.last().map(|told| told.number);
        let mut open = Stream::open(&market, &job, after).await;
        told.extend(open.until("job_accepted").await);
        cancel(&market, &other).await;
        market.clock.advance_s(3_601);
        market.until(&job, "settled").await;
        market.restart(0).await;
        let after = told.last().map(|told| told.number);
        told.extend(Stream::open(&market, &job, after).await.until("").await);

        let whole = Stream::open(&market, &job, None).await.until("").await;
        assert_eq!(told, whole);
        assert!(whole.is_sorted_by(|a, b| a.number < b.number), "{whole:#?}");
        assert_eq!(whole.last().unwrap().name, "job_settled");
        // After the last there is nothing, and the answer ends.
        let last = whole.last().map(|told| told.number);
        assert_eq!(Stream::open(&market, &job, last).await.until("").await, []);
    }

    async fn a_number_that_is_none_is_refused(market) {
        let job = market.job(&gemm(16, "[]"), terms(1)).await;
        for stated in ["", "-1", "1.5", "last", "99999999999999999999"] {
            let request = market.request(Method::GET, &format!("/v1/jobs/{job}/events"));
            let request = request.bearer_auth(&market.tenant.key).header("last-event-id", stated);
            let (status, code, _) = problem(request.send().await.unwrap()).await;
            assert_eq!((status, code.as_str()), (400, "last_event_id_malformed"), "{stated:?}");
        }
    }
}

async fn cancel(market: &Market, job: &str) {
    let path = format!("/v1/jobs/{job}/cancel");
    let answer = market.post(&market.tenant, &path, json!({})).await;
    assert_eq!(answer.status(), 200);
}
