//! What a policy would have said of bundles that got a receipt. They are judged again, as of the time of the receipt,
//! and nothing is issued.
//!
//! Everything but the policy is today's: collateral at hand now, checks as this program makes them now. So a policy in
//! force may deny in simulation what it granted then, because collateral was dropped since. Nobody on the network is
//! asked, for manifests or about revocation: answers of that day that are still kept count, also where the policy wants
//! answers to be asked for anew.

use std::sync::Arc;
use std::time::Duration;

use evidence::UnixTime;
use evidence::policy::{Denial, Policy};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::appraiser::Inquiry;
use crate::id::Id;
use crate::judge::{Judge, Proceedings, Unjudged};
use crate::problem::{Problem, ProblemCode};
use crate::store::policies::{Issued, PolicyStore};

/// Most receipts of one simulation.
pub(crate) const MAX_RECEIPTS: usize = 100;
/// Receipts of a simulation that does not say how many.
pub(crate) const DEFAULT_RECEIPTS: u32 = 50;
/// Seconds after which another simulation may have ended.
const BUSY_RETRY_S: u32 = 10;

/// Judges again.
#[derive(Clone)]
pub(crate) struct Simulator {
    store: Arc<dyn PolicyStore>,
    proceedings: Proceedings,
    /// One at a time: each holds a stored bundle, which no budget for bodies counts.
    place: Arc<Semaphore>,
    /// How long one may take.
    limit: Duration,
}

/// What became of one receipt.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The receipt.
    pub(crate) receipt: Id,
    /// When it was issued; `None` if there is none of this name.
    pub(crate) issued_at: Option<UnixTime>,
    /// What the policy and the floor say against it, or why they could not be asked.
    pub(crate) said: Result<Vec<Denial>, Unasked>,
}

/// Why a policy was not asked about a receipt.
#[derive(Debug)]
pub(crate) enum Unasked {
    /// There is no such receipt.
    NoReceipt,
    /// Time ran out before its turn.
    TimedOut,
    /// The stored bundle or the policy is at fault.
    Unjudged(Unjudged),
}

impl Simulator {
    /// One simulation at a time, within `limit`.
    pub(crate) fn new(
        store: Arc<dyn PolicyStore>,
        proceedings: Proceedings,
        limit: Duration,
    ) -> Self {
        Self {
            store,
            proceedings,
            place: Arc::new(Semaphore::new(1)),
            limit,
        }
    }

    /// Asks a policy about each receipt, in order.
    ///
    /// # Errors
    /// 503 while another simulation runs, a failure of the store.
    pub(crate) async fn run(
        &self,
        policy: Policy,
        receipts: Vec<Id>,
    ) -> Result<Vec<Outcome>, Problem> {
        let Ok(_place) = self.place.try_acquire() else {
            return Err(Problem::new(ProblemCode::Overloaded).retry_after_s(BUSY_RETRY_S));
        };
        let (ends_at, policy) = (Instant::now() + self.limit, Arc::new(policy));
        let mut outcomes = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let outcome = if Instant::now() < ends_at {
                self.one(&policy, receipt).await?
            } else {
                Outcome {
                    receipt,
                    issued_at: None,
                    said: Err(Unasked::TimedOut),
                }
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn one(&self, policy: &Arc<Policy>, receipt: Id) -> Result<Outcome, Problem> {
        let Some(issued) = self.store.issued(receipt).await? else {
            return Ok(Outcome {
                receipt,
                issued_at: None,
                said: Err(Unasked::NoReceipt),
            });
        };
        let issued_at = issued.issued_at;
        let said = self.ask(Arc::clone(policy), issued).await;
        Ok(Outcome {
            receipt,
            issued_at: Some(issued_at),
            said: said.map_err(Unasked::Unjudged),
        })
    }

    async fn ask(&self, policy: Arc<Policy>, issued: Issued) -> Result<Vec<Denial>, Unjudged> {
        let reconsider =
            move |judge: &dyn Judge, inquiry: &Inquiry| judge.reconsider(&issued, inquiry);
        self.proceedings
            .conduct(Inquiry::new(policy).of_the_past(), reconsider)
            .await
    }
}
