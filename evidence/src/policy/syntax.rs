//! What the tree of a text is made of: the parts of an expression, the names it has.

use std::collections::BTreeSet;

use regorus::unstable::{AssignOp, Expr, ExprRef, Literal, Query, Rule, RuleHead};

/// A query inside a statement, with what is made of what it finds.
type Nested<'a> = (&'a Query, Vec<&'a Expr>);

/// The parts of an expression, and the query they are made of where it is a comprehension.
pub(super) fn parts(expression: &Expr) -> (Vec<&Expr>, Option<&Query>) {
    if path(expression).is_some() {
        return (keys(expression), None);
    }
    match expression {
        Expr::Array { items, .. } | Expr::Set { items, .. } => (all(items), None),
        Expr::Object { fields, .. } => {
            let fields = fields.iter();
            (
                fields
                    .flat_map(|(_, name, value)| [&**name, &**value])
                    .collect(),
                None,
            )
        }
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            (vec![term], Some(query))
        }
        Expr::ObjectCompr {
            key, value, query, ..
        } => (vec![key, value], Some(query)),
        Expr::Call { params, .. } => (all(params), None),
        Expr::UnaryExpr { expr, .. } => (vec![expr], None),
        Expr::RefDot { refr, .. } => (vec![refr], None),
        Expr::RefBrack { refr, index, .. } => (vec![refr, index], None),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => (vec![lhs, rhs], None),
        Expr::Membership {
            key,
            value,
            collection,
            ..
        } => {
            let ends = [&**value, &**collection];
            (key.iter().map(|key| &**key).chain(ends).collect(), None)
        }
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. } => (Vec::new(), None),
    }
}

fn all(items: &[ExprRef]) -> Vec<&Expr> {
    items.iter().map(|item| &**item).collect()
}

/// The expressions of a query and the queries in its statements.
pub(super) fn parts_of_query(query: &Query) -> (Vec<&Expr>, Vec<Nested<'_>>) {
    let mut parts = Vec::new();
    let mut nested = Vec::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                parts.extend(key.iter().map(|key| &**key));
                parts.extend([&**value, &**collection]);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => parts.push(&**expr),
            Literal::Every { domain, query, .. } => {
                parts.push(&**domain);
                nested.push((&**query, Vec::new()));
            }
        }
        for with in &statement.with_mods {
            parts.extend([&*with.refr, &*with.r#as]);
        }
    }
    (parts, nested)
}

/// The word that a reference begins with, and the names after it; `None` for one that is worked out.
pub(super) fn path(expression: &Expr) -> Option<(&str, Vec<Option<&str>>)> {
    let mut fields = Vec::new();
    let mut rest = expression;
    loop {
        rest = match rest {
            Expr::Var { span, .. } => {
                fields.reverse();
                return Some((span.text(), fields));
            }
            Expr::RefDot { refr, field, .. } => {
                fields.push(Some(field.0.text()));
                refr
            }
            Expr::RefBrack { refr, index, .. } => {
                fields.push(text(index));
                refr
            }
            _ => return None,
        };
    }
}

fn text(index: &Expr) -> Option<&str> {
    match index {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| &**text)
        }
        _ => None,
    }
}

/// Whether a statement replaces something else than a document: a function, which is then called by another name.
pub(super) fn replaces_function(query: &Query) -> bool {
    let mut replaced = query
        .stmts
        .iter()
        .flat_map(|statement| &statement.with_mods);
    replaced.any(|with| !matches!(path(&with.refr), Some(("input" | "data", _))))
}

/// Whether the value of an expression has the values of its parts in it.
pub(super) fn wraps(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Array { .. }
            | Expr::Set { .. }
            | Expr::Object { .. }
            | Expr::ArrayCompr { .. }
            | Expr::SetCompr { .. }
            | Expr::ObjectCompr { .. }
    )
}

/// Whether an expression can be a loop over all that a value holds.
pub(super) fn loops(expression: &Expr) -> bool {
    matches!(expression, Expr::RefBrack { index, .. } if text(index).is_none())
}

/// What a rule is called.
pub(super) fn head(rule: &Rule) -> &Expr {
    match rule {
        Rule::Default { refr, .. } => refr,
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. }
            | RuleHead::Set { refr, .. }
            | RuleHead::Func { refr, .. } => refr,
        },
    }
}

/// Levels that a rule puts around its values by what it is called.
pub(super) fn levels(rule: &Rule) -> usize {
    let (_, fields) = path(head(rule)).unwrap_or_default();
    fields.len().saturating_add(1)
}

/// The expressions in a head that are evaluated: keys and values.
pub(super) fn values(head: &RuleHead) -> Vec<&Expr> {
    let (refr, assign, key) = match head {
        RuleHead::Compr { refr, assign, .. } => (refr, assign.as_ref(), None),
        RuleHead::Func { refr, assign, .. } => (refr, assign.as_ref(), None),
        RuleHead::Set { refr, key, .. } => (refr, None, key.as_ref()),
    };
    let mut values = keys(refr);
    values.extend(assign.map(|assign| &*assign.value));
    values.extend(key.map(|key| &**key));
    values
}

/// What stands in brackets in a name.
fn keys(mut name: &Expr) -> Vec<&Expr> {
    let mut keys = Vec::new();
    loop {
        name = match name {
            Expr::RefDot { refr, .. } => refr,
            Expr::RefBrack { refr, index, .. } => {
                keys.push(&**index);
                refr
            }
            _ => return keys,
        };
    }
}

/// The variables in patterns.
pub(super) fn names<'a>(patterns: impl IntoIterator<Item = &'a ExprRef>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for pattern in patterns {
        collect(pattern, &mut names);
    }
    names
}

fn collect<'a>(pattern: &'a Expr, names: &mut BTreeSet<&'a str>) {
    match pattern {
        Expr::Var { span, .. } => {
            names.insert(span.text());
        }
        Expr::Array { items, .. } => items.iter().for_each(|item| collect(item, names)),
        Expr::Object { fields, .. } => {
            fields
                .iter()
                .for_each(|(_, _, value)| collect(value, names));
        }
        _ => {}
    }
}

/// The variables that the statements of a query declare.
pub(super) fn locals(query: &Query) -> BTreeSet<&str> {
    let mut locals = BTreeSet::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => locals.extend(vars.iter().map(|name| name.text())),
            Literal::SomeIn { key, value, .. } => {
                locals.extend(names(key.iter().chain([value])));
            }
            Literal::Expr { expr, .. } => {
                if let Expr::AssignExpr {
                    op: AssignOp::ColEq,
                    lhs,
                    ..
                } = &**expr
                {
                    locals.extend(names([lhs]));
                }
            }
            Literal::NotExpr { .. } | Literal::Every { .. } => {}
        }
    }
    locals
}
