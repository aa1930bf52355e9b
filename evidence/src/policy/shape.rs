//! How deep the evaluation of a text can recurse, and how deep the values that it makes can nest, calculated before it
//! is evaluated.
//!
//! The engine evaluates on the stack of its caller. A function that calls itself, a chain of thousands of rules or a
//! sum of thousands of terms overflows that stack, and this ends the process. The engine itself prevents only that a
//! rule asks for its own value. So a text that nests too deep to be read is refused ([`nesting`]). Once it is read, it
//! is refused if a rule or function leads back to itself, recurses too deep, or could nest values too deep ([`check`]).
//!
//! The result is never less than what happens, and may be more: a name counts as the rule of that name wherever no
//! local variable can be meant, and a value counts as nested in everything that its rule writes.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Import, Module, Query, Rule, RuleBody, RuleHead, TokenKind};

use super::PolicyError;
use super::{budget, reads, syntax};

/// Most brackets open at once, each counted with the operators before it on its level.
const MAX_NESTING: usize = 64;
/// Most `[` and `{` open at once: the engine reads each as a comprehension first, and then all of it again as what it
/// is.
const MAX_READ_TWICE: usize = 12;
/// Most steps of evaluation that can be open at once: they take less than half of the 2 MiB of a thread's stack.
pub(super) const MAX_HEIGHT: usize = 800;
/// Levels of a value inside values. Of 256 it was measured that they are made, compared and thrown away in less than half
/// of the 2 MiB of a thread.
pub(super) const MAX_DEPTH: usize = 2048;
/// What a rule that asks for another costs in steps.
const LINK: usize = 4;
/// Most levels of an input, and of what a builtin reads from JSON: the limit of `serde_json`.
const READ: usize = 128;
/// Levels that one builtin can add around its argument.
const BUILTIN: usize = 2;

/// Refuses a text that the engine could not read on an ordinary stack. A text that has no words is left to the engine.
pub(super) fn nesting(rego: &str) -> Result<(), PolicyError> {
    let Some(words) = reads::words_of(rego) else {
        return Ok(());
    };
    // Operators so far on each level that is open.
    let mut levels = vec![0_usize];
    let (mut open, mut read_twice) = (0_usize, 0_usize);
    let mut ended = false;
    for word in &words {
        let text = word.1.text();
        let symbol = word.0 == TokenKind::Symbol || text == "set(";
        let level = levels.last_mut();
        let Some(level) = level else { return Ok(()) };
        match text {
            "(" | "[" | "{" | "set(" if symbol => {
                open = open.saturating_add(level.saturating_add(1));
                levels.push(0);
                read_twice = read_twice.saturating_add(usize::from(text == "[" || text == "{"));
            }
            ")" | "]" | "}" if symbol => {
                levels.pop();
                let Some(level) = levels.last_mut() else {
                    return Ok(());
                };
                open = open.saturating_sub(level.saturating_add(1));
                *level = level.saturating_add(1);
                read_twice = read_twice.saturating_sub(usize::from(text != ")"));
            }
            "," | ";" | ":" | ":=" | "=" if symbol => *level = 0,
            "in" => *level = level.saturating_add(1),
            _ if symbol || text.starts_with('-') => *level = level.saturating_add(1),
            _ if ended => *level = 0,
            _ => {}
        }
        ended = !symbol && text != "in" || matches!(text, ")" | "]" | "}");
        if open.saturating_add(*levels.last().unwrap_or(&0)) > MAX_NESTING
            || read_twice > MAX_READ_TWICE
        {
            return Err(refused(format!(
                "line {}: expected at most {MAX_NESTING} brackets and operators in one another, of `[` and `{{` at most \
                 {MAX_READ_TWICE}, got more",
                word.1.line
            )));
        }
    }
    Ok(())
}

