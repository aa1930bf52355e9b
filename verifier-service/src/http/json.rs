//! Requests whose body is JSON of ours.

use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

use super::{App, media_type};
use crate::malformed;
use crate::problem::{Problem, ProblemCode};

/// A JSON text, written where writing it holds nobody up: answers about many devices are large.
pub(super) struct Written(Vec<u8>);

impl Written {
    pub(super) fn of(value: &impl Serialize) -> Result<Self, Problem> {
        let text = serde_json::to_vec(value);
        text.map(Self)
            .map_err(|error| Problem::caused(ProblemCode::Internal, error))
    }
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, media_type::JSON)], self.0).into_response()
    }
}

/// Reads a body of at most `limit` bytes as `T`.
///
/// # Errors
/// 400, 408, 413, 415, 503.
pub(super) async fn read<T: DeserializeOwned>(
    app: &App,
    request: Request,
    limit: usize,
) -> Result<T, Problem> {
    media_type::require(request.headers(), media_type::JSON)?;
    let body = app.bodies.read(request, app.body_limit(limit)).await?;
    serde_json::from_slice(body.bytes())
        .map_err(|error| malformed::problem(ProblemCode::RequestMalformed, &error))
}

/// For optional members: absent or of their type. `null` would be a second way to be absent.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// For whole numbers: `60.0` is the integer that `60` is (JSON Schema 2020-12, core, 4.2.3), and writers that know one kind of
/// number write it. What is signed or digested has one spelling, and is not read with this.
pub(super) fn whole<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let number = Number::deserialize(deserializer)?;
    let whole = number.as_i64().or_else(|| safe_integer(number.as_f64()?));
    let whole = whole.and_then(|whole| T::try_from(whole).ok());
    whole.ok_or_else(|| D::Error::custom("expected an integer in the bounds of its type"))
}

/// The same for optional members.
pub(super) fn present_whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    whole(deserializer).map(Some)
}

/// The integer that a number is exactly.
fn safe_integer(number: f64) -> Option<i64> {
    const MOST: f64 = 9_007_199_254_740_991.0;
    let is_safe = number.fract() == 0.0 && number.abs() <= MOST;
    is_safe.then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_two_spellings() {
        let table = [
            ("60", Some(60)),
            ("60.0", Some(60)),
            ("6e1", Some(60)),
            ("0", Some(0)),
            ("60.5", None),
            ("-1", None),
            ("4294967296", None),
            ("4294967296.0", None),
            ("1e300", None),
            ("\"60\"", None),
            ("null", None),
        ];
        for (text, number) in table {
            let mut reader = serde_json::Deserializer::from_str(text);
            assert_eq!(whole::<_, u32>(&mut reader).ok(), number, "{text}");
        }
    }
}
