//! Create: the job exists, and its price lies in escrow.

use evidence::work::Hex;

use super::turn::Turn;
use crate::action::NewJob;
use crate::books::Transfer;
use crate::event::EventKind;
use crate::job::{Job, Phase};
use crate::money::Money;
use crate::refusal::Refusal;

pub(super) fn create(new: NewJob, turn: &mut Turn<'_>) -> Result<Job, Refusal> {
    check_funds(&new)?;
    let job = Job {
        digest: digest(new.spec.digest())?,
        terms_sha256: digest(new.terms.digest())?,
        id: new.id,
        tenant: new.tenant,
        spec: new.spec,
        terms: new.terms,
        nature: new.nature,
        created_at: turn.now(),
        phase: Phase::Open,
        wanted: None,
        assignments: Vec::new(),
        passed_over: Vec::new(),
        challenged_by: Vec::new(),
        refereed: false,
        questions: 0,
        excused_until: None,
        excused_s: 0,
    };
    put_in_escrow(&job, turn);
    turn.job_event(EventKind::JobCreated, None);
    Ok(job)
}

fn check_funds(new: &NewJob) -> Result<(), Refusal> {
    let money = |amount| Money {
        amount,
        currency: new.terms.currency(),
    };
    match new.available >= new.terms.escrow() {
        true => Ok(()),
        false => Err(Refusal::FundsMissing {
            needed: money(new.terms.escrow()),
            available: money(new.available),
        }),
    }
}

fn digest(digest: Result<Hex<32>, serde_json::Error>) -> Result<Hex<32>, Refusal> {
    digest.map_err(|error| Refusal::JobNotCanonical {
        what: error.to_string(),
    })
}

fn put_in_escrow(job: &Job, turn: &mut Turn<'_>) {
    let escrow = job.terms.escrow();
    if !escrow.is_zero() {
        let transfer = Transfer::escrow(&job.id, &job.tenant, job.money(escrow), turn.now());
        turn.effects.transfers.push(transfer);
    }
}
