//! A service's JSON as people read it: a line for each member, lists of objects as lines below their name.
//!
//! Members that this version does not know are shown as well.

use serde_json::{Map, Value};

use crate::api::printable;
use crate::{Failure, Output};

/// Prints an object. Members named in `without` are left out.
pub(crate) fn object(value: &Value, without: &[&str], out: &mut Output<'_>) -> Result<(), Failure> {
    let Some(members) = value.as_object() else {
        return Ok(());
    };
    let shown = || {
        members
            .iter()
            .filter(|(name, _)| !without.contains(&name.as_str()))
    };
    let width = shown().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in shown() {
        match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                out.line(format_args!("{name}"))?;
                items
                    .iter()
                    .try_for_each(|item| out.line(format_args!("  {}", row(item))))?;
            }
            value => out.line(format_args!("{name:width$}  {}", text(value)))?,
        }
    }
    Ok(())
}

/// An object on one line: the values of these members, where it has them.
pub(crate) fn columns(item: &Value, names: &[&str]) -> String {
    let cells = names
        .iter()
        .map(|name| item.get(*name).map(text).unwrap_or_default());
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn row(item: &Value) -> String {
    let Some(members) = item.as_object() else {
        return text(item);
    };
    let cells = members
        .iter()
        .map(|(name, value)| format!("{name} {}", text(value)));
    cells.collect::<Vec<_>>().join("  ")
}

/// A value: text without quotes, an amount of money as people write it, the rest as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Object(members) => money(members).unwrap_or_else(|| printable(&value.to_string())),
        other => printable(&other.to_string()),
    }
}

/// Minor units and their currency. How many make a whole is the currency's, and not known here.
fn money(members: &Map<String, Value>) -> Option<String> {
    let amount = members.get("amount")?.as_i64()?;
    let currency = members.get("currency")?.as_str()?;
    (members.len() == 2).then(|| format!("{amount} {} (minor units)", printable(currency)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_lines_and_lists_are_rows() {
        let job = json!({
            "id": "j-1", "status": "open\u{1b}[2J", "price": {"amount": 5, "currency": "EUR"}, "spec": {},
            "assignments": [{"id": "a", "status": "paid"}], "none": []});
        let (mut answers, mut notes) = (Vec::new(), Vec::new());
        object(&job, &["spec"], &mut Output::new(&mut answers, &mut notes)).unwrap();
        let text = String::from_utf8(answers).unwrap();
        assert!(
            text.contains("assignments\n  id a  status paid\n"),
            "{text}"
        );
        assert!(
            text.contains("price        5 EUR (minor units)\n"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}') && !text.contains("spec"), "{text}");
    }
}
