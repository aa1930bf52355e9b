//! The OpenAPI 3.1 document of a table of endpoints.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::endpoint::{Access, Answer, Endpoint, EvidenceCodes, Tag};
use super::schema::{of, text, word};
use super::schemas;
use crate::http::receipts::STANDINGS;
use crate::problem::TYPE_PREFIX;

const ABOUT: &str = "Takes evidence of GPU work, appraises it, and issues work receipts: JWTs that a marketplace validates \
offline.\n\n\
**Errors** are problem details (RFC 9457). `code` is a stable word; each operation lists the words it can answer with, and \
`ProblemCode` and `EvidenceCode` say what each means. A path that is not here is answered with 404 `not_found`, another method \
with 405 `method_not_allowed` and `Allow`.\n\n\
**Limits.** Bodies have the size stated with each operation; they may take the time the verifier is configured to allow, and \
not hardly move (408). What is beyond the memory for bodies, for judging or for waiting is answered with 503 and `Retry-After`. \
There are limits on open challenges, open jobs and waiting requests (429), and none on the rate of requests: that is a reverse proxy's.\n\n\
**Every answer** has `X-Request-Id`: the client's, if it sent a short and plain one, or one of ours; and `X-Trace-Id`, that of \
its `traceparent` or one of ours.";

pub(super) fn of_table(endpoints: &[Endpoint]) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path()).or_default();
        path.insert(endpoint.method.to_owned(), operation(endpoint));
    }
    let schemas: BTreeMap<_, _> = schemas::all().collect();
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "PoGW verifier",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Evidence of GPU work in, work receipts out.",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The verifier that serves this document." }],
        "tags": TAGS.map(|(tag, text)| json!({ "name": name_of(tag), "description": text })),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": headers(),
            "securitySchemes": security_schemes(),
        },
    })
}

const TAGS: [(Tag, &str); 11] = [
    (
        Tag::Receipts,
        "Challenges, bundles and receipts; devices judged alone.",
    ),
    (
        Tag::Jobs,
        "Work offered by tenants, and what becomes of it.",
    ),
    (
        Tag::Assignments,
        "What agents are asked to do. Every request is signed by its agent.",
    ),
    (
        Tag::Agents,
        "A provider's agents: how they get in, what they say of themselves.",
    ),
    (Tag::Books, "Money in and out, and who has what."),
    (Tag::Webhooks, "Who is told of what: docs/webhooks.md."),
    (
        Tag::Policies,
        "Which rules decide. Reading is open, changing is the operator's.",
    ),
    (Tag::Parties, "Who may ask, and the API keys they ask with."),
    (Tag::Service, "What the service says of itself."),
    (
        Tag::Collateral,
        "Reference manifests and answers about revocation, for NVIDIA's clients, too.",
    ),
    (
        Tag::Nvidia,
        "NVIDIA's attestation service, as its clients ask it.",
    ),
];

const fn name_of(tag: Tag) -> &'static str {
    match tag {
        Tag::Receipts => "Receipts",
        Tag::Policies => "Policies",
        Tag::Parties => "Parties",
        Tag::Agents => "Agents",
        Tag::Jobs => "Jobs",
        Tag::Assignments => "Assignments",
        Tag::Books => "Books",
        Tag::Webhooks => "Webhooks",
        Tag::Service => "Service",
        Tag::Collateral => "Collateral",
        Tag::Nvidia => "NVIDIA",
    }
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut operation = json!({
        "operationId": endpoint.id,
        "tags": [name_of(endpoint.tag)],
        "summary": endpoint.title,
        "description": endpoint.text,
        "security": security(endpoint.access),
        "responses": responses(endpoint),
    });
    if !endpoint.parameters.is_empty() {
        operation["parameters"] = json!(endpoint.parameters);
    }
    if let Some(body) = &endpoint.body {
        operation["requestBody"] = body.clone();
    }
    operation
}

fn security(access: Access) -> Value {
    let party = |scopes: &[&str]| vec![json!({ "apiKey": scopes }), json!({ "oidcToken": scopes })];
    match access {
        Access::Open => json!([]),
        Access::Operator => json!([{ "operatorToken": [] }]),
        Access::Agent => json!([{ "agentSignature": [] }]),
        Access::Party(scope) => json!(party(scope.as_slice())),
        Access::PartyOrOperator(scope) => {
            let mut either = party(&[scope]);
            either.push(json!({ "operatorToken": [] }));
            json!(either)
        }
    }
}

fn security_schemes() -> Value {
    json!({
        "operatorToken": {
            "type": "http", "scheme": "bearer",
            "description": "The token in `<state_dir>/operator-token`, or in the file that the configuration names.",
        },
        "apiKey": {
            "type": "http", "scheme": "bearer", "bearerFormat": "pogw_ + 8 characters + _ + 43 characters",
            "description": "An API key of a party. The names listed with an operation are the scopes it takes.",
        },
        "oidcToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A token of the OpenID issuer that the verifier is configured with, if it is.",
        },
        "agentSignature": {
            "type": "apiKey", "in": "header", "name": "Signature",
            "description": "The request signed with the agent's Ed25519 key (RFC 9421), over its method, path, query and \
                `Content-Digest`, within a minute, with a nonce that comes once.",
        },
    })
}

