//! The table of checks in `docs/checks.md`, read for the tests that hold it.
//!
//! In scope: the form of the table. Out of scope: whether what it says is so, which its readers look at.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Rows of nvidia-evidence 10.
pub const ROWS: u8 = 130;

/// Rows marked M there.
const MUST: &[RangeInclusive<u8>] = &[
    1..=4,
    6..=16,
    18..=34,
    37..=40,
    42..=56,
    58..=68,
    70..=72,
    75..=90,
    92..=99,
    102..=104,
    106..=107,
    110..=110,
    113..=118,
    121..=122,
    124..=130,
];

/// The numbers of the rows marked M in nvidia-evidence 10, ascending.
pub fn must() -> impl Iterator<Item = u8> {
    MUST.iter().cloned().flatten()
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number in nvidia-evidence 10.
    pub number: u8,
    /// What is checked.
    pub check: String,
    /// Files that make the check, from the root of the repository.
    pub made_in: Vec<String>,
    /// Ids under which answers state it.
    pub ids: Vec<String>,
    /// Tests that show it, as `file::name`; files are those of this crate's `tests`, or from the root of the repository.
    pub tests: Vec<String>,
    /// `made`, `policy`, `recorded` or `not made`.
    pub status: String,
    /// What there is to say about it.
    pub note: String,
}

/// Every row, in the order of the document.
///
/// # Panics
/// The document is not there, or a row has another number of columns.
#[must_use]
pub fn rows() -> Vec<Row> {
    let path = root().join("docs/checks.md");
    let text = std::fs::read_to_string(path).expect("docs/checks.md");
    text.lines().filter_map(row).collect()
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file of a test that the table names, and the name of the function.
#[must_use]
pub fn place_of(test: &str) -> Option<(PathBuf, &str)> {
    let (file, name) = test.split_once("::")?;
    let own = root().join("tests/tests").join(file);
    let place = if own.exists() { own } else { root().join(file) };
    Some((place, name))
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<_> = line.strip_prefix("| ")?.split(" | ").collect();
    let number = cells[0].parse().ok()?;
    let [_, check, made_in, ids, tests, status] = cells[..] else {
        panic!("row {number} has {} columns", cells.len());
    };
    let status = status.strip_suffix(" |").expect("the end of a row");
    let (status, note) = status.split_once(": ").unwrap_or((status, ""));
    Some(Row {
        number,
        check: check.to_owned(),
        made_in: quoted(made_in),
        ids: quoted(ids),
        tests: quoted(tests),
        status: status.to_owned(),
        note: note.to_owned(),
    })
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    let parts = cell.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}