/// Refuses a text of which the evaluation is not bounded in height or in depth.
pub(super) fn check(module: &Module, rego: &str) -> Result<(), PolicyError> {
    let mut text = Text::of(module, reads::has_word(rego, "with"));
    let names: Vec<&str> = text.rules.keys().copied().collect();
    for name in names {
        text.rule(name, 0)?;
    }
    Ok(())
}

fn refused(why: String) -> PolicyError {
    PolicyError::Compile(why)
}

/// What is known of a part of a text.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    /// Most steps of its evaluation that are open at once.
    height: usize,
    /// Loops in it. What follows a loop in its query is evaluated inside of the loop.
    loops: usize,
    /// Levels of the deepest value that it reads, from the input or from a rule.
    found: usize,
    /// Levels that it can add around that value.
    added: usize,
}

impl Shape {
    /// Of two parts, one after the other.
    fn and(self, other: Self) -> Self {
        Self {
            height: self.height.max(other.height),
            loops: self.loops.saturating_add(other.loops),
            found: self.found.max(other.found),
            added: self.added.saturating_add(other.added),
        }
    }

    /// Of two parts of which one is evaluated.
    fn or(self, other: Self) -> Self {
        Self {
            loops: self.loops.max(other.loops),
            added: self.added.max(other.added),
            ..self.and(other)
        }
    }

    fn depth(self) -> usize {
        self.found.saturating_add(self.added)
    }
}

/// The rules of a text by the first word of their names.
struct Text<'a> {
    package: Option<&'a str>,
    /// Words by which the text reaches all of its rules at once.
    data: BTreeSet<&'a str>,
    rules: BTreeMap<&'a str, Vec<&'a Rule>>,
    /// Whether a rule can be asked about another input than the text is.
    replaces: bool,
    known: BTreeMap<&'a str, Shape>,
    asking: Vec<&'a str>,
}

impl<'a> Text<'a> {
    fn of(module: &'a Module, replaces: bool) -> Self {
        let mut rules: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
        for rule in &module.policy {
            let head = syntax::head(rule);
            if let Some((name, _)) = syntax::path(head) {
                rules.entry(name).or_default().push(rule);
            }
        }
        Self {
            package: syntax::path(&module.package.refr).map(|(name, _)| name),
            data: module
                .imports
                .iter()
                .filter_map(data_name)
                .chain(["data"])
                .collect(),
            rules,
            replaces,
            known: BTreeMap::new(),
            asking: Vec::new(),
        }
    }

    /// All definitions of a name, asked at a height.
    fn rule(&mut self, name: &'a str, height: usize) -> Result<Shape, PolicyError> {
        bounded(name, Shape::default(), height)?;
        if let Some(&shape) = self.known.get(name) {
            bounded(name, shape, height)?;
            return Ok(shape);
        }
        if self.asking.contains(&name) {
            return Err(refused(format!("{name} leads back to itself")));
        }
        let definitions = self.rules.get(name).cloned().unwrap_or_default();
        self.asking.push(name);
        let mut shape = Shape::default();
        for rule in definitions {
            shape = shape.or(self.definition(rule, height)?);
            bounded(name, shape, height)?;
        }
        self.asking.pop();
        self.known.insert(name, shape);
        Ok(shape)
    }

    fn definition(&mut self, rule: &'a Rule, height: usize) -> Result<Shape, PolicyError> {
        let mut walk = Walk {
            text: self,
            height,
            locals: Vec::new(),
        };
        let mut shape = walk.parts(rule)?;
        shape.added = shape.added.saturating_add(syntax::levels(rule));
        shape.height = shape.height.saturating_add(shape.loops);
        shape.loops = 0;
        Ok(shape)
    }
}

/// A name with its dots.
fn full_name(root: &str, fields: &[Option<&str>]) -> String {
    let fields = fields.iter().map(|field| field.unwrap_or_default());
    let words: Vec<_> = std::iter::once(root).chain(fields).collect();
    words.join(".")
}

