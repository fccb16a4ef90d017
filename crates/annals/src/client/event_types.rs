//! `annals types`: the catalogue of event types.

use annals_model::catalogue::{self, Category, Scope};
use annals_model::nearest;
use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::table::{self, Table};
use crate::output::print;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Only types of this category, such as addons
    category: Option<String>,

    /// Print each type as a line of JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
The types are those that this program knows; it asks no server.

Examples:
  annals types
  annals types github";

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let names = || Category::ALL.iter().map(|category| category.describe().0);
    if let Some(asked) = &options.category
        && !names().any(|name| name == asked)
    {
        match nearest(asked, names()) {
            Some(near) => bail!("there is no category {asked:?}; did you mean {near}?"),
            None => {
                bail!("there is no category {asked:?}; known: {}", names().collect::<Vec<_>>().join(", "))
            }
        }
    }
    let mut table = Table::new(["TYPE", "CATEGORY", "RECORDED"]);
    for event_type in catalogue::all() {
        let category = event_type.category.describe().0;
        if options.category.as_ref().is_some_and(|asked| asked != category) {
            continue;
        }
        let when = event_type.when.trim();
        if options.json {
            let scope = match event_type.scope {
                Scope::App => "app",
                Scope::Account => "account",
                Scope::Project => "project",
            };
            print(
                &json!({ "name": event_type.name, "category": category, "scope": scope, "when": when })
                    .to_string(),
            );
        } else {
            table.push([event_type.name.to_owned(), category.to_owned(), when.to_owned()]);
        }
    }
    if !options.json {
        print(&table.write(table::width()));
    }
    Ok(())
}
