//! The table of checks in `docs/checks.md` says what is so, as far as a machine can tell.

use std::collections::BTreeSet;

use evidence::CheckId;
use tests::checks::{self, ROWS};

use crate::has_test;

/// Every check of one device and of several together.
const IDS: &[CheckId] = &[
    CheckId::Parse,
    CheckId::Nonce,
    CheckId::Chain,
    CheckId::Identity,
    CheckId::ReportSignature,
    CheckId::Fwid,
    CheckId::Mode,
    CheckId::Revocation,
    CheckId::DriverRim,
    CheckId::VbiosRim,
    CheckId::Measurements,
    CheckId::Job,
    CheckId::Devices,
    CheckId::Topology,
    CheckId::OutputCommitment,
];

#[test]
fn the_table_has_every_row_once_and_in_order() {
    let numbers: Vec<u8> = checks::rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>());
}

#[test]
fn every_check_that_must_be_made_is_and_is_shown() {
    let rows = checks::rows();
    for number in checks::must() {
        let row = rows.iter().find(|row| row.number == number);
        let row = row.unwrap_or_else(|| panic!("no row {number}"));
        assert_ne!(row.status, "not made", "row {number}");
        assert!(!row.tests.is_empty(), "row {number} names no test");
    }
}

#[test]
fn a_row_says_where_how_and_why() {
    let ids: BTreeSet<_> = IDS.iter().map(|id| id.as_str()).collect();
    for row in checks::rows() {
        let number = row.number;
        assert!(
            !row.check.is_empty() && row.check.len() <= 100,
            "row {number}"
        );
        match row.status.as_str() {
            "made" => assert!(
                !row.tests.is_empty() && !row.made_in.is_empty(),
                "row {number}"
            ),
            "policy" | "recorded" => {
                assert!(
                    !row.tests.is_empty() && !row.note.is_empty() && !row.made_in.is_empty(),
                    "row {number}"
                );
            }
            "not made" => assert!(
                !row.note.is_empty() && row.made_in.is_empty(),
                "row {number}"
            ),
            other => panic!("row {number}: status {other}"),
        }
        for file in &row.made_in {
            assert!(checks::root().join(file).is_file(), "row {number}: {file}");
        }
        for id in &row.ids {
            assert!(ids.contains(id.as_str()), "row {number}: {id}");
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let mut named = 0;
    for row in checks::rows() {
        for test in &row.tests {
            let (file, name) = checks::place_of(test).expect("file::name");
            let text = std::fs::read_to_string(&file);
            let text = text.unwrap_or_else(|error| panic!("row {}: {test}: {error}", row.number));
            assert!(has_test(&text, name), "row {}: {test}", row.number);
            named += 1;
        }
    }
    assert!(named > 100, "only {named} tests are named");
    let text = "/// Words.\n#[rustfmt::skip]\n#[test]\nfn one() {\n}\nfn two() {}\n";
    assert!(has_test(text, "one") && !has_test(text, "two") && !has_test(text, "on"));
}
