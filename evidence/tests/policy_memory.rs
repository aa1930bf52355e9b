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
    let others = hostile()
        .into_iter()
        .filter(|(_, what, _)| !matches!(what, Ended));
    for (name, what, body) in others {
        let error = refusal(name, &body);
        let peak = peak_kib();
        println!("{name}: {peak} KiB: {error}");
        match (what, &error) {
            (Refused(builtin), PolicyError::Memory(said)) => assert_eq!(*said, builtin, "{name}"),
            (NoText, PolicyError::Compile(_)) => {}
            (Leads(where_to), PolicyError::Compile(why)) => {
                assert!(why.contains(where_to), "{name}: {why}");
            }
            (NotForPolicies(builtin), PolicyError::Builtin(said)) => {
                assert_eq!(*said, builtin, "{name}");
            }
            (Malformed, PolicyError::Result { actual, .. }) => {
                assert!(actual.chars().count() < 300, "{name}: {actual}");
            }
            _ => panic!("{name}: {error}"),
        }
        assert!(peak < RESIDENT_KIB, "{name}: {peak} KiB");
    }
}

/// What small values in great number take depends on how fast the machine is: nothing but time ends those.
#[test]
fn texts_that_make_many_small_values_are_ended_in_time() {
    let ended = hostile()
        .into_iter()
        .filter(|(_, what, _)| matches!(what, Ended));
    for (name, _, body) in ended {
        let error = refusal(name, &body);
        let PolicyError::Evaluate(why) = &error else {
            panic!("{name}: {error}");
        };
        assert!(why.contains("time limit"), "{name}: {why}");
    }
}

fn refusal(name: &str, body: &str) -> PolicyError {
    let text = format!("package pogw\nimport rego.v1\n{body}\n");
    let said = Policy::compile(name, &text).and_then(|policy| policy.denials(&Value::Null));
    said.expect_err(name)
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
    let called = "package policy\nnv_match { units.parse(\"1\") == 1 }";
    let refused = Policy::compile("units", called).unwrap_err();
    assert_eq!(refused, PolicyError::Builtin("units.parse"));
}

