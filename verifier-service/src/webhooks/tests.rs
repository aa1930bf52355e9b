//! The sender against receivers over real HTTP, on both databases.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::UnixTime;
use jobs::PartyId;
use jobs::books::Transfer;
use reqwest::dns::Resolve;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::courier::{Courier, Outcome};
use super::reach::Addresses;
use super::resolver::Resolver;
use super::{FORMER_SECRET_S, Reach, Sender, Vault, Webhooks};
use crate::clock::{Clock, ManualClock};
use crate::lock::lock;
use crate::store::books::BookStore;
use crate::store::outbox::{OutboxStore, Webhook};
use crate::store::tests::life::{END, ESCROW, STEPS, money, party, step};
use crate::store::tests::{Rig, by, on_both};
use crate::store::{Page, SqlStore};

const LOCAL: Reach = Reach {
    over_http: true,
    to_private: false,
};
const PACE: Duration = Duration::from_millis(10);
const QUICK: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

/// What a receiver got.
#[derive(Clone, Debug)]
struct Got {
    id: String,
    at: i64,
    signature: String,
    body: String,
}

/// What a receiver does.
#[derive(Clone, Copy, Debug)]
enum Answers {
    Status(u16),
    RetryAfter(u32),
    Redirects,
    Sleeps(Duration),
}

struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Answers>>,
}

type Shared = (Arc<Mutex<Vec<Got>>>, Arc<Mutex<Answers>>);

