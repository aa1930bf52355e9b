//! Each policy gives the decisions its table states.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use evidence::policy::Policy;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    input: String,
    deny: BTreeSet<String>,
}

#[test]
fn every_policy_decides_as_its_table_states() {
    let mut seen = 0;
    for policy in policies() {
        let id = policy.file_stem().unwrap().to_str().unwrap();
        let compiled = Policy::compile(id, &read(&policy)).unwrap();
        let table: Table = toml::from_str(&read(&policy.with_extension("decisions.toml"))).unwrap();
        assert!(
            table.case.iter().any(|case| case.deny.is_empty()),
            "{id} never grants"
        );
        for case in table.case {
            let input = serde_json::from_str(&case.input).unwrap();
            let denials = compiled.denials(&input).unwrap();
            let codes: BTreeSet<_> = denials.into_iter().map(|denial| denial.code).collect();
            assert_eq!(codes, case.deny, "{id}: {}", case.name);
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} decisions");
}

#[test]
fn a_policy_that_is_none_is_refused_with_a_reason() {
    let table = [
        ("not rego", "package pogw\ndeny contains"),
        ("no deny", "package pogw\nimport rego.v1\nallow := true"),
        (
            "other package",
            "package other\nimport rego.v1\ndeny contains {\"code\": \"a\", \"message\": \"b\"}",
        ),
    ];
    for (name, text) in table {
        let error = Policy::compile(name, text).expect_err(name);
        assert_eq!(error.code().as_str(), "policy_invalid", "{name}");
    }
    let malformed = [
        ("a number", "package pogw\nimport rego.v1\ndeny := 1"),
        (
            "texts",
            "package pogw\nimport rego.v1\ndeny contains \"no\"",
        ),
        (
            "no message",
            "package pogw\nimport rego.v1\ndeny contains {\"code\": \"a\"}",
        ),
    ];
    for (name, text) in malformed {
        let policy = Policy::compile(name, text).unwrap();
        let denials = policy.denials(&Value::Null);
        assert!(denials.is_err(), "{name}: a broken policy must not grant");
    }
}

#[test]
fn a_policy_that_does_not_end_is_ended() {
    let endless = "package pogw\nimport rego.v1\n\
        deny contains {\"code\": \"a\", \"message\": \"b\"} if {\n\
        some x in numbers.range(1, 100000)\nsome y in numbers.range(1, 100000)\nx * y == -1 }";
    let policy = Policy::compile("endless", endless).unwrap();
    assert!(policy.denials(&Value::Null).is_err());
}

#[test]
fn every_reason_has_its_row_in_the_docs() {
    let docs = read(&root().join("docs/reasons.md"));
    for (code, meaning) in evidence::Code::ALL {
        let row = format!("| `{code}` | {} |", meaning.trim());
        assert!(docs.contains(&row), "docs/reasons.md lacks\n{row}");
    }
    let rows = docs.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        rows,
        evidence::Code::ALL.len(),
        "docs/reasons.md has rows of no code"
    );
}

fn policies() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("policies")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "rego"))
        .collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
