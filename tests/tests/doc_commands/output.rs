//! What a page says that commands print, against what they print.
//!
//! `…` within a line stands for any text, and alone on a line for any number of lines.

const ANY: &str = "…";

/// Whether these lines were printed.
pub(crate) fn matches(expected: &[String], printed: &[&str]) -> bool {
    let Some((first, expected)) = expected.split_first() else {
        return printed.is_empty();
    };
    if first == ANY {
        return (0..=printed.len()).any(|skipped| matches(expected, &printed[skipped..]));
    }
    match printed.split_first() {
        Some((line, printed)) => line_matches(first, line) && matches(expected, printed),
        None => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let Some((start, rest)) = expected.split_once(ANY) else {
        return expected == line;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    let starts = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    { starts }.any(|at| line_matches(rest, &line[at..]))
}

/// What this module promises, for `main` to run: this binary has a harness of its own.
pub(crate) fn keeps_its_promises() {
    let said = |expected: &str, printed: &str| {
        let expected: Vec<_> = expected.lines().map(str::to_owned).collect();
        matches(&expected, &printed.lines().collect::<Vec<_>>())
    };
    for (expected, printed, is_it) in [
        ("a\nb", "a\nb", true),
        ("a\nb", "a\nb\nc", false),
        ("a", "", false),
        ("a\n…", "a\nb\nc", true),
        ("…\nc", "a\nb\nc", true),
        ("…\nc\n…", "a\nb", false),
        ("…\nb\n…", "a\nb", true),
        ("a … c", "a b b c", true),
        ("a … c", "a b b d", false),
        ("…x…x", "axbx", true),
        ("…x…x", "ax", false),
        ("id …", "id 12", true),
        ("id …", "no", false),
    ] {
        assert_eq!(said(expected, printed), is_it, "{expected:?} {printed:?}");
    }
}
