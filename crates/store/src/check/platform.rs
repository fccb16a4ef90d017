//! The platform timeline: every event once.

use std::collections::HashMap;

use crate::error::Error;
use crate::timeline::TimelineId;
use crate::transfer::Portable;
use crate::transfer::read::EVENTS_AT_ONCE;

use super::{Checked, available};

pub(super) async fn check(
    store: &dyn Portable,
    homes: HashMap<TimelineId, u64>,
    checked: &mut Checked,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<(), Error> {
    let (mut after, mut seen) = (0, HashMap::<TimelineId, u64>::new());
    loop {
        let read = available(store.platform(after, EVENTS_AT_ONCE).await)?;
        let what = format!("the platform timeline after position {after}");
        let Some(commits) = checked.read(&what, read) else { return Ok(()) };
        if commits.is_empty() {
            break;
        }
        for commit in commits {
            if commit.first != after + 1 {
                checked.find(format!("the platform timeline goes on at {} after {after}", commit.first));
            }
            checked.commits += 1;
            for event in &commit.events {
                let before = seen.entry(event.timeline).or_default();
                if event.position <= *before {
                    let (timeline, position) = (event.timeline, event.position);
                    checked.find(format!(
                        "the platform timeline has {timeline:?} position {position} twice or late"
                    ));
                }
                *before = event.position.max(*before);
            }
            after = commit.last();
        }
        progress(checked.entries + after);
    }
    let total: u64 = homes.values().sum();
    if after != total {
        checked.find(format!("the platform timeline has {after} events, but the timelines have {total}"));
    }
    for (timeline, last) in seen {
        if !homes.contains_key(&timeline) {
            checked.find(format!("the platform timeline has {last} events of {timeline:?}, which has none"));
        }
    }
    Ok(())
}
