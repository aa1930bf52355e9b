//! A policy cannot take the verifier's memory: texts that try are evaluated in a process of its own, which would not get it.

use std::process::Command;

use evidence::policy::{Policy, PolicyError};
use serde_json::{Value, json};

/// Address space of the process, in KiB. Its threads alone take a quarter of it.
const SPACE_KIB: u64 = 1024 * 1024;
/// What it may have had resident at once, in KiB.
const RESIDENT_KIB: u64 = 320 * 1024;

const CHILD: &str = "hostile_texts_in_a_process_of_their_own";

#[test]
fn texts_that_want_memory_get_none() {
    let test = std::env::current_exe().unwrap();
    let limited =
        format!("ulimit -v {SPACE_KIB} && exec \"$0\" --exact {CHILD} --ignored --nocapture");
    let mut child = Command::new("sh");
    let output = child.arg("-c").arg(limited).arg(test).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    assert!(said.contains("1 passed"), "{said}\n{wrong}");
}

#[test]
#[ignore = "run by the test above, in a process with little memory"]
fn hostile_texts_in_a_process_of_their_own() {
    for (name, what, body) in hostile() {
        let text = format!("package pogw\nimport rego.v1\n{body}\n");
        let said = Policy::compile(name, &text).and_then(|policy| policy.denials(&Value::Null));
        let error = said.expect_err(name);
        let peak = peak_kib();
        println!("{name}: {peak} KiB: {error}");
        match (what, &error) {
            (Refused(builtin), PolicyError::Memory(said)) => assert_eq!(*said, builtin, "{name}"),
            (Ended, PolicyError::Evaluate(why)) => {
                assert!(why.contains("time limit"), "{name}: {why}")
            }
            (NoText, PolicyError::Compile(_)) => {}
            _ => panic!("{name}: {error}"),
        }
        assert!(peak < RESIDENT_KIB, "{name}: {peak} KiB");
    }
}

#[test]
fn what_needs_no_input_is_refused_when_it_is_compiled() {
    let text = format!(
        "package pogw\nimport rego.v1\n{}",
        deny("count(numbers.range(1, 10000000)) > 1")
    );
    let refused = Policy::compile("range", &text).unwrap_err();
    assert_eq!(refused, PolicyError::Memory("numbers.range"));
    assert_eq!(refused.code().as_str(), "policy_invalid");
    let printed = "package policy\nnv_match { print(input) }";
    let refused = Policy::compile("print", printed).unwrap_err();
    assert_eq!(refused, PolicyError::Builtin("print"));
}

#[test]
fn what_depends_on_the_input_is_refused_when_it_is_asked() {
    let text = format!(
        "package pogw\nimport rego.v1\n{}",
        deny("count(numbers.range(1, input.n)) == 3")
    );
    let policy = Policy::compile("range", &text).unwrap();
    assert_eq!(policy.denials(&json!({ "n": 3 })).unwrap().len(), 1);
    assert_eq!(policy.denials(&json!({ "n": 4 })).unwrap().len(), 0);
    let refused = policy.denials(&json!({ "n": 100_000_000 })).unwrap_err();
    assert_eq!(refused, PolicyError::Memory("numbers.range"));
    assert_eq!(
        policy.denials(&json!({ "n": 3 })).unwrap().len(),
        1,
        "each has a budget of its own"
    );
}

/// What becomes of a text.
#[derive(Clone, Copy)]
enum Fate {
    /// This builtin is refused what it asks for.
    Refused(&'static str),
    /// It is ended after its time.
    Ended,
    /// The engine takes it for none.
    NoText,
}
use Fate::{Ended, NoText, Refused};

/// The most that this process had resident.
#[expect(
    clippy::disallowed_methods,
    reason = "the crate reads no file; its test looks at itself"
)]
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

fn deny(condition: &str) -> String {
    format!("deny contains {{\"code\": \"a\", \"message\": \"b\"}} if {{\n{condition}\n}}")
}

/// A chain of rules `v0`, `v1`, …, each made of the one before it; the last is looked at.
fn chain(first: &str, next: impl Fn(&str) -> String, links: usize, look: &str) -> String {
    let rules = (1..=links).map(|i| format!("v{i} := {}\n", next(&format!("v{}", i - 1))));
    let rules: String = rules.collect();
    format!(
        "v0 := {first}\n{rules}{}",
        deny(&look.replace('$', &format!("v{links}")))
    )
}

