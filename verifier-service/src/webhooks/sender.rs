//! The background sender: takes what is due, posts it, records the outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidence::UnixTime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::courier::{Courier, TIMEOUT};
use super::schedule::follows;
use super::{Vault, Webhooks};
use crate::clock::Clock;
use crate::id::Id;
use crate::metrics::WebhookMeters;
use crate::store::outbox::{Attempt, Delivery, OutboxStore};

/// How often the store is asked while there is nothing to do.
const PACE: Duration = Duration::from_secs(1);
/// Most attempts at one time.
const MAX_AT_ONCE: usize = 64;
/// Most of them for one webhook: a slow receiver does not hold up the others.
const MAX_OF_WEBHOOK: usize = 4;
/// How long what was taken stays with a sender, in seconds: an attempt, and time to note what came of it.
const LEASE_S: i64 = 60;
/// After how long what found its webhook busy is looked at again, in seconds.
const BUSY_S: i64 = 2;
/// How often it is tried to note what came of an attempt, and how long between two tries.
const NOTES: usize = 4;
const NOTE_PAUSE: Duration = Duration::from_secs(2);

const _: () = assert!(
    LEASE_S.unsigned_abs() > TIMEOUT.as_secs() + 30,
    "nobody else is handed what is on its way"
);

/// A sender at work, until it is stopped or dropped.
pub(crate) struct Sender {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Work {
    store: Arc<dyn OutboxStore>,
    clock: Arc<dyn Clock>,
    courier: Courier,
    vault: Arc<Vault>,
    meters: WebhookMeters,
    under_way: JoinSet<Id>,
    of_webhook: HashMap<Id, usize>,
}

impl Sender {
    /// Starts to send. Needs a runtime.
    pub(crate) fn start(webhooks: &Webhooks, courier: Courier) -> Self {
        Self::with(webhooks, courier, PACE)
    }

    pub(super) fn with(webhooks: &Webhooks, courier: Courier, pace: Duration) -> Self {
        let work = Work {
            store: Arc::clone(&webhooks.store),
            clock: Arc::clone(&webhooks.clock),
            courier,
            vault: Arc::clone(&webhooks.vault),
            meters: webhooks.meters.clone(),
            under_way: JoinSet::new(),
            of_webhook: HashMap::new(),
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(work.run(stopped, pace));
        Self { stop, task }
    }

    /// Takes nothing more, and waits for what is under way, so long at most. What does not end is sent again later.
    pub(crate) async fn stop(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        if timeout(patience, &mut self.task).await.is_err() {
            tracing::warn!("webhooks are still being told; they will be told again");
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Work {
    async fn run(mut self, mut stopped: watch::Receiver<bool>, pace: Duration) {
        loop {
            let took_any = self.take().await;
            let is_full = self.under_way.len() >= MAX_AT_ONCE;
            tokio::select! {
                _ = stopped.wait_for(|is_stopped| *is_stopped) => break,
                Some(ended) = self.under_way.join_next() => self.end(ended),
                () = sleep(pace), if !is_full => {}
                () = std::future::ready(()), if took_any && !is_full => {}
            }
        }
        while self.under_way.join_next().await.is_some() {}
    }

    /// Takes what is due and there is room for; says whether there was any.
    async fn take(&mut self) -> bool {
        let room = MAX_AT_ONCE.saturating_sub(self.under_way.len());
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        if limit == 0 {
            return false;
        }
        let now = self.clock.now();
        let due = self.store.due_deliveries(now, later(now, LEASE_S), limit);
        let due = due.await.unwrap_or_else(|error| {
            tracing::warn!(cause = %error, "the store does not say which webhooks are to be told");
            Vec::new()
        });
        let took_any = !due.is_empty();
        for delivery in due {
            self.begin(delivery).await;
        }
        took_any
    }

    async fn begin(&mut self, delivery: Delivery) {
        let webhook = delivery.webhook.id;
        let busy = self.of_webhook.entry(webhook).or_default();
        if *busy >= MAX_OF_WEBHOOK {
            let now = self.clock.now();
            let until = later(now, BUSY_S);
            note(
                &*self.store,
                delivery.number,
                Attempt::Postponed { until },
                now,
            )
            .await;
            return;
        }
        *busy += 1;
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let (courier, vault) = (self.courier.clone(), Arc::clone(&self.vault));
        let meters = self.meters.clone();
        self.under_way.spawn(async move {
            let (now, begun) = (clock.now(), Instant::now());
            let outcome = courier.post(&delivery, &vault, now).await;
            let attempt = follows(&delivery, outcome, clock.now());
            meters.attempted(&attempt, begun.elapsed());
            attempted(&*store, &delivery, attempt, clock.now()).await;
            webhook
        });
    }

    fn end(&mut self, ended: Result<Id, tokio::task::JoinError>) {
        match ended {
            Ok(webhook) => {
                if let Some(busy) = self.of_webhook.get_mut(&webhook) {
                    *busy = busy.saturating_sub(1);
                    if *busy == 0 {
                        self.of_webhook.remove(&webhook);
                    }
                }
            }
            // Whose it was is not known any more; all are counted anew.
            Err(error) => {
                tracing::error!(cause = %error, "an attempt ended in a panic");
                self.of_webhook.clear();
            }
        }
    }
}

async fn attempted(store: &dyn OutboxStore, delivery: &Delivery, attempt: Attempt, now: UnixTime) {
    log(delivery, &attempt);
    note(store, delivery.number, attempt, now).await;
}

/// What cannot be noted ends with the lease: it is sent again.
async fn note(store: &dyn OutboxStore, number: i64, attempt: Attempt, now: UnixTime) {
    for _ in 0..NOTES {
        match store.attempted(number, attempt.clone(), now).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(cause = %error, "what came of a webhook is not noted");
                sleep(NOTE_PAUSE).await;
            }
        }
    }
}

fn log(delivery: &Delivery, attempt: &Attempt) {
    let (webhook, attempts) = (delivery.webhook.id, delivery.attempts.saturating_add(1));
    match attempt {
        Attempt::Delivered | Attempt::Postponed { .. } => {
            tracing::debug!(%webhook, attempts, "webhook told");
        }
        Attempt::Retry { failure, .. } => {
            tracing::info!(%webhook, attempts, failure, "webhook not told, to be tried again");
        }
        Attempt::Dead { failure } | Attempt::Gone { failure } => {
            tracing::warn!(%webhook, attempts, failure, "webhook not told, given up");
        }
    }
}

fn later(now: UnixTime, seconds: i64) -> UnixTime {
    UnixTime::from_secs(now.secs().saturating_add(seconds))
}
