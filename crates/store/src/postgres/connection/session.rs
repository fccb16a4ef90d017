//! Sessions: connections that belong to the committer, so that reads cannot occupy them. Also what all connections share.

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

/// The timeout of one exchange with the database. The database has shorter timeouts of its own; this one also covers a
/// network that silently drops packets.
pub(crate) const STEP_TIME_MAX: Duration = Duration::from_secs(20);

pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// The most keys for which a statement is limited to the shards of these keys (pruned). The cost of pruning on each shard
/// grows with the square of the number of keys. More keys than this are on nearly all shards anyway.
const PRUNED_KEYS_MAX: usize = 64;

/// Chooses between two forms of a statement for this many keys: the one that lets Citus prune shards if that is worth
/// its cost, else the plain one.
pub(crate) fn for_shards(
    is_distributed: bool,
    keys: usize,
    plain: &'static str,
    pruned: &'static str,
) -> &'static str {
    if is_distributed && keys <= PRUNED_KEYS_MAX { pruned } else { plain }
}

/// Runs queries: a session of the committer, or the read pool.
pub(crate) trait Executor {
    /// Returns whether Citus distributes the tables.
    fn is_distributed(&self) -> bool;

    fn query(
        &mut self,
        text: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;
}

type Connection = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// Connects to the database. The timeout in the address covers only the network; this one also covers the handshake.
pub(crate) async fn connect(
    address: &Address,
    tls: &MakeRustlsConnect,
) -> Result<(Client, Connection), Error> {
    bounded(address.config.connect(tls.clone())).await
}

/// Runs a step with a timeout.
pub(crate) async fn bounded<T>(
    step: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match timeout(STEP_TIME_MAX, step).await {
        Ok(result) => result.map_err(store_error),
        Err(elapsed) => Err(Error::Unavailable(elapsed.into())),
    }
}

pub(crate) struct Session {
    pub(crate) client: Client,
    /// Whether Citus distributes the tables.
    pub(crate) is_distributed: bool,
    /// Whether each transaction checks that no other process has taken the store exclusively.
    pub(crate) is_fenced: bool,
    /// Whether commits over Citus exclude the commits of other processes.
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
        // The task ends when the client is dropped. The client's calls return the connection's errors.
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

    /// Runs a statement that returns no rows.
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
