//! The log, on standard error: text on a terminal, otherwise one JSON object per line.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging with that filter.
///
/// # Errors
///
/// If the filter cannot be parsed, or has an unknown level.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    // The filter would take an unknown word for the name of a module, and silence everything else.
    for word in filter.split(',').map(str::trim).filter(|word| !word.contains('[')) {
        let level = word.rsplit_once('=').map_or(word, |(_module, level)| level);
        if level.is_empty() || level.parse::<LevelFilter>().is_err() {
            bail!(
                "--log: {level:?} is not a level; use error, warn, info or debug, or a filter such as info,annals_store=debug"
            );
        }
    }
    // The engine logs its housekeeping at info; a filter can still ask for it. The database driver logs every value that it
    // sends, including secrets, so its level comes last and no filter can raise it.
    let with_engines = format!("fjall=warn,lsm_tree=warn,{filter},tokio_postgres=warn");
    let filter =
        EnvFilter::try_new(with_engines).with_context(|| format!("--log: {filter:?} is not a log filter"))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that cannot be written, as on a full disk, would otherwise be reported to standard error, with a panic.
        .log_internal_errors(false);
    if std::io::stderr().is_terminal() {
        log.compact().init();
    } else {
        log.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
    Ok(())
}
