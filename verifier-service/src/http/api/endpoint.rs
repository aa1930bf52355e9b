//! One endpoint: its handler, and its description.

use std::collections::{BTreeMap, BTreeSet};

use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{self, MethodRouter};
use serde_json::{Map, Value, json};

use super::codes;
use super::schema::{of, said};
use crate::http::{App, media_type};
use crate::problem::ProblemCode;

/// Where it stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tag {
    Receipts,
    Policies,
    Parties,
    Agents,
    Jobs,
    Assignments,
    Books,
    Webhooks,
    Service,
    Collateral,
    Nvidia,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Open,
    /// The operator.
    Operator,
    /// A party whose credential has the scope, if one is named.
    Party(Option<&'static str>),
    /// Such a party, or the operator.
    PartyOrOperator(&'static str),
    /// An agent, by its signature.
    Agent,
}

/// See the [module documentation](self).
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    path: &'static str,
    route: MethodRouter<App>,
    pub(super) id: &'static str,
    pub(super) tag: Tag,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) access: Access,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) answers: BTreeMap<u16, Answer>,
    pub(super) codes: BTreeSet<ProblemCode>,
    pub(super) evidence_codes: EvidenceCodes,
    pub(super) is_of_nvidia: bool,
}

/// An answer that is no problem.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) text: &'static str,
    pub(super) content: Map<String, Value>,
    pub(super) headers: Vec<&'static str>,
    pub(super) links: Map<String, Value>,
}

/// Which codes of the evidence a 422 may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EvidenceCodes {
    Some(&'static [evidence::Code]),
    Any,
}

