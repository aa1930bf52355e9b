//! What an agent is to do next: the oldest thing that it does not know of yet, first questions, then openings, then
//! offers.

use std::collections::BTreeSet;

use evidence::UnixTime;
use evidence::work::wire::{
    Ask, CrossKey, Ended, Id as WireId, Known, Next, Offer, Open, Question, Secret, TaskKind,
    TermsShown, Word,
};
use jobs::view::AgentView;
use jobs::{AgentId, Assignment, AssignmentId, Job};

use super::{Clerk, ClerkError};
use crate::store::jobs::{Askable, JobStore};

/// Most jobs that are read for one look, of each kind of task.
const LOOKED_AT: usize = 32;

/// An agent that asks what to do.
pub(crate) struct Asking {
    /// Which.
    pub(crate) id: AgentId,
    /// Whether it states conditions (see `evidence::work::wire`).
    pub(crate) states_conditions: bool,
}

impl Clerk {
    /// The next thing for an agent, beside what it knows; `None` if there is none now.
    ///
    /// # Errors
    /// A failure.
    pub(crate) async fn next_for(
        &self,
        agent: &Asking,
        known: &[Known],
    ) -> Result<Option<Next>, ClerkError> {
        let askable = self.store().askable(&agent.id).await?;
        for kind in [TaskKind::Question, TaskKind::Open, TaskKind::Offer] {
            let mut tasks = Vec::new();
            for open in looked_at(&askable, kind, known) {
                tasks.extend(self.next_about(open, agent, known).await?);
            }
            if let Some(next) = tasks.into_iter().min_by_key(urgency) {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    async fn next_about(
        &self,
        open: &Askable,
        agent: &Asking,
        known: &[Known],
    ) -> Result<Option<Next>, ClerkError> {
        let Some(job) = self.store().job(&open.job).await? else {
            return Ok(None);
        };
        let next = next(&job, &open.id, agent, self.parts().clock.now())?;
        Ok(next.filter(|next| !known.contains(&next.name())))
    }

    /// Those of the assignments an agent holds that are over.
    ///
    /// # Errors
    /// A failure.
    pub(crate) async fn ended_of(
        &self,
        agent: &AgentId,
        held: &[WireId],
    ) -> Result<Vec<Ended>, ClerkError> {
        let mut all = Vec::new();
        for name in held {
            let Ok(id) = AssignmentId::parse(name.as_str()) else {
                all.extend(ended(name, None));
                continue;
            };
            let job = match self.job_of(&id, agent).await {
                Ok(job) => Some(job),
                Err(ClerkError::Unknown) => None,
                Err(error) => return Err(error),
            };
            let found = job.as_ref().map(|job| (job, job.assignment(&id)));
            all.extend(ended(name, found));
        }
        Ok(all)
    }
}

/// What is looked at for one kind of task: what the agent knows nothing of, then what it knows, of which there may be another
/// round or question. A second offer of an assignment there is not. What is beyond the limit has its turn once the agent did
/// some of it, or let it lapse.
fn looked_at<'a>(
    askable: &'a [Askable],
    kind: TaskKind,
    known: &[Known],
) -> impl Iterator<Item = &'a Askable> {
    let known: BTreeSet<&str> = known
        .iter()
        .map(|known| known.assignment.as_str())
        .collect();
    let of_kind = askable.iter().filter(|open| open.task == kind);
    let (old, new): (Vec<_>, Vec<_>) = of_kind.partition(|open| known.contains(open.id.as_str()));
    let old = old.into_iter().filter(move |_| kind != TaskKind::Offer);
    new.into_iter().chain(old).take(LOOKED_AT)
}

/// Whether an assignment is at its end, and how; `None` while something may still be asked about it.
fn ended(name: &WireId, found: Option<(&Job, Option<&Assignment>)>) -> Option<Ended> {
    let ended = |status: &str, code: Option<&jobs::Code>| {
        Some(Ended {
            assignment: name.clone(),
            status: Word::lossy(status),
            code: code.map(|code| Word::lossy(code.as_str())),
        })
    };
    let Some((job, Some(assignment))) = found else {
        return ended("unknown", None);
    };
    match (assignment.ended_at(), job.status().is_final()) {
        (Some(_), _) => ended(assignment.status().as_str(), assignment.code()),
        (None, true) => ended(job.status().as_str(), job.code()),
        (None, false) => None,
    }
}

/// Questions first, then openings, then offers; of each kind the one that is due first.
fn urgency(next: &Next) -> (u8, UnixTime) {
    match next {
        Next::Question(question) => (0, question.until),
        Next::Open(open) => (1, open.until),
        Next::Offer(offer) => (2, offer.accept_until),
    }
}

fn next(
    job: &Job,
    id: &AssignmentId,
    agent: &Asking,
    now: UnixTime,
) -> Result<Option<Next>, ClerkError> {
    let Some(view) = AgentView::of(job, id, &agent.id) else {
        return Ok(None);
    };
    let name = wire_id(id.as_str())?;
    if let Some(question) = view.question.filter(|question| now < question.due) {
        let ask: Ask = serde_json::from_str(question.text).map_err(|error| broken(&error))?;
        return Ok(Some(Next::Question(Question {
            assignment: name,
            number: question.number,
            ask,
            until: question.due,
        })));
    }
    if let Some(opening) = view.opening.filter(|opening| now < opening.due) {
        let cross = opening.cross.iter().map(|cross| {
            Ok(CrossKey {
                assignment: wire_id(cross.assignment.as_str())?,
                replica_key: Secret::new(cross.replica_key.0),
            })
        });
        return Ok(Some(Next::Open(Open {
            assignment: name,
            round: opening.round,
            randomness: opening.randomness,
            points: opening.points,
            whole: opening.whole,
            cross: cross.collect::<Result<_, ClerkError>>()?,
            until: opening.due,
        })));
    }
    let Some(accept_until) = view.accept_by.filter(|due| now < *due) else {
        return Ok(None);
    };
    Ok(Some(Next::Offer(Box::new(Offer {
        assignment: name,
        job: job.digest(),
        spec: job.spec().clone(),
        accept_until,
        terms: shown(job, agent.states_conditions),
    }))))
}

/// An agent that states no conditions does not understand what came with them.
fn shown(job: &Job, knows_conditions: bool) -> TermsShown {
    let terms = job.terms().shown().clone();
    match knows_conditions {
        true => terms,
        false => TermsShown {
            devices: None,
            min_agreeing: None,
            policy: None,
            ..terms
        },
    }
}

fn wire_id(text: &str) -> Result<WireId, ClerkError> {
    WireId::parse(text).map_err(|error| broken(&error))
}

fn broken(error: &dyn std::error::Error) -> ClerkError {
    let what = error.to_string();
    ClerkError::Broken { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn askable(n: usize, task: TaskKind) -> Askable {
        Askable {
            id: AssignmentId::parse(&format!("a{n}")).unwrap(),
            job: jobs::JobId::parse(&format!("j{n}")).unwrap(),
            task,
        }
    }

    fn known(n: usize, task: TaskKind) -> Known {
        Known {
            assignment: WireId::parse(&format!("a{n}")).unwrap(),
            task,
            number: 0,
        }
    }

    fn names(of: &[Askable], kind: TaskKind, known: &[Known]) -> Vec<String> {
        let names = looked_at(of, kind, known);
        names.map(|open| open.id.to_string()).collect()
    }

    #[test]
    fn what_is_looked_at_is_bounded_and_what_is_new_comes_first() {
        let open: Vec<_> = (0..1000).map(|n| askable(n, TaskKind::Open)).collect();
        let knows: Vec<_> = (0..256).map(|n| known(n, TaskKind::Open)).collect();
        let looked = names(&open, TaskKind::Open, &knows);
        assert_eq!((looked.len(), looked[0].as_str()), (LOOKED_AT, "a256"));
        assert_eq!(names(&open, TaskKind::Question, &[]), [""; 0]);
        // One that is known may have another round; an offer that is known is the same.
        let two = [askable(0, TaskKind::Open), askable(1, TaskKind::Open)];
        assert_eq!(names(&two, TaskKind::Open, &knows[..1]), ["a1", "a0"]);
        let two = [askable(0, TaskKind::Offer), askable(1, TaskKind::Offer)];
        assert_eq!(
            names(&two, TaskKind::Offer, &[known(0, TaskKind::Offer)]),
            ["a1"]
        );
    }
}
