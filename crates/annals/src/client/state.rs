//! `annals state`: an app as it is or was, and what changed.

use annals_model::filter::Created;
use anyhow::anyhow;
use clap::Args;
use serde_json::Value;

use super::api::Connection;
use super::failure::EXIT_CODES;
use super::moments::{Moments, now};
use super::selection::ago;
use super::show::{flatten, plain};
use super::table::harmless;
use super::timeline::app_events;
use crate::output::print;

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// Name or identifier of the app
    app: String,

    /// Show the app as it was then: 2h, 2026-01-31, 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "from")]
    at: Option<String>,

    /// Show what changed since then
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Show what had changed until then, not until now
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    moments: Moments,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  annals state book-shop
  annals state book-shop --at 2h
  annals state book-shop --from 2026-01-31 --to 2026-02-01";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let api = options.connection.api()?;
    let mut query = Vec::new();
    for (name, time) in [("at", &options.at), ("from", &options.from), ("to", &options.to)] {
        if let Some(time) = time {
            query.push((name, instant(name, time)?));
        }
    }
    let path = app_events(&options.app).replace("/events", "/state");
    let answer = api.get(&path, &query).await?;
    if options.json {
        print(&answer.to_string());
    } else if let Some(changes) = answer["changes"].as_array() {
        show_changes(changes);
    } else if answer["state"].is_null() {
        print(&format!("The app did not exist {}.", show_time(&options.moments, &answer["at"])));
    } else {
        let mut lines = Vec::new();
        flatten("", &answer["state"], &mut lines);
        let width = lines.iter().map(|(path, _)| path.chars().count()).max().unwrap_or_default();
        lines.iter().for_each(|(path, value)| print(&format!("{path:width$}  {}", harmless(value))));
    }
    Ok(())
}

/// Returns the instant that a time names; the first one, if it names a day.
fn instant(option: &str, time: &str) -> anyhow::Result<String> {
    let span = Created::since(&ago(time), now()).map_err(|error| anyhow!("--{option}: {error}"))?;
    Ok(span.first().to_string())
}

fn show_time(moments: &Moments, time: &Value) -> String {
    moments.show(time.as_str().unwrap_or_default())
}

fn show_changes(changes: &[Value]) {
    if changes.is_empty() {
        print("Nothing changed.");
    }
    for change in changes {
        let path = change["path"].as_str().unwrap_or_default().trim_start_matches('/').replace('/', ".");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        flatten(&path, &change["before"], &mut before);
        flatten(&path, &change["after"], &mut after);
        match (change["before"].is_null(), change["after"].is_null()) {
            (true, _) => {
                after.iter().for_each(|(path, value)| print(&format!("+ {path}  {}", harmless(value))))
            }
            (_, true) => {
                before.iter().for_each(|(path, value)| print(&format!("- {path}  {}", harmless(value))))
            }
            (false, false) => {
                let [before, after] = ["before", "after"].map(|side| harmless(&plain(&change[side])));
                print(&format!("~ {path}  {before} → {after}"));
            }
        }
    }
}
