//! Work offered by tenants.

use serde_json::json;

use super::super::codes::OF_TERMS;
use super::super::endpoint::{Access, Endpoint, EvidenceCodes, Tag};
use super::super::examples;
use super::super::schema::{MAX_SAFE, number, of, text_like};
use super::receipts::IDEMPOTENCY;
use crate::http::{events, jobs};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        create(),
        list(),
        read(),
        follow(),
        cancel(),
        dispute(),
        receipts(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Jobs)).into()
}

fn create() -> Endpoint {
    let example = json!({ "spec": examples::job(), "terms": examples::terms() });
    Endpoint::post("/v1/jobs", "createJob", jobs::create)
        .says(
            "Offer a job",
            "Its price for all replicas goes into escrow, and replicas are offered to agents of distinct owners, drawn at \
             random.",
        )
        .by(Access::Party(Some("jobs:write")))
        .heeds("Idempotency-Key", text_like("^[!-~]{1,255}$"), IDEMPOTENCY)
        .takes("NewJob", jobs::MAX_BODY_BYTES, example)
        .gives(201, "Job", "Taken.")
        .header(201, "Location")
        .leads_to(201, "readJob", "id", "$response.body#/id")
        .leads_to(201, "cancelJob", "id", "$response.body#/id")
        .gives(200, "Job", "Taken before, by the same request under the same `Idempotency-Key`.")
        .header(200, "Location")
        .fails(OF_TERMS)
        .fails(&[
            PartyKindMismatch,
            IdempotencyKeyMalformed,
            IdempotencyKeyReused,
            FundsMissing,
            AuditAskedTwice,
            JobNotCanonical,
            NothingToCheck,
            OpeningTooLarge,
            DisputeTooLarge,
            PolicyUnknown,
            TooManyOpenJobs,
        ])
        .refutes(EvidenceCodes::Some(&[
            evidence::Code::CheckNotAvailable,
            evidence::Code::CheckTooCostly,
            evidence::Code::JobParametersInvalid,
            evidence::Code::KernelUnknown,
            evidence::Code::PolicyInvalid,
        ]))
}

fn list() -> Endpoint {
    Endpoint::get("/v1/jobs", "listJobs", jobs::list)
        .says(
            "List one's jobs",
            "Latest first. A marketplace sees everybody's.",
        )
        .by(Access::Party(Some("jobs:read")))
        .paged(of("Cursor"))
        .gives(200, "Jobs", "A page.")
}

fn read() -> Endpoint {
    Endpoint::get("/v1/jobs/{id}", "readJob", jobs::read)
        .says(
            "See how a job stands",
            "One's own; any, for a marketplace. Another's is not there.",
        )
        .by(Access::Party(Some("jobs:read")))
        .named("id", of("Name"), NAME)
        .gives(200, "Job", "The job.")
        .fails(&[JobNotFound])
}

const NAME: &str = "The name of the job.";

fn follow() -> Endpoint {
    Endpoint::get("/v1/jobs/{id}/events", "followJob", events::follow)
        .says(
            "Follow a job",
            "The history of a job as server-sent events, as it is made, until the job ends. A stream that breaks off is taken \
             up with `Last-Event-ID`. A line without meaning comes every 15 s. Streams have no time limit of their own.",
        )
        .by(Access::Party(Some("jobs:read")))
        .named("id", of("Name"), NAME)
        .heeds("Last-Event-ID", number(0, MAX_SAFE), "The number of the last event that was read; without it, from the beginning.")
        .gives_as(200, "text/event-stream", of("JobEventLine"), "The history, one event after the other.")
        .fails(&[JobNotFound, LastEventIdMalformed, TooManyWaiting])
}

fn cancel() -> Endpoint {
    Endpoint::post("/v1/jobs/{id}/cancel", "cancelJob", jobs::cancel)
        .says(
            "Take a job back",
            "While nobody has committed to a result. What is in escrow goes back.",
        )
        .by(Access::Party(Some("jobs:write")))
        .named("id", of("Name"), NAME)
        .gives(200, "Job", "The job, cancelled.")
        .fails(&[
            PartyKindMismatch,
            JobNotFound,
            CancelLate,
            JobStatus,
            Resuming,
        ])
}

fn dispute() -> Endpoint {
    Endpoint::post("/v1/jobs/{id}/dispute", "disputeJob", jobs::dispute)
        .says(
            "Have a job audited again",
            "Within its dispute window, once for each party, by two at most. The results are audited, with twice the points; \
             evidence was appraised when it was first judged, and no later policy or revocation takes it back.",
        )
        .by(Access::Party(Some("jobs:write")))
        .named("id", of("Name"), NAME)
        .gives(202, "Job", "The job, which is audited.")
        .fails(&[
            JobNotFound,
            ChallengeLate,
            ChallengesSpent,
            JobStatus,
            NothingToCheck,
            Resuming,
        ])
}

fn receipts() -> Endpoint {
    Endpoint::get("/v1/jobs/{id}/receipts", "listJobReceipts", jobs::receipts)
        .says(
            "Read the receipts of a job",
            "One for each replica that was accepted.",
        )
        .by(Access::Party(Some("jobs:read")))
        .named("id", of("Name"), NAME)
        .gives(200, "JobReceipts", "The receipts.")
        .fails(&[JobNotFound])
}
