//! Every code has its row in `docs/reasons.md`, and every row its code.

use std::collections::BTreeSet;

const DOCS: &str = include_str!("../../docs/reasons.md");
const REFUSALS: &str = include_str!("../src/refusal.rs");
const TERMS: &str = include_str!("../src/terms/mod.rs");

fn section(title: &str) -> &'static str {
    let found = DOCS
        .split("\n## ")
        .find(|section| section.starts_with(title));
    found.unwrap_or_else(|| panic!("docs/reasons.md has no {title}"))
}

/// The codes in the first column of a table.
fn rows(title: &str) -> BTreeSet<&'static str> {
    let rows = section(title)
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).collect()
}

/// The words that the function `code` of a source returns.
fn codes(source: &'static str) -> BTreeSet<&'static str> {
    let arms = source.lines().filter_map(|line| line.split("=> \"").nth(1));
    arms.filter_map(|arm| arm.strip_suffix("\",")).collect()
}

#[test]
fn endings_have_their_rows() {
    let title = "What becomes of a job";
    for (code, meaning) in jobs::Code::ALL {
        let row = format!("| `{code}` | {} |", meaning.trim());
        assert!(
            section(title).contains(&row),
            "docs/reasons.md lacks\n{row}"
        );
    }
    assert_eq!(rows(title).len(), jobs::Code::ALL.len());
}

#[test]
fn refusals_have_their_rows() {
    assert!(codes(REFUSALS).contains("funds_missing"));
    assert_eq!(rows("Actions on a job that are refused"), codes(REFUSALS));
    assert!(codes(TERMS).contains("terms_price"));
    assert_eq!(rows("Terms that are refused"), codes(TERMS));
}
