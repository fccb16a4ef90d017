//! Measures annals as its clients see it: the built program over HTTP, from an empty store on, beside two ceilings of the
//! same machine in the same run.
//!
//! `cargo build --release && cargo run --release -p bench` prints the table; `--large` goes on to ten million events.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table is what this program is for")]

mod bare;
mod by_hand;
mod client;
mod corpus;
mod load;
mod plain;
mod reads;
mod server;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::corpus::Corpus;
use crate::server::Server;
use crate::table::Table;

/// Measures annals over HTTP, beside a bare handler and plain appends on the same machine.
#[derive(Parser)]
struct Arguments {
    /// The program to measure.
    #[arg(long, default_value = "target/release/annals")]
    binary: PathBuf,
    /// The database for the store, as postgres://…, which gets its own schema. Without it the store is a directory.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Only compare annals over that database with a table written by hand on the same server, and with the embedded store.
    #[arg(long, value_name = "URL", conflicts_with_all = ["store", "large"])]
    compare: Option<String>,
    /// Go on to ten million events.
    #[arg(long)]
    large: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// How long each measurement lasts, in seconds.
    #[arg(long, default_value = "3")]
    seconds: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Serve bodies of that length. The bench starts this itself.
    #[command(hide = true)]
    Bare { bytes: usize },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Role::Bare { bytes }) = arguments.role {
        return bare::serve(bytes).await;
    }
    let mut table = Table::default();
    measure(&arguments, &mut table).await?;
    if arguments.json {
        println!("{}", table.to_json()?)
    } else {
        print!("{}", table.to_text())
    }
    Ok(())
}

async fn measure(arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    let span = Duration::from_secs(arguments.seconds);
    if let Some(database) = &arguments.compare {
        return by_hand::compare(&arguments.binary, database, span, table).await;
    }
    writes(arguments, span, table).await?;
    reads(arguments, span, table).await
}

/// Measures how fast reports and actions are recorded, from an empty store on.
async fn writes(arguments: &Arguments, span: Duration, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(&arguments.binary, arguments.store.as_deref()).await?;
    table.row("start-up on an empty store", server.startup.as_secs_f64() * 1e3, "ms");
    let mut corpus = Corpus::new();
    load::prepare(&server, &mut corpus).await?;
    for batch in [1, 100, 1_000, 5_000] {
        for connections in [1, 8, 64] {
            load::reports(&server, &mut corpus, batch, connections, span, table).await?;
        }
    }
    load::actions(&server, &corpus, span, table).await?;
    table.row("events recorded by then", server.recorded_events().await?, "");
    table.row("peak memory of the server by then", server.peak_memory_mib()?, "MiB");
    Ok(())
}

/// Measures how fast pages are read from stores of growing size, and how much space these need.
async fn reads(arguments: &Arguments, span: Duration, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(&arguments.binary, arguments.store.as_deref()).await?;
    let mut corpus = Corpus::new();
    load::prepare(&server, &mut corpus).await?;
    for (events, name) in [(100_000, "10⁵"), (1_000_000, "10⁶"), (10_000_000, "10⁷")] {
        if events > 1_000_000 && !arguments.large {
            break;
        }
        load::to(&server, &mut corpus, events).await?;
        server.settle().await?;
        let (tables, journals) = server.disk_bytes().await?;
        let recorded = server.recorded_events().await?;
        table.row(format!("bytes per event on disk at {name} events, tables"), tables / recorded, "B");
        table.row("  journals besides, which are of bounded size", journals / 1_048_576.0, "MiB");
        reads::pages(&server, &mut corpus, name, span, table).await?;
        table.row(format!("peak memory of the server at {name} events"), server.peak_memory_mib()?, "MiB");
    }
    let restarted = server.restart(&arguments.binary).await?;
    table.row("start-up on this store", restarted.startup.as_secs_f64() * 1e3, "ms");
    reads::pages(&restarted, &mut corpus, "as many, after a restart:", span, table).await?;
    table.row("peak memory of the restarted server", restarted.peak_memory_mib()?, "MiB");
    reads::one_timeline(&restarted, &mut corpus, span, table).await?;
    reads::last_72_hours(&restarted, &mut corpus, table).await
}
