//! How much memory a policy may have made by one evaluation.
//!
//! The engine ends an evaluation that takes too long, between two steps. But a single call of a builtin can ask for
//! more memory than there is (`numbers.range(1, 1000000000000)`), and so can a few lines that each double a text. So
//! every builtin that makes anything larger than a few bytes is called through here: a bound on its result is
//! calculated from its arguments before it is called, and subtracted from what the evaluation has left. The engine's
//! own limit of memory is not used: it needs an allocator of its own in every program, counts the whole process, and
//! notices only afterwards.
//!
//! Out of scope: what the text makes without builtins, in comprehensions for example. That takes time, and time is
//! bounded ([`rules`](super::rules)): the most that was seen to be made in a second is about 150 MB.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, anyhow, bail};
use regorus::unstable::{BUILTINS, BuiltinFcn, Expr, Ref, Source, Span};
use regorus::{Engine, Value};

use super::cost::{self, Cost, Price};
use super::{PolicyError, reads};

/// Bytes that the builtins of one evaluation may make, all of them together, reckoned by what they are given.
pub const MAX_POLICY_MEMORY_BYTES: usize = 32 * 1024 * 1024;

thread_local! {
    /// What the evaluation on this thread has left. An evaluation stays on its thread.
    static LEFT: Cell<usize> = const { Cell::new(0) };
    /// The builtin that it was refused.
    static REFUSED: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Evaluates with a budget of its own. A panic of the engine is a fault of the text that it fell over.
pub(super) fn within<T>(
    evaluate: impl FnOnce() -> Result<T>,
    fault: fn(anyhow::Error) -> PolicyError,
) -> Result<T, PolicyError> {
    LEFT.set(MAX_POLICY_MEMORY_BYTES);
    REFUSED.set(None);
    let evaluated = catch_unwind(AssertUnwindSafe(evaluate));
    let result = evaluated.unwrap_or_else(|_| Err(anyhow!("the engine panicked")));
    result.map_err(|error| {
        REFUSED
            .take()
            .map_or_else(|| fault(error), PolicyError::Memory)
    })
}

/// Has an engine ask through here for what a text can call. An engine is copied for each evaluation with all that it was
/// told, so that it is told of no builtin that the text does not name.
pub(super) fn hold(engine: &mut Engine, rego: &str) -> Result<()> {
    for (&name, &builtin) in BUILTINS.iter() {
        if let Price::Of(cost) = cost::of(name)
            && names(rego, name)
        {
            let called = move |arguments: Vec<Value>| call(name, builtin, cost, &arguments);
            engine.add_extension(name.to_owned(), builtin.1, Box::new(called))?;
        }
    }
    // `print` is no builtin of the table: the engine would write what it is given, of any length, to the standard error of
    // whoever decides. Here it does nothing and is true.
    for values in reads::given(rego, "print") {
        let values = u8::try_from(values)?;
        let nothing = |_: Vec<Value>| Ok(Value::Bool(true));
        engine.add_extension("print".to_owned(), values, Box::new(nothing))?;
    }
    Ok(())
}

/// Whether a text names a builtin, or may: by its last word, be it quoted, or by letters in the form of numbers.
fn names(rego: &str, builtin: &str) -> bool {
    let last = builtin.rsplit('.').next().unwrap_or(builtin);
    rego.contains(last) || rego.contains("\\u")
}

fn call(
    name: &'static str,
    (builtin, _): BuiltinFcn,
    cost: Cost,
    arguments: &[Value],
) -> Result<Value> {
    let left = LEFT.get();
    let Some(remaining) = cost(arguments, left).and_then(|bytes| left.checked_sub(bytes)) else {
        REFUSED.set(Some(name));
        bail!("{name} could make too much");
    };
    LEFT.set(remaining);
    let (span, parameters) = place(name, arguments.len())?;
    builtin(&span, &parameters, arguments, true)
}

/// Where a builtin says that an error is: the engine knows better, and adds it.
fn place(name: &str, parameters: usize) -> Result<(Span, Vec<Ref<Expr>>)> {
    let span = Span {
        source: Source::from_contents(name.to_owned(), name.to_owned())?,
        line: 1,
        col: 1,
        start: 0,
        end: 0,
    };
    let parameter = || Expr::Null {
        span: span.clone(),
        value: Value::Null,
        eidx: 0,
    };
    let parameters = (0..parameters).map(|_| Ref::new(parameter())).collect();
    Ok((span, parameters))
}

/// The builtin that a call names, where it is not for policies.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    let (&name, _) = BUILTINS.get_key_value(name)?;
    matches!(cost::of(name), Price::Refused).then_some(name)
}

/// What a builtin gives, with all the memory there is.
#[cfg(test)]
pub(super) fn call_for_tests(name: &'static str, arguments: &[Value]) -> Result<Value> {
    LEFT.set(usize::MAX);
    call(name, BUILTINS[name], |_, _| Some(0), arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_fault_of_the_text() {
        let fault = |error: anyhow::Error| PolicyError::Evaluate(error.to_string());
        let refused = within::<()>(|| panic!("for this test"), fault).unwrap_err();
        assert!(refused.to_string().contains("panicked"), "{refused}");
    }
}
