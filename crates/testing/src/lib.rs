//! What the tests of several crates share: real stores, a clock that tests move, fixtures, and a report of all failed cases
//! of a table.
//!
//! Tests of the layers above the store run over the embedded engine, or over PostgreSQL if `ANNALS_TEST_ENGINE` is
//! `postgres`. `scripts/test` starts a private PostgreSQL and names it in `ANNALS_TEST_POSTGRES`. `ANNALS_TEST_CITUS` names
//! the coordinator of a Citus cluster instead, to run the same tests against it.
//!
//! Tests in a crate's `tests/` use this crate. Unit tests inside `store` and `service` cannot: what they test is compiled
//! once more for them, so the types of stores and services that this crate returns are different ones.

#![expect(clippy::missing_panics_doc, reason = "a test that cannot have its database fails")]

mod clock;
mod failures;
mod fixtures;
mod names;

use std::sync::Arc;

use annals_store::{Portable, PostgresStore, Store, embedded, postgres};
use tokio_postgres::NoTls;
use url::Url;

pub use clock::ManualClock;
pub use failures::Failures;
pub use fixtures::{
    EXAMPLES, START, app, commit, count_by_type, event, events_since, head_of, person, report, serve,
    timeline, user, write_rows,
};
pub use names::NamesByEvents;

/// A private place for a store, which can be opened there again and again.
pub enum TestStore {
    /// A directory, for the embedded engine.
    Directory(tempfile::TempDir),
    /// A schema, for PostgreSQL.
    Database(TestDatabase),
}

impl TestStore {
    /// Creates a place for the engine that `ANNALS_TEST_ENGINE` names.
    pub async fn create() -> Self {
        match std::env::var_os("ANNALS_TEST_ENGINE") {
            None => Self::embedded(),
            Some(engine) if engine == "postgres" => Self::Database(TestDatabase::create().await),
            Some(engine) => panic!("ANNALS_TEST_ENGINE must be postgres or unset, not {}", engine.display()),
        }
    }

    /// Creates a place for the embedded engine.
    pub fn embedded() -> Self {
        Self::Directory(tempfile::tempdir().expect("a directory can be created"))
    }

    /// Opens the store in it.
    pub async fn open(&self) -> Arc<dyn Store> {
        self.open_portable().await
    }

    /// Opens the store in it, to copy or check it.
    pub async fn open_portable(&self) -> Arc<dyn Portable> {
        match self {
            Self::Directory(directory) => {
                let options = embedded::Options::new(directory.path().join("store"));
                Arc::new(options.open().expect("the store can be opened"))
            }
            Self::Database(database) => database.open().await,
        }
    }

    /// Returns the value of the program's `--store` option.
    pub fn location(&self) -> String {
        match self {
            Self::Directory(directory) => directory.path().join("store").display().to_string(),
            Self::Database(database) => database.url.clone(),
        }
    }
}

/// A private schema in the tests' database.
pub struct TestDatabase {
    /// The address, which names the schema.
    pub url: String,
}

impl TestDatabase {
    /// Creates a schema on the server that the environment names.
    pub async fn create() -> Self {
        let base = ["ANNALS_TEST_CITUS", "ANNALS_TEST_POSTGRES"].iter().find_map(std::env::var_os).expect(
            "ANNALS_TEST_POSTGRES must name a server: scripts/test starts one, and so does scripts/postgres",
        );
        Self::create_on(base.to_str().expect("an address is text")).await
    }

    /// Creates a schema on that server.
    pub async fn create_on(base: &str) -> Self {
        let schema = format!("test_{:016x}", rand::random::<u64>());
        let (client, connection) =
            tokio_postgres::connect(base, NoTls).await.expect("the server for tests can be reached");
        tokio::spawn(connection);
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.expect("a schema can be created");
        let mut url = Url::parse(base).expect("the server's address is a URL");
        url.query_pairs_mut().append_pair("options", &format!("-csearch_path={schema}"));
        Self { url: url.into() }
    }

    /// Returns the options that the store in it is opened with.
    pub fn options(&self) -> postgres::Options {
        postgres::Options::new(self.url.parse().expect("the address is valid")).connections(4)
    }

    /// Opens the store in it, as one process does.
    pub async fn open(&self) -> Arc<PostgresStore> {
        Arc::new(self.options().open().await.expect("the store can be opened"))
    }

    /// Connects to the database, past the store.
    pub async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url, NoTls).await.expect("the server for tests can be reached");
        tokio::spawn(connection);
        client
    }
}
