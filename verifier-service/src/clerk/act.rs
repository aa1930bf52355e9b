//! One action, applied under the job's lock and written together with all that follows from it.
//!
//! An action that could accept results is tried on a copy first, since receipts are signed while no lock is held. If
//! the job has changed by the time it is locked, so that other receipts are due, this is tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evidence::UnixTime;
use evidence::work::{Base64Url, Hex};
use jobs::{
    Action, AgentId, Amount, AssignmentId, Context, Event, EventKind, Job, JobId, PartyId, Refusal,
    Verdict,
};

use super::receipts::Prepared;
use super::{Clerk, ClerkError};
use crate::audit::{self, By};
use crate::hub::Note;
use crate::random;
use crate::store::archive::Grounds;
use crate::store::clerk::Draft;
use crate::store::jobs::{Act, Acted, Change, Document, JobStore, Search, Written};

/// Most tries until a job stands still long enough for its receipts to be signed.
const TRIES: usize = 8;

/// Something that is to happen to a job.
#[derive(Clone)]
pub(crate) struct Deed {
    pub(super) action: Action,
    available_of: Option<PartyId>,
    documents: Vec<Document>,
    pub(super) draft: Option<(AssignmentId, Draft)>,
    grounds: Option<Grounds>,
    by: Option<(By, audit::Action)>,
}

/// A moment and its randomness.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: UnixTime,
    seed: [u8; 32],
}

impl Moment {
    pub(super) fn context(self) -> Context {
        Context::new(self.now, self.seed)
    }
}

impl Deed {
    /// An action that brings nothing with it.
    pub(crate) fn new(action: Action) -> Self {
        Self {
            action,
            available_of: None,
            documents: Vec::new(),
            draft: None,
            grounds: None,
            by: None,
        }
    }

    /// A tenant takes its job back.
    pub(crate) fn cancel(by: By) -> Self {
        Self {
            by: Some((by, audit::Action::JobCancel)),
            ..Self::new(Action::Cancel)
        }
    }

    /// A party has the results audited again.
    pub(crate) fn dispute(party: PartyId, by: By) -> Self {
        Self {
            by: Some((by, audit::Action::JobDispute)),
            ..Self::new(Action::ChallengeAgain { by: party })
        }
    }

    /// An agent takes an assignment; `owner` puts the stake down.
    pub(crate) fn accept(assignment: &AssignmentId, by: &AgentId, owner: PartyId) -> Self {
        let deed = Self::new(Action::Accept {
            assignment: assignment.clone(),
            by: by.clone(),
            available: Amount::ZERO,
        });
        Self {
            available_of: Some(owner),
            ..deed
        }
    }

    /// An agent still works.
    pub(crate) fn renew(assignment: &AssignmentId, by: &AgentId) -> Self {
        Self::new(Action::Renew {
            assignment: assignment.clone(),
            by: by.clone(),
        })
    }

    /// An agent gives an assignment back.
    pub(crate) fn release(assignment: &AssignmentId, by: &AgentId) -> Self {
        Self::new(Action::Release {
            assignment: assignment.clone(),
            by: by.clone(),
        })
    }

    /// An agent commits to a result.
    pub(crate) fn commit(
        assignment: &AssignmentId,
        by: &AgentId,
        commitment: Base64Url<32>,
    ) -> Self {
        Self::new(Action::Commit {
            assignment: assignment.clone(),
            by: by.clone(),
            commitment,
        })
    }

    /// An agent opens; the bytes are kept.
    pub(crate) fn open(
        assignment: &AssignmentId,
        by: &AgentId,
        round: u32,
        document: Document,
    ) -> Self {
        let deed = Self::new(Action::Open {
            assignment: assignment.clone(),
            by: by.clone(),
            round,
            opening: document.sha256,
        });
        Self {
            documents: vec![document],
            ..deed
        }
    }

    /// An agent answers the referee; the bytes are kept.
    pub(crate) fn answer(
        assignment: &AssignmentId,
        by: &AgentId,
        number: u32,
        document: Document,
    ) -> Self {
        let deed = Self::new(Action::Answer {
            assignment: assignment.clone(),
            by: by.clone(),
            number,
            answer: document.sha256,
        });
        Self {
            documents: vec![document],
            ..deed
        }
    }

