//! Measures annals as its clients meet it: the built program on an empty store, over HTTP, beside two ceilings of the
//! same machine in the same run.
//!
//! `cargo build --release && cargo run --release -p bench` prints the table; `--large` goes on to ten million events.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table is what this program is for")]

mod bare;
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
    /// Serve bodies of that length; the bench starts this itself.
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
    let server = Server::start(&arguments.binary).await?;
    table.row("start-up on an empty store", server.startup.as_secs_f64() * 1e3, "ms");
    let mut corpus = Corpus::new();
    load::prepare(&server, &mut corpus).await?;

    load::to(&server, &mut corpus, 100_000).await?;
    reads::pages(&server, &mut corpus, "10⁵", span, table).await?;
    for batch in [1, 100, 1_000, 5_000] {
        for connections in [1, 8, 64] {
            load::reports(&server, &mut corpus, batch, connections, span, table).await?;
        }
    }
    load::actions(&server, &corpus, span, table).await?;
    load::to(&server, &mut corpus, 1_000_000).await?;
    reads::pages(&server, &mut corpus, "10⁶", span, table).await?;
    reads::one_timeline(&server, &mut corpus, span, table).await?;
    reads::last_72_hours(&server, &mut corpus, table).await?;
    if arguments.large {
        load::to(&server, &mut corpus, 10_000_000).await?;
        reads::pages(&server, &mut corpus, "10⁷", span, table).await?;
    }
    table.row("peak memory of the server", server.peak_memory_mib()?, "MiB");
    let recorded = server.recorded_events().await?;
    let (tables, journals) = server.disk_bytes()?;
    table.row("events in the store", recorded, "");
    table.row("bytes per event on disk, tables", tables / recorded, "B");
    table.row("bytes per event on disk, with journals", (tables + journals) / recorded, "B");
    let restarted = server.restart(&arguments.binary).await?;
    table.row("start-up on the full store", restarted.startup.as_secs_f64() * 1e3, "ms");
    let (tables, journals) = restarted.disk_bytes()?;
    table.row("bytes per event on disk, after a restart", (tables + journals) / recorded, "B");
    Ok(())
}