fn hostile() -> Vec<(&'static str, Fate, String)> {
    vec![
        (
            "a long range",
            Refused("numbers.range"),
            deny("count(numbers.range(1, 10000000)) > 1"),
        ),
        (
            "a range that cannot be",
            Refused("numbers.range"),
            deny("count(numbers.range(1, 1000000000000)) > 1"),
        ),
        (
            "a range of which the end is past every number",
            Refused("numbers.range"),
            deny("count(numbers.range(1, 99999999999999999999)) > 1"),
        ),
        (
            "a range that does not move",
            Refused("numbers.range"),
            deny("count(numbers.range(1e17, 100000000000000010)) > 1"),
        ),
        (
            "a constant range",
            Refused("numbers.range"),
            format!("r := numbers.range(1, 10000000)\n{}", deny("count(r) > 1")),
        ),
        (
            "a range by another name",
            NoText,
            deny("count(1) > 1 with count as numbers.range"),
        ),
        (
            "a range called by brackets",
            Refused("numbers.range"),
            deny("count(numbers[\"range\"](1, 10000000)) > 1"),
        ),
        (
            "a range called by a name in numbers",
            Refused("numbers.range"),
            deny("count(numbers[\"ran\\u0067e\"](1, 10000000)) > 1"),
        ),
        (
            "a range in steps",
            Refused("numbers.range_step"),
            deny("count(numbers.range_step(0, 100000000, 2)) > 1"),
        ),
        (
            "many ranges",
            Refused("numbers.range"),
            deny("some i in numbers.range(1, 1000)\ncount(numbers.range(i, 1000000)) == 1"),
        ),
        (
            "a shift",
            Refused("bits.lsh"),
            deny("bits.lsh(1, 4000000000) == 0"),
        ),
        (
            "a wide format",
            Refused("sprintf"),
            deny("sprintf(\"%03000000000d\", [1]) == \"\""),
        ),
        (
            "texts that double",
            Refused("concat"),
            chain(
                "\"0123456789\"",
                |v| format!("concat(\"\", [{v}, {v}])"),
                40,
                "count($) == 1",
            ),
        ),
        (
            "formats that double",
            Refused("sprintf"),
            chain(
                "\"0123456789\"",
                |v| format!("sprintf(\"%s%s\", [{v}, {v}])"),
                40,
                "count($) == 1",
            ),
        ),
        (
            "texts that are squared",
            Refused("replace"),
            chain(
                "\"aaaaaaaaaa\"",
                |v| format!("replace({v}, \"a\", {v})"),
                6,
                "count($) == 1",
            ),
        ),
        (
            "patterns that square",
            Refused("regex.replace"),
            chain(
                "\"aaaaaaaaaa\"",
                |v| format!("regex.replace({v}, \"a\", {v})"),
                6,
                "count($) == 1",
            ),
        ),
        (
            "texts replaced in turn",
            Refused("strings.replace_n"),
            chain(
                "\"aaaaaaaaaa\"",
                |v| format!("strings.replace_n({{\"a\": {v}}}, {v})"),
                6,
                "count($) == 1",
            ),
        ),
        (
            "lists that double",
            Refused("array.concat"),
            chain(
                "[1, 2, 3, 4]",
                |v| format!("array.concat({v}, {v})"),
                40,
                "count($) == 1",
            ),
        ),
        (
            "JSON of a value that is shared",
            Refused("json.marshal"),
            chain(
                "[1]",
                |v| format!("[{v}, {v}]"),
                40,
                "json.marshal($) == \"\"",
            ),
        ),
        (
            "JSON in JSON",
            Refused("json.marshal"),
            chain(
                "\"\\\"\"",
                |v| format!("json.marshal({v})"),
                60,
                "count($) == 1",
            ),
        ),
        (
            "a comprehension",
            Ended,
            deny("r := numbers.range(1, 100000)\ncount([[x, y] | some x in r; some y in r]) == 1"),
        ),
        (
            "a comprehension of texts",
            Refused("upper"),
            deny(
                "s := concat(\"\", [\"a\" | some _ in numbers.range(1, 10000)])\ncount({upper(concat(\"\", [s, sprintf(\"%d\", [x])])) | some x in numbers.range(1, 100000)}) == 1",
            ),
        ),
        (
            "sets copied",
            Ended,
            deny(
                "a := {x | some x in numbers.range(1, 50000)}\ncount([b | some x in numbers.range(1, 100000); b := a | {0 - x}]) == 1",
            ),
        ),
        (
            "pieces of a text",
            Refused("split"),
            deny(
                "s := concat(\"\", [\"a\" | some _ in numbers.range(1, 100000)])\ncount([split(s, \"\") | some _ in numbers.range(1, 1000)]) == 1",
            ),
        ),
    ]
}
