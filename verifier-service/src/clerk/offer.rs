//! What a job must be to be taken: parameters that its kernel takes, checks that can be made and that the verifier can pay
//! for, openings and answers that an honest agent can hand in, a policy that is known.

use evidence::limits::{MAX_SLICE_BYTES, MAX_SLICES};
use evidence::work::{JobSpec, KernelTask, RequestedCheck, Task};
use jobs::terms::AuditTerms;
use jobs::{Amount, Context, Job, JobId, Nature, NewJob, PartyId, Refusal, Terms, TermsError};
use kernels::point::Tensor;
use kernels::{audit, bisect};
use serde_json::Value;

use super::act::due_at;
use super::{Clerk, ClerkError, bounds};
use crate::audit::{Action, By, New, details};
use crate::id::Id;
use crate::problem::{Problem, ProblemCode};
use crate::random;
use crate::store::jobs::{Change, CreatedJob, JobRequest, JobStore, Search};

/// How many times the points of the first audit the last one draws: each party that may ask has twice as many drawn as the
/// one before.
const LAST_ROUND_FACTOR: u32 = 1 << jobs::MOST_CHALLENGES;
/// Bytes of a slice beside what it opens, at most: two chunks and the nodes above, in a tree of 2^40 bytes.
const SLICE_OVERHEAD: u64 = 2 * 1024 + 64 * 40;
/// Bytes that an agent can be counted on to digest in a second, while it works on other jobs.
const DIGESTED_A_SECOND: u64 = 32 * 1024 * 1024;
/// Seconds after which a tenant that has too many open jobs may have fewer.
const OPEN_RETRY_S: u32 = 60;

/// A job that is offered.
pub(crate) struct NewOffer {
    /// By whom.
    pub(crate) tenant: PartyId,
    /// What is to be run.
    pub(crate) spec: JobSpec,
    /// What is offered beside it.
    pub(crate) terms: Value,
    /// The tenant's own name for the request, and SHA-256 of the request.
    pub(crate) idempotency: Option<(String, [u8; 32])>,
    /// By whose word.
    pub(crate) by: By,
}

/// A job that was taken.
pub(crate) enum Offered {
    /// By this request.
    New(Box<Job>),
    /// By the same request before.
    Before(Box<Job>),
}

impl Clerk {
    /// Takes a job; its price goes into escrow.
    ///
    /// # Errors
    /// 422, one code for each rule; 402; 429 if as many are open as may be; a failure.
    pub(crate) async fn take(&self, offer: NewOffer) -> Result<Offered, Problem> {
        let terms = Terms::parse(&offer.terms).map_err(|error| not_terms(&error))?;
        let nature = self.nature(&offer.spec, &terms)?;
        if let Some(name) = terms.policy()
            && self.policy_named(name).await?.is_none()
        {
            return Err(Problem::new(ProblemCode::PolicyUnknown));
        }
        let (tenant, currency) = (offer.tenant.clone(), terms.currency());
        let idempotency = offer.idempotency;
        let (now, seed) = (self.parts().clock.now(), random::bytes());
        let id = JobId::parse(&Id::random().to_string());
        let id = id.map_err(|error| Problem::caused(ProblemCode::Internal, error))?;
        let create = move |available: Amount| {
            let new = NewJob {
                id: id.clone(),
                tenant: offer.tenant.clone(),
                spec: offer.spec.clone(),
                terms: terms.clone(),
                nature,
                available,
            };
            let (job, effects) = Job::create(new, &Context::new(now, seed))?;
            let due = due_at(&job, now);
            let entry = New::done(offer.by.clone(), Action::JobCreate, job.id());
            let entry = entry
                .of(job.tenant())
                .with(details! { "digest": job.digest() });
            let change = Change {
                search: Search::anew_if(job.wants_agents(now)),
                audit: Some(entry),
                ..Change::new(effects, due)
            };
            Ok((job, change))
        };
        let request = JobRequest {
            tenant,
            currency,
            most_open: self.parts().most_open_jobs,
            idempotency,
            create: Box::new(create),
        };
        match self.store().create_job(request).await? {
            CreatedJob::New(job, written) => {
                self.tell(&job, &written);
                Ok(Offered::New(job))
            }
            CreatedJob::Before(job) => Ok(Offered::Before(job)),
            CreatedJob::TooManyOpen => Err(too_many_open(self.parts().most_open_jobs)),
            CreatedJob::KeyReused => Err(Problem::new(ProblemCode::IdempotencyKeyReused)),
            CreatedJob::Refused(refusal) => Err(refused(&refusal)),
        }
    }

