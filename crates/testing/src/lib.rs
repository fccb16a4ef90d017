//! Real stores for tests.
//!
//! Tests of what lies above the store run over the embedded engine, or over PostgreSQL where `ANNALS_TEST_ENGINE` says
//! `postgres`.
//! `scripts/test` starts a private PostgreSQL and names it in `ANNALS_TEST_POSTGRES`. `ANNALS_TEST_CITUS` names a Citus
//! cluster's coordinator instead, to run the same tests against it.

#![expect(clippy::missing_panics_doc, reason = "a test that cannot have its database fails")]

mod fixtures;

use std::sync::Arc;

use annals_store::{PostgresStore, Store, embedded, postgres};
use tokio_postgres::NoTls;
use url::Url;

pub use fixtures::{START, app, commit, event, user, write_rows};

/// A place of its own for a store, which may be opened there again and again.
pub enum TestStore {
    /// For the embedded engine.
    Directory(tempfile::TempDir),
    /// For PostgreSQL.
    Database(TestDatabase),
}

impl TestStore {
    /// A place for the engine that is to be tested.
    pub async fn create() -> Self {
        match std::env::var_os("ANNALS_TEST_ENGINE") {
            None => Self::embedded(),
            Some(engine) if engine == "postgres" => Self::Database(TestDatabase::create().await),
            Some(engine) => panic!("ANNALS_TEST_ENGINE may be postgres, and not {}", engine.display()),
        }
    }

    /// A place for the embedded engine.
    pub fn embedded() -> Self {
        Self::Directory(tempfile::tempdir().expect("a directory can be made"))
    }

    /// The store in it.
    pub async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Directory(directory) => {
                let options = embedded::Options::new(directory.path().join("store"));
                Arc::new(options.open().expect("the store can be opened"))
            }
            Self::Database(database) => database.open().await,
        }
    }

    /// How the program is told of it.
    pub fn location(&self) -> String {
        match self {
            Self::Directory(directory) => directory.path().join("store").display().to_string(),
            Self::Database(database) => database.url.clone(),
        }
    }
}

/// A schema of its own in the database for tests.
pub struct TestDatabase {
    /// The address, with the schema in it.
    pub url: String,
}

impl TestDatabase {
    /// A new one.
    pub async fn create() -> Self {
        let base = ["ANNALS_TEST_CITUS", "ANNALS_TEST_POSTGRES"].iter().find_map(std::env::var_os).expect(
            "ANNALS_TEST_POSTGRES names a server: scripts/test starts one, and so does scripts/postgres",
        );
        Self::create_on(base.to_str().expect("an address is text")).await
    }

    /// A new one on that server.
    pub async fn create_on(base: &str) -> Self {
        let schema = format!("test_{:016x}", rand::random::<u64>());
        let (client, connection) =
            tokio_postgres::connect(base, NoTls).await.expect("the server for tests can be reached");
        tokio::spawn(connection);
        client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.expect("a schema can be made");
        let mut url = Url::parse(base).expect("the server's address is a URL");
        url.query_pairs_mut().append_pair("options", &format!("-csearch_path={schema}"));
        Self { url: url.into() }
    }

    /// How the store in it is opened.
    pub fn options(&self) -> postgres::Options {
        postgres::Options::new(self.url.parse().expect("the address is one")).connections(4)
    }

    /// The store in it, as one process opens it.
    pub async fn open(&self) -> Arc<PostgresStore> {
        Arc::new(self.options().open().await.expect("the store can be opened"))
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url, NoTls).await.expect("the server for tests can be reached");
        tokio::spawn(connection);
        client
    }
}
