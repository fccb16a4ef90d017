//! The store that an option names.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use annals_server::Metrics;
use annals_store::{Error, Portable, Store, embedded, postgres};
use anyhow::Context;

use crate::user;

/// The unparsed value of an option that names a store. Clap does not parse it, because its errors repeat the value, which
/// may hold a password.
#[derive(Clone)]
pub(crate) struct Named(String);

impl From<String> for Named {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Named {
    /// Parses the value.
    ///
    /// # Errors
    ///
    /// If it is neither a directory nor a database address. The error names the option, and never the password.
    pub(crate) fn location(&self, option: &str) -> anyhow::Result<Location> {
        self.0.parse().map_err(|why: String| anyhow::anyhow!("{option}: {why}"))
    }
}

/// The place of a store.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    /// A directory, for the embedded engine.
    Directory(PathBuf),
    /// A PostgreSQL database.
    Database(Box<postgres::Address>),
}

impl Location {
    /// Returns the directory for uploaded archives that is beside the store.
    pub(crate) fn archives(&self) -> PathBuf {
        match self {
            Self::Directory(directory) => {
                let mut name = directory.components().as_path().to_owned().into_os_string();
                name.push("-archives");
                name.into()
            }
            Self::Database(_) => "./annals-archives".into(),
        }
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("file", path)) => Ok(Self::Directory(path.into())),
            Some(("postgres" | "postgresql", _)) => text.parse().map(Box::new).map(Self::Database),
            Some((scheme, _)) => {
                Err(format!("must be a directory or a postgres:// URL; {scheme}:// is neither"))
            }
            None if is_scheme(text, "postgres") || is_scheme(text, "postgresql") => {
                Err("did you mean postgres://?".to_owned())
            }
            None if is_scheme(text, "file") => Err("did you mean file://?".to_owned()),
            None if text.trim().is_empty() => Err("must be a directory or a postgres:// URL".to_owned()),
            // Nobody means such a directory, and the mistake would go unnoticed until the data is missed.
            None if looks_like_an_address(text) => Err(format!(
                "must be a directory or a postgres:// URL; for a directory of this name write ./{text}"
            )),
            None => Ok(Self::Directory(text.into())),
        }
    }
}

/// Returns whether the text begins with that scheme and a colon.
fn is_scheme(text: &str, scheme: &str) -> bool {
    text.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(scheme))
}

/// Returns whether the text begins with a word and a colon, or with the name of a database engine and slashes.
fn looks_like_an_address(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_database = ["postgres", "postgresql"].iter().any(|name| word.eq_ignore_ascii_case(name));
    let after = &text[word.len()..];
    !word.is_empty() && (after.starts_with(':') || (is_database && after.starts_with("//")))
}

/// Converts the store's error, and names the system user where it lacks a permission.
pub(crate) fn explain(error: Error) -> anyhow::Error {
    match error {
        Error::NotWritable(path) => {
            anyhow::anyhow!("{} cannot write {}", user::describe(), path.display())
        }
        error => error.into(),
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Database(address) => write!(f, "{address}"),
        }
    }
}

impl Location {
    /// Opens the store to serve it; creates it if it is missing. `connections` is how many connections read a database,
    /// `table_files` how many files of a directory stay open.
    pub(crate) async fn open(
        &self,
        connections: usize,
        table_files: usize,
        metrics: &Metrics,
    ) -> anyhow::Result<Arc<dyn Store>> {
        let metrics = metrics.clone();
        let observer = move |commit| metrics.committed(commit);
        let opened: Result<Arc<dyn Store>, _> = match self {
            Self::Directory(path) => {
                let options = embedded::Options::new(path).table_files(table_files).observer(observer);
                options.open().map(|store| Arc::new(store) as _)
            }
            Self::Database(address) => postgres::Options::new((**address).clone())
                .connections(connections)
                .observer(observer)
                .open()
                .await
                .map(|store| Arc::new(store) as _),
        };
        opened.map_err(explain).with_context(|| format!("the store {self} cannot be opened"))
    }

    /// Returns whether both name the same place. Two addresses of one database count as different if they are written
    /// differently.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Directory(a), Self::Directory(b)) => {
                a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
            }
            (Self::Database(a), Self::Database(b)) => a == b,
            _ => false,
        }
    }

    /// Opens an existing store to copy from it.
    ///
    /// # Errors
    ///
    /// If there is no store, or if a process serves it.
    pub(crate) async fn open_source(&self) -> anyhow::Result<Arc<dyn Portable>> {
        self.open_alone(true).await
    }

    /// Opens a store to copy to it; creates it if it is missing.
    ///
    /// # Errors
    ///
    /// If a process serves it.
    pub(crate) async fn open_target(&self) -> anyhow::Result<Arc<dyn Portable>> {
        self.open_alone(false).await
    }

    async fn open_alone(&self, is_existing: bool) -> anyhow::Result<Arc<dyn Portable>> {
        let opened: Result<Arc<dyn Portable>, _> = match self {
            Self::Directory(path) => {
                embedded::Options::new(path).existing(is_existing).open().map(|store| Arc::new(store) as _)
            }
            Self::Database(address) => postgres::Options::new((**address).clone())
                .exclusive()
                .existing(is_existing)
                .open()
                .await
                .map(|store| Arc::new(store) as _),
        };
        opened.map_err(|error| match error {
            Error::InUse => {
                anyhow::anyhow!("{self} is being served: stop every annals process that uses it first")
            }
            error => explain(error).context(format!("the store {self} cannot be opened")),
        })
    }
}
