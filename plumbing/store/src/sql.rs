//! One statement for both databases: `$1`, integers, text and booleans are all that is used.

use std::borrow::Cow;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{
    AssertSqlSafe, ColumnIndex, Database, Decode, Encode, IntoArguments, Postgres, Row as _, Sqlite, Type,
};

use crate::StoreError;
use crate::link::{Link, Wire};

/// A statement and what stands for its `$1`, `$2` ...
#[derive(Debug)]
pub(crate) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// What can stand in a column.
#[derive(Debug)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Truth(bool),
}

impl Sql {
    pub(crate) fn new(text: &'static str) -> Self {
        Sql { text: Cow::Borrowed(text), values: Vec::new() }
    }

    /// The next value in order.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// More text.
    pub(crate) fn and(mut self, text: &str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// A value, where the text has come to.
    pub(crate) fn with(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.and(&place)
    }

    /// `VALUES`, and all `rows`.
    pub(crate) fn rows<const N: usize>(mut self, rows: impl IntoIterator<Item = [Value; N]>) -> Self {
        let mut before = " VALUES (";
        for row in rows {
            for value in row {
                self = self.and(before).with(value);
                before = ", ";
            }
            before = "), (";
        }
        self.and(")")
    }

    /// All rows that it finds.
    pub(crate) async fn fetch_all(self, link: &mut Link) -> Result<Vec<Row>, StoreError> {
        let (wire, guard) = link.wire()?;
        match wire {
            Wire::Sqlite(wire) => {
                let rows = guard.keep(self.query::<Sqlite>().fetch_all(wire)).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Wire::Postgres(wire) => {
                let rows = guard.keep(self.without_nul().query::<Postgres>().fetch_all(wire)).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// The first row that it finds.
    pub(crate) async fn fetch_optional(self, link: &mut Link) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch_all(link).await?.into_iter().next())
    }

    /// The first row, where there is always one.
    pub(crate) async fn fetch_one(self, link: &mut Link) -> Result<Row, StoreError> {
        self.fetch_optional(link).await?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }

    /// Does it; how many rows it touched.
    pub(crate) async fn execute(self, link: &mut Link) -> Result<u64, StoreError> {
        let (wire, guard) = link.wire()?;
        match wire {
            Wire::Sqlite(wire) => {
                guard.keep(self.query::<Sqlite>().execute(wire)).await.map(|done| done.rows_affected())
            }
            Wire::Postgres(wire) => guard
                .keep(self.without_nul().query::<Postgres>().execute(wire))
                .await
                .map(|done| done.rows_affected()),
        }
    }

    /// PostgreSQL's text can hold everything but NUL, and what a stranger put into a name must not stop a record.
    fn without_nul(mut self) -> Self {
        for value in &mut self.values {
            if let Value::Text(Some(text)) = value
                && text.contains('\0')
            {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
        self
    }

    fn query<DB: Database>(self) -> sqlx::query::Query<'static, DB, DB::Arguments>
    where
        DB::Arguments: IntoArguments<DB>,
        Option<i64>: Encode<'static, DB> + Type<DB>,
        Option<String>: Encode<'static, DB> + Type<DB>,
        bool: Encode<'static, DB> + Type<DB>,
    {
        let query = match self.text {
            Cow::Borrowed(text) => sqlx::query(text),
            Cow::Owned(text) => sqlx::query(AssertSqlSafe(text)),
        };
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Truth(truth) => query.bind(truth),
        })
    }
}

/// A row that was found.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The column with this number or name.
    pub(crate) fn get<'r, T, I>(&'r self, column: I) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Row::Sqlite(row) => Ok(row.try_get(column)?),
            Row::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Value::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Truth(truth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_text_has_come_to() {
        let sql = Sql::new("SELECT 1 FROM t WHERE a = ").with(1).and(" AND b = ").with("x");
        assert_eq!(sql.text, "SELECT 1 FROM t WHERE a = $1 AND b = $2");
        let rows = [[Value::from(1), Value::from("a")], [Value::from(2), Value::from("b")]];
        let sql = Sql::new("INSERT INTO t (a, b)").rows(rows);
        assert_eq!(sql.text, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
        assert_eq!(sql.values.len(), 4);
    }
}
