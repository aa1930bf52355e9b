//! Settle: the dispute window is over, and everybody gets what is theirs.

use super::turn::Turn;
use crate::assignment::{Assignment, Stage};
use crate::books::Transfer;
use crate::event::EventKind;
use crate::job::{Job, Phase};
use crate::money::Amount;
use crate::record::ResultKind;
use crate::refusal::Refusal;

pub(super) fn settle(job: &mut Job, turn: &mut Turn<'_>) -> Result<(), Refusal> {
    let actual = job.status();
    match job.phase {
        Phase::Settled { .. } => Ok(()), // settled before
        Phase::Accepted { settle_at: due, .. } if turn.now() < due => {
            Err(Refusal::SettleEarly { due })
        }
        Phase::Accepted { .. } => {
            pay_out(job, turn);
            Ok(())
        }
        _ => Err(Refusal::JobStatus { actual }),
    }
}

fn pay_out(job: &mut Job, turn: &mut Turn<'_>) {
    let price = job.money(job.terms.price().amount);
    let (id, workload) = (job.id.clone(), job.workload());
    // Work of which nobody can tell how much it is earns no trust, nor does work on what its tenant chose.
    let earned = job.size().filter(|_| is_vouched(job) && !job.nature.given);
    let at = turn.now();
    let mut left = job.terms.escrow();
    let accepted = |assignment: &Assignment| assignment.stage == Stage::Accepted;
    job.each(accepted, |assignment, stakes| {
        left = left.checked_sub(price.amount).unwrap_or(Amount::ZERO);
        if !price.amount.is_zero() {
            let pay = Transfer::pay(&id, (&assignment.id, &assignment.owner), price, at);
            turn.effects.transfers.push(pay);
        }
        stakes.give_back(assignment, turn);
        if let Some(size) = earned {
            turn.record(assignment, &workload, ResultKind::Good(size));
        }
        assignment.stage = Stage::Paid { at };
        turn.event(EventKind::AssignmentPaid, assignment);
    });
    job.refund(left, turn);
    turn.job_event(EventKind::JobSettled, None);
    job.phase = Phase::Settled { at };
}

/// Whether anybody beside the agent vouches for the result. One that stands on its own word is paid, as the terms say,
/// but makes no record: else an agent alone would earn the trust that leaves it alone.
fn is_vouched(job: &Job) -> bool {
    job.agreeing() > 1 || job.is_checked() || job.refereed
}
