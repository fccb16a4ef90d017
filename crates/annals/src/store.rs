//! Which store an option names.

use std::path::PathBuf;
use std::str::FromStr;

use annals_server::Metrics;
use annals_store::FjallStore;
use anyhow::Context;

/// Where a store is.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    /// In a directory.
    Directory(PathBuf),
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("file", path)) => Ok(Self::Directory(path.into())),
            Some((scheme, _)) => {
                Err(format!("this version keeps stores in directories only, not in {scheme}"))
            }
            None if text.is_empty() => Err("must be a directory".to_owned()),
            None => Ok(Self::Directory(text.into())),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Location {
    /// Opens the store, making it if it is not there.
    pub(crate) fn open(&self, metrics: &Metrics) -> anyhow::Result<FjallStore> {
        let Self::Directory(path) = self;
        let metrics = metrics.clone();
        annals_store::fjall::Options::new(path)
            .observer(move |commit| metrics.committed(commit))
            .open()
            .with_context(|| format!("the store {} cannot be opened", path.display()))
    }
}