    /// An agent handed in too much for an answer to the referee.
    pub(crate) fn answer_too_large(assignment: &AssignmentId, by: &AgentId) -> Self {
        Self::new(Action::AnswerTooLarge {
            assignment: assignment.clone(),
            by: by.clone(),
        })
    }

    /// An opening was judged.
    pub(super) fn judge(
        assignment: &AssignmentId,
        round: u32,
        verdict: Verdict,
        draft: Option<(Draft, Grounds)>,
    ) -> Self {
        let deed = Self::new(Action::Judge {
            assignment: assignment.clone(),
            round,
            verdict,
        });
        let (draft, grounds) = draft.unzip();
        Self {
            draft: draft.map(|draft| (assignment.clone(), draft)),
            grounds,
            ..deed
        }
    }

    /// The action, by what its party has available.
    fn action(&self, money: Amount) -> Action {
        let mut action = self.action.clone();
        if let Action::Accept { available, .. } = &mut action {
            *available = money;
        }
        action
    }

    fn entry(&self, job: &Job) -> Option<audit::New> {
        let (by, action) = self.by.clone()?;
        Some(audit::New::done(by, action, job.id()).of(job.tenant()))
    }

    /// Whether agents are to be looked for afterwards. What may have freed a place, or an agent that was passed over, is a
    /// reason to begin anew; an offer, and a sign of life, are none.
    fn search(&self, job: &Job, now: UnixTime) -> Search {
        match self.action {
            _ if !job.wants_agents(now) => Search::Over,
            Action::Dispatch { .. } | Action::Renew { .. } => Search::On,
            _ => Search::Anew,
        }
    }

    const fn may_be_vain(&self) -> bool {
        matches!(self.action, Action::Dispatch { .. } | Action::TryInVain)
    }

    /// Whether results may be accepted by it.
    const fn may_accept(&self) -> bool {
        matches!(
            self.action,
            Action::Judge { .. } | Action::Decide { .. } | Action::Tick
        )
    }

    fn change(
        &self,
        job: &mut Job,
        money: Amount,
        moment: Moment,
        prepared: &Prepared,
    ) -> Result<Option<Change>, Refusal> {
        let effects = job.apply(self.action(money), &moment.context())?;
        let Some(receipts) = prepared.of(job, &effects) else {
            return Ok(None);
        };
        Ok(Some(Change {
            due_at: due_at(job, moment.now),
            search: self.search(job, moment.now),
            documents: self.documents.clone(),
            drafts: self.draft.iter().cloned().collect(),
            grounds: self.grounds.clone(),
            receipts,
            effects,
            audit: self.entry(job),
        }))
    }
}

impl Document {
    /// Bytes under their digest.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            sha256: Hex(evidence::crypto::sha256(&bytes)),
            bytes,
        }
    }
}

impl Clerk {
    /// Applies an action; the job as it is then. One that was applied before changes nothing.
    ///
    /// # Errors
    /// The rules say no; there is no such job; an outage is not over; a failure.
    pub(crate) async fn act(&self, id: &JobId, deed: Deed) -> Result<Job, ClerkError> {
        let deed = Arc::new(deed);
        for _ in 0..TRIES {
            let moment = Moment {
                now: self.parts().clock.now(),
                seed: random::bytes(),
            };
            // After the moment was taken: a verifier that is stopped in between has an early moment.
            let is_leaving = self.is_leaving();
            self.may_happen(&deed.action, is_leaving)?;
            let prepared = match deed.may_accept() {
                true => self.prepare(id, &deed, moment).await?,
                false => Prepared::default(),
            };
            let is_stale = Arc::new(AtomicBool::new(false));
            let act = locked(Arc::clone(&deed), moment, prepared, Arc::clone(&is_stale));
            let money_of = deed.available_of.as_ref();
            match self.store().with_job(id, money_of, act).await? {
                Acted::Done(job, written) => {
                    // An offer that found nobody after all is no news, nor is a try in vain: whoever was told would try
                    // again at once.
                    if !deed.may_be_vain() || !written.events.is_empty() {
                        self.tell(&job, &written);
                    }
                    return Ok(*job);
                }
                Acted::Refused(_) if is_stale.load(Ordering::SeqCst) => {}
                // It may be late because nobody could be heard: whoever comes next says.
                Acted::Refused(_) if is_leaving => return Err(ClerkError::Away),
                Acted::Refused(refusal) => return Err(refusal.into()),
                Acted::NoRoom(agent) => return Err(ClerkError::NoRoom(agent)),
                Acted::Unknown => return Err(ClerkError::Unknown),
            }
        }
        let what = format!("job {id} changes faster than its receipts are signed");
        Err(ClerkError::Broken { what })
    }

