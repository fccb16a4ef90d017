//! Typed access to rows: a key knows the type of its value.

use std::future::Future;
use std::time::Duration;

use crate::contract::{Snapshot, Store};
use crate::error::Error;
use crate::rows::{Key, Listing, Row, RowKey};

fn value_of<K: Key>(row: Option<Row>) -> Result<Option<K::Value>, Error> {
    let wrong = || Error::Damaged("a row's value does not match the kind of its key".to_owned());
    row.map(|row| K::value(row).ok_or_else(wrong)).transpose()
}

fn typed<K: Key>(rows: Vec<(RowKey, Row)>) -> Result<Vec<(K, K::Value)>, Error> {
    let wrong = || Error::Damaged("a listing contains a row of another kind".to_owned());
    rows.into_iter().map(|(key, row)| K::from_row_key(key).zip(K::value(row)).ok_or_else(wrong)).collect()
}

/// Typed access to the rows of any [`Store`].
pub trait TypedRows: Store {
    /// Returns the value of a row, or `None` if the row does not exist.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    fn get<K: Key>(&self, key: K) -> impl Future<Output = Result<Option<K::Value>, Error>> + Send {
        async move { value_of::<K>(self.row(&key.into_row_key()).await?) }
    }

    /// Returns the first `limit` rows of a listing.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    fn list<K: Key>(
        &self,
        listing: Listing<K>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(K, K::Value)>, Error>> + Send {
        async move { typed(self.rows_in(listing.range(), limit).await?) }
    }

    /// Claims the first `limit` unclaimed rows of a listing; see [`Store::claim_rows`].
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, if it cannot record the claims, or if what it holds is damaged.
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
    /// Returns the value of a row, or `None` if the row does not exist; see [`Snapshot::row`].
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read, or if what it holds is damaged.
    pub fn get<K: Key>(&self, key: K) -> Result<Option<K::Value>, Error> {
        value_of::<K>(self.row(&key.into_row_key())?)
    }
}
