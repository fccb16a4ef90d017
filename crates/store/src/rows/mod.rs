//! Rows: the key-value data beside the timelines, such as states, names, tokens and stored responses.
//!
//! A key knows the type of its row's value: getting a [`key::AppName`] returns an `AppId`. The table in `registry.rs` has
//! all kinds of rows; a new kind is a line there. Engines handle keys and values of any kind as [`RowKey`] and [`Row`].

mod distribution;
mod encoding;
mod listing;
mod names;
mod registry;
mod values;

use std::hash::Hash;

use foldhash::HashMap;

pub use listing::{Listing, RowRange};
pub use names::Name;
pub use registry::{Row, RowKey, key};
pub use values::{
    Answer, Caller, EventCounts, LateBlock, Mail, Neighbours, Output, Setting, Token, TokenHash, TokenId,
};

pub(crate) use distribution::Distribution;

/// The key of a row of one kind.
pub trait Key: Clone + Eq + Hash + Send + Sync + 'static {
    /// The type of the row's value. Cheap to clone.
    type Value: Clone + Send + Sync + 'static;

    /// Converts the key into the form that engines handle.
    fn into_row_key(self) -> RowKey;

    /// Converts a key back; `None` if it is of another kind.
    fn from_row_key(key: RowKey) -> Option<Self>;

    /// Converts a value into the form that engines handle.
    fn row(value: Self::Value) -> Row;

    /// Converts a value back; `None` if it is of another kind.
    fn value(row: Row) -> Option<Self::Value>;
}

/// Rows to put and rows to remove.
#[derive(Debug, Default, Clone)]
pub struct RowWrites(HashMap<RowKey, Option<Row>>);

impl RowWrites {
    /// Puts a row.
    pub fn put<K: Key>(&mut self, key: K, value: K::Value) {
        self.0.insert(key.into_row_key(), Some(K::row(value)));
    }

    /// Removes a row.
    pub fn remove<K: Key>(&mut self, key: K) {
        self.0.insert(key.into_row_key(), None);
    }

    /// Returns what is written to a row: `Some(None)` if the row is removed, `None` if it is not written.
    pub fn get<K: Key>(&self, key: K) -> Option<Option<K::Value>> {
        self.0.get(&key.into_row_key()).map(|row| row.clone().and_then(K::value))
    }

    /// Returns whether no row is written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the rows written; `None` is a removal.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RowKey, &Option<Row>)> {
        self.0.iter()
    }

    /// Returns what is written to a row: `Some(None)` if the row is removed, `None` if it is not written.
    pub(crate) fn row(&self, key: &RowKey) -> Option<&Option<Row>> {
        self.0.get(key)
    }
}

impl IntoIterator for RowWrites {
    type Item = (RowKey, Option<Row>);
    type IntoIter = std::collections::hash_map::IntoIter<RowKey, Option<Row>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