    /// Whether something may happen to a job now. What is handed in to a verifier that leaves still counts, and time passes
    /// for those alone who can be heard.
    fn may_happen(&self, action: &Action, is_leaving: bool) -> Result<(), ClerkError> {
        let may = match is_leaving {
            true => !matches!(action, Action::Tick),
            false => !self.was_away(),
        };
        may.then_some(()).ok_or(ClerkError::Away)
    }

    /// Wakes whoever is concerned by what was written, here at once, elsewhere by what the store says is new.
    pub(super) fn tell(&self, job: &Job, written: &Written) {
        let agents = written.effects.wake.iter().map(|agent| Some(agent.clone()));
        let notes: Vec<_> = agents
            .chain([None])
            .map(|agent| Note {
                number: written.events.last().copied().unwrap_or_default(),
                job: job.id().clone(),
                agent,
            })
            .collect();
        self.meters().happened(&written.effects.events);
        self.parts().hub.wrote(&notes);
        let now = self.parts().clock.now();
        if due_at(job, now).is_some_and(|due| due <= now) {
            self.is_due(job.id());
        }
        if written.effects.events.iter().any(brings_agents) {
            self.agents_may_be_free();
        } else if job.wants_agents(now) {
            self.agents_are_wanted();
        }
    }
}

/// The action for the store, which may call it several times.
fn locked(deed: Arc<Deed>, moment: Moment, prepared: Prepared, is_stale: Arc<AtomicBool>) -> Act {
    Box::new(
        move |job, money| match deed.change(job, money, moment, &prepared) {
            Ok(Some(change)) => Ok(change),
            Ok(None) => {
                is_stale.store(true, Ordering::SeqCst);
                let actual = job.status();
                Err(Refusal::JobStatus { actual })
            }
            Err(refusal) => Err(refusal),
        },
    )
}

/// When somebody must look at a job again: at once where it is the verifier's turn, else when time alone moves it on, or
/// lets an agent that was passed over be offered it again. Looking for agents is no matter of time: see `search`.
pub(super) fn due_at(job: &Job, now: UnixTime) -> Option<UnixTime> {
    let by_time = job.due_at()?;
    if is_our_turn(job) {
        return Some(now.min(by_time));
    }
    let again = job.passes_over_until(now).filter(|_| job.wants_agents(now));
    Some(again.map_or(by_time, |again| again.min(by_time)))
}

fn is_our_turn(job: &Job) -> bool {
    let is_opened =
        |assignment: &jobs::Assignment| assignment.status() == jobs::AssignmentStatus::Opened;
    job.assignments().iter().any(is_opened) || is_referees_turn(job)
}

/// Whether an agent has less to do after it, or an owner more to stake.
const fn brings_agents(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::AssignmentExpired
            | EventKind::AssignmentReleased
            | EventKind::AssignmentJudged
            | EventKind::AssignmentRefused
            | EventKind::AssignmentPaid
            | EventKind::JobSettled
            | EventKind::JobFailed
            | EventKind::JobCancelled
    )
}

/// Whether a referee has to ask or to decide.
pub(super) fn is_referees_turn(job: &Job) -> bool {
    let Some(dispute) = job.dispute() else {
        return false;
    };
    let answered = |question: &jobs::Question| {
        let mut asked = question.asked.iter().filter_map(|id| job.assignment(id));
        asked.all(|assignment| assignment.answers().contains_key(&question.number))
    };
    dispute.question.as_ref().is_none_or(answered)
}
