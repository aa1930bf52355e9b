//! Compiles Rego text and evaluates one rule of it. How large a text may be and how long an evaluation may take is
//! fixed here; how much memory it may take, in [`budget`](super::budget).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use serde::Deserialize;

use super::{PolicyError, budget, shape};
use crate::appraise::Document;
use crate::check::{Check, CheckId};
use crate::limits::MAX_VALUE_CHARS;

/// Largest policy text, in bytes.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// How long a decision may take. The shipped policies take a thousandth of it; one that loops must not hold a thread. One
/// step can copy a long list, so that not many go by between two looks at the clock.
const TIME_LIMIT: ExecutionTimerConfig = ExecutionTimerConfig {
    limit: Duration::from_secs(1),
    check_interval: NonZeroU32::MIN.saturating_add(3),
};

/// The grammar of a text that does not name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Rego v1.
    V1,
    /// Rego v0, as NVIDIA's client sets it; `import rego.v1` in the text makes it v1 (nvidia-evidence 9.5).
    V0,
}

/// A text, compiled for its entry point.
#[derive(Clone)]
pub(super) struct Rules {
    engine: Engine,
    source: String,
    entry_point: String,
}

impl Rules {
    /// Compiles a text that has a rule `entry_point`.
    pub(super) fn compile(
        id: &str,
        rego: &str,
        dialect: Dialect,
        entry_point: &str,
    ) -> Result<Self, PolicyError> {
        if rego.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge(rego.len()));
        }
        shape::nesting(rego)?;
        let source = format!("{id}.rego");
        let mut engine = Engine::new();
        budget::hold(&mut engine, rego).map_err(compile_error)?;
        engine.set_rego_v0(dialect == Dialect::V0);
        engine
            .add_policy(source.clone(), rego.to_owned())
            .map_err(compile_error)?;
        for module in engine.get_modules() {
            shape::check(module, rego)?;
        }
        engine.set_execution_timer_config(TIME_LIMIT);
        // Compiling for the entry point shows that there is one, and leaves the engine ready to be copied.
        let compile = || engine.compile_with_entrypoint(&entry_point.into());
        budget::within(compile, compile_error)?;
        let rules = Self {
            engine,
            source,
            entry_point: entry_point.to_owned(),
        };
        // What takes too much memory whatever it is asked is refused now, and not with the first evidence.
        match rules.evaluate(Value::Null) {
            Err(error @ PolicyError::Memory(_)) => Err(error),
            _ => Ok(rules),
        }
    }

    /// Whether the text states a rule of this name in its package.
    pub(super) fn states(&self, name: &str) -> Result<bool, PolicyError> {
        self.engine
            .has_declared_rule_rooted_at(&self.source, name)
            .map_err(compile_error)
    }

    /// The value of the entry point for an input.
    pub(super) fn evaluate(&self, input: Value) -> Result<Value, PolicyError> {
        let mut engine = self.engine.clone();
        engine.set_input(input);
        within(TIME_LIMIT.limit, || {
            budget::within(
                || engine.eval_rule(self.entry_point.clone()),
                evaluation_error,
            )
        })
    }

    /// The value of a rule that looks at no input.
    pub(super) fn constant(&self, rule: &str) -> Result<Value, PolicyError> {
        let mut engine = self.engine.clone();
        within(TIME_LIMIT.limit, || {
            budget::within(|| engine.eval_rule(rule.to_owned()), evaluation_error)
        })
    }
}

/// Refuses what ended late. The engine looks at the clock between two steps, and the last step may have been a long one.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a decision took is no part of it: it is made in time or not at all"
)]
fn within<T>(
    limit: Duration,
    evaluate: impl FnOnce() -> Result<T, PolicyError>,
) -> Result<T, PolicyError> {
    let start = Instant::now();
    let value = evaluate()?;
    match start.elapsed() {
        taken if taken > limit => Err(evaluation_error(format_args!(
            "execution exceeded time limit: expected at most {limit:?}, took {taken:?}"
        ))),
        _ => Ok(value),
    }
}

/// A JSON document as an input.
pub(super) fn of_json(document: &serde_json::Value) -> Result<Value, PolicyError> {
    Value::deserialize(document).map_err(evaluation_error)
}

/// What an appraisal has for policies, as an input.
pub(super) fn of_document(document: Document<'_>) -> Value {
    match document {
        Document::Null => Value::Null,
        Document::Flag(flag) => Value::Bool(flag),
        Document::Number(number) => Value::from(number),
        Document::Text(text) => Value::from(text.as_ref()),
        Document::List(items) => {
            let items: Vec<_> = items.into_iter().map(of_document).collect();
            Value::from(items)
        }
        Document::Object(members) => {
            let members = members.into_iter();
            let members = members.map(|(name, value)| (Value::from(name), of_document(value)));
            Value::from(members.collect::<BTreeMap<_, _>>())
        }
        Document::Check(check) => of_check(check),
    }
}

/// An input as bytes, the same for no other.
pub(super) fn spelled_out(input: &Document<'_>) -> Result<Vec<u8>, PolicyError> {
    serde_json::to_vec(input).map_err(evaluation_error)
}

/// Most checks are affirmed and have nothing more to say: these share one value.
fn of_check(check: &Check) -> Value {
    static AFFIRMED: LazyLock<Value> = LazyLock::new(|| {
        let any = Check::affirmed(CheckId::Parse);
        of_document(Document::check_members(&any))
    });
    match check.is_affirmed() && check.reasons.is_empty() {
        true => AFFIRMED.clone(),
        false => of_document(Document::check_members(check)),
    }
}

/// The package a text says it is in, where it says so in its first two words; comments do not count.
///
/// A guess at the kind of policy and nothing else: compiling finds out whether the text has the rule of that kind.
pub(super) fn package(rego: &str) -> Option<&str> {
    let code = rego
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let mut words = code.flat_map(str::split_whitespace);
    let keyword = words.next()?;
    words.next().filter(|_| keyword == "package")
}

/// A value as a message may show it. A few lines can share a value more often than can be written, so that writing ends
/// where the message does.
pub(super) fn shown(value: &Value) -> String {
    let mut written = Beginning(Vec::new());
    // What is cut off ends with an error.
    let _ = serde_json::to_writer(&mut written, value);
    shortened(&String::from_utf8_lossy(&written.0))
}

/// Takes as many bytes as the letters of a message can have, and then no more.
struct Beginning(Vec<u8>);

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (4 * MAX_VALUE_CHARS + 4).saturating_sub(self.0.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.0.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A text as a message may repeat it.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_VALUE_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn compile_error(error: impl fmt::Display) -> PolicyError {
    PolicyError::Compile(error.to_string())
}

fn evaluation_error(error: impl fmt::Display) -> PolicyError {
    PolicyError::Evaluate(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_late_is_refused() {
        let late = || {
            std::thread::sleep(Duration::from_millis(2));
            Ok(1)
        };
        let refused = within(Duration::from_millis(1), late).unwrap_err();
        assert!(refused.to_string().contains("time limit"), "{refused}");
        assert_eq!(within(TIME_LIMIT.limit, late), Ok(1));
    }

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        let long = Value::from("é".repeat(1000));
        let short = shown(&long);
        assert_eq!(short.chars().count(), MAX_VALUE_CHARS + 1);
        assert!(
            short.starts_with("\"éé") && short.ends_with("é…"),
            "{short}"
        );
        assert_eq!(shown(&Value::from(vec![Value::Null])), "[null]");
    }
}
