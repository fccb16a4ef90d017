//! Settings from environment variables.

use std::ffi::{OsStr, OsString};

use anyhow::bail;
use clap::{Arg, Command};

const PREFIX: &str = "ANNALS_";
/// How many characters may differ for a name to count as misspelt, and one in how many. More would take the variables that
/// Kubernetes sets for a service named annals, such as `ANNALS_PORT`, for settings.
const TYPOS_MAX: usize = 2;
const TYPOS_ONE_IN: usize = 4;

/// Checks the variables before clap reads them.
///
/// # Errors
///
/// If a variable is empty, since clap would take that for a value, such as a token that everybody knows; or if its name is a
/// misspelt setting, which would have no effect.
pub(crate) fn check(command: &Command) -> anyhow::Result<()> {
    let settings = settings(command);
    for (name, value) in std::env::vars_os() {
        if let Some(problem) = problem(&settings, &name, &value) {
            bail!("{} {problem}", name.to_string_lossy());
        }
    }
    Ok(())
}

/// Returns the variables of a command and its subcommands.
fn settings(command: &Command) -> Vec<OsString> {
    let own = command.get_arguments().filter_map(Arg::get_env).map(OsStr::to_owned);
    own.chain(command.get_subcommands().flat_map(settings)).collect()
}

/// Returns what is wrong with a variable, if anything is.
fn problem(settings: &[OsString], name: &OsStr, value: &OsStr) -> Option<String> {
    if settings.iter().any(|setting| setting == name) {
        return value.is_empty().then(|| "is empty; unset it".to_owned());
    }
    let name = name.to_str().filter(|name| name.starts_with(PREFIX))?;
    let similar = settings
        .iter()
        .filter_map(|setting| setting.to_str())
        .map(|setting| (strsim::osa_distance(name, setting), setting))
        .filter(|(typos, setting)| {
            *typos <= TYPOS_MAX.min((setting.len() - PREFIX.len()).div_ceil(TYPOS_ONE_IN))
        });
    let (_, similar) = similar.min()?;
    Some(format!("is not a setting; did you mean {similar}?"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::CommandFactory;

    #[test]
    fn only_settings_and_what_resembles_them_are_checked() {
        let settings = super::settings(&crate::Arguments::command());
        for (name, value, expected) in [
            ("ANNALS_STORE", "data", None),
            ("ANNALS_STORE", "", Some("is empty; unset it")),
            ("ANNALS_STROE", "data", Some("is not a setting; did you mean ANNALS_STORE?")),
            ("ANNALS_SIGNUP", "true", Some("is not a setting; did you mean ANNALS_SIGN_UP?")),
            ("ANNALS_LOGS", "info", Some("is not a setting; did you mean ANNALS_LOG?")),
            ("ANNALS_TAG", "1.0", None),
            ("ANNALS_TO", "x", None),
            ("ANNALS_PORT", "tcp://10.0.0.1:80", None),
            ("ANNALS_SERVICE_PORT", "80", None),
            ("ANNAL_STORE", "", None),
            ("HOME", "", None),
        ] {
            let problem = super::problem(&settings, OsStr::new(name), OsStr::new(value));
            assert_eq!(problem.as_deref(), expected, "{name}");
        }
    }
}