fn responses(endpoint: &Endpoint) -> Value {
    let answers = endpoint.answers.iter();
    let mut responses: BTreeMap<String, Value> = answers
        .map(|(status, answer)| (status.to_string(), response(answer)))
        .collect();
    for (status, codes) in by_status(endpoint) {
        responses.insert(status.to_string(), problem(endpoint, status, &codes));
    }
    json!(responses)
}

fn response(answer: &Answer) -> Value {
    let mut response = json!({ "description": answer.text });
    if !answer.content.is_empty() {
        response["content"] = json!(answer.content);
    }
    if !answer.links.is_empty() {
        response["links"] = json!(answer.links);
    }
    response["headers"] = header_refs(answer.headers.iter().copied());
    response
}

fn header_refs<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let all = names.chain(["X-Request-Id", "X-Trace-Id"]);
    let refs = all.map(|name| {
        (
            name.to_owned(),
            json!({ "$ref": format!("#/components/headers/{name}") }),
        )
    });
    json!(refs.collect::<Map<_, _>>())
}

/// The words of an endpoint by their status. Those of the evidence are 422, and stand beside ours.
fn by_status(endpoint: &Endpoint) -> BTreeMap<u16, Vec<&'static str>> {
    let mut by_status: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for code in &endpoint.codes {
        by_status
            .entry(code.status())
            .or_default()
            .push(code.as_str());
    }
    let of_evidence = match endpoint.evidence_codes {
        EvidenceCodes::Some(codes) => codes,
        EvidenceCodes::Any => &[],
    };
    if !of_evidence.is_empty() || endpoint.evidence_codes == EvidenceCodes::Any {
        let refuted = by_status.entry(422).or_default();
        refuted.extend(of_evidence.iter().map(|code| code.as_str()));
    }
    by_status
}

fn problem(endpoint: &Endpoint, status: u16, codes: &[&str]) -> Value {
    let headers: &[&str] = match status {
        401 | 403 => &["WWW-Authenticate"],
        429 | 503 => &["Retry-After"],
        _ => &[],
    };
    json!({
        "description": title_of(status),
        "content": { "application/problem+json": { "schema": problem_schema(endpoint, status, codes) } },
        "headers": header_refs(headers.iter().copied()),
    })
}

fn problem_schema(endpoint: &Endpoint, status: u16, codes: &[&str]) -> Value {
    let mut properties = json!({ "status": { "const": status } });
    if endpoint.is_of_nvidia {
        let types: Vec<_> = codes
            .iter()
            .map(|code| format!("{TYPE_PREFIX}{code}"))
            .collect();
        properties["type"] = json!({ "enum": types });
        return json!({ "$ref": of("ProblemOfNvidia")["$ref"], "properties": properties });
    }
    let words = json!({ "enum": codes });
    properties["code"] = match (endpoint.evidence_codes, status) {
        (EvidenceCodes::Any, 422) => json!({ "anyOf": [words, of("EvidenceCode")] }),
        _ => words,
    };
    json!({ "$ref": of("Problem")["$ref"], "properties": properties })
}

/// What a status means here.
const fn title_of(status: u16) -> &'static str {
    match status {
        400 => "The request is not of the form that is taken.",
        401 => "The request does not show who sends it.",
        402 => "Somebody has less available than this takes.",
        403 => "Whoever sends this may not.",
        404 => "It is not there, or not for whoever asks.",
        406 => "No form of the answer is one that was asked for.",
        408 => "The body did not arrive in time.",
        409 => "Something else was said before.",
        410 => "It is too late.",
        413 => "The body is too large.",
        415 => "The body is of another media type.",
        422 => "The request is understood, and refused.",
        429 => "There is too much of this at present.",
        500 => "A fault of the service.",
        _ => "Not now: the same request may be answered later.",
    }
}

fn headers() -> Value {
    let header = |text: &str, schema: Value| json!({ "description": text, "schema": schema });
    json!({
        "X-Trace-Id": header("The trace of this request (W3C Trace Context): the caller's, or one of ours.", json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })),
        "X-Request-Id": header("What the log calls this request.", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })),
        "PoGW-Receipt-Status": header("Whether the receipt holds, as `status` of its JSON has it.", word(&STANDINGS)),
        "PoGW-Receipt-Revoked-At": header("Since when the receipt is revoked; absent of one that was not.", json!({ "type": "string", "format": "date-time" })),
        "Location": header("Where it is from now on.", json!({ "type": "string", "format": "uri-reference" })),
        "ETag": header("The tag of what is answered.", text()),
        "WWW-Authenticate": header("What there is to show (RFC 6750, RFC 9421).", text()),
        "Retry-After": header("Seconds after which to ask again.", json!({ "type": "integer", "minimum": 0 })),
    })
}
