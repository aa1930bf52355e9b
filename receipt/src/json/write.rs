//! JSON in the other direction, by the same rules: what the reader would refuse is not written.
//!
//! That no member occurs twice is not looked at here: maps hold each name once, and vendor claims are by their names
//! apart from ours. A property test holds that whatever is written is read back as it was.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::{JsonFault, malformed};
use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_INTEGER};

/// The text of a value, without white space.
///
/// # Errors
/// What a reader would object to.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, JsonFault> {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    let strict = Strict {
        depth_left: MAX_JSON_DEPTH,
    };
    match value.serialize(&mut Serializer::with_formatter(&mut text, strict)) {
        Ok(()) => Ok(text),
        Err(error) => Err(fault_of(error)),
    }
}

/// Receipts for one device are a little shorter.
const USUAL_BYTES: usize = 4096;

/// Writes as short as can be and stops at the first fault.
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn enter(&mut self) -> io::Result<()> {
        let limit = MAX_JSON_DEPTH;
        let depth_left = self.depth_left.checked_sub(1);
        self.depth_left = depth_left.ok_or_else(|| refuse(JsonFault::TooDeep { limit }))?;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth_left = self.depth_left.saturating_add(1);
    }
}

impl Formatter for Strict {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.leave();
        writer.write_all(b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.leave();
        writer.write_all(b"}")
    }

    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        if value > MAX_JSON_INTEGER {
            return Err(refuse(JsonFault::NumberNotInteger));
        }
        write!(writer, "{value}")
    }

    fn write_i64<W: ?Sized + Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        if value.unsigned_abs() > MAX_JSON_INTEGER {
            return Err(refuse(JsonFault::NumberNotInteger));
        }
        write!(writer, "{value}")
    }

    fn write_u128<W: ?Sized + Write>(&mut self, _: &mut W, _: u128) -> io::Result<()> {
        Err(refuse(JsonFault::NumberNotInteger))
    }

    fn write_i128<W: ?Sized + Write>(&mut self, _: &mut W, _: i128) -> io::Result<()> {
        Err(refuse(JsonFault::NumberNotInteger))
    }

    fn write_f32<W: ?Sized + Write>(&mut self, _: &mut W, _: f32) -> io::Result<()> {
        Err(refuse(JsonFault::NumberNotInteger))
    }

    fn write_f64<W: ?Sized + Write>(&mut self, _: &mut W, _: f64) -> io::Result<()> {
        Err(refuse(JsonFault::NumberNotInteger))
    }

    /// A number as text, for builds of serde_json that keep numbers so: ours do not.
    fn write_number_str<W: ?Sized + Write>(&mut self, _: &mut W, _: &str) -> io::Result<()> {
        Err(refuse(JsonFault::NumberNotInteger))
    }
}

/// The writer's errors carry any other inside.
fn refuse(fault: JsonFault) -> io::Error {
    io::Error::other(fault)
}

fn fault_of(error: serde_json::Error) -> JsonFault {
    let other = malformed(&error);
    io::Error::from(error).downcast().unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::json::read_object;

    fn code(value: &Value) -> &'static str {
        write(value).map_or_else(|fault| fault.code(), |_| "ok")
    }

    /// An object with arrays inside, `depth` deep.
    fn nested(depth: usize) -> Value {
        let inner = (1..depth).fold(Value::Null, |inner, _| json!([inner]));
        json!({ "a": inner })
    }

    #[test]
    fn what_the_reader_refuses_is_not_written() {
        let most = MAX_JSON_INTEGER;
        let least = -i64::try_from(most).unwrap();
        let table = [
            (
                json!({"a": [most, least, -1, true, null, "\u{1}\u{20ac}\""]}),
                "ok",
            ),
            (json!({"a": most + 1}), "json_number_not_integer"),
            (json!({"a": least - 1}), "json_number_not_integer"),
            (json!({"a": u64::MAX}), "json_number_not_integer"),
            (json!({"a": i64::MIN}), "json_number_not_integer"),
            (json!({"a": 0.5}), "json_number_not_integer"),
            (json!({"a": 1.0}), "json_number_not_integer"),
            (nested(MAX_JSON_DEPTH), "ok"),
            (nested(MAX_JSON_DEPTH + 1), "json_too_deep"),
        ];
        for (value, expected) in table {
            assert_eq!(code(&value), expected, "{value}");
            let read = read_object(&serde_json::to_vec(&value).unwrap());
            let reading = read.as_ref().map_or_else(JsonFault::code, |_| "ok");
            assert_eq!(reading, expected, "{value}");
        }
    }

    #[test]
    fn what_is_written_is_what_any_writer_writes() {
        let value = json!({"b": [1, -2, {}, []], "a": {"c": "\u{7f}/\\"}, "": false});
        assert_eq!(write(&value), Ok(serde_json::to_vec(&value).unwrap()));
        assert_eq!(
            write(&[1_u128]).unwrap_err().code(),
            "json_number_not_integer"
        );
        assert_eq!(
            write(&[1_i128]).unwrap_err().code(),
            "json_number_not_integer"
        );
        assert_eq!(
            write(&[0.5_f32]).unwrap_err().code(),
            "json_number_not_integer"
        );
    }
}