async fn receive(
    State((got, answers)): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    assert_eq!(uri.path(), "/hook", "no redirect is followed");
    assert_eq!(headers["content-type"], "application/json");
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    lock(&got).push(Got {
        id: text("webhook-id"),
        at: text("webhook-timestamp").parse().unwrap(),
        signature: text("webhook-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let answers = *lock(&answers);
    match answers {
        Answers::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answers::RetryAfter(seconds) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [("retry-after", seconds.to_string())],
        )
            .into_response(),
        Answers::Redirects => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        Answers::Sleeps(time) => {
            sleep(time).await;
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

impl Receiver {
    async fn new(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            got: Arc::default(),
            answers: Arc::new(Mutex::new(answers)),
        };
        receiver.listen(listener);
        receiver
    }

    /// One that is not there yet.
    async fn away() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            got: Arc::default(),
            answers: Arc::new(Mutex::new(Answers::Status(204))),
        }
    }

    async fn comes_back(&self) {
        self.listen(TcpListener::bind(self.address).await.unwrap());
    }

    fn listen(&self, listener: TcpListener) {
        let shared = (Arc::clone(&self.got), Arc::clone(&self.answers));
        let router = Router::new().fallback(receive).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    fn answers(&self, answers: Answers) {
        *lock(&self.answers) = answers;
    }

    fn got(&self) -> Vec<Got> {
        lock(&self.got).clone()
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

/// A market without other webhooks, and the webhooks of a service on it.
struct Stage {
    rig: Rig,
    clock: Arc<ManualClock>,
    webhooks: Webhooks,
}

impl Stage {
    async fn new(rig: Rig) -> Self {
        rig.with_market().await;
        rig.run("DELETE FROM webhooks").await.unwrap();
        let clock = Arc::new(ManualClock::new(END));
        let webhooks = Self::of(rig.store.clone(), &clock);
        Self {
            rig,
            clock,
            webhooks,
        }
    }

    fn of(store: SqlStore, clock: &Arc<ManualClock>) -> Webhooks {
        Self::within(LOCAL, store, clock)
    }

    fn within(reach: Reach, store: SqlStore, clock: &Arc<ManualClock>) -> Webhooks {
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        Webhooks::new(Arc::new(store), clock, reach, Arc::new(vault()))
    }

    async fn tells(&self, receiver: &Receiver) -> Webhook {
        let tenant = party("tenant");
        let registered = self
            .webhooks
            .register(tenant, &receiver.url(), None, by(END))
            .await;
        registered.unwrap().0
    }

    fn sender(&self) -> Sender {
        Sender::with(&self.webhooks, courier(QUICK), PACE)
    }

    /// The whole life of a job.
    async fn job(&self) {
        for number in 0..STEPS {
            step(&self.rig.store, number).await.unwrap();
        }
    }

    async fn pending(&self) -> i64 {
        let sql = "SELECT count(*) AS n FROM deliveries WHERE status = 'pending'";
        self.rig.count(sql).await
    }

    async fn all(&self) -> usize {
        let all = self.rig.count("SELECT count(*) AS n FROM deliveries").await;
        usize::try_from(all).unwrap()
    }

    async fn until_all_is_done(&self) {
        until(async || self.pending().await == 0).await;
    }

    async fn failure(&self) -> Option<String> {
        let sql = "SELECT count(*) AS n FROM deliveries WHERE attempts > 0";
        if self.rig.count(sql).await == 0 {
            return None;
        }
        let late = UnixTime::from_secs(END.secs() + 1_000_000);
        let due = self.rig.store.due_deliveries(late, late, 1).await.unwrap();
        due.first().and_then(|delivery| delivery.failure.clone())
    }
}

fn vault() -> Vault {
    Vault::new(&[7; 32])
}

fn courier(timeout: Duration) -> Courier {
    Courier::with(LOCAL, timeout, []).unwrap()
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !is_so().await {
            sleep(PACE).await;
        }
    });
    waited.await.expect("it comes to pass in time");
}

/// Verifies as a receiver would, from the text of the secret.
fn is_signed(got: &Got, secret: &str) -> bool {
    let secret = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let signed = format!("{}.{}.{}", got.id, got.at, got.body);
    got.signature.split(' ').any(|signature| {
        let tag = STANDARD
            .decode(signature.strip_prefix("v1,").unwrap())
            .unwrap();
        hmac::verify(&key, signed.as_bytes(), &tag).is_ok()
    })
}

fn number(got: &Got) -> i64 {
    let body: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    body["number"].as_i64().unwrap()
}

on_both! {
    async fn everything_arrives_once_in_order_and_signed(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Status(204)).await;
        let tenant = party("tenant");
        let (webhook, secret) = stage.webhooks.register(tenant.clone(), &receiver.url(), None, by(END)).await.unwrap();
        let (second, _) = stage.webhooks.rotate(&tenant, webhook.id, by(END)).await.unwrap().unwrap();
        stage.job().await;
        let _sender = stage.sender();
        stage.until_all_is_done().await;
        let got = receiver.got();
        assert_eq!(got.len(), stage.all().await);
        assert!(got.len() > 3 && got.is_sorted_by_key(number), "{got:?}");
        for got in &got {
            assert!(is_signed(got, &secret.text()) && is_signed(got, &second.text()), "{got:?}");
            assert_eq!(got.at, END.secs());
            assert_eq!(got.id, format!("msg_{}_{}", webhook.id, number(got)));
            let altered = Got { body: got.body.replace("j", "k"), ..got.clone() };
            assert!(!is_signed(&altered, &secret.text()));
        }
        // A day later the former secret signs no more.
        stage.clock.advance_s(FORMER_SECRET_S);
        stage.rig.run("UPDATE deliveries SET status = 'dead'").await.unwrap();
        stage.rig.store.redeliver(&party("tenant"), webhook.id, None, by(stage.clock.now())).await.unwrap();
        // They are all due at once, and more than one webhook is told at one time: the rest is looked at again later.
        until(async || {
            stage.clock.advance_s(10);
            stage.pending().await == 0
        })
        .await;
        let last = receiver.got().pop().unwrap();
        assert!(!is_signed(&last, &secret.text()) && is_signed(&last, &second.text()));
    }

    async fn a_copy_of_the_database_signs_nothing(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Status(204)).await;
        let (tenant, url) = (party("tenant"), receiver.url());
        let (webhook, secret) = stage.webhooks.register(tenant, &url, None, by(END)).await.unwrap();
        let kept = stage.rig.store.webhook(&party("tenant"), webhook.id).await.unwrap().unwrap();
        assert!(!kept.secret.windows(32).any(|part| part == secret.bytes()));
        step(&stage.rig.store, 0).await.unwrap();
        let thief = Webhooks { vault: Arc::new(Vault::new(&[8; 32])), ..stage.webhooks.clone() };
        let _sender = Sender::with(&thief, courier(QUICK), PACE);
        until(async || stage.failure().await.is_some()).await;
        assert_eq!(stage.failure().await.unwrap(), "this verifier cannot sign for the webhook");
        assert_eq!(receiver.got().len(), 0);
    }

    async fn a_receiver_that_is_down_is_told_when_it_is_back(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::away().await;
        stage.tells(&receiver).await;
        stage.job().await;
        let _sender = stage.sender();
        until(async || stage.rig.count("SELECT count(*) AS n FROM deliveries WHERE attempts > 0").await == 1).await;
        receiver.comes_back().await;
        sleep(10 * PACE).await;
        assert_eq!(receiver.got().len(), 0, "not before its time");
        stage.clock.advance_s(7);
        stage.until_all_is_done().await;
        let got = receiver.got();
        assert!(got.len() == stage.all().await && got.is_sorted_by_key(number), "{got:?}");
    }

    async fn what_fails_ten_times_is_a_dead_letter_until_it_is_redelivered(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Status(500)).await;
        let webhook = stage.tells(&receiver).await;
        step(&stage.rig.store, 0).await.unwrap();
        let sender = stage.sender();
        for attempts in 1..=10 {
            until(async || receiver.got().len() == attempts).await;
            let noted = async || {
                let sql = "SELECT CAST(sum(attempts) AS BIGINT) AS n FROM deliveries";
                usize::try_from(stage.rig.count(sql).await).unwrap() == attempts
            };
            until(noted).await;
            stage.clock.advance_s(200_000);
        }
        stage.until_all_is_done().await;
        let dead = stage.rig.store.dead_letters(webhook.id, None, 9).await.unwrap();
        assert_eq!((dead.len(), dead[0].attempts), (1, 10));
        assert_eq!(dead[0].failure.as_deref(), Some("status 500"));
        receiver.answers(Answers::Status(200));
        assert_eq!(stage.rig.store.redeliver(&party("tenant"), webhook.id, None, by(stage.clock.now())).await.unwrap(), 1);
        until(async || receiver.got().len() == 11).await;
        stage.until_all_is_done().await;
        sender.stop(PATIENCE).await;
        let ids: BTreeSet<_> = receiver.got().into_iter().map(|got| got.id).collect();
        assert_eq!(ids.len(), 1, "the same message each time");
    }

    async fn a_receiver_that_is_gone_is_told_nothing_more(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Status(410)).await;
        let webhook = stage.tells(&receiver).await;
        stage.job().await;
        let _sender = stage.sender();
        stage.until_all_is_done().await;
        assert_eq!(receiver.got().len(), 1);
        let tenant = party("tenant");
        let found = stage.rig.store.webhook(&tenant, webhook.id).await.unwrap().unwrap();
        assert_eq!(found.disabled_at, Some(END));
        let dead = stage.rig.store.dead_letters(webhook.id, None, 99).await.unwrap();
        assert_eq!(dead.len(), stage.all().await);
    }

    async fn a_redirect_is_not_followed(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Redirects).await;
        stage.tells(&receiver).await;
        step(&stage.rig.store, 0).await.unwrap();
        let _sender = stage.sender();
        until(async || stage.failure().await.is_some()).await;
        assert!(stage.failure().await.unwrap().starts_with("status 302: a redirect"));
        assert_eq!(receiver.got().len(), 1);
    }

    async fn a_slow_receiver_fails_and_does_not_hold_up_another(rig) {
        let stage = Stage::new(rig).await;
        let slow = Receiver::new(Answers::Sleeps(PATIENCE)).await;
        let quick = Receiver::new(Answers::Status(200)).await;
        stage.tells(&slow).await;
        stage.tells(&quick).await;
        step(&stage.rig.store, 0).await.unwrap();
        let _sender = stage.sender();
        until(async || quick.got().len() == 1).await;
        until(async || stage.failure().await.is_some()).await;
        assert_eq!(stage.failure().await.unwrap(), "no answer within 0 s");
    }

    async fn a_receiver_says_when_to_come_again(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::RetryAfter(3600)).await;
        stage.tells(&receiver).await;
        step(&stage.rig.store, 0).await.unwrap();
        let sender = stage.sender();
        let noted = "SELECT count(*) AS n FROM deliveries WHERE attempts = 1";
        until(async || stage.rig.count(noted).await == 1).await;
        sender.stop(PATIENCE).await;
        let due = "SELECT CAST(min(due_at) AS BIGINT) AS n FROM deliveries";
        assert_eq!(stage.rig.count(due).await, END.secs() + 3600);
    }

    async fn who_dies_before_it_is_noted_sends_it_again_under_the_same_id(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Status(200)).await;
        stage.tells(&receiver).await;
        step(&stage.rig.store, 0).await.unwrap();
        // One that took it, posted it, and is never heard of again.
        let until_then = UnixTime::from_secs(END.secs() + 60);
        let [taken] = stage.rig.store.due_deliveries(END, until_then, 9).await.unwrap().try_into().unwrap();
        assert_eq!(courier(PATIENCE).post(&taken, &vault(), END).await, Outcome::Taken);
        let _sender = stage.sender();
        sleep(10 * PACE).await;
        assert_eq!(receiver.got().len(), 1, "the lease holds");
        stage.clock.advance_s(60);
        stage.until_all_is_done().await;
        let got = receiver.got();
        assert_eq!((got.len(), &got[0].id, &got[0].body), (2, &got[1].id, &got[1].body));
        assert_ne!(got[0].at, got[1].at);
    }

    async fn two_senders_do_not_send_the_same(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Sleeps(Duration::from_millis(20))).await;
        stage.tells(&receiver).await;
        let funds = Transfer::deposit(&party("market"), &party("tenant"), money(100 * ESCROW), "more", END);
        stage.rig.store.book(funds, by(END)).await.unwrap();
        for n in 0..30 {
            stage.rig.store.create(format!("k{n}").leak()).await.unwrap();
        }
        stage.job().await;
        let other = Stage::of(stage.rig.reopen().await, &stage.clock);
        let _senders = [&stage.webhooks, &other].map(|webhooks| {
            Sender::with(webhooks, courier(PATIENCE), PACE)
        });
        // What found its webhook busy is looked at again later.
        until(async || { stage.clock.advance_s(1); stage.pending().await == 0 }).await;
        let got = receiver.got();
        let ids: BTreeSet<_> = got.iter().map(|got| got.id.clone()).collect();
        assert_eq!((got.len(), ids.len()), (stage.all().await, stage.all().await));
        let of_j: Vec<_> = got.iter().filter(|got| got.body.contains(r#""job":"j""#)).map(number).collect();
        assert!(of_j.len() > 3 && of_j.is_sorted(), "{of_j:?}");
    }

    async fn nothing_goes_where_the_configuration_does_not_allow(rig) {
        let stage = Stage::new(rig).await;
        let receiver = Receiver::new(Answers::Status(200)).await;
        stage.tells(&receiver).await;
        step(&stage.rig.store, 0).await.unwrap();
        // Registered while it was allowed; it is not any more.
        let strict = Courier::with(Reach::default(), QUICK, []).unwrap();
        let _sender = Sender::with(&stage.webhooks, strict, PACE);
        until(async || stage.failure().await.is_some()).await;
        assert_eq!(stage.failure().await.unwrap(), "expected https");
        assert_eq!(receiver.got().len(), 0);
        let listed = stage.webhooks.of(&party("tenant"), Page { after: None, limit: 9 }).await.unwrap();
        assert_eq!(listed.len(), 1);
        let nobody = PartyId::parse("nobody").unwrap();
        assert!(stage.webhooks.rotate(&nobody, listed[0].id, by(END)).await.unwrap().is_none());
    }
}

mod tls;

#[tokio::test]
async fn names_lead_to_allowed_addresses_alone() {
    let resolve = async |addresses| {
        let resolved = Resolver(addresses)
            .resolve("localhost".parse().unwrap())
            .await;
        resolved.ok().map(Iterator::count)
    };
    assert_eq!(resolve(Addresses::Public).await, None);
    assert!(resolve(Addresses::Loopback).await.unwrap() >= 1);
    assert!(resolve(Addresses::AlsoPrivate).await.unwrap() >= 1);
}
