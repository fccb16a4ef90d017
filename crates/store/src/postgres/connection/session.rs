//! A connection of the committer's own: readers cannot take it away, and what is prepared on it stays prepared.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::Error;
use crate::postgres::failure::store_error;

use super::address::Address;

/// How long the database may take for one step, beyond what it bounds itself: a network that swallows what is sent says
/// nothing at all.
pub(crate) const STEP_TIME_MAX: Duration = Duration::from_secs(20);

pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// Up to how many keys a statement names the shards it is about. Naming them costs the square of that on each shard; with
/// so many keys nearly all shards are meant anyway.
const NAMED_MAX: usize = 64;

/// Of a statement about that many keys: the one that says by what shards can be told where it matters, or the plain one.
pub(crate) fn for_shards(
    is_distributed: bool,
    keys: usize,
    plain: &'static str,
    pruned: &'static str,
) -> &'static str {
    if is_distributed && keys <= NAMED_MAX { pruned } else { plain }
}

/// What can be querying: the committer's own connection, or whichever of the readers' is free.
pub(crate) trait Executor {
    /// Whether tables are distributed, by Citus.
    fn is_distributed(&self) -> bool;

    fn query(
        &mut self,
        text: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;
}

type Connection = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// A new connection. Its own limit is one of the network; this is one of all that is said over it.
pub(crate) async fn connect(
    address: &Address,
    tls: &MakeRustlsConnect,
) -> Result<(Client, Connection), Error> {
    bounded(address.config.connect(tls.clone())).await
}

/// What is done within the time that a step may take.
pub(crate) async fn bounded<T>(
    doing: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match timeout(STEP_TIME_MAX, doing).await {
        Ok(done) => done.map_err(store_error),
        Err(elapsed) => Err(Error::Unavailable(elapsed.into())),
    }
}

pub(crate) struct Session {
    pub(crate) client: Client,
    /// Whether tables are distributed, by Citus.
    pub(crate) is_distributed: bool,
    /// Whether others may have the store too, so that each transaction sees that nobody has it alone.
    pub(crate) is_fenced: bool,
    /// Whether what is written over Citus is written while nobody else writes.
    pub(crate) is_exclusive: bool,
    prepared: HashMap<&'static str, Statement>,
}

impl Session {
    pub(crate) async fn connect(
        address: &Address,
        tls: &MakeRustlsConnect,
        is_distributed: bool,
        is_fenced: bool,
    ) -> Result<Self, Error> {
        let (client, connection) = connect(address, tls).await?;
        // It ends with the client; what went wrong comes to light there.
        tokio::spawn(connection);
        Ok(Self { client, is_distributed, is_fenced, is_exclusive: false, prepared: HashMap::new() })
    }

    pub(crate) async fn statement(&mut self, text: &'static str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.prepared.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(text).await?;
        self.prepared.insert(text, statement.clone());
        Ok(statement)
    }

    /// Runs a statement that has no answer.
    pub(crate) async fn run(&mut self, text: &str) -> Result<(), Error> {
        bounded(self.client.batch_execute(text)).await
    }
}

impl Executor for Session {
    fn is_distributed(&self) -> bool {
        self.is_distributed
    }

    async fn query(&mut self, text: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        let querying = async {
            let statement = self.statement(text).await?;
            self.client.query(&statement, params).await
        };
        bounded(querying).await
    }
}
