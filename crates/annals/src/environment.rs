//! Options that come from the environment.

use anyhow::bail;
use clap::Command;

/// Refuses variables that are set to nothing. Some would be taken for a value: a token that everybody knows, say.
pub(crate) fn refuse_empty(command: &Command) -> anyhow::Result<()> {
    for option in command.get_arguments() {
        if let Some(name) = option.get_env()
            && std::env::var_os(name).is_some_and(|value| value.is_empty())
        {
            bail!("{} is empty; unset it", name.to_string_lossy());
        }
    }
    command.get_subcommands().try_for_each(refuse_empty)
}
