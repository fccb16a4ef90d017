//! `annals timeline`, `annals activity` and `annals audit`: the newest events, and those to come.

use std::collections::HashSet;

use clap::Args;
use serde_json::Value;

use super::api::{Api, Connection, Query};
use super::event::ShownEvent;
use super::failure::EXIT_CODES;
use super::follow::Following;
use super::moments::Moments;
use super::selection::Selection;
use super::table::{self, Table};
use crate::output::print;

/// The most events of one request.
const PAGE_MAX: usize = 100;

#[derive(Args)]
#[command(after_help = format!("{TIMELINE_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct TimelineOptions {
    /// Name or identifier of the app
    app: String,

    #[command(flatten)]
    reading: Reading,
}

const TIMELINE_EXAMPLES: &str = "\
Examples:
  annals timeline book-shop
  annals timeline book-shop --type deployment --since 7d
  annals timeline book-shop --actor jane --follow
  annals timeline book-shop 'type:scale OR \"out of memory\"' --json";

#[derive(Args)]
#[command(after_help = format!("{ACTIVITY_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct ActivityOptions {
    #[command(flatten)]
    reading: Reading,
}

const ACTIVITY_EXAMPLES: &str = "\
Examples:
  annals activity
  annals activity --type login_failure,login_lock --since 30d
  annals activity app:book-shop --limit 100";

#[derive(Args)]
#[command(after_help = format!("{AUDIT_EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct AuditOptions {
    #[command(flatten)]
    reading: Reading,
}

const AUDIT_EXAMPLES: &str = "\
This needs the operator token or the token of an auditor. Events come in the order of their recording.

Examples:
  annals audit --follow
  annals audit --type delete_app,transfer_app --since 2026-01-01
  annals audit actor:platform type:login_failure";

/// The options of what reads a timeline.
#[derive(Args)]
struct Reading {
    #[command(flatten)]
    selection: Selection,

    /// Show at most this many of the newest events; 0 shows all
    #[arg(long, short = 'n', default_value_t = 20, value_name = "NUMBER", help_heading = "Output")]
    limit: usize,

    /// Show the newest events last, and go on with those to come
    #[arg(long, short, help_heading = "Output")]
    follow: bool,

    /// Print each event as a line of JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Show the identifiers of events, for `annals show`
    #[arg(long, help_heading = "Output")]
    ids: bool,

    #[command(flatten)]
    moments: Moments,

    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn timeline(options: TimelineOptions) -> anyhow::Result<()> {
    options.reading.run(&app_events(&options.app), false).await
}

pub(crate) async fn activity(options: ActivityOptions) -> anyhow::Result<()> {
    options.reading.run("/v1/events", true).await
}

pub(crate) async fn audit(options: AuditOptions) -> anyhow::Result<()> {
    options.reading.run("/v1/operator/events", true).await
}

/// Returns the path of an app's events.
pub(super) fn app_events(app: &str) -> String {
    let app: String = app
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("/v1/apps/{app}/events")
}

impl Reading {
    async fn run(self, path: &str, has_apps: bool) -> anyhow::Result<()> {
        let api = self.connection.api()?;
        let query = self.selection.query();
        let mut printer = Printer::new(&self, has_apps);
        if !self.follow {
            newest(&api, path, &query, self.limit, |events| printer.print(events)).await?;
            return Ok(());
        }
        // The stream begins before the newest events are listed, so that none falls in between. One that is recorded meanwhile is
        // in both.
        let length = length(&api, path).await?;
        let mut listed = Vec::new();
        newest(&api, path, &query, self.limit, |events| {
            listed.extend_from_slice(events);
            Ok(())
        })
        .await?;
        listed.reverse();
        printer.print(&listed)?;
        let shown: HashSet<_> = listed.iter().filter_map(|event| event["id"].as_str()).collect();
        let mut following = Following::new(api, path, query, length);
        loop {
            let events = following.next().await?;
            let new: Vec<_> = events
                .into_iter()
                .filter(|event| event["id"].as_str().is_some_and(|id| !shown.contains(id)))
                .collect();
            printer.print(&new)?;
        }
    }
}

/// Returns the number of events of a timeline.
pub(super) async fn length(api: &Api, path: &str) -> anyhow::Result<u64> {
    let newest = api.get(path, &vec![("per_page", "1".to_owned())]).await?;
    Ok(newest["meta"]["pagination"]["total_count"].as_u64().unwrap_or_default())
}

/// Takes the newest events that match, newest first, page by page.
async fn newest(
    api: &Api,
    path: &str,
    query: &Query,
    limit: usize,
    mut take: impl FnMut(&[Value]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut left, mut page, mut as_of) = (if limit == 0 { usize::MAX } else { limit }, 1, None);
    let per_page = left.min(PAGE_MAX);
    loop {
        let mut query = query.clone();
        query.extend([("per_page", per_page.to_string()), ("page", page.to_string())]);
        query.extend(as_of.map(|as_of: u64| ("as_of", as_of.to_string())));
        let answer = api.get(path, &query).await?;
        let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let events = &events[..events.len().min(left)];
        take(events)?;
        left -= events.len();
        let pagination = &answer["meta"]["pagination"];
        if left == 0 || pagination["next_page"].is_null() {
            return Ok(());
        }
        // New events must not shift the pages to come.
        as_of = pagination["total_count"].as_u64();
        page += 1;
    }
}

/// Prints events as they come.
struct Printer<'a> {
    reading: &'a Reading,
    has_apps: bool,
    table: Table<5>,
}

impl<'a> Printer<'a> {
    fn new(reading: &'a Reading, has_apps: bool) -> Self {
        let header =
            ["WHEN", if reading.ids { "ID" } else { "" }, "WHO", if has_apps { "APP" } else { "" }, "WHAT"];
        Self { reading, has_apps, table: Table::new(header) }
    }

    fn print(&mut self, events: &[Value]) -> anyhow::Result<()> {
        if self.reading.json {
            events.iter().for_each(|event| print(&event.to_string()));
            return Ok(());
        }
        for event in events {
            let event = ShownEvent::parse(&event.to_string())?;
            let id = if self.reading.ids { event.id.clone() } else { String::new() };
            let app = if self.has_apps { event.subject().to_owned() } else { String::new() };
            let when = self.reading.moments.show(&event.created_at);
            self.table.push([when, id, event.actor().to_owned(), app, event.sentence()]);
        }
        let text = self.table.write(table::width());
        if !text.is_empty() {
            print(&text);
        }
        Ok(())
    }
}
