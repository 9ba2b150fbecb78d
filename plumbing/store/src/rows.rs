//! Values as columns.

use contract::CallId;
use machine::Moment;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// A batch is written in statements of these sizes, so that few different statements are prepared.
const SIZES: [usize; 3] = [64, 8, 1];

/// `rows` in pieces of few different sizes, in order.
pub(crate) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|&size| size <= rows.len())?;
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

pub(crate) fn time(moment: Moment) -> i64 {
    moment.as_micros().cast_signed()
}

pub(crate) fn moment(column: i64) -> Moment {
    Moment::from_micros(column.cast_unsigned())
}

pub(crate) fn call(id: CallId) -> i64 {
    id.0.cast_signed()
}

pub(crate) fn call_id(column: i64) -> CallId {
    CallId(column.cast_unsigned())
}

pub(crate) fn json<T: Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Damaged { what: what.into(), source })
}

pub(crate) fn of_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Damaged { what: what.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_falls_into_few_different_sizes_and_loses_nothing() {
        let rows: Vec<u32> = (0..147).collect();
        let sizes: Vec<_> = pieces(&rows).map(<[_]>::len).collect();
        assert_eq!(sizes, [64, 64, 8, 8, 1, 1, 1]);
        assert_eq!(pieces(&rows).flatten().copied().collect::<Vec<_>>(), rows);
    }

    #[test]
    fn numbers_beyond_the_sign_come_back() {
        assert_eq!(call_id(call(CallId(u64::MAX - 5))), CallId(u64::MAX - 5));
        assert_eq!(moment(time(Moment::NEVER)), Moment::NEVER);
    }
}
