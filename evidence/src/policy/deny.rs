//! Our kind of policy: `data.pogw.deny`, asked about the input.
//!
//! A text is handed the members of the input that it can read, and answers to these alone. The same members get the same
//! answer, so those to which it had nothing to object are remembered by digest: a device that comes again with the same
//! findings costs a look and not an evaluation. A text that may read all of its input is asked each time, and so is every
//! text about what it objected to.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::reads::members_read;
use super::rules::{self, Dialect, Rules};
use super::{Denial, PolicyError};
use crate::appraise::Document;
use crate::crypto;

const DENY: &str = "data.pogw.deny";

/// Inputs remembered, about 100 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// A text with a rule `deny`, compiled. Copies share what is remembered.
#[derive(Clone)]
pub(super) struct DenyRule {
    rules: Rules,
    reads: Option<BTreeSet<String>>,
    unopposed: Arc<Mutex<LruCache<[u8; 32], ()>>>,
}

impl DenyRule {
    pub(super) fn compile(id: &str, rego: &str) -> Result<Self, PolicyError> {
        Ok(Self {
            rules: Rules::compile(id, rego, Dialect::V1, DENY)?,
            reads: members_read(rego),
            unopposed: Arc::new(Mutex::new(LruCache::new(REMEMBERED))),
        })
    }

    /// The text.
    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What the text says to an input, evaluated for it.
    pub(super) fn ask(&self, input: regorus::Value) -> Result<Vec<Denial>, PolicyError> {
        denials(&self.rules.evaluate(input)?)
    }

    /// What the text says to an input.
    pub(super) fn denials(&self, input: Document<'_>) -> Result<Vec<Denial>, PolicyError> {
        let Some(reads) = &self.reads else {
            return self.ask(rules::of_document(input));
        };
        let input = input.limited_to(reads);
        let digest = crypto::sha256(&rules::spelled_out(&input)?);
        if self.unopposed().get(&digest).is_some() {
            return Ok(Vec::new());
        }
        let denials = self.ask(rules::of_document(input))?;
        if denials.is_empty() {
            self.unopposed().put(digest, ());
        }
        Ok(denials)
    }

    /// Nothing is half done while it is locked, so that a panic elsewhere does not spoil it.
    fn unopposed(&self) -> MutexGuard<'_, LruCache<[u8; 32], ()>> {
        let locked = self.unopposed.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

fn denials(deny: &regorus::Value) -> Result<Vec<Denial>, PolicyError> {
    let entries = deny.as_set().map_err(|_| malformed(deny))?;
    entries.iter().map(denial).collect()
}

fn denial(entry: &regorus::Value) -> Result<Denial, PolicyError> {
    let text = |name: &str| entry[name].as_string().map(|text| text.to_string());
    match (text("code"), text("message")) {
        (Ok(code), Ok(message)) => Ok(Denial { code, message }),
        _ => Err(malformed(entry)),
    }
}

fn malformed(value: &regorus::Value) -> PolicyError {
    PolicyError::Result {
        expected: "a set of {code, message} in data.pogw.deny",
        actual: rules::shown(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(condition: &str) -> DenyRule {
        let rego = format!(
            "package pogw\nimport rego.v1\ndeny contains {{\"code\": \"no\", \"message\": \"no\"}} if {condition}\n"
        );
        DenyRule::compile("test", &rego).unwrap()
    }

    fn input(no: bool, other: u64) -> Document<'static> {
        Document::Object(vec![("no", no.into()), ("other", other.into())])
    }

    /// What comes of each input in turn: the denials, and how many inputs are remembered then.
    fn holds(rule: &DenyRule, table: &[(Document<'static>, usize, usize)]) {
        for (row, (input, denied, remembered)) in table.iter().enumerate() {
            let denials = rule.clone().denials(input.clone()).unwrap();
            assert_eq!(denials.len(), *denied, "row {row}");
            assert_eq!(rule.unopposed().len(), *remembered, "row {row}");
        }
    }

    #[test]
    fn only_what_was_not_objected_to_is_remembered_by_what_can_be_read() {
        let table = [
            (input(false, 1), 0, 1),
            (input(false, 2), 0, 1),
            (input(true, 1), 1, 1),
            (input(true, 1), 1, 1),
            (input(false, 1), 0, 1),
            (Document::Null, 0, 2),
        ];
        holds(&rule("input.no"), &table);
        let table = [
            (input(false, 1), 0, 1),
            (input(false, 2), 1, 1),
            (input(false, 3), 0, 2),
        ];
        holds(&rule("input.other == 2"), &table);
    }

    #[test]
    fn a_text_that_may_read_anything_is_asked_each_time() {
        let table = [
            (input(false, 1), 0, 0),
            (input(false, 2), 1, 0),
            (input(true, 1), 0, 0),
        ];
        holds(&rule("input[\"other\"] == 2"), &table);
    }
}
