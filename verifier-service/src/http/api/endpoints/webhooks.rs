//! Where a party is told of which events.

use serde_json::json;

use super::super::endpoint::{Access, Endpoint, Tag};
use super::super::schema::{of, text_like};
use crate::http::webhooks;
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        create(),
        list(),
        read(),
        remove(),
        rotate(),
        dead_letters(),
        redeliver(),
    ];
    let by_party = |endpoint: Endpoint| {
        let endpoint = endpoint.tagged(Tag::Webhooks).by(Access::Party(None));
        endpoint.fails(&[ScopeMissing])
    };
    all.map(by_party).into()
}

const READS: &str = "Takes `agents:read` of a provider, `jobs:read` of others.";
const WRITES: &str = "Takes `agents:write` of a provider, `jobs:write` of others.";

fn of_one(endpoint: Endpoint) -> Endpoint {
    endpoint
        .named("id", of("Id"), "The name of the webhook.")
        .fails(&[WebhookNotFound])
}

fn create() -> Endpoint {
    let example =
        json!({ "url": "https://market.example/hook", "kinds": ["job_settled", "job_failed"] });
    Endpoint::post("/v1/webhooks", "createWebhook", webhooks::create)
        .says("Add a webhook", WRITES)
        .takes("NewWebhook", webhooks::MAX_BODY_BYTES, example)
        .gives(
            201,
            "FreshWebhook",
            "Added. Its secret is in this answer and nowhere else.",
        )
        .header(201, "Location")
        .leads_to(201, "readWebhook", "id", "$response.body#/id")
        .leads_to(201, "rotateWebhook", "id", "$response.body#/id")
        .leads_to(201, "listDeadLetters", "id", "$response.body#/id")
        .leads_to(201, "redeliver", "id", "$response.body#/id")
        .leads_to(201, "removeWebhook", "id", "$response.body#/id")
        .fails(&[WebhookUrlNotAllowed, TooManyWebhooks])
}

fn list() -> Endpoint {
    Endpoint::get("/v1/webhooks", "listWebhooks", webhooks::list)
        .says("List one's webhooks", READS)
        .paged(of("Cursor"))
        .gives(200, "Webhooks", "A page, latest first, without secrets.")
}

fn read() -> Endpoint {
    of_one(Endpoint::get(
        "/v1/webhooks/{id}",
        "readWebhook",
        webhooks::read,
    ))
    .says("See a webhook", READS)
    .gives(200, "Webhook", "The webhook, without its secret.")
}

fn remove() -> Endpoint {
    of_one(Endpoint::delete(
        "/v1/webhooks/{id}",
        "removeWebhook",
        webhooks::remove,
    ))
    .says("End a webhook", WRITES)
    .gives_nothing(204, "Ended: nothing more is sent to it.")
}

fn rotate() -> Endpoint {
    of_one(Endpoint::post(
        "/v1/webhooks/{id}/rotate",
        "rotateWebhook",
        webhooks::rotate,
    ))
    .says(
        "Give a webhook another secret",
        "The former one signs too, for a day. Takes what adding a webhook takes.",
    )
    .gives(
        200,
        "RotatedSecret",
        "The secret is in this answer and nowhere else.",
    )
}

fn dead_letters() -> Endpoint {
    let cursor = text_like("^(?:0|[1-9][0-9]{0,17})$");
    of_one(Endpoint::get(
        "/v1/webhooks/{id}/dead-letters",
        "listDeadLetters",
        webhooks::dead_letters,
    ))
    .says("List what could not be told", READS)
    .paged(cursor)
    .gives(200, "DeadLetters", "A page, latest first.")
}

fn redeliver() -> Endpoint {
    of_one(Endpoint::post(
        "/v1/webhooks/{id}/redeliver",
        "redeliver",
        webhooks::redeliver,
    ))
    .says("Have what was given up sent again", WRITES)
    .takes("Redelivery", webhooks::MAX_BODY_BYTES, json!({}))
    .gives(202, "Redelivered", "How many will be sent.")
    .fails(&[WebhookDisabled])
}
