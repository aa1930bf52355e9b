//! A provider's agents.

use serde_json::json;

use super::super::endpoint::{Access, Endpoint, Tag};
use super::super::examples::{BYTES_32, BYTES_64};
use super::super::schema::of;
use crate::http::agents;
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        create_token(),
        delete_token(),
        enrol(),
        list(),
        read(),
        devices(),
        remove(),
        heartbeat(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Agents)).into()
}

const READS: Access = Access::Party(Some("agents:read"));
const WRITES: Access = Access::Party(Some("agents:write"));
const NAME: &str = "The name of the agent.";

fn create_token() -> Endpoint {
    Endpoint::post(
        "/v1/enrolment-tokens",
        "createEnrolmentToken",
        agents::create_token,
    )
    .says(
        "Make an enrolment token",
        "It lets one agent in, once, within its life.",
    )
    .by(WRITES)
    .takes(
        "NewEnrolmentToken",
        agents::MAX_BODY_BYTES,
        json!({ "label": "rack 7", "expires_in_s": 3600 }),
    )
    .gives(
        201,
        "EnrolmentToken",
        "Made. The text is in this answer and nowhere else.",
    )
    .leads_to(201, "deleteEnrolmentToken", "id", "$response.body#/id")
    .fails(&[PartyKindMismatch, ExpiryNotAllowed, TooManyAgents])
}

fn delete_token() -> Endpoint {
    Endpoint::delete(
        "/v1/enrolment-tokens/{id}",
        "deleteEnrolmentToken",
        agents::delete_token,
    )
    .says("End an enrolment token", "One that was not used.")
    .by(WRITES)
    .named(
        "id",
        of("Id"),
        "The name of the token, which is not its text.",
    )
    .gives_nothing(204, "Ended.")
    .fails(&[PartyKindMismatch, EnrolmentTokenNotFound])
}

fn enrol() -> Endpoint {
    let token = format!("pogwe_abcdefgh_{BYTES_32}");
    let example = json!({ "token": token, "agent_key": BYTES_32, "proof": BYTES_64, "name": "rack 7, node 2" });
    Endpoint::post("/v1/agents", "enrolAgent", agents::enrol)
        .says(
            "Let an agent in",
            "With an enrolment token of a provider, and a proof that the agent holds its key.",
        )
        .takes("Enrolment", agents::MAX_BODY_BYTES, example)
        .gives(201, "Enrolled", "Let in.")
        .header(201, "Location")
        .gives(
            200,
            "Enrolled",
            "The same agent was let in by the same token before.",
        )
        .header(200, "Location")
        .stored()
        .fails(&[
            EnrolmentTokenUnknown,
            EnrolmentTokenExpired,
            AgentProofInvalid,
            AgentKeyTaken,
            TooManyAgents,
        ])
}

fn list() -> Endpoint {
    Endpoint::get("/v1/agents", "listAgents", agents::list)
        .says("List one's agents", "Latest first.")
        .by(READS)
        .paged(of("Cursor"))
        .gives(200, "Agents", "A page.")
        .fails(&[PartyKindMismatch])
}

fn read() -> Endpoint {
    Endpoint::get("/v1/agents/{id}", "readAgent", agents::read)
        .says("See an agent", "One's own.")
        .by(READS)
        .named("id", of("Id"), NAME)
        .gives(200, "Agent", "The agent.")
        .fails(&[PartyKindMismatch, AgentNotFound])
}

fn devices() -> Endpoint {
    Endpoint::get(
        "/v1/agents/{id}/devices",
        "readAgentDevices",
        agents::devices,
    )
    .says(
        "See the devices of an agent",
        "What the last evidence of it showed that got a receipt.",
    )
    .by(READS)
    .named("id", of("Id"), NAME)
    .gives(
        200,
        "ShownDevices",
        "The devices; none where there is no receipt.",
    )
    .fails(&[PartyKindMismatch, AgentNotFound])
}

fn remove() -> Endpoint {
    Endpoint::delete("/v1/agents/{id}", "removeAgent", agents::remove)
        .says(
            "End an agent",
            "What it has not committed to goes to others; what it has, it can no longer open.",
        )
        .by(WRITES)
        .named("id", of("Id"), NAME)
        .gives_nothing(204, "Ended.")
        .fails(&[PartyKindMismatch, AgentNotFound])
}

fn heartbeat() -> Endpoint {
    let device = json!({ "architecture": "HOPPER", "assurance": "A2", "simulated": false });
    let example = json!({ "devices": [device], "executors": ["cuda"], "capacity": 1 });
    Endpoint::post("/v1/agents/{id}/heartbeat", "heartbeat", agents::heartbeat)
        .says("Show a sign of life", "What the agent has, and what it still holds of assignments; the answer says which of those are over.")
        .by(Access::Agent)
        .named("id", of("Id"), NAME)
        .takes("Heartbeat", agents::MAX_HEARTBEAT_BYTES, example)
        .gives(200, "HeartbeatAnswer", "Heard.")
        .fails(&[AgentMismatch])
}
