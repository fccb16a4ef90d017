//! `annals import`: the history of an existing platform.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use clap::Args;
use indicatif::{HumanCount, ProgressBar};
use reqwest::StatusCode;

use super::api::{Api, Connection};
use super::failure::{EXIT_CODES, Refused};
use super::progress;
use super::reports::{Again, FoundEvent, batches, read, send};
use crate::output::{eprint, print};

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// Files: pages saved from an Events API ({"events":[…],"meta":…}), exports, or one event per line; - for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Say what would be imported, and send nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
This needs the operator token. Identifiers and times are kept. Events of all files are imported in the order of their times. What is
recorded already is skipped, so an interrupted import is repeated. Events that annals does not understand are left out, and the summary
says which and why.

Examples:
  annals import page-*.json
  annals import --dry-run page-*.json
  annals export --app book-shop | ANNALS_URL=https://other.example.com annals import -";

/// What became of the events.
#[derive(Default)]
struct Summary {
    recorded: u64,
    skipped: u64,
    /// Of each type and reason: how many were left out, and where the first was.
    not_understood: BTreeMap<(String, String), (u64, String)>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut summary = Summary::default();
    let mut events = Vec::new();
    let mut seen = HashSet::new();
    for file in &options.files {
        for event in read(file)? {
            match &event.wrong {
                Some(_) => summary.leave_out(&event, event.wrong.clone().unwrap_or_default()),
                // Pages that were saved one after the other overlap.
                None if event.id.is_some_and(|id| !seen.insert(id)) => summary.skipped += 1,
                None => events.push(event),
            }
        }
    }
    events.sort_by_key(|event| event.created_at);
    if options.dry_run {
        eprint(&format!("{} events would be imported", HumanCount(events.len() as u64)));
    } else {
        let api = options.connection.api()?;
        let bar = progress::bar("importing", events.len() as u64);
        for batch in batches(&events) {
            import(&api, batch.iter().collect(), &bar, &mut summary).await?;
        }
        bar.finish_and_clear();
    }
    summary.print(options.dry_run);
    Ok(())
}

/// Sends a batch, without the events that the server refuses.
async fn import(
    api: &Api,
    mut batch: Vec<&FoundEvent>,
    bar: &ProgressBar,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    let length = batch.len() as u64;
    while !batch.is_empty() {
        let error = match send(api, Again::IsSkipped, &batch).await {
            Ok(sent) => {
                summary.recorded += sent.accepted;
                summary.skipped += sent.skipped;
                break;
            }
            Err(error) => error,
        };
        let refused = refused_lines(&error);
        if refused.is_empty() {
            return Err(error.context(format!("after {} events were recorded", HumanCount(summary.recorded))));
        }
        for (line, why) in &refused {
            if let Some(event) = batch.get(line - 1) {
                summary.leave_out(event, why.clone());
            }
        }
        let mut number = 0;
        batch.retain(|_| {
            number += 1;
            !refused.contains_key(&number)
        });
    }
    bar.inc(length);
    Ok(())
}

/// Returns the lines that a server refuses, by number from 1, with the reason.
fn refused_lines(error: &anyhow::Error) -> BTreeMap<usize, String> {
    let refused =
        error.downcast_ref::<Refused>().filter(|error| error.status == StatusCode::UNPROCESSABLE_ENTITY);
    let errors = refused.and_then(|refused| refused.body["errors"].as_object());
    let lines = errors.into_iter().flatten().filter_map(|(field, errors)| {
        let (number, field) = field.strip_prefix("line ")?.split_once('.').unwrap_or((&field[5..], ""));
        let why = errors[0].as_str().unwrap_or_default();
        Some((number.parse().ok()?, format!("{field} {why}").trim().to_owned()))
    });
    lines.collect()
}

impl Summary {
    fn leave_out(&mut self, event: &FoundEvent, why: String) {
        let key = (event.event_type.clone(), why);
        self.not_understood.entry(key).or_insert_with(|| (0, event.at.clone())).0 += 1;
    }

    fn print(&self, is_dry_run: bool) {
        if !is_dry_run {
            print(&format!("recorded        {}", HumanCount(self.recorded)));
        }
        print(&format!("skipped         {}", HumanCount(self.skipped)));
        let left_out: u64 = self.not_understood.values().map(|(count, _)| count).sum();
        print(&format!("not understood  {}", HumanCount(left_out)));
        for ((event_type, why), (count, first)) in &self.not_understood {
            print(&format!("  {} × {event_type}: {why} (first: {first})", HumanCount(*count)));
        }
    }
}
