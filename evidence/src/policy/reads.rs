//! Which members of its input a text can read, and what it gives to a function, told by its words.
//!
//! A text reaches its input by the word `input` and in no other way. Where a member's name follows it each time, as in
//! `input.devices`, nothing else in the input can make a difference to what the text says.

use std::collections::BTreeSet;

use regorus::unstable::{Lexer, Source, Token, TokenKind};

const INPUT: &str = "input";

/// The members of the input that a text can read, where its answer follows from these alone; `None` where it may read
/// others. A word that only has `input` in it counts as if it were it.
pub(super) fn members_read(rego: &str) -> Option<BTreeSet<String>> {
    let words = words_of(rego)?;
    let mut members = BTreeSet::new();
    let mut rest = words.as_slice();
    while let [word, after @ ..] = rest {
        rest = match after {
            [dot, member, after @ ..] if is_input(word) && names_member(dot, member) => {
                members.insert(member.1.text().to_owned());
                after
            }
            _ if is_harmless(word) => after,
            _ => return None,
        };
    }
    Some(members)
}

/// How many values a text gives to a function of this name, which has no dot in it, where it calls it.
pub(super) fn given(rego: &str, name: &str) -> BTreeSet<usize> {
    let words = words_of(rego).unwrap_or_default();
    let mut given = BTreeSet::new();
    for (place, pair) in words.windows(2).enumerate() {
        if let [function, open] = pair
            && function.0 == TokenKind::Ident
            && function.1.text() == name
            && open.1.text() == "("
        {
            given.insert(values(
                words.get(place.saturating_add(2)..).unwrap_or_default(),
            ));
        }
    }
    given
}

/// How many values stand before the bracket that closes them.
fn values(words: &[Token]) -> usize {
    let mut level = 0_usize;
    let mut commas = 0_usize;
    for (place, word) in words.iter().enumerate() {
        match (word.0 == TokenKind::Symbol, word.1.text()) {
            (true, ")") if level == 0 && place == 0 => return 0,
            (true, "(" | "[" | "{") | (_, "set(") => level = level.saturating_add(1),
            (true, ")" | "]" | "}") if level == 0 => break,
            (true, ")" | "]" | "}") => level = level.saturating_sub(1),
            (true, ",") if level == 0 => commas = commas.saturating_add(1),
            _ => {}
        }
    }
    commas.saturating_add(1)
}

/// Whether a text has a word in it, outside comments and quotes.
pub(super) fn has_word(rego: &str, word: &str) -> bool {
    let words = words_of(rego).unwrap_or_default();
    let is = |token: &Token| token.0 == TokenKind::Ident && token.1.text() == word;
    words.iter().any(is)
}

/// The words of a text without its comments, as the engine tells them apart; `None` where it could not.
pub(super) fn words_of(rego: &str) -> Option<Vec<Token>> {
    words(&Source::from_contents(String::new(), rego.to_owned()).ok()?)
}

fn words(source: &Source) -> Option<Vec<Token>> {
    let mut lexer = Lexer::new(source);
    let mut words = Vec::new();
    loop {
        let word = lexer.next_token().ok()?;
        if word.0 == TokenKind::Eof {
            return Some(words);
        }
        words.push(word);
    }
}

fn is_input(word: &Token) -> bool {
    word.0 == TokenKind::Ident && word.1.text() == INPUT
}

fn names_member(dot: &Token, member: &Token) -> bool {
    dot.0 == TokenKind::Symbol && dot.1.text() == "." && member.0 == TokenKind::Ident
}

fn is_harmless(word: &Token) -> bool {
    let text = word.1.text();
    !text.contains(INPUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_the_members_it_names() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("deny := 1", Some(&[])),
            ("x if input.b.c == input.a[_]", Some(&["a", "b"])),
            ("import input.devices as d", Some(&["devices"])),
            ("x if y with input.a as 1", Some(&["a"])),
            ("# all of input, at random\nx := input.a", Some(&["a"])),
            ("x := \"#\"; y := input.a", Some(&["a"])),
            ("x := `\n# `; y := input", None),
            ("x := input", None),
            ("import input", None),
            ("import input as i", None),
            ("x := input[\"a\"]", None),
            ("x if y with input as {}", None),
            ("x := walk(input)", None),
            ("x := input.a; y := input", None),
            ("x := \"the input\"", None),
            ("x := \"", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|names| names.iter().map(|&n| n.to_owned()).collect());
            assert_eq!(members_read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_call_is_given_is_counted() {
        let table: &[(&str, &[usize])] = &[
            ("x if print()", &[0]),
            ("x if print(1)", &[1]),
            ("x if print (f(1, 2), [3, 4])", &[2]),
            ("x if { print(\",\"); print({1, 2}, set(), 3) }", &[1, 3]),
            ("x if sprint(1)", &[]),
            ("x := input.print", &[]),
            ("# print(1)\nx := \"print(1)\"", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(
                given(text, "print"),
                BTreeSet::from_iter(expected.iter().copied()),
                "{text}"
            );
        }
    }

    #[test]
    fn of_every_shipped_policy_it_is_known_what_it_reads() {
        let shipped = [
            include_str!("../../../policies/air-gapped.rego"),
            include_str!("../../../policies/danger-without-revocation.rego"),
            include_str!("../../../policies/default.rego"),
            include_str!("../../../policies/protected-pcie.rego"),
            include_str!("../../../policies/strict.rego"),
            include_str!("../../../policies/tolerate-expired-manifests.rego"),
        ];
        let expected = ["checks", "devices"].map(str::to_owned);
        for text in shipped {
            assert_eq!(members_read(text), Some(BTreeSet::from(expected.clone())));
        }
    }
}
