//! Comparing the two stores of a copy.

use futures_util::{TryStreamExt, stream};

use crate::error::Error;

use super::outcome::{Copied, CopyError};
use super::portable::Portable;
use super::read::{EVENTS_AT_ONCE, ROWS_AT_ONCE, TIMELINES_AT_ONCE, next_timelines, read_oldest};

const CONCURRENT_ROW_READS: usize = 16;

pub(super) async fn compare_events(
    from: &dyn Portable,
    to: &dyn Portable,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let (mut done, mut after) = (0, None);
    loop {
        let (source, target) =
            (next_timelines(from, after).await?, to.timelines(after, TIMELINES_AT_ONCE).await?);
        let Some((last, heads)) = source else {
            return match target.first() {
                None => Ok(()),
                Some((timeline, _)) => Err(CopyError::Differs(format!("{timeline:?} is only in the target"))),
            };
        };
        if heads != target {
            let different = heads.iter().find(|head| !target.contains(head)).or(target.last());
            let timeline = different.map(|(timeline, _)| *timeline);
            return Err(CopyError::Differs(format!(
                "{timeline:?} differs in length, or is only in one store"
            )));
        }
        after = Some(last);
        for (timeline, head) in heads {
            let mut compared = 0;
            while compared < head.length {
                let first = compared + 1;
                let events = read_oldest(from, timeline, first, head.length).await?;
                if events != read_oldest(to, timeline, first, compared + events.len() as u64).await? {
                    return Err(CopyError::Differs(format!("{timeline:?}, from position {first} on")));
                }
                compared += events.len() as u64;
                done += events.len() as u64;
                progress(done);
            }
        }
    }
}

pub(super) async fn compare_rest(
    from: &dyn Portable,
    to: &dyn Portable,
    copied: &mut Copied,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let (mut done, mut after) = (0, None);
    loop {
        let (source, target) =
            (from.external_ids(after, ROWS_AT_ONCE).await?, to.external_ids(after, ROWS_AT_ONCE).await?);
        if source != target {
            return Err(CopyError::Differs("external identifiers".to_owned()));
        }
        let Some((last, ..)) = source.last() else { break };
        after = Some(*last);
        done += source.len() as u64;
        progress(done);
    }
    let mut after = 0;
    loop {
        let (source, target) =
            (from.platform(after, EVENTS_AT_ONCE).await?, to.platform(after, EVENTS_AT_ONCE).await?);
        if source != target {
            return Err(CopyError::Differs(format!("the platform timeline after position {after}")));
        }
        let Some(last) = source.last() else { break };
        after = last.last();
        copied.commits += source.len() as u64;
        progress(done + copied.commits);
    }
    // Engines order rows differently, so rows cannot be compared batch by batch. The target has one row more: the mark
    // of an unfinished copy.
    copied.rows = count_rows(from).await?;
    if count_rows(to).await? != copied.rows + 1 {
        return Err(CopyError::Differs("the number of rows".to_owned()));
    }
    done += copied.commits;
    let mut after = None;
    loop {
        let rows = from.rows(after.as_ref(), ROWS_AT_ONCE).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        done += rows.len() as u64;
        stream::iter(rows.into_iter().map(Ok))
            .try_for_each_concurrent(CONCURRENT_ROW_READS, async |(key, row)| match to.row(&key).await? {
                Some(target) if target == row => Ok(()),
                // The error names only the kind: keys may be email addresses, and values secret.
                _ => Err(CopyError::Differs(format!("a row of kind {}", key.kind()))),
            })
            .await?;
        progress(done);
    }
}

async fn count_rows(store: &dyn Portable) -> Result<u64, Error> {
    let (mut count, mut after) = (0, None);
    loop {
        let rows = store.rows(after.as_ref(), ROWS_AT_ONCE).await?;
        let Some((last, _)) = rows.last() else { return Ok(count) };
        after = Some(last.clone());
        count += rows.len() as u64;
    }
}
