//! How assignments are refused and jobs end badly: the moves that several actions share.

use super::stakes::Stakes;
use super::turn::Turn;
use crate::assignment::{Assignment, Stage};
use crate::books::Transfer;
use crate::code::Code;
use crate::event::EventKind;
use crate::id::AssignmentId;
use crate::job::{Job, Phase};
use crate::money::{Amount, Money};
use crate::patience::MissKind;
use crate::record::ResultKind;

/// What an ending costs the provider.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// The stake comes back, the record is as it was.
    Nothing,
    /// The stake comes back, the record starts again.
    Record,
    /// The stake goes to the treasury, the record starts again.
    Stake,
}

/// How assignments end other than by being paid.
struct Ending {
    stage: Stage,
    kind: EventKind,
    cost: Cost,
    /// Whether receipts are out that no longer hold: from the second round of openings on.
    revokes: bool,
}

impl Job {
    pub(super) fn money(&self, amount: Amount) -> Money {
        let currency = self.terms.currency();
        Money { amount, currency }
    }

    /// Changes those of the assignments that `which` holds of.
    pub(super) fn each(
        &mut self,
        which: impl Fn(&Assignment) -> bool,
        mut change: impl FnMut(&mut Assignment, &Stakes<'_>),
    ) {
        let each = self.money(self.terms.stake());
        let stakes = Stakes {
            job: &self.id,
            each,
        };
        for assignment in self.assignments.iter_mut().filter(|a| which(a)) {
            change(assignment, &stakes);
        }
    }

    /// Refuses those of the assignments that `which` holds of and that have not ended.
    pub(super) fn refuse(
        &mut self,
        which: impl Fn(&Assignment) -> bool,
        code: &Code,
        cost: Cost,
        turn: &mut Turn<'_>,
    ) {
        let (at, code) = (turn.now(), code.clone());
        let ending = Ending {
            stage: Stage::Refused { at, code },
            kind: EventKind::AssignmentRefused,
            cost,
            revokes: self.round() > 0,
        };
        self.end(|a| a.ended_at().is_none() && which(a), &ending, turn);
    }

    /// Ends an assignment before its commitment, by time or by its agent's wish. Its owner is not asked again before others.
    ///
    /// Work that is given back, or not done in its time, may be the fault of its terms, and whoever orders work must not be
    /// able to ruin a record by it. Silence is nobody's but the agent's.
    pub(super) fn drop_one(&mut self, id: &AssignmentId, stage: Stage, turn: &mut Turn<'_>) {
        let kind = match stage {
            Stage::Released { .. } => EventKind::AssignmentReleased,
            _ => EventKind::AssignmentExpired,
        };
        let Some(missed) = self.assignments.iter().find(|a| a.id == *id).cloned() else {
            return;
        };
        let how = how(&stage, &missed);
        // Where several must agree, whoever took it knew that the others' pay hangs on it.
        let others_count_on_it = self.terms.min_agreeing() > 1;
        let cost = match (how, &missed.stage) {
            (MissKind::Silent, Stage::Leased { .. }) => Cost::Record,
            (_, Stage::Leased { .. }) if others_count_on_it => Cost::Record,
            _ => Cost::Nothing,
        };
        turn.miss(&missed, how);
        let ended = Assignment {
            stage: stage.clone(),
            ..missed
        };
        self.pass_over(&ended);
        let ending = Ending {
            stage,
            kind,
            cost,
            revokes: false,
        };
        self.end(|a| a.id == *id, &ending, turn);
    }

    fn end(&mut self, which: impl Fn(&Assignment) -> bool, ending: &Ending, turn: &mut Turn<'_>) {
        let workload = self.workload();
        self.each(which, |assignment, stakes| {
            match ending.cost {
                Cost::Stake => stakes.slash(assignment, turn),
                Cost::Nothing | Cost::Record => stakes.give_back(assignment, turn),
            }
            if ending.cost != Cost::Nothing {
                turn.record(assignment, &workload, ResultKind::Bad);
            }
            if ending.revokes {
                turn.effects.revoked.push(assignment.id.clone());
            }
            assignment.stage = ending.stage.clone();
            turn.event(ending.kind, assignment);
        });
    }

    /// The job failed: nobody is paid, nobody slashed, the tenant has its money back.
    pub(super) fn fail(&mut self, code: &Code, turn: &mut Turn<'_>) {
        let cost = match *code == Code::REPLICAS_DISAGREE {
            true => Cost::Record,
            false => Cost::Nothing,
        };
        self.refuse(|_| true, code, cost, turn);
        self.refund(self.terms.escrow(), turn);
        let at = turn.now();
        let code = code.clone();
        turn.job_event(EventKind::JobFailed, Some(code.clone()));
        self.phase = Phase::Failed { at, code };
    }

    /// What is left of the escrow goes back to the tenant.
    pub(super) fn refund(&self, left: Amount, turn: &mut Turn<'_>) {
        if !left.is_zero() {
            let money = self.money(left);
            let transfer = Transfer::refund(&self.id, &self.tenant, money, turn.now());
            turn.effects.transfers.push(transfer);
        }
    }
}

/// How an assignment that ends so left others waiting.
const fn how(end: &Stage, of: &Assignment) -> MissKind {
    match (end, &of.stage) {
        (Stage::Released { .. }, _) => MissKind::GivenUp,
        (_, Stage::Leased { until, commit_by }) if until.secs() >= commit_by.secs() => {
            MissKind::GivenUp
        }
        _ => MissKind::Silent,
    }
}
