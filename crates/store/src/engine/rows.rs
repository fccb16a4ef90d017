//! Decoding stored rows, which may be damaged.

use crate::error::Error;
use crate::rows::{Row, RowKey};

pub(crate) fn read_key(key: &[u8]) -> Result<RowKey, Error> {
    RowKey::from_bytes(key).ok_or_else(|| Error::Damaged("a row's key cannot be read".to_owned()))
}

pub(crate) fn read_row(key: &RowKey, value: &[u8]) -> Result<Row, Error> {
    Row::from_bytes(key, value).map_err(|error| Error::Damaged(format!("a row cannot be read: {error}")))
}
