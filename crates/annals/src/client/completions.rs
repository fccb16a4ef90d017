//! `annals completions` and `annals man`: what shells and man know of the commands.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsOptions {
    /// Shell
    shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  annals completions bash > ~/.local/share/bash-completion/completions/annals
  annals completions zsh > ~/.zfunc/_annals
  annals completions fish > ~/.config/fish/completions/annals.fish";

#[derive(Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManOptions {
    /// Directory to write the pages to, one per command
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    to: PathBuf,
}

const MAN_EXAMPLES: &str = "\
Examples:
  annals man --to ~/.local/share/man/man1";

pub(crate) fn completions(options: &CompletionsOptions, mut command: Command) {
    clap_complete::generate(options.shell, &mut command, "annals", &mut std::io::stdout());
}

pub(crate) fn man(options: &ManOptions, command: Command) -> anyhow::Result<()> {
    let write =
        || std::fs::create_dir_all(&options.to).and_then(|()| clap_mangen::generate_to(command, &options.to));
    write().with_context(|| format!("cannot write to {}", options.to.display()))
}
