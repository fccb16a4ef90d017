//! The pool of connections for reads.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::TryStreamExt;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Error;
use crate::postgres::failure::{is_connection_lost, pool_error, store_error};
use crate::postgres::schema::values::JsonLength;

use super::address::Address;
use super::session::{Executor, Param, STEP_TIME_MAX};

/// How long to wait for a connection while all are in use.
const WAIT_MAX: Duration = Duration::from_secs(5);

pub(crate) struct ReadPool {
    pool: Pool,
    /// Whether Citus distributes the tables.
    pub(crate) is_distributed: bool,
}

impl ReadPool {
    pub(crate) fn new(address: &Address, tls: MakeRustlsConnect, connections: usize) -> Result<Self, Error> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(address.config.clone(), tls, config);
        let pool = Pool::builder(manager)
            .max_size(connections)
            .wait_timeout(Some(WAIT_MAX))
            .create_timeout(Some(WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Engine(Box::new(error)))?;
        Ok(Self { pool, is_distributed: false })
    }

    pub(crate) async fn connection(&self) -> Result<Object, Error> {
        self.pool.get().await.map_err(pool_error)
    }

    pub(crate) async fn rows(&self, text: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        Ok(self.rows_while(text, params, |_, _| true).await?.0)
    }

    /// Returns the first rows whose first columns, which are JSON, fit into `bytes_max` together. With `is_one_needed`,
    /// returns at least one row if there is any. Also returns whether there are more rows.
    pub(crate) async fn rows_within(
        &self,
        text: &'static str,
        params: &[Param<'_>],
        bytes_max: usize,
        is_one_needed: bool,
    ) -> Result<(Vec<Row>, bool), Error> {
        let is_first_taken = |index| index == 0 && is_one_needed;
        self.rows_while(text, params, |index, bytes| bytes <= bytes_max || is_first_taken(index)).await
    }

    /// Returns the rows before the first one for which `is_taken` returns false. `is_taken` gets the index of a row, and
    /// the total length of the first columns up to this row. Also returns whether there was such a row.
    ///
    /// A pooled connection that broke while it was idle fails on its first use, so the query is retried once if the
    /// connection is lost.
    async fn rows_while(
        &self,
        text: &'static str,
        params: &[Param<'_>],
        is_taken: impl Fn(usize, usize) -> bool,
    ) -> Result<(Vec<Row>, bool), Error> {
        let mut is_repeat = false;
        loop {
            let connection = self.connection().await?;
            let reading = async {
                let statement = connection.prepare_cached(text).await?;
                let mut stream =
                    std::pin::pin!(connection.query_raw(&statement, params.iter().copied()).await?);
                let (mut rows, mut bytes) = (Vec::new(), 0);
                while let Some(row) = stream.try_next().await? {
                    bytes += row.try_get::<_, JsonLength>(0).map_or(0, |JsonLength(bytes)| bytes);
                    if !is_taken(rows.len(), bytes) {
                        return Ok((rows, true));
                    }
                    rows.push(row);
                }
                Ok((rows, false))
            };
            match timeout(STEP_TIME_MAX, reading).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) if is_connection_lost(&error) && !is_repeat => is_repeat = true,
                Ok(Err(error)) => return Err(store_error(error)),
                Err(elapsed) => {
                    // The rest of the response may still arrive on the connection, so it leaves the pool.
                    drop(Object::take(connection));
                    return Err(Error::Unavailable(elapsed.into()));
                }
            }
        }
    }
}

impl Executor for &ReadPool {
    fn is_distributed(&self) -> bool {
        self.is_distributed
    }

    async fn query(&mut self, text: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.rows(text, params).await
    }
}
