//! The table of attacks in `docs/threats.md`: each has a test that shows it refused, or says that it is not refused.

use std::fs;

use tests::checks::{place_of, root};

use crate::has_test;

/// Where a row says that an attack is open.
const OPEN: &str = "**Not refused.**";

struct Row {
    attack: String,
    answer: String,
    tests: Vec<String>,
}

#[test]
fn every_attack_is_shown_refused_or_said_to_be_open() {
    let rows = rows();
    assert!(rows.len() > 80, "only {} attacks", rows.len());
    for Row {
        attack,
        answer,
        tests,
    } in &rows
    {
        assert!(!attack.is_empty() && !answer.is_empty(), "{attack}");
        assert_eq!(tests.is_empty(), answer.starts_with(OPEN), "{attack}");
    }
    let open = rows
        .iter()
        .filter(|row| row.answer.starts_with(OPEN))
        .count();
    assert!(open >= 10, "only {open} attacks are said to be open");
}

#[test]
fn every_test_that_is_named_exists() {
    for row in rows() {
        for test in row.tests {
            let (file, name) = place_of(&test).unwrap_or_else(|| panic!("{test}: no file::name"));
            let text = fs::read_to_string(&file);
            let text = text.unwrap_or_else(|error| panic!("{}: {test}: {error}", row.attack));
            assert!(has_test(&text, name), "{}: {test}", row.attack);
        }
    }
    let text = "on_both! {\n    async fn one(market) {\n    }\n}\n\nfn two() {}\n\n#[test]\nfn three() {}\n";
    for (name, is_test) in [
        ("one", true),
        ("two", false),
        ("three", true),
        ("thre", false),
    ] {
        assert_eq!(has_test(text, name), is_test, "{name}");
    }
}

/// Every row of a table of attacks: those with the columns attack, answer, shown by.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/threats.md")).expect("docs/threats.md");
    let tables = page
        .split("| Attack | Answer | Shown by |\n|---|---|---|\n")
        .skip(1);
    let lines = tables.flat_map(|table| table.lines().take_while(|line| line.starts_with("| ")));
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [attack, answer, shown] = cells[..] else {
        panic!("{} columns: {line}", cells.len());
    };
    Row {
        attack: attack.to_owned(),
        answer: answer.to_owned(),
        tests: shown
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    }
}
