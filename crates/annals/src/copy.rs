//! `annals copy`: a store into another engine.

use std::time::Instant;

use annals_store::{Step, copy};
use anyhow::Context;
use clap::Args;

use crate::output::{complain, say};
use crate::store::Named;

/// How often it is said how far a copy is.
const SAID_EVERY_SECONDS: u64 = 2;

#[derive(Args)]
pub(crate) struct Options {
    /// The store to copy: a directory, or a postgres:// address. Nothing may serve it meanwhile.
    #[arg(long, value_name = "DIRECTORY|URL")]
    from: Named,

    /// Where to: a store that is not there yet, or the one of a copy that was interrupted, which goes on where it was.
    #[arg(long, value_name = "DIRECTORY|URL")]
    to: Named,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let (source, target) = (options.from.location()?, options.to.location()?);
    let from = source.open_source().await?;
    let to = target.open_alone().await?;
    let mut said: Option<(Step, Instant)> = None;
    let copied = copy(&*from, &*to, |progress| {
        let is_news = said
            .is_none_or(|(step, at)| step != progress.step || at.elapsed().as_secs() >= SAID_EVERY_SECONDS);
        if is_news {
            said = Some((progress.step, Instant::now()));
            let what = match progress.step {
                Step::Copying => "copied",
                Step::Comparing => "compared",
            };
            let percent = progress.done * 100 / progress.total.max(1);
            complain(&format!("{what} {} of {} entries ({percent} %)", progress.done, progress.total));
        }
    })
    .await
    .with_context(|| format!("{source} is not copied to {target}"))?;
    to.close().await?;
    say(&format!(
        "copied {} to {}, and compared: {} timelines with {} entries, {} commits, {} rows",
        source, target, copied.timelines, copied.entries, copied.commits, copied.rows
    ));
    Ok(())
}
