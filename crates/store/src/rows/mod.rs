//! What is kept beside the timelines: states, names taken, tokens, answers given.
//!
//! A key knows the type of its row's value: getting a [`key::AppName`] gives an `AppId`, and nothing else compiles.
//! `registry.rs` has the one table of all kinds, and a new kind is a row there. Engines handle keys and values without
//! knowing their kinds, as [`RowKey`] and [`Row`].

mod distribution;
mod encoding;
mod listing;
mod registry;
mod values;

use std::hash::Hash;

use foldhash::HashMap;

pub use listing::{Listing, RowRange};
pub use registry::{Row, RowKey, key};
pub use values::{Answer, Caller, EventCounts, Mail, Setting, Token, TokenHash, TokenId};

pub(crate) use distribution::Distribution;

/// The key of a row, which knows the type of the row's value.
pub trait Key: Clone + Eq + Hash + Send + Sync + 'static {
    /// What the row holds. Cheap to clone.
    type Value: Clone + Send + Sync + 'static;

    /// The key as engines handle it.
    fn into_row_key(self) -> RowKey;

    /// The key of that kind, if it is one.
    fn from_row_key(key: RowKey) -> Option<Self>;

    /// The value as engines handle it.
    fn row(value: Self::Value) -> Row;

    /// The value of that kind, if it is one.
    fn value(row: Row) -> Option<Self::Value>;
}

/// Rows to be put, or removed.
#[derive(Debug, Default)]
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

    /// The value that a row is to have: `Some(None)` where the row is removed, `None` where nothing is written to it.
    pub fn get<K: Key>(&self, key: K) -> Option<Option<K::Value>> {
        self.0.get(&key.into_row_key()).map(|row| row.clone().and_then(K::value))
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is written to each row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RowKey, &Option<Row>)> {
        self.0.iter()
    }

    /// What is to be written to that row.
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
