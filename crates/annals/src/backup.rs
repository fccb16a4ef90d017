//! `annals backup` and `annals restore`: a directory store to a file, and back.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use annals_store::{Error, Store, embedded};
use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{ArgGroup, Args};
use tempfile::NamedTempFile;

use crate::output::print;
use crate::store::{Location, Named, explain};

#[derive(Args)]
#[command(after_help = BACKUP_EXAMPLES)]
#[command(group = ArgGroup::new("source").args(["store", "server"]).required(true))]
pub(crate) struct BackupOptions {
    /// Store to back up while no process serves it
    #[arg(long, value_name = "DIRECTORY")]
    store: Option<Named>,

    /// Server to back up while it runs, such as http://127.0.0.1:8080
    #[arg(long, env = "ANNALS_SERVER", value_name = "URL", requires = "operator_token")]
    server: Option<String>,

    /// Operator token of that server
    #[arg(long, env = "ANNALS_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    operator_token: Option<String>,

    /// File to write; must not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

const BACKUP_EXAMPLES: &str = "\
The backup holds every event committed before it began, and all secrets of the store. Only its owner can read it.

Examples:
  annals backup --server http://127.0.0.1:8080 --to annals.backup
      Back up a running server, with its token in ANNALS_OPERATOR_TOKEN

  annals backup --store ./annals-data --to annals.backup
      Back up a store that no process serves";

#[derive(Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(crate) struct RestoreOptions {
    /// Backup file to read
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// Directory to create the store in; must be missing or empty
    #[arg(long, value_name = "DIRECTORY")]
    store: Named,
}

const RESTORE_EXAMPLES: &str = "\
Examples:
  annals restore --from annals.backup --store ./annals-data
      The store appears once all of the backup is read and verified";

pub(crate) async fn back_up(options: BackupOptions) -> anyhow::Result<()> {
    if options.to.exists() {
        bail!("{} already exists; choose another file", options.to.display());
    }
    let directory = options.to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    // A temporary file is readable by its owner only, as the backup must be: it holds all secrets of the store. It gets its
    // name once it is complete. An error removes it; a killed process leaves it, and no later backup minds.
    let file = NamedTempFile::with_prefix_in(".annals-backup-", directory);
    let mut out =
        BufWriter::new(file.with_context(|| format!("cannot create a file in {}", directory.display()))?);
    match (&options.server, &options.store) {
        (Some(server), _) => download(server, options.operator_token.as_deref(), &mut out).await?,
        (None, Some(store)) => read_store(&store.location("--store")?, &mut out)?,
        (None, None) => bail!("--store or --server is missing"),
    }
    let entries = finish(out, &options.to)?;
    File::open(directory)?.sync_all()?;
    print(&format!("{}: backup with {entries} entries, complete and verified", options.to.display()));
    Ok(())
}

/// Verifies the file and gives it its name.
fn finish(out: BufWriter<NamedTempFile>, to: &Path) -> anyhow::Result<u64> {
    let file = out.into_inner().context("the backup cannot be written")?;
    file.as_file().sync_all()?;
    let entries = embedded::check_backup(BufReader::new(file.reopen()?))?;
    file.persist_noclobber(to).with_context(|| format!("cannot name the backup {}", to.display()))?;
    Ok(entries)
}

fn read_store(store: &Location, out: &mut impl Write) -> anyhow::Result<()> {
    let Location::Directory(directory) = store else {
        bail!("--store: a database is backed up with its own tools, such as pg_dump");
    };
    let opened = embedded::Options::new(directory).existing(true).open().map_err(|error| match error {
        Error::InUse => anyhow::anyhow!("a process serves it; use --server with its address instead"),
        error => explain(error),
    });
    let opened = opened.with_context(|| format!("the store {store} cannot be opened"))?;
    for piece in opened.backup().into_iter().flatten() {
        out.write_all(&piece?).context("the backup cannot be written")?;
    }
    Ok(())
}

async fn download(server: &str, token: Option<&str>, out: &mut impl Write) -> anyhow::Result<()> {
    if !server.starts_with("http://") {
        bail!(
            "--server must begin with http://, such as http://127.0.0.1:8080; run this on the server's machine, because a backup holds all secrets"
        );
    }
    let url = format!("{}/v1/operator/backup", server.trim_end_matches('/'));
    let request = reqwest::Client::new().get(&url).bearer_auth(token.unwrap_or_default());
    let mut response = request.send().await.with_context(|| format!("{url} cannot be reached"))?;
    if !response.status().is_success() {
        let (status, body) = (response.status(), response.text().await.unwrap_or_default());
        bail!("{url} responded {status}: {body}");
    }
    while let Some(piece) = response.chunk().await.context("the connection broke during the backup")? {
        let piece: Bytes = piece;
        out.write_all(&piece).context("the backup cannot be written")?;
    }
    Ok(())
}

pub(crate) fn restore(options: RestoreOptions) -> anyhow::Result<()> {
    let Location::Directory(directory) = &options.store.location("--store")? else {
        bail!("--store: a backup is restored to a directory; annals copy then copies it to a database");
    };
    if options.from.is_dir() {
        bail!("{} is a directory; name a file that annals backup wrote", options.from.display());
    }
    let from =
        File::open(&options.from).with_context(|| format!("cannot read {}", options.from.display()))?;
    let entries = embedded::restore(BufReader::new(from), directory)
        .map_err(explain)
        .with_context(|| format!("cannot restore {} to {}", options.from.display(), directory.display()))?;
    print(&format!("{}: all {entries} entries of {} restored", directory.display(), options.from.display()));
    Ok(())
}