/// The name by which an import reaches the rules of the text.
fn data_name(import: &Import) -> Option<&str> {
    let (root, fields) = syntax::path(&import.refr)?;
    let last = fields.last().copied().flatten().unwrap_or(root);
    let name = import.r#as.as_ref().map_or(last, |name| name.text());
    (root == "data").then_some(name)
}

fn bounded(name: &str, shape: Shape, height: usize) -> Result<(), PolicyError> {
    if height.saturating_add(shape.height) > MAX_HEIGHT {
        return Err(refused(format!(
            "{name} stacks too high: expected at most {MAX_HEIGHT} steps in one another, got more"
        )));
    }
    if shape.depth() > MAX_DEPTH {
        return Err(refused(format!(
            "{name} could wrap a value too deep: expected at most {MAX_DEPTH} levels, got {}",
            shape.depth()
        )));
    }
    Ok(())
}

/// One definition, walked.
struct Walk<'t, 'a> {
    text: &'t mut Text<'a>,
    height: usize,
    /// Local variables of the queries that are open.
    locals: Vec<BTreeSet<&'a str>>,
}

impl<'a> Walk<'_, 'a> {
    fn parts(&mut self, rule: &'a Rule) -> Result<Shape, PolicyError> {
        match rule {
            Rule::Default { args, value, .. } => {
                self.locals.push(syntax::names(args));
                self.expression(value)
            }
            Rule::Spec { head, bodies, .. } => {
                if let RuleHead::Func { args, .. } = head {
                    self.locals.push(syntax::names(args));
                }
                let mut shape = self.head(head, bodies)?;
                for body in bodies {
                    shape = shape.and(self.body(body)?);
                }
                Ok(shape)
            }
        }
    }

    /// The values in a head see the variables of a body only where there is one body.
    fn head(&mut self, head: &'a RuleHead, bodies: &'a [RuleBody]) -> Result<Shape, PolicyError> {
        let locals = match bodies {
            [body] => syntax::locals(&body.query),
            _ => BTreeSet::new(),
        };
        self.within(locals, syntax::values(head))
    }

    fn body(&mut self, body: &'a RuleBody) -> Result<Shape, PolicyError> {
        let value = body.assign.iter().map(|assign| &*assign.value).collect();
        let value = self.within(syntax::locals(&body.query), value)?;
        Ok(value.and(self.query(&body.query, &[])?))
    }

    fn within(
        &mut self,
        locals: BTreeSet<&'a str>,
        values: Vec<&'a Expr>,
    ) -> Result<Shape, PolicyError> {
        self.locals.push(locals);
        let shape = self.all(values);
        self.locals.pop();
        shape
    }

    fn all(&mut self, values: Vec<&'a Expr>) -> Result<Shape, PolicyError> {
        let mut shape = Shape::default();
        for value in values {
            shape = shape.and(self.expression(value)?);
        }
        Ok(shape)
    }

    /// A query, and the values made of what it finds.
    fn query(&mut self, query: &'a Query, values: &[&'a Expr]) -> Result<Shape, PolicyError> {
        if syntax::replaces_function(query) {
            return Err(refused(
                "a function is replaced, which is not for policies".to_owned(),
            ));
        }
        let (parts, nested) = syntax::parts_of_query(query);
        self.locals.push(syntax::locals(query));
        self.height = self.height.saturating_add(1);
        let mut shape = self.all(parts)?.and(self.all(values.to_vec())?);
        for (query, values) in nested {
            shape = shape.and(self.query(query, &values)?);
        }
        self.height = self.height.saturating_sub(1);
        self.locals.pop();
        let own = shape.loops.saturating_add(query.stmts.len());
        shape.height = shape.height.saturating_add(own).saturating_add(1);
        shape.loops = 0;
        Ok(shape)
    }

    fn expression(&mut self, expression: &'a Expr) -> Result<Shape, PolicyError> {
        let (parts, query) = syntax::parts(expression);
        self.height = self.height.saturating_add(1);
        let mut shape = match query {
            Some(query) => self.query(query, &parts)?,
            None => self.all(parts)?,
        };
        shape = shape.and(self.asked(expression)?);
        self.height = self.height.saturating_sub(1);
        shape.height = shape.height.saturating_add(1);
        shape.added = shape
            .added
            .saturating_add(usize::from(syntax::wraps(expression)));
        shape.loops = shape
            .loops
            .saturating_add(usize::from(syntax::loops(expression)));
        Ok(shape)
    }

    /// What stands behind a name, or a call.
    fn asked(&mut self, expression: &'a Expr) -> Result<Shape, PolicyError> {
        let (function, called) = match expression {
            Expr::Call { fcn, .. } => (&**fcn, true),
            other => (other, false),
        };
        let Some((root, fields)) = syntax::path(function) else {
            return Ok(Shape::default());
        };
        if called && let Some(builtin) = budget::refused(&full_name(root, &fields)) {
            return Err(PolicyError::Builtin(builtin));
        }
        let local = !called && self.locals.iter().any(|names| names.contains(root));
        if local {
            return Ok(Shape::default());
        }
        let meant = self.meant(root, &fields);
        let mut shape = Shape {
            found: READ,
            added: if called && meant.is_empty() {
                BUILTIN
            } else {
                0
            },
            ..Shape::default()
        };
        for name in meant {
            let height = self.height.saturating_add(LINK);
            let rule = self.text.rule(name, height)?;
            shape = shape.and(self.from(rule, called));
        }
        Ok(shape)
    }

    /// A rule as part of an expression that asks for it. Its value is always the same, unless it can be asked about
    /// another input.
    fn from(&self, rule: Shape, called: bool) -> Shape {
        let again = called || self.text.replaces;
        let (found, added) = match again {
            true => (rule.found, rule.added),
            false => (rule.depth(), 0),
        };
        Shape {
            height: rule.height.saturating_add(LINK),
            loops: 0,
            found,
            added,
        }
    }

    /// The rules that a name can mean.
    fn meant(&self, root: &'a str, fields: &[Option<&'a str>]) -> Vec<&'a str> {
        let known = |name: &str| self.text.rules.get_key_value(name).map(|(&name, _)| name);
        if !self.text.data.contains(root) {
            return known(root).into_iter().collect();
        }
        match fields {
            [Some(package), ..] if root == "data" && Some(*package) != self.text.package => vec![],
            [Some(_), Some(name), ..] if root == "data" => known(name).into_iter().collect(),
            _ => self.text.rules.keys().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn with_deny(rules: &str) -> String {
        format!(
            "package pogw\nimport rego.v1\n{rules}\ndeny contains {{\"code\": \"a\", \"message\": \"b\"}} if false\n"
        )
    }

    #[test]
    fn what_policies_say_is_no_recursion() {
        let table = [
            "status := s if { s := \"a\" }\ns(x) := status if { status := x.status }",
            "f(status) := status.a\nstatus := f(input)",
            "f(x) := y if { some y in x }\nf(x) := 1 if { x == 1 }",
            "a if not b\nb if every x in input.c { x.b == 1 }",
            "a if b with input as {\"c\": 1}\nb if input.c == 1",
            "a := data.other.a\nb := data.pogw.a",
            "p[x] := y if { some x, y in input }\nq := p.a",
        ];
        for rules in table {
            let text = with_deny(rules);
            Policy::compile("test", &text).unwrap_or_else(|error| panic!("{rules}: {error}"));
        }
    }

    #[test]
    fn nesting_is_counted_where_it_is() {
        let inside = "[".repeat(MAX_READ_TWICE) + &"]".repeat(MAX_READ_TWICE);
        let many = format!("a := {inside}\n").repeat(50);
        let sums = "x == 1 + 2\n".repeat(500);
        for text in [many, sums, "a := f(b)\n".repeat(500)] {
            assert_eq!(nesting(&text), Ok(()), "{text}");
        }
        let sum = format!("a := 1{}", " + 1".repeat(MAX_NESTING + 1));
        let open = "(".repeat(MAX_NESTING + 1);
        let chain = format!("a := b{}", "[0]".repeat(MAX_NESTING + 1));
        for text in [sum, open, chain] {
            assert!(nesting(&text).is_err(), "{text}");
        }
    }

    /// Deep values that are let through, made, compared and thrown away on half of the stack a thread has.
    #[test]
    fn the_deepest_values_fit() {
        let text = |links: usize, wraps: usize| {
            let first = format!("{}x{}", "[".repeat(wraps), "]".repeat(wraps));
            let next = (1..=links).map(|i| format!("f{i}(x) := f{0}(f{0}(x))\n", i - 1));
            let next: String = next.collect();
            let asked = format!("f{links}(1) == f{links}(input)");
            with_deny(&format!("f0(x) := {first}\n{next}"))
                .replace("if false", &format!("if {asked}"))
        };
        let depths = (1..12).flat_map(|links| (1..4).map(move |wraps| (links, wraps)));
        let fits =
            |&(links, wraps): &(usize, usize)| Policy::compile("test", &text(links, wraps)).is_ok();
        let deepest = depths
            .filter(fits)
            .max_by_key(|(links, wraps)| (wraps + 1) << links);
        let (links, wraps) = deepest.unwrap();
        let text = text(links, wraps);
        let decide = move || {
            let policy = Policy::compile("test", &text).unwrap();
            policy.denials(&serde_json::json!(1)).unwrap().len()
        };
        assert_eq!(on_little_stack(decide), 1);
    }

    /// Each `[` doubles the time that the engine takes to read what is in it.
    #[test]
    fn brackets_that_are_read_again_and_again_are_refused_before() {
        for (levels, accepted) in [(MAX_READ_TWICE - 2, true), (40, false)] {
            let value = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
            let text = with_deny(&format!("value := {value}\n"));
            assert_eq!(Policy::compile("test", &text).is_ok(), accepted, "{levels}");
        }
    }

    fn on_little_stack<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        thread.spawn(what).unwrap().join().unwrap()
    }

    /// The highest evaluations of several kinds that are let through, on half of the stack a thread has.
    #[test]
    fn the_highest_stack_fits() {
        let chain = |first: &str, next: fn(usize) -> String, links: usize| {
            let rules: String = (1..=links).map(next).collect();
            with_deny(&format!("{first}\n{rules}"))
                .replace("if false", &format!("if top{links} == input"))
        };
        type Kind = (&'static str, fn(usize) -> String);
        let kinds: [Kind; 4] = [
            ("top0 := 1", |i| format!("top{i} := top{} + 1\n", i - 1)),
            ("top0 := 1", |i| {
                format!("top{i} := [x | some x in [top{}]]\n", i - 1)
            }),
            ("top0 := 1", |i| {
                format!(
                    "top{i} := y if {{ some a in [1]; some b in [a]; y := top{} + b }}\n",
                    i - 1
                )
            }),
            ("f0(x) := x\ntop0 := 1", |i| {
                format!(
                    "f{i}(x) := y if {{ y := f{}(x) + 1 }}\ntop{i} := f{i}(1)\n",
                    i - 1
                )
            }),
        ];
        for (first, next) in kinds {
            let fits = |links: &usize| Policy::compile("test", &chain(first, next, *links)).is_ok();
            let refused = (20..MAX_HEIGHT).find(|links| !fits(links));
            let highest = refused.unwrap() - 1;
            let text = chain(first, next, highest);
            let decide = move || {
                let policy = Policy::compile("test", &text).unwrap();
                policy.denials(&serde_json::Value::Null).map(|_| ())
            };
            assert_eq!(on_little_stack(decide), Ok(()), "{first}, {highest} links");
        }
    }
}
