//! Small parts of schemas (JSON Schema 2020-12, the dialect of OpenAPI 3.1).

use serde_json::{Map, Value, json};

/// The schema of this name.
pub(super) fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object that may gain members; a name that ends in `?` is of one that may be absent.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let is_required = |name: &&str| !name.ends_with('?');
    let names = members.iter().map(|(name, _)| *name);
    let required: Vec<_> = names.filter(is_required).collect();
    let properties = members
        .iter()
        .map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone()));
    let properties: Map<_, _> = properties.collect();
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// An object with these members and no others.
pub(super) fn closed<const N: usize>(members: [(&str, Value); N]) -> Value {
    with(object(members), "additionalProperties", json!(false))
}

/// The object with one more member.
pub(super) fn and(mut object: Value, name: &str, schema: Value) -> Value {
    object["properties"][name] = schema;
    if let Some(required) = object["required"].as_array_mut() {
        required.push(json!(name));
    }
    object
}

/// The schema with another keyword.
pub(super) fn with(mut schema: Value, keyword: &str, value: Value) -> Value {
    schema[keyword] = value;
    schema
}

/// The schema with a sentence about it.
pub(super) fn said(schema: Value, text: &str) -> Value {
    with(schema, "description", json!(text))
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn text_like(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// A text of at most so many characters.
pub(super) fn short(least: usize, most: usize) -> Value {
    json!({ "type": "string", "minLength": least, "maxLength": most })
}

/// A day, or a time of RFC 3339.
pub(super) fn day_or_time() -> Value {
    json!({ "type": "string", "anyOf": [{ "format": "date" }, { "format": "date-time" }] })
}

/// One of these words.
pub(super) fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn number(least: i64, most: i64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// Zero or more, exact in every JSON reader.
pub(super) fn count() -> Value {
    number(0, MAX_SAFE)
}

/// A count of 32 bits.
pub(super) fn count_32() -> Value {
    number(0, u32::MAX.into())
}

pub(super) fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

pub(super) fn list_of(least: usize, most: usize, item: Value) -> Value {
    json!({ "type": "array", "items": item, "minItems": least, "maxItems": most })
}

/// Values by name.
pub(super) fn map(most: usize, names: Value, value: Value) -> Value {
    json!({
        "type": "object", "propertyNames": names, "additionalProperties": value, "maxProperties": most,
    })
}

pub(super) fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// 2^53 - 1.
pub(super) const MAX_SAFE: i64 = 9_007_199_254_740_991;
