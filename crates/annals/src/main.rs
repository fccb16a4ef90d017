//! The `annals` program: one file per command.

mod backup;
mod copy;
mod demo;
mod environment;
mod listen;
mod logs;
mod output;
mod serve;
mod store;
mod story;
mod user;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Recording an event is mostly allocating and copying, and this allocator makes it a tenth faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The activity log of an application platform: who did what, to which app, when.
///
/// Start with `annals demo` to look around, then `annals serve` to keep a store of your own.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// What is logged: error, warn, info, debug, or a filter such as "info,annals_store=debug". Default: info, and warn
    /// in the demo.
    #[arg(long, env = "ANNALS_LOG", global = true, value_name = "LEVEL")]
    log: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a store over HTTP.
    Serve(serve::Options),
    /// Write an embedded store to a file, also while it is served.
    Backup(backup::BackupOptions),
    /// Make an embedded store of such a file.
    Restore(backup::RestoreOptions),
    /// Copy a store to another engine, from a directory to PostgreSQL say, and compare.
    Copy(copy::Options),
    /// Show the product on a throw-away store with a user, an app and a lively timeline.
    Demo(demo::Options),
}

fn main() -> ExitCode {
    // Before the command line is read, which takes an empty variable for a value.
    let done = environment::refuse_empty(&Arguments::command()).and_then(|()| run(Arguments::parse()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("annals: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let default_log = match &arguments.command {
        Command::Serve(_) => "info",
        Command::Demo(_) | Command::Backup(_) | Command::Restore(_) | Command::Copy(_) => "warn",
    };
    logs::start(arguments.log.as_deref().unwrap_or(default_log))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Serve(options) => serve::run(options).await,
            Command::Backup(options) => backup::back_up(options).await,
            Command::Restore(options) => backup::restore(options),
            Command::Copy(options) => copy::run(options).await,
            Command::Demo(options) => demo::run(options).await,
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_defined() {
        <super::Arguments as clap::CommandFactory>::command().debug_assert();
    }
}
