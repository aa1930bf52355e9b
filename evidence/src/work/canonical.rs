//! JSON that means one thing: integers only, no member twice, canonical by RFC 8785.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};

/// Largest integer that RFC 8785 (section 3.2.2.3) writes without loss: 2^53 − 1.
pub const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Deepest nesting of arrays and objects. Job parameters are flat; the bound keeps recursion small.
const MAX_DEPTH: usize = 16;

/// Most values in one document, objects and arrays counted. A value takes dozens of times the memory of its shortest
/// text, so this and not the size of the body bounds what a stranger can make us allocate.
const MAX_VALUES: u32 = 4096;

/// A JSON value without floats, unsafe integers or repeated members.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct StrictValue(Value);

impl StrictValue {
    /// The value.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// Takes a value made in this process.
    ///
    /// # Errors
    /// What the value holds that is not allowed.
    pub fn new(value: &Value) -> Result<Self, serde_json::Error> {
        Survey::of(value)?;
        Ok(Self(value.clone()))
    }
}

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = Cell::new(MAX_VALUES);
        let seed = Seed {
            depth: 0,
            budget: &budget,
        };
        seed.deserialize(deserializer).map(Self)
    }
}

/// The canonical text of a value (RFC 8785).
///
/// # Errors
/// The value does not serialise, or holds a number that is no safe integer.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let value = serde_json::to_value(value)?;
    match Survey::of(&value)?.in_canonical_order {
        true => serde_json::to_vec(&value),
        false => serde_json_canonicalizer::to_vec(&value),
    }
}

/// One look at a value made in this process.
struct Survey {
    budget: Cell<u32>,
    /// Whether members already stand as RFC 8785 sorts them, by UTF-16 code units. Among ASCII names that is the order of
    /// their bytes; of others the canonicalizer takes care. Without fractions, all else is as any writer writes it.
    in_canonical_order: bool,
}

impl Survey {
    fn of(value: &Value) -> Result<Self, serde_json::Error> {
        let mut survey = Self {
            budget: Cell::new(MAX_VALUES),
            in_canonical_order: true,
        };
        survey.visit(value, 0)?;
        Ok(survey)
    }

    fn visit(&mut self, value: &Value, depth: usize) -> Result<(), serde_json::Error> {
        let budget = &self.budget;
        let seed = Seed { depth, budget };
        seed.spend::<serde_json::Error>()?;
        match value {
            Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
            Value::Number(number) => is_safe(number),
            Value::Array(items) => {
                let depth = seed.deeper::<serde_json::Error>()?.depth;
                items.iter().try_for_each(|item| self.visit(item, depth))
            }
            Value::Object(members) => {
                let depth = seed.deeper::<serde_json::Error>()?.depth;
                self.in_canonical_order &= members.keys().all(|name| name.is_ascii());
                self.in_canonical_order &= members.keys().is_sorted();
                let mut values = members.values();
                values.try_for_each(|value| self.visit(value, depth))
            }
        }
    }
}

fn is_safe(number: &Number) -> Result<(), serde_json::Error> {
    let seed = Seed {
        depth: 0,
        budget: &Cell::new(0),
    };
    let visited = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(signed), _, _) => seed.visit_i64(signed),
        (None, Some(unsigned), _) => seed.visit_u64(unsigned),
        (None, None, fraction) => seed.visit_f64(fraction.unwrap_or(f64::NAN)),
    };
    visited.map(drop)
}

#[derive(Clone, Copy)]
struct Seed<'b> {
    depth: usize,
    budget: &'b Cell<u32>,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth, ..self })
    }

    fn spend<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.budget.get().checked_sub(1);
        let left = left.ok_or_else(|| E::custom(format_args!("more than {MAX_VALUES} values")))?;
        self.budget.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&value) {
            Ok(Value::Number(Number::from(value)))
        } else {
            Err(E::custom(format_args!("integer {value} beyond 2^53 - 1")))
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        let signed = i64::try_from(value)
            .map_err(|_| E::custom(format_args!("integer {value} beyond 2^53 - 1")))?;
        self.visit_i64(signed)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("number {value} is not an integer")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(seed)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(seed)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "member `{name}` occurs twice"
                )));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(text: &str) -> Result<StrictValue, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn refuses_what_has_two_readings() {
        let deep = "[".repeat(17) + &"]".repeat(17);
        let long = format!("[{}0]", "0,".repeat(4096));
        let table = [
            "1.0",
            "1e2",
            "9007199254740992",
            "-9007199254740992",
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            &deep,
            &long,
        ];
        for text in table {
            assert!(strict(text).is_err(), "{text}");
        }
        assert!(strict("9007199254740991").is_ok());
    }

    #[test]
    fn refuses_the_same_of_values_made_here() {
        let deep =
            |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::from(vec![inner]));
        let table = [
            Value::from(1.5),
            Value::from(1.0),
            Value::from(9_007_199_254_740_992_i64),
            Value::from(-9_007_199_254_740_992_i64),
            Value::from(u64::MAX),
            deep(17),
            Value::from(vec![0; 4096]),
        ];
        for value in table {
            assert!(canonical_json(&value).is_err(), "{value}");
            assert!(StrictValue::new(&value).is_err(), "{value}");
        }
        for value in [
            deep(16),
            Value::from(vec![0; 4095]),
            Value::from(MAX_SAFE_INTEGER),
        ] {
            assert!(canonical_json(&value).is_ok(), "{value}");
        }
    }

    #[test]
    fn every_writer_agrees_with_the_canonicalizer() {
        let controls: String = (0..0x80).map(char::from).collect();
        let table = [
            serde_json::json!({"b": controls.clone(), "a": [1, {"z": null, "Z": -7}]}),
            serde_json::json!({controls: true, "\u{80}\u{2028}": "\u{80}\u{2028}\u{1f600}"}),
        ];
        for value in table {
            let expected = serde_json_canonicalizer::to_vec(&value).unwrap();
            assert_eq!(canonical_json(&value).unwrap(), expected);
        }
    }

    #[test]
    fn canonical_form_sorts_and_escapes_as_rfc_8785() {
        let value: Value = serde_json::from_str(
            r#"{"b":[1,-2,null],"a":"\u20ac\u000a","\ud83d\ude00":true,"\ufb33":0}"#,
        )
        .unwrap();
        let text = String::from_utf8(canonical_json(&value).unwrap()).unwrap();
        // Members sort by UTF-16 code units: the emoji's surrogates come before U+FB33.
        assert_eq!(
            text,
            "{\"a\":\"€\\n\",\"b\":[1,-2,null],\"😀\":true,\"\u{fb33}\":0}"
        );
    }
}
