//! `annals report`: events of a file to a server.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::HumanCount;

use super::api::Connection;
use super::failure::EXIT_CODES;
use super::progress;
use super::reports::{Again, batches, read, send};
use crate::output::eprint;

/// How many wrong events are named.
const NAMED_MAX: usize = 20;

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// File with one event per line, or {"events":[…]}; - for standard input
    file: PathBuf,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
This needs the operator token. If an event is wrong, nothing is sent. Events without an identifier get one, and those without a time
happen now. Repeating a command within a day records nothing twice. More than 5,000 events are sent in several requests, oldest first.

Examples:
  annals report events.ndjson
  my-platform-events | annals report -";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let api = options.connection.api()?;
    let events = read(&options.file)?;
    let wrong: Vec<_> = events.iter().filter_map(|event| Some((&event.at, event.wrong.as_ref()?))).collect();
    if !wrong.is_empty() {
        for (at, wrong) in wrong.iter().take(NAMED_MAX) {
            eprint(&format!("{at}: {wrong}"));
        }
        bail!("{} of {} events are wrong; nothing was sent", HumanCount(wrong.len() as u64), events.len());
    }
    let bar = progress::bar("reporting", events.len() as u64);
    let mut sent = 0;
    for batch in batches(&events) {
        let batch: Vec<_> = batch.iter().collect();
        let report = send(&api, Again::IsRemembered, &batch).await;
        sent += report.with_context(|| format!("after {} events were recorded", HumanCount(sent)))?.accepted;
        bar.set_position(sent);
    }
    bar.finish_and_clear();
    eprint(&format!("{} events recorded", HumanCount(sent)));
    Ok(())
}
