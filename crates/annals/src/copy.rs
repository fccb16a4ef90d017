//! `annals copy`: a store into another engine.

use std::time::Instant;

use annals_store::{Progress, Step, copy};
use anyhow::{Context, bail};
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
    let (source, target) = (options.from.location("--from")?, options.to.location("--to")?);
    if source.is_same(&target) {
        bail!("{source} cannot be copied to itself: name another target");
    }
    let from = source.open_source().await?;
    let to = target.open_target().await?;
    let mut said: Option<(Step, Instant)> = None;
    let copied = copy(&*from, &*to, |progress| {
        let is_news = said
            .is_none_or(|(step, at)| step != progress.step || at.elapsed().as_secs() >= SAID_EVERY_SECONDS);
        if is_news {
            said = Some((progress.step, Instant::now()));
            complain(&told(progress));
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

fn told(Progress { step, done, total }: Progress) -> String {
    let percent = done * 100 / total.max(1);
    match step {
        Step::CopyingEvents => format!("copied {done} of {total} entries of timelines ({percent} %)"),
        Step::CopyingRest => format!("copied {done} rows, commits and given identifiers"),
        Step::ComparingEvents => format!("compared {done} of {total} entries of timelines ({percent} %)"),
        Step::ComparingRest => format!("compared {done} rows, commits and given identifiers"),
    }
}
