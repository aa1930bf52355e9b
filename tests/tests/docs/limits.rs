//! The limits in `docs/operations.md` are those in force.

use std::collections::BTreeMap;
use std::fs;

use evidence::limits;
use tests::checks::root;

#[test]
fn limits_that_can_be_set_have_their_defaults() {
    let defaults = defaults();
    let mut compared = 0;
    for row in rows("## Limits that can be set") {
        let keys = quoted(&row[0]);
        let values = quoted(&row[1]);
        assert!(!keys.is_empty(), "{row:?}");
        // Without a value of its own the default is words.
        assert!(values.is_empty() || values.len() == keys.len(), "{row:?}");
        for key in &keys {
            assert!(defaults.contains_key(key), "{key}");
        }
        for (key, value) in keys.iter().zip(&values) {
            assert_eq!(&defaults[key], value, "{key}");
            compared += 1;
        }
    }
    assert!(compared > 15, "only {compared} limits");
}

#[test]
fn limits_that_cannot_be_set_are_those_of_the_code() {
    let kib = |bytes: usize| match bytes / 1024 {
        1024 => "1 MiB".to_owned(),
        kib => format!("{kib} KiB"),
    };
    let sizes = [
        limits::MAX_REPORT_BYTES,
        limits::MAX_CHAIN_BYTES,
        limits::MAX_RIM_BYTES,
        limits::MAX_OCSP_BYTES,
    ];
    let expected = [
        sizes.map(kib).join(", "),
        limits::MAX_DEVICES.to_string(),
        limits::MAX_OUTPUTS.to_string(),
        limits::MAX_REPLICAS.to_string(),
        format!(
            "{}, and {} MiB together",
            limits::MAX_SLICES,
            limits::MAX_SLICE_BYTES >> 20
        ),
    ];
    let rows = rows("## Limits that cannot be set");
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(row[1], expected, "{}", row[0]);
    }
    let of_receipt = rows.iter().find(|row| row[0] == "receipt").unwrap();
    assert_eq!(of_receipt[1], kib(receipt::limits::MAX_TOKEN_BYTES));
}

/// Cells of the rows of the table under a heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, section) = page.split_once(heading).expect("the heading");
    let lines = section
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    let rows = lines.filter_map(|line| line.strip_prefix("| ")).skip(1);
    rows.map(|row| {
        row.trim_end_matches(" |")
            .split(" | ")
            .map(str::to_owned)
            .collect()
    })
    .collect()
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Every key of the example of a configuration, with what its comment gives as the default; a test of the verifier holds
/// that it is.
fn defaults() -> BTreeMap<String, String> {
    let example = fs::read_to_string(root().join("verifier-service/config.example.toml")).unwrap();
    let mut section = String::new();
    let mut defaults = BTreeMap::new();
    for line in example.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = format!("{name}.");
        } else if let Some((key, value)) = line
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "))
        {
            defaults.insert(format!("{section}{key}"), value.to_owned());
        }
    }
    defaults
}
