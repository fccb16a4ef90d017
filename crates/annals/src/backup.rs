//! `annals backup` and `annals restore`: an embedded store as a file, and back.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use annals_store::{Error, Store, fjall};
use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;

use crate::output::say;
use crate::store::{Location, Named};

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
    let mut name = options.to.clone().into_os_string();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    // It has all secrets of the store in it.
    let created = File::options().write(true).create_new(true).mode(0o600).open(&unfinished);
    let mut out = BufWriter::new(created.with_context(|| format!("cannot make {}", unfinished.display()))?);
    let written = match (&options.server, &options.store) {
        (Some(server), _) => download(server, options.operator_token.as_deref(), &mut out).await,
        (None, Some(store)) => store.location().and_then(|store| read_store(&store, &mut out)),
        (None, None) => Err(anyhow::anyhow!("name --store or --server")),
    };
    let finished = written.and_then(|()| finish(out, &unfinished, &options.to));
    if finished.is_err() {
        // What is not whole is worth nothing.
        _ = fs::remove_file(&unfinished);
    }
    say(&format!("{} has {} entries, and is whole", options.to.display(), finished?));
    Ok(())
}

/// Sees that the file is whole before it gets its name.
fn finish(out: BufWriter<File>, unfinished: &Path, to: &Path) -> anyhow::Result<u64> {
    out.into_inner().context("the backup cannot be written")?.sync_all()?;
    let entries = fjall::check_backup(BufReader::new(File::open(unfinished)?))?;
    fs::rename(unfinished, to)?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(entries)
}

fn read_store(store: &Location, out: &mut impl Write) -> anyhow::Result<()> {
    let Location::Directory(directory) = store else {
        bail!("a database is backed up with its own tools: pg_dump");
    };
    if !directory.exists() {
        bail!("there is no store in {store}");
    }
    let opened = fjall::Options::new(directory).open().map_err(|error| match error {
        Error::InUse => anyhow::anyhow!("it is being served: back it up with --server and its address"),
        error => error.into(),
    });
    let opened = opened.with_context(|| format!("the store {store} cannot be opened"))?;
    for piece in opened.backup().into_iter().flatten() {
        out.write_all(&piece?).context("the backup cannot be written")?;
    }
    Ok(())
}

async fn download(server: &str, token: Option<&str>, out: &mut impl Write) -> anyhow::Result<()> {
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
    let Location::Directory(directory) = &options.store.location()? else {
        bail!("a backup is restored to a directory; annals copy moves that to a database");
    };
    let from =
        File::open(&options.from).with_context(|| format!("cannot read {}", options.from.display()))?;
    let entries = fjall::restore(BufReader::new(from), directory)
        .with_context(|| format!("{} is not restored to {}", options.from.display(), directory.display()))?;
    say(&format!("{} has all {entries} entries of {}", directory.display(), options.from.display()));
    Ok(())
}
