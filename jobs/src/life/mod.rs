//! The life of a job: one file for each action.
//!
//! ```text
//!            ┌──────────────────────── cancel (no commitment yet) ─────────────▶ cancelled
//! create ▶ open ── all committed ▶ opening ── unanimous ▶ accepted ── window over ▶ settled
//!            │                       │   ▲ │                 │
//!            │      results or keyed │   │ └─◀ challenge ◀───┘
//!            │        digests differ ▼   │ (again)
//!            │                      disputed ── decided, unanimous ▶ accepted
//!            └── no commitment ─▶ failed ◀── nobody left, or nobody can judge
//! ```
//!
//! An action either changes the job and leaves its effects, or is refused and changes nothing. One that was applied
//! before is answered as before and leaves nothing. Deadlines hold whether or not a tick has passed: what comes late is
//! refused by the time alone.

mod accept;
mod agreement;
mod ask_openings;
mod cancel;
mod challenge_again;
mod commit;
mod conclude;
mod create;
mod dispatch;
mod dispute;
mod endings;
mod judge;
mod lookup;
mod open;
mod outage;
mod release;
mod renew;
mod settle;
mod stakes;
mod tick;
mod turn;

use crate::action::{Action, NewJob};
use crate::context::Context;
use crate::effects::Effects;
use crate::job::{Job, Question};
use crate::refusal::Refusal;
use turn::Turn;

pub use challenge_again::MOST_CHALLENGES;
pub use dispute::MOST_QUESTIONS;
pub use outage::Outage;

impl Job {
    /// Creates a job; its price goes into escrow.
    ///
    /// # Errors
    /// The tenant cannot pay, or the job has no canonical form.
    pub fn create(new: NewJob, context: &Context) -> Result<(Self, Effects), Refusal> {
        let mut turn = Turn::new(context);
        let job = create::create(new, &mut turn)?;
        Ok((job, turn.effects))
    }

    /// Applies an action: the job changes, and the effects are to be written with it.
    ///
    /// # Errors
    /// The action is refused; the job is as it was.
    pub fn apply(&mut self, action: Action, context: &Context) -> Result<Effects, Refusal> {
        let mut next = self.clone();
        let mut turn = Turn::new(context);
        step(&mut next, action, &mut turn)?;
        *self = next;
        Ok(turn.effects)
    }
}

fn step(job: &mut Job, action: Action, turn: &mut Turn<'_>) -> Result<(), Refusal> {
    match action {
        Action::Dispatch { candidates } => {
            dispatch::dispatch(job, &candidates, turn);
            Ok(())
        }
        Action::Accept {
            assignment,
            by,
            available,
        } => accept::accept(job, (&assignment, &by), available, turn),
        Action::Renew { assignment, by } => renew::renew(job, &assignment, &by, turn),
        Action::Release { assignment, by } => release::release(job, &assignment, &by, turn),
        Action::Commit {
            assignment,
            by,
            commitment,
        } => commit::commit(job, (&assignment, &by), commitment, turn),
        Action::Open {
            assignment,
            by,
            round,
            opening,
        } => {
            let opening = open::Opening {
                round,
                sha256: opening,
            };
            open::open(job, (&assignment, &by), &opening, turn)
        }
        Action::Judge {
            assignment,
            round,
            verdict,
        } => judge::judge(job, &assignment, round, verdict, turn),
        Action::TryInVain => {
            judge::try_in_vain(job, turn);
            Ok(())
        }
        Action::Ask {
            number,
            text,
            asked,
        } => dispute::ask(
            job,
            Question {
                number,
                text,
                asked,
            },
            turn,
        ),
        Action::Answer {
            assignment,
            by,
            number,
            answer,
        } => dispute::answer(job, (&assignment, &by), number, answer, turn),
        Action::AnswerTooLarge { assignment, by } => {
            dispute::too_large(job, (&assignment, &by), turn)
        }
        Action::Decide { wrong } => dispute::decide(job, &wrong, turn),
        Action::ChallengeAgain { by } => challenge_again::challenge_again(job, by, turn),
        Action::Settle => settle::settle(job, turn),
        Action::Cancel => cancel::cancel(job, turn),
        Action::Tick => tick::tick(job, turn),
    }
}
