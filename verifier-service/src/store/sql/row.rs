//! Rows as either database gives them. A column that does not hold what it should is [`StoreError::Malformed`].

use std::str::FromStr;

use evidence::UnixTime;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row as _, Type};

use crate::store::StoreError;

/// One row. Columns go by their names.
pub(crate) enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// A text, or none.
    pub(crate) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    /// A time, or none.
    pub(crate) fn optional_time(
        &self,
        column: &'static str,
    ) -> Result<Option<UnixTime>, StoreError> {
        let secs: Option<i64> = self.get(column)?;
        Ok(secs.map(UnixTime::from_secs))
    }

    /// A number, or none.
    pub(crate) fn optional_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    /// A number that is not negative and fits, or none.
    pub(crate) fn optional_u32(&self, column: &'static str) -> Result<Option<u32>, StoreError> {
        let number: Option<i64> = self.get(column)?;
        let fits = number.map(u32::try_from).transpose();
        fits.map_err(|_| StoreError::Malformed { column })
    }

    /// Bytes, or none.
    pub(crate) fn optional_bytes(
        &self,
        column: &'static str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(column)
    }

    /// A number.
    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        present(column, self.get(column)?)
    }

    /// A number that is not negative and fits.
    pub(crate) fn u32(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.int(column)?).map_err(|_| StoreError::Malformed { column })
    }

    /// A time, stored as seconds since 1970.
    pub(crate) fn time(&self, column: &'static str) -> Result<UnixTime, StoreError> {
        self.int(column).map(UnixTime::from_secs)
    }

    /// A text.
    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        present(column, self.get(column)?)
    }

    /// A text that is something more.
    pub(crate) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| StoreError::Malformed { column })
    }

    /// Bytes.
    pub(crate) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        present(column, self.get(column)?)
    }

    /// So many bytes.
    pub(crate) fn array<const N: usize>(
        &self,
        column: &'static str,
    ) -> Result<[u8; N], StoreError> {
        let bytes = self.bytes(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::Malformed { column })
    }

    fn get<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let value = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(|error| match error {
            sqlx::Error::ColumnDecode { .. } => StoreError::Malformed { column },
            error => error.into(),
        })
    }
}

fn present<T>(column: &'static str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or(StoreError::Malformed { column })
}
