//! Deeds, what a store makes of them, and what must come of them: the pure rules over a ledger in memory.

use std::collections::BTreeMap;

use ::jobs::books::{Account, Ledger, LedgerError, Transfer, TransferKind};
use ::jobs::{Action, Amount, Context, Job, JobId, Nature, NewJob, Outage, PartyId, Terms};
use evidence::UnixTime;

use super::super::life::{change, money, party};
use crate::store::books::{BookStore, Booked};
use crate::store::clerk::{ClerkStore, Return};
use crate::store::jobs::{Act, Acted, Change, CreatedJob, JobRequest, JobStore};
use crate::store::{SqlStore, StoreError};

/// Something to be done, as often as it takes.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Create(JobId, Terms, Nature),
    Act(JobId, Action),
    Book(Transfer),
    /// The service was away.
    Outage(Outage),
}

/// What comes of a deed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Job(Box<Job>),
    Refused(&'static str),
    /// Now or before.
    Booked,
    Differs,
    Overdrawn,
    Back,
}

/// What the store must come to.
pub(super) struct Model {
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) ledger: Ledger,
    pub(super) outside: BTreeMap<(TransferKind, String), Transfer>,
    pub(super) now: i64,
}

/// Asks a service once.
pub(super) async fn attempt(
    service: &SqlStore,
    deed: &Deed,
    at: UnixTime,
    seed: [u8; 32],
) -> Result<Outcome, StoreError> {
    match deed.clone() {
        Deed::Create(id, terms, nature) => {
            let name = id.to_string();
            let create = move |available| {
                let new = new_job(id.clone(), terms.clone(), nature, available);
                let (job, effects) = Job::create(new, &Context::new(at, seed))?;
                let due_at = job.due_at();
                Ok((job, Change::new(effects, due_at)))
            };
            let request = JobRequest {
                tenant: party("tenant"),
                currency: money(0).currency,
                most_open: 1000,
                idempotency: Some((name, [1; 32])),
                create: Box::new(create),
            };
            Ok(match service.create_job(request).await? {
                CreatedJob::New(job, _) | CreatedJob::Before(job) => Outcome::Job(job),
                CreatedJob::Refused(refusal) => Outcome::Refused(refusal.code()),
                CreatedJob::KeyReused | CreatedJob::TooManyOpen => panic!("{deed:?}"),
            })
        }
        Deed::Act(id, action) => {
            let owner = service.job(&id).await?.and_then(|job| owner(&job, &action));
            let act: Act = Box::new(move |job, available| {
                let action = with_funds(action.clone(), available);
                let effects = job.apply(action, &Context::new(at, seed))?;
                Ok(change(job, effects, at))
            });
            Ok(match service.with_job(&id, owner.as_ref(), act).await? {
                Acted::Done(job, _) => Outcome::Job(job),
                Acted::Refused(refusal) => Outcome::Refused(refusal.code()),
                Acted::NoRoom(_) | Acted::Unknown => panic!("{deed:?}"),
            })
        }
        Deed::Book(transfer) => Ok(match service.book(transfer, super::by(super::NOW)).await? {
            Booked::New | Booked::Before => Outcome::Booked,
            Booked::Differs => Outcome::Differs,
            Booked::Overdrawn => Outcome::Overdrawn,
        }),
        Deed::Outage(outage) => {
            let back = Return {
                now: outage.until,
                until: outage.until,
                least_s: 0,
                so_far: Some(outage),
            };
            assert_eq!(service.come_back(back).await?, Some(outage));
            Ok(Outcome::Back)
        }
    }
}

fn new_job(id: JobId, terms: Terms, nature: Nature, available: Amount) -> NewJob {
    let spec = r#"{"profile":"pogw/1","checks":[],"kernel":"gemm_i8","params":{}}"#;
    NewJob {
        id,
        tenant: party("tenant"),
        spec: serde_json::from_str(spec).unwrap(),
        terms,
        nature,
        available,
    }
}

/// Whose money an action takes.
fn owner(job: &Job, action: &Action) -> Option<PartyId> {
    match action {
        Action::Accept { assignment, .. } => Some(job.assignment(assignment)?.owner().clone()),
        _ => None,
    }
}

fn with_funds(mut action: Action, funds: Amount) -> Action {
    if let Action::Accept { available, .. } = &mut action {
        *available = funds;
    }
    action
}

impl Model {
    pub(super) fn at(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    fn available(&self, party: &PartyId) -> Amount {
        let account = Account::Available(party.clone());
        Amount::new(self.ledger.balance(&account, money(0).currency)).unwrap()
    }

    /// Does a deed where nothing fails.
    pub(super) fn apply(&mut self, deed: &Deed, seed: [u8; 32]) -> Outcome {
        let context = Context::new(self.at(), seed);
        match deed {
            Deed::Create(id, terms, nature) => {
                if let Some(before) = self.jobs.get(id) {
                    return Outcome::Job(Box::new(before.clone()));
                }
                let available = self.available(&party("tenant"));
                let new = new_job(id.clone(), terms.clone(), *nature, available);
                match Job::create(new, &context) {
                    Ok((job, effects)) => self.keep(job, &effects.transfers),
                    Err(refusal) => Outcome::Refused(refusal.code()),
                }
            }
            Deed::Act(id, action) => {
                let mut job = self.jobs[id].clone();
                let funds = owner(&job, action);
                let funds = funds.map_or(Amount::ZERO, |owner| self.available(&owner));
                match job.apply(with_funds(action.clone(), funds), &context) {
                    Ok(effects) => self.keep(job, &effects.transfers),
                    Err(refusal) => Outcome::Refused(refusal.code()),
                }
            }
            Deed::Outage(outage) => {
                self.jobs.values_mut().for_each(|job| job.excuse(*outage));
                Outcome::Back
            }
            Deed::Book(transfer) => self.book(transfer),
        }
    }

    fn keep(&mut self, job: Job, transfers: &[Transfer]) -> Outcome {
        for transfer in transfers {
            self.ledger.book(transfer).unwrap();
        }
        self.jobs.insert(job.id().clone(), job.clone());
        Outcome::Job(Box::new(job))
    }

    fn book(&mut self, transfer: &Transfer) -> Outcome {
        let key = (transfer.kind(), transfer.key().to_owned());
        if let Some(before) = self.outside.get(&key) {
            return match before.postings() == transfer.postings() {
                true => Outcome::Booked,
                false => Outcome::Differs,
            };
        }
        match self.ledger.book(transfer) {
            Ok(()) => {
                self.outside.insert(key, transfer.clone());
                Outcome::Booked
            }
            Err(LedgerError::Overdrawn { .. }) => Outcome::Overdrawn,
            Err(error) => panic!("{error}"),
        }
    }
}
