//! What agents are asked to do, and what they say about it.

use serde_json::{Value, json};

use super::super::codes::OF_JSON;
use super::super::endpoint::{Access, Endpoint, Tag};
use super::super::examples::{self, BYTES_32};
use super::super::schema::{count_32, of};
use crate::config::Config;
use crate::http::{assignments, media_type};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        next(),
        accept(),
        renew(),
        release(),
        commitment(),
        opening(),
        answer(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Assignments).by(Access::Agent))
        .into()
}

/// An endpoint of one assignment.
fn of_one(endpoint: Endpoint) -> Endpoint {
    endpoint
        .named("id", of("Name"), "The name of the assignment.")
        .fails(&[AssignmentUnknown, AssignmentStatus, JobStatus, Resuming])
}

fn next() -> Endpoint {
    let wait = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 30 });
    let waits = "How long to wait for something to do, in seconds; more than 60 is 60.";
    Endpoint::post("/v1/assignments/next", "nextTask", assignments::next)
        .says("Wait for something to do", "A long poll: an offer, an opening or a question of the referee, as soon as there is one.")
        .asks("wait_s", wait, waits, json!(0))
        .takes("NextRequest", assignments::MAX_KNOWN_BYTES, json!({ "known": [] }))
        .gives(200, "NextTask", "Something to do.")
        .gives_nothing(204, "Nothing, for so long.")
        .fails(&[TooManyWaiting])
}

fn accept() -> Endpoint {
    of_one(Endpoint::post(
        "/v1/assignments/{id}/accept",
        "acceptAssignment",
        assignments::accept,
    ))
    .says(
        "Take an offer",
        "The stake of the agent's owner goes down. The answer is what the run needs.",
    )
    .takes("Empty", assignments::MAX_BODY_BYTES, json!({}))
    .gives(200, "Lease", "Taken.")
    .fails(&[StakeMissing, OfferOver, LeaseOver])
}

fn renew() -> Endpoint {
    of_one(Endpoint::post(
        "/v1/assignments/{id}/renew",
        "renewLease",
        assignments::renew,
    ))
    .says(
        "Say that the work goes on",
        "Without that, the lease ends and the assignment goes to another.",
    )
    .takes("Empty", assignments::MAX_BODY_BYTES, json!({}))
    .gives(200, "Lease", "The lease, renewed.")
    .fails(&[LeaseOver])
}

fn release() -> Endpoint {
    of_one(Endpoint::post(
        "/v1/assignments/{id}/release",
        "releaseAssignment",
        assignments::release,
    ))
    .says(
        "Give an assignment back",
        "Before a result is committed to.",
    )
    .takes(
        "Release",
        assignments::MAX_BODY_BYTES,
        json!({ "code": "shutting_down" }),
    )
    .gives_nothing(204, "Given back.")
    .fails(&[LeaseOver, OfferOver])
}

fn commitment() -> Endpoint {
    of_one(Endpoint::post(
        "/v1/assignments/{id}/commitment",
        "commitResult",
        assignments::commitment,
    ))
    .says(
        "Commit to a result",
        "Before any replica of the job shows its own.",
    )
    .takes(
        "Commitment",
        assignments::MAX_BODY_BYTES,
        json!({ "commitment": BYTES_32 }),
    )
    .gives_nothing(204, "Committed.")
    .fails(&[CommitmentDiffers, CommitmentLate, LeaseOver])
}

fn opening() -> Endpoint {
    let limit = Config::default().body_limit_bytes;
    of_one(Endpoint::post(assignments::OPENING, "openResult", assignments::opening))
        .says(
            "Show a result",
            "What was committed to, with the points that were drawn. It is stored as it is, and judged afterwards: what it \
             showed is in the history of the job.",
        )
        .asks("round", count_32(), "Which round it answers; without it, 0.", json!(0))
        .takes_as(&[media_type::OPENING], of("Opening"), limit, example_opening())
        .gives_nothing(202, "Taken, and being judged.")
        .gives_nothing(204, "Judged.")
        .fails(&[OpeningDiffers, OpeningLate, RoundUnknown])
}

fn example_opening() -> Value {
    json!({ "profile": "pogw/1", "salt": BYTES_32, "keyed": BYTES_32, "bundle": examples::bundle(), "slices": [] })
}

fn answer() -> Endpoint {
    let limit = Config::default().body_limit_bytes;
    let example = json!({ "number": 0, "reply": { "witness": "AAAA" } });
    of_one(Endpoint::post(
        assignments::ANSWER,
        "answerQuestion",
        assignments::answer,
    ))
    .says(
        "Answer the referee",
        "One question for each step of a dispute. What is larger than any right answer to it is not kept (413).",
    )
    .takes("Answer", limit, example)
    .gives_nothing(204, "Taken.")
    .fails(OF_JSON)
    .fails(&[AnswerDiffers, AnswerLate, RoundUnknown])
}