impl Endpoint {
    pub(super) fn get<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new("get", path, id, routing::get(handler))
    }

    pub(super) fn post<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new("post", path, id, routing::post(handler))
    }

    pub(super) fn put<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new("put", path, id, routing::put(handler))
    }

    pub(super) fn delete<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self::new("delete", path, id, routing::delete(handler))
    }

    fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        route: MethodRouter<App>,
    ) -> Self {
        Self {
            method,
            path,
            route,
            id,
            tag: Tag::Service,
            title: "",
            text: "",
            access: Access::Open,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            codes: codes::OF_ALL.iter().copied().collect(),
            evidence_codes: EvidenceCodes::Some(&[]),
            is_of_nvidia: false,
        }
    }

    /// What it does, in a line and in a few.
    pub(super) fn says(mut self, title: &'static str, text: &'static str) -> Self {
        (self.title, self.text) = (title, text);
        self
    }

    pub(super) fn tagged(mut self, tag: Tag) -> Self {
        self.tag = tag;
        self
    }

    /// Who may ask, with the problems of those who may not.
    pub(super) fn by(mut self, access: Access) -> Self {
        self.access = access;
        let (of_access, has_scope): (&[_], _) = match access {
            Access::Open => (&[], false),
            Access::Operator => (codes::OF_OPERATOR, false),
            Access::Party(scope) => (codes::OF_PARTY, scope.is_some()),
            Access::PartyOrOperator(_) => (codes::OF_PARTY, true),
            Access::Agent => (codes::OF_AGENT, false),
        };
        if access == Access::Agent {
            self.parameters.extend(signature_fields());
        }
        let scope = has_scope.then_some(ProblemCode::ScopeMissing);
        self.codes.extend(of_access.iter().copied().chain(scope));
        self
    }

    /// Takes a body of JSON of ours, at most so many bytes.
    pub(super) fn takes(self, schema: &str, most: usize, example: Value) -> Self {
        self.takes_as(&[media_type::JSON], of(schema), most, example)
            .fails(codes::OF_JSON)
    }

    /// Takes a body of these media types.
    pub(super) fn takes_as(
        mut self,
        media_types: &[&str],
        schema: Value,
        most: usize,
        example: Value,
    ) -> Self {
        let mut content = json!({ "schema": schema });
        if !example.is_null() {
            content["example"] = example;
        }
        let content: Map<_, _> = media_types
            .iter()
            .map(|media_type| ((*media_type).to_owned(), content.clone()))
            .collect();
        self.body = Some(json!({
            "description": format!("At most {most} bytes, or what the verifier is configured to take, if that is less."),
            "required": true,
            "content": content,
        }));
        self.fails(codes::OF_BODY)
    }

    /// Has a name in its path.
    pub(super) fn named(self, name: &str, schema: Value, text: &str) -> Self {
        self.parameter("path", name, true, said(schema, text), None)
    }

    /// Takes a parameter in its query, which may be absent.
    pub(super) fn asks(self, name: &str, schema: Value, text: &str, example: Value) -> Self {
        self.parameter("query", name, false, said(schema, text), Some(example))
            .fails(&[ProblemCode::QueryMalformed])
    }

    /// Takes a header, which may be absent.
    pub(super) fn heeds(self, name: &str, schema: Value, text: &str) -> Self {
        self.parameter("header", name, false, said(schema, text), None)
    }

    /// Answers with a page of a list.
    pub(super) fn paged(self, cursor: Value) -> Self {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 });
        self.asks(
            "cursor",
            cursor,
            "`next` of the page before; without it, the latest.",
            Value::Null,
        )
        .asks("limit", limit, "Entries of the page.", json!(20))
    }

    fn parameter(
        mut self,
        place: &str,
        name: &str,
        is_required: bool,
        schema: Value,
        example: Option<Value>,
    ) -> Self {
        let mut schema = schema;
        let text = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        let mut parameter = json!({
            "name": name, "in": place, "required": is_required, "description": text, "schema": schema,
        });
        if let Some(example) = example.filter(|example| !example.is_null()) {
            parameter["example"] = example;
        }
        self.parameters.push(parameter);
        self
    }

    /// Answers with JSON of ours.
    pub(super) fn gives(self, status: u16, schema: &str, text: &'static str) -> Self {
        self.gives_as(status, media_type::JSON, of(schema), text)
    }

    /// Answers with another media type, or one more.
    pub(super) fn gives_as(
        mut self,
        status: u16,
        media_type: &str,
        schema: Value,
        text: &'static str,
    ) -> Self {
        let answer = self.answers.entry(status).or_default();
        answer.text = text;
        answer
            .content
            .insert(media_type.to_owned(), json!({ "schema": schema }));
        self
    }

    /// Answers without a body.
    pub(super) fn gives_nothing(mut self, status: u16, text: &'static str) -> Self {
        self.answers.entry(status).or_default().text = text;
        self
    }

    /// Headers of an answer, by their names in the components.
    pub(super) fn header(mut self, status: u16, name: &'static str) -> Self {
        self.answers.entry(status).or_default().headers.push(name);
        self
    }

    /// Where one goes on from an answer: an operation, and its parameter by a member of the answer.
    pub(super) fn leads_to(mut self, status: u16, operation: &str, name: &str, from: &str) -> Self {
        let link = json!({ "operationId": operation, "parameters": { name: from } });
        let answer = self.answers.entry(status).or_default();
        answer.links.insert(operation.to_owned(), link);
        self
    }

    /// Problems it can answer with.
    pub(super) fn fails(mut self, codes: &[ProblemCode]) -> Self {
        self.codes.extend(codes.iter().copied());
        self
    }

    /// Words of the evidence that it can answer 422 with.
    pub(super) fn refutes(mut self, codes: EvidenceCodes) -> Self {
        self.evidence_codes = codes;
        self
    }

    /// Can be read by scripts of any web page (Fetch Standard, CORS protocol): what anybody may know, and what it takes to
    /// validate a receipt in a browser. Nothing is answered to a preflight, so no credential comes along.
    pub(super) fn for_any_page(mut self) -> Self {
        self.route = self.route.layer(map_response(open_to_pages));
        self
    }

    /// Answers in NVIDIA's form where it fails, too.
    pub(super) fn in_nvidias_form(mut self) -> Self {
        self.is_of_nvidia = true;
        self
    }

    /// Asks the store.
    pub(super) fn stored(self) -> Self {
        self.fails(codes::OF_STORE)
    }

    /// The path as OpenAPI has it: there a name stands for whatever follows, too.
    pub(super) fn path(&self) -> String {
        self.path.replace("{*", "{")
    }

    /// What the router needs.
    pub(super) fn into_route(self) -> (&'static str, MethodRouter<App>) {
        (self.path, self.route)
    }
}

async fn open_to_pages(mut response: Response) -> Response {
    const SHOWN: HeaderValue =
        HeaderValue::from_static("pogw-receipt-status, pogw-receipt-revoked-at");
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
    response
}

/// What an agent's signature adds to a request (RFC 9421, RFC 9530).
fn signature_fields() -> [Value; 2] {
    let field = |name: &str, text: &str| {
        json!({
            "name": name, "in": "header", "required": true, "description": text,
            "schema": { "type": "string" },
        })
    };
    [
        field(
            "Content-Digest",
            "The digest of the body (RFC 9530): `sha-256=:…:`.",
        ),
        field(
            "Signature-Input",
            "What is signed and how (RFC 9421); the one form taken is that of `evidence::work::request`.",
        ),
    ]
}
