//! `annals copy`: copies a store to another engine.

use std::time::Instant;

use annals_store::{Progress, Step, copy};
use anyhow::{Context, bail};
use clap::Args;

use crate::output::{eprint, print};
use crate::store::Named;

/// How often the progress is printed.
const PROGRESS_EVERY_SECONDS: u64 = 2;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Store to copy; no process may serve it
    #[arg(long, value_name = "DIRECTORY|URL")]
    from: Named,

    /// Store to create; repeat an interrupted command to resume the copy
    #[arg(long, value_name = "DIRECTORY|URL")]
    to: Named,
}

const EXAMPLES: &str = "\
Examples:
  annals copy --from ./annals-data --to 'postgres://annals:…@db/annals'
      From a directory to PostgreSQL

  annals copy --from 'postgres://annals:…@db/annals' --to ./annals-data
      From PostgreSQL to a directory";

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let (source, target) = (options.from.location("--from")?, options.to.location("--to")?);
    if source.is_same(&target) {
        bail!("{source} cannot be copied to itself; choose another target");
    }
    let from = source.open_source().await?;
    let to = target.open_target().await?;
    let mut printed: Option<(Step, Instant)> = None;
    let copied = copy(&*from, &*to, |progress| {
        let is_due = printed.is_none_or(|(step, at)| {
            step != progress.step || at.elapsed().as_secs() >= PROGRESS_EVERY_SECONDS
        });
        if is_due {
            printed = Some((progress.step, Instant::now()));
            eprint(&describe(progress));
        }
    })
    .await
    .with_context(|| format!("cannot copy {source} to {target}"))?;
    to.close().await?;
    print(&format!(
        "copied {} to {}, and verified: {} timelines with {} entries, {} commits, {} rows",
        source, target, copied.timelines, copied.entries, copied.commits, copied.rows
    ));
    Ok(())
}

fn describe(Progress { step, done, total }: Progress) -> String {
    let percent = done * 100 / total.max(1);
    match step {
        Step::CopyingEvents => format!("copied {done} of {total} timeline entries ({percent} %)"),
        Step::CopyingRest => format!("copied {done} rows, commits and external identifiers"),
        Step::ComparingEvents => format!("compared {done} of {total} timeline entries ({percent} %)"),
        Step::ComparingRest => format!("compared {done} rows, commits and external identifiers"),
    }
}
