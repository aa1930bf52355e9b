//! The document is whole: references lead somewhere, names are used once, examples are what their schemas say.

use std::collections::BTreeSet;

use boon::{Compiler, Schemas};
use serde_json::Value;

use super::*;
use crate::problem::ProblemCode;

fn value() -> Value {
    serde_json::from_str(&document().json).unwrap()
}

/// Every value in the document with where it is, as a JSON pointer.
fn visit(value: &Value, at: &str, see: &mut impl FnMut(&str, &Value)) {
    see(at, value);
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                visit(member, &format!("{at}/{}", escaped(name)), see);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                visit(item, &format!("{at}/{n}"), see);
            }
        }
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let document = value();
    let mut referred = BTreeSet::new();
    visit(&document, "", &mut |at, value| {
        if let Some(Value::String(to)) = value.get("$ref") {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{at}: {to}");
            referred.insert(pointer.to_owned());
        }
    });
    for kind in ["schemas", "headers"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let pointer = format!("/components/{kind}/{name}");
            // Said of all errors: each operation lists words of it.
            let is_used = referred.contains(&pointer) || name == "ProblemCode";
            assert!(is_used, "nobody refers to {name}");
        }
    }
}

#[test]
fn operations_have_a_name_a_title_and_answers_of_their_own() {
    let mut names = BTreeSet::new();
    let mut places = BTreeSet::new();
    for endpoint in endpoints::all() {
        assert!(names.insert(endpoint.id), "{}", endpoint.id);
        assert!(
            places.insert((endpoint.path(), endpoint.method)),
            "{}",
            endpoint.id
        );
        assert!(
            !endpoint.title.is_empty() && !endpoint.text.is_empty(),
            "{}",
            endpoint.id
        );
        assert!(
            endpoint.answers.keys().any(|status| *status < 300),
            "{}",
            endpoint.id
        );
        let told = endpoint
            .parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path");
        let told: Vec<_> = told
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let path = endpoint.path();
        let parts = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(told, parts.collect::<Vec<_>>(), "{}", endpoint.id);
    }
    visit(&value(), "", &mut |at, value| {
        if let Some(Value::String(id)) = value.get("operationId") {
            assert!(names.contains(&**id), "{at}: {id}");
        }
    });
}

#[test]
fn every_problem_is_told_of_an_operation_that_has_it() {
    let endpoints = endpoints::all();
    let told = endpoints.iter().flat_map(|endpoint| &endpoint.codes);
    let told: BTreeSet<_> = told.copied().collect();
    // What is said of a path or a method that is none.
    let of_none = [ProblemCode::NotFound, ProblemCode::MethodNotAllowed];
    for (code, _) in ProblemCode::ALL {
        let is_told = told.contains(code) || of_none.contains(code);
        assert!(is_told, "no operation tells {}", code.as_str());
    }
}

#[test]
fn examples_are_what_their_schemas_say() {
    let document = value();
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    compiler
        .add_resource("https://pogw.example/api", document.clone())
        .unwrap();
    let mut count = 0;
    visit(&document, "", &mut |at, value| {
        let (Some(example), Some(_)) = (value.get("example"), value.get("schema")) else {
            return;
        };
        let place = format!(
            "https://pogw.example/api#{}",
            in_url(&format!("{at}/schema"))
        );
        let schema = compiler.compile(&place, &mut schemas).unwrap();
        let said = schemas.validate(example, schema);
        assert!(said.is_ok(), "{at}: {}", said.unwrap_err());
        count += 1;
    });
    assert!(count > 30, "{count} examples");
}

/// A pointer as the fragment of a URL.
fn in_url(pointer: &str) -> String {
    pointer.replace('{', "%7B").replace('}', "%7D")
}
