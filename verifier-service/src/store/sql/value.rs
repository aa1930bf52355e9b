//! Parameters of statements. Three types serve every column: whole numbers, text, bytes.

use evidence::UnixTime;
use evidence::work::Hex;
use jobs::{AgentId, AssignmentId, Currency, JobId, PartyId};
use sqlx::query::Query;
use sqlx::{Encode, SqlStr, Type};

use crate::id::Id;

/// A parameter. What is null still has a type: PostgreSQL asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// `INTEGER` of SQLite, `BIGINT` of PostgreSQL.
    Int(Option<i64>),
    /// `TEXT`.
    Text(Option<String>),
    /// `BLOB` of SQLite, `BYTEA` of PostgreSQL.
    Bytes(Option<Vec<u8>>),
}

/// What can be a parameter.
pub(crate) trait ToValue {
    /// The null of this type.
    const NULL: Value;

    /// The parameter.
    fn to_value(self) -> Value;
}

/// The parameters of a statement, in the order of their placeholders.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        ::std::vec![$($crate::store::sql::ToValue::to_value($value)),*]
    };
}
pub(crate) use values;

macro_rules! to_value {
    ($($of:ty => $variant:ident($this:ident: $value:expr)),* $(,)?) => {
        $(impl ToValue for $of {
            const NULL: Value = Value::$variant(None);

            fn to_value(self) -> Value {
                let $this = self;
                Value::$variant(Some($value))
            }
        })*
    };
}

to_value! {
    i64 => Int(it: it),
    u32 => Int(it: it.into()),
    UnixTime => Int(it: it.secs()),
    String => Text(it: it),
    &str => Text(it: it.to_owned()),
    Id => Text(it: it.to_string()),
    Vec<u8> => Bytes(it: it),
    &[u8] => Bytes(it: it.to_vec()),
    [u8; 32] => Bytes(it: it.to_vec()),
    Hex<32> => Bytes(it: it.0.to_vec()),
    &PartyId => Text(it: it.to_string()),
    &AgentId => Text(it: it.to_string()),
    &JobId => Text(it: it.to_string()),
    &AssignmentId => Text(it: it.to_string()),
    Currency => Text(it: it.to_string()),
}

impl<T: ToValue> ToValue for Option<T> {
    const NULL: Value = T::NULL;

    fn to_value(self) -> Value {
        self.map_or(Self::NULL, T::to_value)
    }
}

/// The statement with its parameters, for either database.
pub(super) fn bound<DB: sqlx::Database>(
    sql: SqlStr,
    values: Vec<Value>,
) -> Query<'static, DB, DB::Arguments>
where
    Option<i64>: Encode<'static, DB> + Type<DB>,
    Option<String>: Encode<'static, DB> + Type<DB>,
    Option<Vec<u8>>: Encode<'static, DB> + Type<DB>,
{
    let query = sqlx::query::<DB>(sql);
    values.into_iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_have_the_type_of_what_is_missing() {
        let none: (Option<u32>, Option<&str>, Option<[u8; 32]>) = (None, None, None);
        assert_eq!(
            values![none.0, none.1, none.2, Some(7_u32)],
            [
                Value::Int(None),
                Value::Text(None),
                Value::Bytes(None),
                Value::Int(Some(7))
            ]
        );
    }
}
