//! The `annals` program: one file per command.

mod backup;
mod check;
mod client;
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
  annals help serve              List every setting of the server
  annals login                   Sign in to a server, to read it from here
  annals timeline book-shop      Read the timeline of an app
  annals help timeline           Learn to filter and to follow timelines";

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
    /// Sign in to a server
    Login(client::login::Options),
    /// Forget the token that login kept
    Logout,
    /// Say who you are at the server
    Whoami(client::whoami::Options),
    /// List apps
    Apps(client::apps::Options),
    /// Read or follow the timeline of an app
    Timeline(client::timeline::TimelineOptions),
    /// Read or follow what you did, and what happened to your account
    Activity(client::timeline::ActivityOptions),
    /// Read or follow the events of the whole platform
    Audit(client::timeline::AuditOptions),
    /// Show an app as it is or was, or what changed
    State(client::state::Options),
    /// Show one event
    Show(client::show::Options),
    /// List the types of events
    Types(client::event_types::Options),
    /// Write a whole timeline to a file
    Export(client::export::Options),
    /// Report events
    Report(client::report::Options),
    /// Import the history of an existing platform
    Import(client::import::Options),
    /// Write completions for a shell
    Completions(client::completions::CompletionsOptions),
    /// Write man pages
    Man(client::completions::ManOptions),
}

fn main() -> ExitCode {
    let done = environment::check(&Arguments::command()).and_then(|()| run(Arguments::parse()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::eprint(&format!("annals: {error:#}"));
            client::exit_code(&error)
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
        _ => "error",
    };
    process::keep_files_private();
    process::choose_cryptography();
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
            Command::Login(options) => client::login::run(options).await,
            Command::Logout => client::login::log_out(),
            Command::Whoami(options) => client::whoami::run(options).await,
            Command::Apps(options) => client::apps::run(options).await,
            Command::Timeline(options) => client::timeline::timeline(options).await,
            Command::Activity(options) => client::timeline::activity(options).await,
            Command::Audit(options) => client::timeline::audit(options).await,
            Command::State(options) => client::state::run(options).await,
            Command::Show(options) => client::show::run(options).await,
            Command::Types(options) => client::event_types::run(&options),
            Command::Export(options) => client::export::run(options).await,
            Command::Report(options) => client::report::run(options).await,
            Command::Import(options) => client::import::run(options).await,
            Command::Completions(options) => {
                client::completions::completions(&options, Arguments::command());
                Ok(())
            }
            Command::Man(options) => client::completions::man(&options, Arguments::command()),
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
