//! The log: for people on a terminal, as one JSON object a line otherwise. Always on standard error.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging what the filter lets through.
pub(crate) fn start(filter: &str) -> anyhow::Result<()> {
    // A word by itself would be taken for the name of a module, and all else be silenced.
    for word in filter.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        if word.parse::<LevelFilter>().is_err() {
            bail!(
                "--log: {word:?} is not a level: error, warn, info, debug (of one module: info,annals_store=debug)"
            );
        }
    }
    // The engine tells of its housekeeping as if it were news; whoever wants that can name it. The database's driver tells
    // of every value that it sends, secrets among them: that is not even let through by name.
    let with_engines = format!("fjall=warn,lsm_tree=warn,{filter},tokio_postgres=warn");
    let filter =
        EnvFilter::try_new(with_engines).with_context(|| format!("--log: {filter:?} is no log filter"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.compact().init();
    } else {
        log.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
    Ok(())
}