    fn nature(&self, spec: &JobSpec, terms: &Terms) -> Result<Nature, Problem> {
        match &spec.task {
            Task::Kernel(task) => self.nature_of_kernel(task, spec, terms),
            Task::Command(command) => {
                if let Some(check) = spec.checks.iter().find(|check| recomputes(**check)) {
                    return Err(unavailable(check.as_str()));
                }
                if terms.audit().is_some() {
                    return Err(unavailable("audit"));
                }
                let bytes = command.limits().output_bytes;
                let opening = if spec.checks.is_empty() { 0 } else { bytes };
                self.can_be_handed_in(terms, opening, bytes)?;
                there_is_time_to_open(terms, bytes, handed_in(terms, opening, bytes))?;
                Ok(Nature::default())
            }
        }
    }

    fn nature_of_kernel(
        &self,
        task: &KernelTask,
        spec: &JobSpec,
        terms: &Terms,
    ) -> Result<Nature, Problem> {
        let job = kernels::Job::parse(&task.name, task.params.as_value()).map_err(not_a_job)?;
        let asks = |check| spec.checks.contains(&check);
        if asks(RequestedCheck::Freivalds) && job.product().is_none() {
            return Err(unavailable("freivalds"));
        }
        let points = match terms.audit() {
            Some(_) if asks(RequestedCheck::Audit) => {
                return Err(Problem::new(ProblemCode::AuditAskedTwice));
            }
            Some(audit) => self.points(&job, audit)?,
            None => 0,
        };
        if asks(RequestedCheck::Audit) {
            is_affordable(&job, audit::Strength::DEFAULT.points)?;
        }
        let in_last_round = points.saturating_mul(LAST_ROUND_FACTOR);
        let opening = bounds::opening(&job, spec, in_last_round);
        let dispute = bounds::dispute(&job);
        self.can_be_handed_in(terms, opening, dispute)?;
        Self::is_decided_in_time(&job, terms)?;
        let bytes = job.outputs().into_iter().map(|output| output.len);
        let digested = bytes.fold(0, u64::saturating_add);
        there_is_time_to_open(terms, digested, handed_in(terms, opening, dispute))?;
        Ok(Nature {
            recomputable: true,
            points,
            operations: Some(job.cost().operations),
            given: !job.inputs().is_empty(),
        })
    }

    /// Points of each output in the first round; all rounds can be paid for and opened.
    fn points(&self, job: &kernels::Job, asked: AuditTerms) -> Result<u32, Problem> {
        let points = audit::sample_size(asked.wrong_ppm, asked.log2_miss).max(1);
        let most = points.saturating_mul(LAST_ROUND_FACTOR);
        let outputs = u64::try_from(job.outputs().len()).unwrap_or(u64::MAX);
        let slices = u64::from(most).saturating_mul(outputs);
        if slices > u64::try_from(MAX_SLICES).unwrap_or(u64::MAX) {
            return Err(too_costly(format!(
                "points in the last round: expected at most {MAX_SLICES}, got {slices}"
            )));
        }
        is_affordable(job, most)?;
        let (bytes, limit) = (slice_bytes(job, most), MAX_SLICE_BYTES as u64);
        match bytes <= limit {
            true => Ok(points),
            false => Err(beyond(ProblemCode::OpeningTooLarge, limit, bytes)),
        }
    }

    /// What an honest agent has to hand in fits into a request.
    fn can_be_handed_in(&self, terms: &Terms, opening: u64, answer: u64) -> Result<(), Problem> {
        self.fits_into_an_opening(opening)?;
        self.fits_into_an_answer(terms, answer)
    }

    /// What an opening must hold beside evidence: inputs, slices, and the outputs where the verifier asks for them.
    fn fits_into_an_opening(&self, bytes: u64) -> Result<(), Problem> {
        let limit = bounds::carried(self.parts().body_limit);
        match bytes <= limit {
            true => Ok(()),
            false => Err(beyond(ProblemCode::OpeningTooLarge, limit, bytes)),
        }
    }

    /// Where there are replicas, each of them can be asked for all it holds: whoever says of another that it does not hold the
    /// output can be answered by handing it over, and by nothing less. A side that could not answer would lose.
    fn fits_into_an_answer(&self, terms: &Terms, bytes: u64) -> Result<(), Problem> {
        let limit = bounds::carried(self.parts().body_limit);
        match !is_ever_disputed(terms) || bytes <= limit {
            true => Ok(()),
            false => Err(beyond(ProblemCode::DisputeTooLarge, limit, bytes)),
        }
    }

