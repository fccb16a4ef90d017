//! `annals show`: one event, with all its fields.

use annals_model::EventId;
use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::api::{Api, Connection, Query};
use super::event::ShownEvent;
use super::failure::{EXIT_CODES, Refused};
use super::moments::Moments;
use super::table::harmless;
use super::timeline::app_events;
use super::whoami::{Caller, caller};
use crate::output::print;

/// How far around the time in its identifier an event is looked for.
const AROUND_MS: u64 = 1_000;

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// Identifier of the event; `annals timeline --ids` shows identifiers
    event: String,

    /// App that the event belongs to; without it, the event is looked for in what you did, or on the whole platform
    #[arg(long)]
    app: Option<String>,

    /// Print the event as JSON, as the API has it
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    moments: Moments,

    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  annals show 6905bc8073636100011a0000 --app book-shop
  annals show 6905bc8073636100011a0000 --json";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let id: EventId = options
        .event
        .parse()
        .with_context(|| format!("{:?} is not the identifier of an event", options.event))?;
    let api = options.connection.api()?;
    let event = match &options.app {
        Some(app) => api.get(&format!("{}/{id}", app_events(app)), &Vec::new()).await?["event"].take(),
        None => find(&api, id).await?,
    };
    if options.json {
        print(&event.to_string());
        return Ok(());
    }
    let shown = ShownEvent::parse(&event.to_string())?;
    let when = options.moments.show(&shown.created_at);
    print(&format!("{} {} ({when})\n", harmless(shown.actor()), harmless(&shown.sentence())));
    let mut lines = Vec::new();
    flatten("", &event, &mut lines);
    let width = lines.iter().map(|(path, _)| path.chars().count()).max().unwrap_or_default();
    for (path, value) in lines {
        print(&format!("{path:width$}  {}", harmless(&value)));
    }
    Ok(())
}

/// Looks for an event: first near the time that its identifier has, then everywhere, since identifiers that were reported have any
/// form.
async fn find(api: &Api, id: EventId) -> anyhow::Result<Value> {
    let path = match caller(api).await? {
        Caller::User(_) => "/v1/events/export",
        Caller::Operator | Caller::Auditor => "/v1/operator/events/export",
    };
    let near = vec![
        ("since", id.time().minus_millis(AROUND_MS).to_string()),
        ("until", id.time().plus_millis(AROUND_MS).to_string()),
    ];
    for query in [near, Query::new()] {
        if let Some(event) = find_in(api, path, &query, id).await? {
            return Ok(event);
        }
    }
    let body = serde_json::json!({ "error": "the event was not found; name its app with --app" });
    Err(Refused { status: reqwest::StatusCode::NOT_FOUND, body }.into())
}

async fn find_in(api: &Api, path: &str, query: &Query, id: EventId) -> anyhow::Result<Option<Value>> {
    let mut response = api.open(path, query, "*/*").await?;
    let (id, mut rest) = (format!("\"id\":\"{id}\""), Vec::new());
    while let Some(piece) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        rest.extend_from_slice(&piece);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if line.contains(&id) {
                return Ok(Some(serde_json::from_str(&line)?));
            }
        }
    }
    Ok(None)
}

/// Lists the fields of a JSON value with their paths, such as `type_data.containers.web`.
pub(super) fn flatten(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| flatten(&within(name), value, out));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| flatten(&within(&index.to_string()), item, out));
        }
        value => out.push((path.to_owned(), plain(value))),
    }
}

/// Writes a value without the quotation marks of a text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        value => value.to_string(),
    }
}
