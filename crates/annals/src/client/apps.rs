//! `annals apps`.

use clap::Args;
use serde_json::Value;

use super::api::{Api, Connection};
use super::failure::EXIT_CODES;
use super::moments::Moments;
use super::table::{self, Table};
use super::whoami::{Caller, caller};
use crate::output::print;

#[derive(Args)]
#[command(after_help = format!("The operator and auditors see the apps of all users, deleted ones included.\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    moments: Moments,

    /// Print each app as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let api = options.connection.api()?;
    let apps = match caller(&api).await? {
        Caller::User(_) => list(api.get("/v1/apps", &Vec::new()).await?),
        Caller::Operator | Caller::Auditor => all_apps(&api).await?,
    };
    if options.json {
        apps.iter().for_each(|app| print(&app.to_string()));
        return Ok(());
    }
    let mut table = Table::new(["NAME", "OWNER", "CREATED OR LATEST EVENT", "ID"]);
    for app in &apps {
        let text = |pointer: &str| app.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let at = [text("/latest_event_at"), text("/created_at")].into_iter().find(|at| !at.is_empty());
        let name = match app["deleted_at"].is_string() {
            true => format!("{} (deleted)", text("/name")),
            false => text("/name").to_owned(),
        };
        let at = at.map(|at| options.moments.show(at)).unwrap_or_default();
        table.push([name, text("/owner/username").to_owned(), at, text("/id").to_owned()]);
    }
    print(&table.write(table::width()));
    Ok(())
}

fn list(mut answer: Value) -> Vec<Value> {
    match answer["apps"].take() {
        Value::Array(apps) => apps,
        _ => Vec::new(),
    }
}

async fn all_apps(api: &Api) -> anyhow::Result<Vec<Value>> {
    let (mut apps, mut after) = (Vec::new(), None);
    loop {
        let mut query = vec![("per_page", "100".to_owned())];
        query.extend(after.map(|after| ("after", after)));
        let answer = api.get("/v1/operator/apps", &query).await?;
        after = answer["meta"]["next_after"].as_str().map(str::to_owned);
        apps.extend(list(answer));
        if after.is_none() {
            return Ok(apps);
        }
    }
}