    /// A dispute comes to its end within the questions that there are for it.
    fn is_decided_in_time(job: &kernels::Job, terms: &Terms) -> Result<(), Problem> {
        let (most, needed) = (jobs::MOST_QUESTIONS, bisect::most_questions(job));
        match !is_ever_disputed(terms) || needed <= most {
            true => Ok(()),
            false => Err(Problem::new(ProblemCode::DisputeTooLarge).detail(format!(
                "questions of a dispute: expected at most {most}, got {needed}"
            ))),
        }
    }
}

/// A replica that is alone contradicts nobody.
fn is_ever_disputed(terms: &Terms) -> bool {
    terms.replicas().count > 1
}

/// The most that an agent sends at one time.
fn handed_in(terms: &Terms, opening: u64, answer: u64) -> u64 {
    let answer = if is_ever_disputed(terms) { answer } else { 0 };
    bounds::sent(opening.max(answer))
}

/// Openings and answers are due no sooner than an honest agent can have handed them in: it digests its outputs under the key
/// of each replica, and sends what is asked for. Whoever is late loses the stake, so terms must not ask for what an
/// ordinary line cannot do.
fn there_is_time_to_open(terms: &Terms, digested: u64, sent: u64) -> Result<(), Problem> {
    let all = digested.saturating_mul(terms.replicas().count.into());
    let needed = (all / DIGESTED_A_SECOND).saturating_add(sent / bounds::HANDED_IN_A_SECOND);
    let least = u64::from(jobs::MIN_OPEN_S).saturating_add(needed);
    let actual = terms.open_within_s();
    match u64::from(actual) >= least {
        true => Ok(()),
        false => Err(Problem::new(ProblemCode::TermsTime).detail(format!(
            "open_within_s: expected at least {least} seconds to digest {all} bytes and to hand {sent} in, got {actual}"
        ))),
    }
}

fn beyond(code: ProblemCode, limit: u64, bytes: u64) -> Problem {
    Problem::new(code).detail(format!("bytes: expected at most {limit}, got {bytes}"))
}

fn is_affordable(job: &kernels::Job, points: u32) -> Result<(), Problem> {
    let (cost, most) = (audit::cost(job, points), audit::MOST_OPERATIONS);
    match cost <= most {
        true => Ok(()),
        false => Err(too_costly(format!(
            "operations of the audit: expected at most {most}, got {cost}"
        ))),
    }
}

/// Bytes of the slices that open so many points of each output, at most, whichever are drawn: each by itself, or all outputs
/// whole.
pub(super) fn slice_bytes(job: &kernels::Job, points: u32) -> u64 {
    let (kernel, specs) = (job.points(), job.outputs());
    let total = |tensor| {
        let spec = specs
            .iter()
            .find(|spec| Tensor::Output(spec.name) == tensor);
        spec.map_or(0, |spec| spec.len)
    };
    let of_point = |point| {
        let own = SLICE_OVERHEAD.saturating_add(kernel.place(point).len as u64);
        let read = kernel.needs(point).into_iter().map(|span| {
            let runs = span.len.saturating_add(SLICE_OVERHEAD);
            runs.saturating_mul(span.count).min(total(span.tensor))
        });
        read.fold(own, u64::saturating_add)
    };
    let of_outputs = audit::by_output(job).into_iter().map(|of| {
        let most = of.neediest.map(of_point).max().unwrap_or(0);
        most.saturating_mul(of.count.min(points.into()))
    });
    let singly = of_outputs.fold(0, u64::saturating_add);
    let whole = specs.iter().map(|spec| spec.len + spec.len / 16 + 64);
    singly.min(whole.fold(0, u64::saturating_add))
}

const fn recomputes(check: RequestedCheck) -> bool {
    !matches!(check, RequestedCheck::OutputDigest)
}

fn unavailable(check: &str) -> Problem {
    let problem = Problem::refuted(evidence::Code::CheckNotAvailable);
    problem.detail(format!("this work has no check {check}"))
}

fn too_many_open(most: u32) -> Problem {
    Problem::new(ProblemCode::TooManyOpenJobs)
        .detail(format!(
            "{most} jobs of this tenant are open, as many as may be; one ends when its results are accepted, when it fails or \
             is cancelled"
        ))
        .retry_after_s(OPEN_RETRY_S)
}

fn too_costly(detail: String) -> Problem {
    Problem::refuted(evidence::Code::CheckTooCostly).detail(detail)
}

fn not_a_job(error: kernels::JobError) -> Problem {
    let code = match error {
        kernels::JobError::Kernel(_) => evidence::Code::KernelUnknown,
        _ => evidence::Code::JobParametersInvalid,
    };
    Problem::refuted(code).detail(error.to_string())
}

