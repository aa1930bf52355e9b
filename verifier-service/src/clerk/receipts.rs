//! Receipts of a job: they are signed when its results are accepted, and each says how many executions agree.

use std::collections::BTreeMap;

use evidence::work::Opening;
use jobs::{AssignmentId, Effects, Job, JobId};

use super::act::{Deed, Moment};
use super::{Clerk, ClerkError};
use crate::collateral::Used;
use crate::id::Id;
use crate::judge::Certificate;
use crate::store::clerk::{ClerkStore, Draft};
use crate::store::jobs::JobStore;
use crate::store::{NewReceipt, StoredReceipt};

/// Receipts that would be due, signed and issued to nobody yet.
#[derive(Clone, Default)]
pub(super) struct Prepared {
    agreeing: usize,
    receipts: BTreeMap<AssignmentId, NewReceipt>,
}

impl Prepared {
    /// Those that are due now; `None` if they are not those prepared.
    pub(super) fn of(
        &self,
        job: &Job,
        effects: &Effects,
    ) -> Option<Vec<(AssignmentId, NewReceipt)>> {
        if effects.receipts.is_empty() {
            return Some(Vec::new());
        }
        if job.agreeing() != self.agreeing {
            return None;
        }
        let due = effects
            .receipts
            .iter()
            .map(|id| Some((id.clone(), self.receipts.get(id)?.clone())));
        due.collect()
    }
}

impl Clerk {
    /// Tries an action on a copy of the job and signs the receipts that would be due.
    pub(super) async fn prepare(
        &self,
        id: &JobId,
        deed: &Deed,
        moment: Moment,
    ) -> Result<Prepared, ClerkError> {
        let job = self.store().job(id).await?;
        let mut job = job.ok_or(ClerkError::Unknown)?;
        // Why it is refused is said under the lock.
        let Ok(effects) = job.apply(deed.action.clone(), &moment.context()) else {
            return Ok(Prepared::default());
        };
        let mut prepared = Prepared {
            agreeing: job.agreeing(),
            receipts: BTreeMap::new(),
        };
        for assignment in effects.receipts {
            let draft = match &deed.draft {
                Some((of, draft)) if *of == assignment => draft.clone(),
                _ => self.draft_of(&assignment).await?,
            };
            let receipt = self.certify(&job, &assignment, draft).await?;
            prepared.receipts.insert(assignment, receipt);
        }
        Ok(prepared)
    }

    async fn draft_of(&self, assignment: &AssignmentId) -> Result<Draft, ClerkError> {
        let draft = self.store().draft(assignment).await?;
        draft.ok_or_else(|| broken(assignment, "was upheld without a draft of its receipt"))
    }

    async fn certify(
        &self,
        job: &Job,
        id: &AssignmentId,
        draft: Draft,
    ) -> Result<NewReceipt, ClerkError> {
        let opening = self.store().document(job.id(), draft.opening).await?;
        let opening = opening.ok_or_else(|| broken(id, "has lost its opening"))?;
        let assignment = job.assignment(id).ok_or(ClerkError::Unknown)?;
        let opened = assignment.openings().iter();
        let arrived_at = opened.map(|opened| opened.at).min();
        let certificate = Certificate {
            claims: draft.claims,
            id: Id::random(),
            agreeing: job.agreeing(),
        };
        let (name, judge) = (certificate.id, self.parts().proceedings.judge.clone());
        let sign = move || {
            let bundle = Opening::parse(&opening).map(|opening| Bundled::of(&opening));
            let award = judge.certify(&certificate);
            (bundle, award)
        };
        let (bundle, award) = self.parts().proceedings.workers.run(sign).await;
        let bundled = bundle.map_err(|error| broken(id, &error.to_string()))?;
        let bundled = bundled.map_err(|error| broken(id, &error.to_string()))?;
        let award = award?;
        Ok(NewReceipt {
            receipt: StoredReceipt {
                id: name,
                token: award.token,
                issued_at: award.issued_at,
                provisional: true,
                revoked_at: None,
            },
            challenge: assignment.challenge().0,
            arrived_at: arrived_at.unwrap_or(award.issued_at),
            bundle_sha256: bundled.sha256,
            bundle: bundled.bytes,
            job: job.digest().0,
            agent_key: bundled.agent_key,
            idempotency_key: None,
            // It was kept with the draft.
            collateral: Used::default(),
        })
    }
}

/// The bundle of an opening, as it is kept: its members in the order of their form.
pub(super) struct Bundled {
    pub(super) bytes: Vec<u8>,
    pub(super) sha256: [u8; 32],
    agent_key: [u8; 32],
}

impl Bundled {
    pub(super) fn of(opening: &Opening) -> Result<Self, serde_json::Error> {
        let bytes = serde_json::to_vec(&opening.bundle)?;
        Ok(Self {
            sha256: evidence::crypto::sha256(&bytes),
            agent_key: opening.bundle.statement.agent_key.0,
            bytes,
        })
    }
}

fn broken(assignment: &AssignmentId, why: &str) -> ClerkError {
    let what = format!("assignment {assignment} {why}");
    ClerkError::Broken { what }
}
