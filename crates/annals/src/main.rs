//! The `annals` program: one file per command.

mod backup;
mod check;
mod copy;
mod demo;
mod environment;
mod listen;
mod logs;
mod output;
mod process;
mod serve;
mod store;
mod story;
mod user;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Recording an event mostly allocates and copies memory; this allocator makes it a tenth faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Activity log for application platforms: who did what, to which app, when
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// Log level (error, warn, info, debug) or filter, such as info,annals_store=debug [default: info for serve, warn
    /// otherwise]
    #[arg(long, env = "ANNALS_LOG", global = true, value_name = "LEVEL", display_order = 100)]
    log: Option<String>,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  annals demo                    Look around on a throw-away server
  annals serve                   Serve the store in ./annals-data on 127.0.0.1:8080
  annals help serve              List every setting of the server";

#[derive(Subcommand)]
enum Command {
    /// Serve a store over HTTP
    Serve(serve::Options),
    /// Write a directory store to a backup file, also while it is served
    Backup(backup::BackupOptions),
    /// Create a directory store from a backup file
    Restore(backup::RestoreOptions),
    /// Copy a store to another directory or database, and verify the copy
    Copy(copy::Options),
    /// Read everything in a store, and say what is wrong and where
    Check(check::Options),
    /// Serve a throw-away store with sample users, apps and events
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let done = environment::check(&Arguments::command()).and_then(|()| run(Arguments::parse()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::eprint(&format!("annals: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let default_log = match &arguments.command {
        Command::Serve(_) => "info",
        Command::Demo(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Copy(_)
        | Command::Check(_) => "warn",
    };
    process::keep_files_private();
    logs::start(arguments.log.as_deref().unwrap_or(default_log))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Serve(options) => serve::run(options).await,
            Command::Backup(options) => backup::back_up(options).await,
            Command::Restore(options) => backup::restore(options),
            Command::Copy(options) => copy::run(options).await,
            Command::Check(options) => check::run(options).await,
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
