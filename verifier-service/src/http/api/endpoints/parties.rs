//! Parties and their API keys.

use serde_json::json;

use super::super::codes::OF_STORE;
use super::super::endpoint::{Access, Endpoint, Tag};
use super::super::schema::of;
use crate::http::parties;
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let of_operator = [
        create(),
        list(),
        read(),
        bar(),
        admit(),
        create_key(),
        list_keys(),
        revoke_key(),
    ];
    let of_operator = of_operator.map(|endpoint| endpoint.by(Access::Operator));
    let all = of_operator.into_iter().chain([read_own()]);
    all.map(|endpoint| endpoint.tagged(Tag::Parties).fails(OF_STORE))
        .collect()
}

const NAME: &str = "The name of the party.";

fn create() -> Endpoint {
    Endpoint::post("/v1/parties", "createParty", parties::create)
        .says("Add a party", "A tenant, a provider or a marketplace.")
        .takes(
            "NewParty",
            parties::MAX_BODY_BYTES,
            json!({ "kind": "tenant", "name": "Acme" }),
        )
        .gives(201, "Party", "Added.")
        .header(201, "Location")
        .leads_to(201, "readParty", "id", "$response.body#/id")
        .leads_to(201, "createApiKey", "id", "$response.body#/id")
        .leads_to(201, "listApiKeys", "id", "$response.body#/id")
        .leads_to(201, "readAccount", "party", "$response.body#/id")
        .fails(&[OidcNameTaken])
}

fn list() -> Endpoint {
    Endpoint::get("/v1/parties", "listParties", parties::list)
        .says("List parties", "Latest first.")
        .paged(of("Cursor"))
        .gives(200, "Parties", "A page.")
}

fn read() -> Endpoint {
    Endpoint::get("/v1/parties/{id}", "readParty", parties::read)
        .says("See a party", "Any of them.")
        .named("id", of("Id"), NAME)
        .gives(200, "Party", "The party.")
        .fails(&[PartyNotFound])
}

fn bar() -> Endpoint {
    Endpoint::put("/v1/parties/{id}/bar", "barParty", parties::bar)
        .says(
            "Bar a party from new work",
            "Its agents are offered nothing more. What they were offered or have taken stays theirs, and is paid. \
             Doing so again changes nothing.",
        )
        .named("id", of("Id"), NAME)
        .gives(200, "Party", "The party, barred.")
        .fails(&[PartyNotFound])
}

fn admit() -> Endpoint {
    Endpoint::delete("/v1/parties/{id}/bar", "admitParty", parties::admit)
        .says(
            "Let a party work again",
            "Its agents are offered work like those of any other. Doing so again changes nothing.",
        )
        .named("id", of("Id"), NAME)
        .gives(200, "Party", "The party, not barred.")
        .fails(&[PartyNotFound])
}

fn read_own() -> Endpoint {
    Endpoint::get("/v1/parties/me", "readOwnParty", parties::read_own)
        .says(
            "See who one is",
            "The party whose credential this is, and what the credential allows.",
        )
        .by(Access::Party(None))
        .gives(200, "OwnParty", "The party that asks.")
        .fails(&[PartyNotFound])
}

fn create_key() -> Endpoint {
    let example = json!({ "scopes": ["jobs:read", "jobs:write", "books:read"], "label": "ci", "expires_in_s": 86_400 });
    Endpoint::post("/v1/parties/{id}/keys", "createApiKey", parties::create_key)
        .says(
            "Make an API key",
            "With some of the scopes that a party of its kind can have.",
        )
        .named("id", of("Id"), NAME)
        .takes("NewApiKey", parties::MAX_BODY_BYTES, example)
        .gives(
            201,
            "FreshApiKey",
            "Made. Its text is in this answer and nowhere else.",
        )
        .fails(&[
            PartyNotFound,
            ScopesNotAllowed,
            ExpiryNotAllowed,
            TooManyApiKeys,
        ])
}

fn list_keys() -> Endpoint {
    Endpoint::get("/v1/parties/{id}/keys", "listApiKeys", parties::list_keys)
        .says(
            "List the API keys of a party",
            "Latest first, those that no longer count included, at most 500.",
        )
        .named("id", of("Id"), NAME)
        .gives(200, "ApiKeys", "The keys, without their texts.")
        .fails(&[PartyNotFound])
}

fn revoke_key() -> Endpoint {
    Endpoint::delete(
        "/v1/parties/{id}/keys/{key}",
        "revokeApiKey",
        parties::revoke_key,
    )
    .says("Revoke an API key", "Doing so again changes nothing.")
    .named("id", of("Id"), NAME)
    .named(
        "key",
        of("Id"),
        "The name of the key, which is not its text.",
    )
    .gives_nothing(204, "Revoked.")
    .fails(&[ApiKeyNotFound])
}