fn not_terms(error: &TermsError) -> Problem {
    named(error.code()).detail(error.to_string())
}

/// The answer to an action that the rules refuse.
pub(super) fn refused(refusal: &Refusal) -> Problem {
    named(refusal.code()).detail(refusal.to_string())
}

/// The problem of this word. Every word of the rules has one.
fn named(word: &str) -> Problem {
    let known = ProblemCode::ALL.iter().map(|(code, _)| *code);
    let code = known.into_iter().find(|code| code.as_str() == word);
    match code {
        Some(code) => Problem::new(code),
        None => {
            let what = format!("no problem is named {word}");
            Problem::caused(ProblemCode::Internal, ClerkError::Broken { what })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_leave_time_to_digest_and_to_send() {
        const MIB: u64 = 1024 * 1024;
        let terms = |replicas: u32, open_within_s: u32| {
            let terms = serde_json::json!({
                "replicas": { "count": replicas, "adaptive": false },
                "price": { "amount": 1, "currency": "EUR" }, "stake": 1, "commit_within_s": 600,
                "open_within_s": open_within_s, "dispute_window_s": 3600, "deadline_s": 86400,
            });
            Terms::parse(&terms).unwrap()
        };
        // Digested, in the opening, in an answer; the least time for one replica, and for two.
        for (digested, opening, answer, alone, of_two) in [
            (0, 0, 0, 10, 10),
            (MIB, 0, MIB / 2, 10, 10),
            // Nothing is sent of what stands on its agent's word; two may have to show all of it, which base64 makes more.
            (47 * MIB, 0, 47 * MIB, 10 + 1, 10 + 2 + 62),
            (47 * MIB, 47 * MIB, 1, 10 + 1 + 62, 10 + 2 + 62),
            (1024 * MIB, 0, 0, 10 + 32, 10 + 64),
        ] {
            for (replicas, least) in [(1, alone), (2, of_two)] {
                let open = |within_s| {
                    let terms = terms(replicas, within_s);
                    there_is_time_to_open(&terms, digested, handed_in(&terms, opening, answer))
                };
                let told = format!("{digested} {opening} {answer} {replicas}");
                assert!(open(least).is_ok(), "{told}: {least}");
                if least > jobs::MIN_OPEN_S {
                    let refused = open(least - 1).unwrap_err();
                    assert_eq!(refused.code(), "terms_time", "{told}");
                }
            }
        }
    }

    /// One point of a picture is computed from all of it: whoever is drawn that one must be able to open it.
    #[test]
    fn slices_are_bounded_whichever_points_are_drawn() {
        let seed = "00".repeat(32);
        let params = kernels::pathtrace::Params::marbles(seed.parse().unwrap());
        let params = serde_json::to_value(params).unwrap();
        let picture = kernels::Job::parse("pathtrace", &params).unwrap();
        let of_outputs = picture.outputs().into_iter().map(|spec| spec.len);
        let whole: u64 = of_outputs.sum();
        assert!(slice_bytes(&picture, 1) >= whole);
        // Of a product from its seed a point is all there is to open.
        let operands = serde_json::json!({ "seed": seed });
        let params = serde_json::json!({ "m": 64, "n": 64, "k": 64, "operands": operands });
        let product = kernels::Job::parse("gemm_i8", &params).unwrap();
        assert_eq!(slice_bytes(&product, 3), 3 * (SLICE_OVERHEAD + 4));
    }

    #[test]
    fn every_word_of_the_rules_that_a_client_can_meet_has_a_problem() {
        let terms = [
            "terms_architectures",
            "terms_audit_fraction",
            "terms_audit_miss",
            "terms_deadline",
            "terms_device_count",
            "terms_escrow",
            "terms_malformed",
            "terms_min_agreeing",
            "terms_policy_name",
            "terms_price",
            "terms_replica_count",
            "terms_stake",
            "terms_time",
        ];
        let refusals = [
            "answer_differs",
            "answer_late",
            "assignment_status",
            "assignment_unknown",
            "cancel_late",
            "challenge_late",
            "challenges_spent",
            "commitment_differs",
            "commitment_late",
            "funds_missing",
            "job_not_canonical",
            "job_status",
            "lease_over",
            "nothing_to_check",
            "offer_over",
            "opening_differs",
            "opening_late",
            "round_unknown",
            "stake_missing",
        ];
        for word in terms.into_iter().chain(refusals) {
            assert_eq!(named(word).code(), word);
        }
        // What only the clerk can do wrong is a fault of ours.
        assert_eq!(named("question_malformed").code(), "internal");
    }
}
