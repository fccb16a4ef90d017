//! `annals backup` and `annals restore`: an embedded store as a file, and back.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use annals_store::{Error, Store, embedded};
use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use tempfile::NamedTempFile;

use crate::output::say;
use crate::store::{Location, Named, because};

#[derive(Args)]
pub(crate) struct BackupOptions {
    /// The store to back up, if nothing serves it.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "server", required_unless_present = "server")]
    store: Option<Named>,

    /// The server that serves the store, which goes on meanwhile: http://127.0.0.1:8080. The backup has all that was
    /// committed before it was begun.
    #[arg(long, env = "ANNALS_SERVER", value_name = "URL", requires = "operator_token")]
    server: Option<String>,

    /// The operator token of that server.
    #[arg(long, env = "ANNALS_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    operator_token: Option<String>,

    /// The file to write. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Args)]
pub(crate) struct RestoreOptions {
    /// The file that annals backup wrote.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// The directory to make a store in. It must not be there yet, or be empty.
    #[arg(long, value_name = "DIRECTORY")]
    store: Named,
}

pub(crate) async fn back_up(options: BackupOptions) -> anyhow::Result<()> {
    if options.to.exists() {
        bail!("{} is there already: name another file", options.to.display());
    }
    let directory = options.to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    // Readable by its owner alone, since it has all secrets of the store in it. What is not whole goes
    // with an error; what is left where this is killed is in nobody's way.
    let file = NamedTempFile::with_prefix_in(".annals-backup-", directory);
    let mut out =
        BufWriter::new(file.with_context(|| format!("cannot make a file in {}", directory.display()))?);
    match (&options.server, &options.store) {
        (Some(server), _) => download(server, options.operator_token.as_deref(), &mut out).await?,
        (None, Some(store)) => read_store(&store.location("--store")?, &mut out)?,
        (None, None) => bail!("name --store or --server"),
    }
    let entries = finish(out, &options.to)?;
    File::open(directory)?.sync_all()?;
    say(&format!("{} has {entries} entries, and is whole", options.to.display()));
    Ok(())
}

/// Sees that the file is whole before it gets its name.
fn finish(out: BufWriter<NamedTempFile>, to: &Path) -> anyhow::Result<u64> {
    let file = out.into_inner().context("the backup cannot be written")?;
    file.as_file().sync_all()?;
    let entries = embedded::check_backup(BufReader::new(file.reopen()?))?;
    file.persist_noclobber(to).with_context(|| format!("cannot name the backup {}", to.display()))?;
    Ok(entries)
}

fn read_store(store: &Location, out: &mut impl Write) -> anyhow::Result<()> {
    let Location::Directory(directory) = store else {
        bail!("a database is backed up with its own tools: pg_dump");
    };
    let opened = embedded::Options::new(directory).existing(true).open().map_err(|error| match error {
        Error::InUse => anyhow::anyhow!("it is being served: back it up with --server and its address"),
        error => because(error),
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
            "--server must be the server's own address, as http://127.0.0.1:8080: run this beside it, as a backup has all secrets in it"
        );
    }
    let url = format!("{}/v1/operator/backup", server.trim_end_matches('/'));
    let request = reqwest::Client::new().get(&url).bearer_auth(token.unwrap_or_default());
    let mut answer = request.send().await.with_context(|| format!("{url} cannot be reached"))?;
    if !answer.status().is_success() {
        let (status, said) = (answer.status(), answer.text().await.unwrap_or_default());
        bail!("{url} answers {status}: {said}");
    }
    while let Some(piece) = answer.chunk().await.context("the backup was cut off")? {
        let piece: Bytes = piece;
        out.write_all(&piece).context("the backup cannot be written")?;
    }
    Ok(())
}

pub(crate) fn restore(options: RestoreOptions) -> anyhow::Result<()> {
    let Location::Directory(directory) = &options.store.location("--store")? else {
        bail!("a backup is restored to a directory; annals copy moves that to a database");
    };
    let from =
        File::open(&options.from).with_context(|| format!("cannot read {}", options.from.display()))?;
    let entries = embedded::restore(BufReader::new(from), directory)
        .map_err(because)
        .with_context(|| format!("{} is not restored to {}", options.from.display(), directory.display()))?;
    say(&format!("{} has all {entries} entries of {}", directory.display(), options.from.display()));
    Ok(())
}
