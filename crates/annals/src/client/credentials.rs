//! The address and the token that `annals login` keeps, in a file that only its user can read.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

#[derive(Serialize, Deserialize)]
pub(super) struct Credentials {
    pub(super) url: String,
    pub(super) token: String,
}

impl Credentials {
    /// Returns what was kept; `None` if nothing was.
    pub(super) fn read() -> anyhow::Result<Option<Self>> {
        let path = path()?;
        match std::fs::read(&path) {
            Ok(json) => {
                let read = serde_json::from_slice(&json);
                let broken =
                    || format!("{} cannot be read; sign in again with `annals login`", path.display());
                read.map(Some).with_context(broken)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps them, in place of those before. Returns the file.
    pub(super) fn keep(&self) -> anyhow::Result<PathBuf> {
        let path = path()?;
        let directory = path.parent().unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(directory)?;
            // A temporary file is readable by its user alone.
            let mut file = NamedTempFile::new_in(directory)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Forgets them. Returns whether there were any.
    pub(super) fn forget() -> anyhow::Result<bool> {
        let path = path()?;
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
        }
    }
}

/// Returns the file's path, by the XDG Base Directory Specification.
fn path() -> anyhow::Result<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|directory| directory.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    match config {
        Some(config) => Ok(config.join("annals/credentials.json")),
        None => bail!("neither XDG_CONFIG_HOME nor HOME is set; use ANNALS_URL and ANNALS_TOKEN"),
    }
}
