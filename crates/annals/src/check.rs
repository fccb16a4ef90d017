//! `annals check`: reads a whole store, and says what is wrong with it.

use std::time::Instant;

use annals_store::check;
use anyhow::bail;
use clap::Args;

use crate::output::{eprint, print};
use crate::store::Named;

/// How often the progress is printed.
const PROGRESS_EVERY_SECONDS: u64 = 2;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Store to check; no process may serve it
    #[arg(long, value_name = "DIRECTORY|URL")]
    store: Named,

    /// The store is served with --contract-only: it has states that no event tells, which are not compared
    #[arg(long)]
    contract_only: bool,
}

const EXAMPLES: &str = "\
Examples:
  annals check --store /var/lib/annals
      Read everything in a directory

  annals check --store 'postgres://annals:…@db/annals'
      Read everything in a database

Exits with 1 if anything is wrong. Changes nothing, except that opening a directory repairs what a power cut left.";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let location = options.store.location("--store")?;
    let store = location.open_source().await?;
    let mut printed = Instant::now();
    let checked = check(&*store, !options.contract_only, |done| {
        if printed.elapsed().as_secs() >= PROGRESS_EVERY_SECONDS {
            printed = Instant::now();
            eprint(&format!("checked {done} entries, commits, identifiers and rows"));
        }
    });
    let checked = checked.await?;
    store.close().await?;
    for finding in &checked.findings {
        print(finding);
    }
    let (timelines, entries, commits) = (checked.timelines, checked.entries, checked.commits);
    let read = format!(
        "{timelines} timelines with {entries} entries, {commits} commits, {} identifiers, {} rows",
        checked.identifiers, checked.rows
    );
    match checked.wrong {
        0 => print(&format!("checked {location}, nothing is wrong: {read}")),
        1 => bail!("the store {location} has one finding; read {read}"),
        wrong => bail!("the store {location} has {wrong} findings; read {read}"),
    }
    Ok(())
}