#[test]
fn print_does_nothing_and_is_true() {
    let table = [
        ("nv_match { print(input); input == 1 }", json!(1), 0),
        (
            "nv_match { print(\"got\", [input, 1]); input == 1 }",
            json!(2),
            1,
        ),
        ("nv_match { print(); print() }", json!(2), 0),
    ];
    for (text, input, denials) in table {
        let policy = Policy::compile("print", &format!("package policy\n{text}\n")).unwrap();
        assert_eq!(policy.denials(&input).unwrap().len(), denials, "{text}");
    }
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
    /// It is refused before it is evaluated, for this reason.
    Leads(&'static str),
    /// It calls this builtin, which no policy may.
    NotForPolicies(&'static str),
    /// Its answer is none, and the message about it is short.
    Malformed,
}
use Fate::{Ended, Leads, Malformed, NoText, NotForPolicies, Refused};

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
    let mut hostile = wanting_memory();
    hostile.extend(wanting_stack());
    hostile.extend(wrong_in_other_ways());
    hostile
}

/// Functions `f0`, `f1`, …, each made of the one before it.
fn functions(first: &str, next: impl Fn(&str) -> String, links: usize) -> String {
    let rules = (1..=links).map(|i| format!("f{i}(x) := {}\n", next(&format!("f{}", i - 1))));
    let rules: String = rules.collect();
    format!(
        "f0(x) := {first}\n{rules}{}",
        deny(&format!("f{links}(1) == 0"))
    )
}

fn wanting_stack() -> Vec<(&'static str, Fate, String)> {
    const ITSELF: Fate = Leads("leads back to itself");
    const NESTED: Fate = Leads("brackets and operators");
    let calls = deny("f(1) == 0");
    vec![
        (
            "a function that calls itself",
            ITSELF,
            format!("f(x) := y if {{ y := f(x + 1) }}\n{calls}"),
        ),
        (
            "a function that calls itself by its full name",
            ITSELF,
            format!("f(x) := y if {{ y := data.pogw.f(x + 1) }}\n{calls}"),
        ),
        (
            "a function that calls itself by its name in brackets",
            ITSELF,
            format!("f(x) := y if {{ y := data[\"pogw\"][\"\\u0066\"](x + 1) }}\n{calls}"),
        ),
        (
            "a function that calls itself by an import",
            ITSELF,
            format!("import data.pogw.f as g\nf(x) := y if {{ y := g(x + 1) }}\n{calls}"),
        ),
        (
            "a function that calls itself by a local name",
            ITSELF,
            format!("f(x) := y if {{ y := f(x + 1); count([f | some f in [1]]) == 1 }}\n{calls}"),
        ),
        (
            "functions that call each other",
            ITSELF,
            format!("f(x) := g(x + 1)\ng(x) := [y | y := f(x)]\n{calls}"),
        ),
        (
            "a function that asks for all rules",
            ITSELF,
            format!("f(x) := data.pogw[x]\n{calls}"),
        ),
        (
            "a function by another name",
            Leads("a function is replaced"),
            deny("h(1) == 1 with h as count"),
        ),
        (
            "a chain of 5000 rules",
            Leads("stacks too high"),
            chain("1", |v| format!("{v} + 1"), 5000, "$ == 1"),
        ),
        (
            "a chain of 5000 functions",
            Leads("stacks too high"),
            functions("x", |f| format!("{f}(x) + 1"), 5000),
        ),
        (
            "functions that wrap twice as deep each",
            Leads("too deep"),
            functions("[x]", |f| format!("{f}({f}(x))"), 24),
        ),
        (
            "rules that are asked about what they say",
            Leads("too deep"),
            chain(
                "[input]",
                |v| format!("y if {{ y := {v} with input as {v} }}"),
                24,
                "$ == 1",
            ),
        ),
        (
            "calls in calls",
            NESTED,
            deny(&format!(
                "{}1{} == 1",
                "abs(\n".repeat(9_000),
                ")".repeat(9_000)
                    .replace(")))))))))))))))", ")))))))))))))))\n")
            )),
        ),
        (
            "brackets in brackets",
            NESTED,
            format!("a := [1]\n{}", deny(&"a[\n".repeat(9_000))),
        ),
        (
            "a sum of 9000 terms",
            NESTED,
            format!("s := 1{}", "\n+ 1".repeat(9_000)),
        ),
        (
            "minus of minus",
            NESTED,
            format!("s := {}1", "-\n".repeat(9_000)),
        ),
    ]
}

fn wrong_in_other_ways() -> Vec<(&'static str, Fate, String)> {
    let shared: String = (1..=60)
        .map(|i| format!("v{i} := [v{0}, v{0}]\n", i - 1))
        .collect();
    vec![
        (
            "a denial that doubles",
            Malformed,
            format!("v0 := [1]\n{shared}deny contains v60"),
        ),
        (
            "denials that are a list that doubles",
            Malformed,
            format!("v0 := [1]\n{shared}deny := v60"),
        ),
        (
            "a lot",
            NotForPolicies("rand.intn"),
            deny("rand.intn(\"lot\", 2) == 1"),
        ),
        (
            "a number with a long exponent",
            NotForPolicies("units.parse"),
            deny("units.parse(\"1e2000000000\") == 1"),
        ),
        (
            "bytes with a long exponent",
            NotForPolicies("units.parse_bytes"),
            deny("units[\"parse_bytes\"](\"1e2000000000\") == 1"),
        ),
        (
            "a template longer than its text",
            NotForPolicies("regex.template_match"),
            deny("regex.template_match(\"abcdef{x}\", \"a\", \"{\", \"}\")"),
        ),
        (
            "a group at each letter",
            Refused("regex.find_all_string_submatch_n"),
            deny(
                "p := replace(sprintf(\"%0500d\", [0]), \"0\", \"()\")\nt := sprintf(\"%0100000d\", [0])\ncount(regex.find_all_string_submatch_n(p, t, -1)) == 1",
            ),
        ),
        (
            "the place of each letter",
            Refused("indexof_n"),
            deny("count(indexof_n(sprintf(\"%0300000d\", [0]), \"0\")) == 1"),
        ),
    ]
}

fn wanting_memory() -> Vec<(&'static str, Fate, String)> {
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
