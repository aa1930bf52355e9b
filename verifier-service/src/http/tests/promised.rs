//! Every answer that a test gets is one that the document promises: this status, this media type, this schema, and if it is
//! a problem, this code.
//!
//! It wraps the router of every test, so that every test checks the document, too. It is stricter than the schemas: an
//! answer has no member that the document does not name.

use std::cell::RefCell;

use axum::extract::Request;
use axum::http::Method;
use axum::http::response::Parts;
use axum::middleware::{Next, from_fn};
use boon::{Compiler, Schemas};

use super::*;

/// Where the document is, for references in it.
const BASE: &str = "https://verifier.example/openapi.json";

struct Promises {
    document: Value,
    schemas: RefCell<(Schemas, Compiler)>,
}

thread_local! {
    /// One for each thread: schemas that are being compiled cannot be shared.
    static PROMISES: Promises = Promises::new();
}

/// The router, with every answer held against the document.
pub(super) fn held(router: Router) -> Router {
    router.layer(from_fn(hold))
}

async fn hold(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let (parts, body) = next.run(request).await.into_parts();
    let Some(schema) = PROMISES.with(|promises| promises.schema_of(&method, &path, &parts)) else {
        return Response::from_parts(parts, body);
    };
    let bytes = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes,
        // One that breaks off is none of any schema.
        Err(error) => {
            let broken = futures_util::stream::iter([Err::<Vec<u8>, _>(error)]);
            return Response::from_parts(parts, Body::from_stream(broken));
        }
    };
    let value = serde_json::from_slice(&bytes).unwrap();
    if let Err(why) = PROMISES.with(|promises| promises.check(&schema, &value)) {
        let status = parts.status;
        panic!("{method} {path}: {status} is not what the document says: {why}\n{value:#}");
    }
    Response::from_parts(parts, Body::from(bytes))
}

impl Promises {
    fn new() -> Self {
        let mut document: Value = serde_json::from_str(&api::document().json).unwrap();
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        close(&mut document["components"]["schemas"]);
        // The judge of these tests signs nothing: its tokens are made to order, too.
        document["components"]["schemas"]["Token"] = json!({ "type": "string" });
        compiler.add_resource(BASE, document.clone()).unwrap();
        Self {
            document,
            schemas: RefCell::new((Schemas::new(), compiler)),
        }
    }

    /// The pointer of the schema of an answer whose status and media type are promised; `None` where there is nothing to hold
    /// against one.
    fn schema_of(&self, method: &Method, path: &str, parts: &Parts) -> Option<String> {
        let place = format!(
            "{}/{}",
            self.responses(method, path)?,
            parts.status.as_str()
        );
        let promised = self.document.pointer(&place);
        let promised = promised.unwrap_or_else(|| panic!("{place} is not in the document"));
        let content = promised.get("content").and_then(Value::as_object);
        let stated = parts.headers.get("content-type");
        let stated = stated.filter(|_| *method != Method::HEAD);
        let Some(media_type) = stated.map(|value| essence(value.to_str().unwrap())) else {
            assert!(
                content.is_none() || *method == Method::HEAD,
                "{place}: no body"
            );
            return None;
        };
        let is_promised = content.is_some_and(|content| content.contains_key(media_type));
        assert!(is_promised, "{place}: {media_type} is not in the document");
        let schema = format!("{place}/content/{}/schema", media_type.replace('/', "~1"));
        // What is compressed has a test of its own.
        let is_plain = !parts.headers.contains_key("content-encoding");
        (is_plain && media_type.ends_with("json")).then_some(schema)
    }

    /// The pointer of the answers of an operation. What the document has none of is answered with 404 or 405, or is a page.
    fn responses(&self, method: &Method, path: &str) -> Option<String> {
        let method = match *method {
            Method::HEAD => "get".to_owned(),
            ref other => other.as_str().to_ascii_lowercase(),
        };
        let paths = self.document["paths"].as_object().unwrap();
        let fitting = paths.iter().filter(|(template, operations)| {
            fits(template, path) && operations.get(&method).is_some()
        });
        // A word in a path goes before a name.
        let (template, _) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
        Some(format!(
            "/paths/{}/{method}/responses",
            template.replace('/', "~1")
        ))
    }

    fn check(&self, pointer: &str, value: &Value) -> Result<(), String> {
        let mut held = self.schemas.borrow_mut();
        let (schemas, compiler) = &mut *held;
        let place = format!("{BASE}#{}", pointer.replace('{', "%7B").replace('}', "%7D"));
        let schema = compiler.compile(&place, schemas);
        let schema = schema.map_err(|error| error.to_string())?;
        schemas
            .validate(value, schema)
            .map_err(|error| error.to_string())
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default()
}

fn fits(template: &str, path: &str) -> bool {
    // The one name that may have slashes in it.
    if template == "/ocsp/{request}" {
        return path.starts_with("/ocsp/");
    }
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let fits = |(part, segment): (&&str, &&str)| {
        part == segment || (part.starts_with('{') && !segment.is_empty())
    };
    template.len() == path.len() && template.iter().zip(&path).all(fits)
}

/// Lets no object have members that its schema does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_whole = members.contains_key("properties") && !members.contains_key("$ref");
            let is_open = !members.contains_key("additionalProperties");
            if is_whole && is_open && members["type"] == "object" {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
