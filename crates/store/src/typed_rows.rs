//! The rows of a store, asked for by keys that know the types of their values.

use std::future::Future;
use std::time::Duration;

use crate::contract::{Snapshot, Store};
use crate::error::Error;
use crate::rows::{Key, Listing, Row, RowKey};

fn value_of<K: Key>(row: Option<Row>) -> Result<Option<K::Value>, Error> {
    let wrong = || Error::Damaged("a row holds what its key does not name".to_owned());
    row.map(|row| K::value(row).ok_or_else(wrong)).transpose()
}

fn typed<K: Key>(rows: Vec<(RowKey, Row)>) -> Result<Vec<(K, K::Value)>, Error> {
    let wrong = || Error::Damaged("a row stands where rows of another kind are listed".to_owned());
    rows.into_iter().map(|(key, row)| K::from_row_key(key).zip(K::value(row)).ok_or_else(wrong)).collect()
}

/// The rows of a store, by keys that know their values.
pub trait TypedRows: Store {
    /// The value of a row, if it is there.
    fn get<K: Key>(&self, key: K) -> impl Future<Output = Result<Option<K::Value>, Error>> + Send {
        async move { value_of::<K>(self.row(&key.into_row_key()).await?) }
    }

    /// The first rows of a listing, at most that many.
    fn list<K: Key>(
        &self,
        listing: Listing<K>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(K, K::Value)>, Error>> + Send {
        async move { typed(self.rows_in(listing.range(), limit).await?) }
    }

    /// Claims the first rows of a listing, as [`Store::claim_rows`] says.
    fn claim<K: Key>(
        &self,
        listing: Listing<K>,
        limit: usize,
        lease: Duration,
    ) -> impl Future<Output = Result<Vec<(K, K::Value)>, Error>> + Send {
        async move { typed(self.claim_rows(listing.range(), limit, lease).await?) }
    }
}

impl<S: Store + ?Sized> TypedRows for S {}

impl dyn Snapshot + '_ {
    /// The value of a row, if it is there.
    pub fn get<K: Key>(&self, key: K) -> Result<Option<K::Value>, Error> {
        value_of::<K>(self.row(&key.into_row_key())?)
    }
}
