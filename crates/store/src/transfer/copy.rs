//! Copying a store, and verifying the copy.

use std::collections::HashMap;

use bytes::Bytes;

use crate::contract::{CommandError, CommitError, Snapshot, WriteSet};
use crate::error::Error;
use crate::rows::{Setting, TokenHash, key};
use crate::timeline::TimelineId;
use crate::typed_rows::TypedRows as _;

use super::compare::{compare_events, compare_rest};
use super::outcome::{Copied, CopyError, Progress, Step};
use super::portable::{Events, Part, Portable};
use super::read::{
    BYTES_AT_ONCE, EVENTS_AT_ONCE, ROWS_AT_ONCE, TIMELINES_AT_ONCE, next_timelines, read_oldest,
};

/// Copies a store into an empty one, compares both, and only then allows the target to be served. An interrupted copy
/// resumes when it is started again. No other process may use either store meanwhile.
///
/// # Errors
///
/// Returns why the copy failed. Until it has succeeded, the target is marked as unfinished and cannot be served.
pub async fn copy(
    from: &dyn Portable,
    to: &dyn Portable,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Copied, CopyError> {
    prepare_target(from, to).await?;
    let mut copied = Copied::default();
    let mut after = None;
    while let Some((last, heads)) = next_timelines(from, after).await? {
        copied.timelines += heads.len() as u64;
        copied.entries += heads.iter().map(|(_, head)| head.length).sum::<u64>();
        after = Some(last);
    }
    let total = copied.entries;
    let mut notify = |step, done| progress(Progress { step, done, total });
    let external_ids = copy_external_ids(from, to).await?;
    copy_events(from, to, |done| notify(Step::CopyingEvents, done)).await?;
    copy_rest(from, to, external_ids, |done| notify(Step::CopyingRest, done)).await?;
    compare_events(from, to, |done| notify(Step::ComparingEvents, done)).await?;
    compare_rest(from, to, &mut copied, |done| notify(Step::ComparingRest, done)).await?;
    set_mark(to, None).await?;
    Ok(copied)
}

/// Checks that the target is empty or holds the beginning of this copy, and marks it as unfinished.
async fn prepare_target(from: &dyn Portable, to: &dyn Portable) -> Result<(), CopyError> {
    if from.timelines(None, 1).await?.is_empty() && from.rows(None, 1).await?.is_empty() {
        return Err(CopyError::EmptySource);
    }
    if from.get(UNFINISHED_MARK).await?.is_some() {
        return Err(CopyError::UnfinishedSource);
    }
    let identity = match from.get(key::Setting(Setting::SigningKey)).await? {
        Some(key) => TokenHash::of(&key).to_string(),
        None => "a store that was never served".to_owned(),
    };
    match to.get(UNFINISHED_MARK).await? {
        Some(mark) if *mark == *identity => Ok(()),
        Some(_) => Err(CopyError::OtherCopy),
        None if !to.timelines(None, 1).await?.is_empty() || !to.rows(None, 1).await?.is_empty() => {
            Err(CopyError::NotEmpty)
        }
        None => set_mark(to, Some(identity)).await,
    }
}

const UNFINISHED_MARK: key::Setting = key::Setting(Setting::UnfinishedCopy);

/// Marks a store as an unfinished copy of the store with this identity, or removes the mark.
async fn set_mark(store: &dyn Portable, identity: Option<String>) -> Result<(), CopyError> {
    let mark = move |_: &dyn Snapshot| -> Result<_, CommandError> {
        let mut writes = WriteSet::default();
        match &identity {
            Some(identity) => writes.rows.put(UNFINISHED_MARK, identity.as_str().into()),
            None => writes.rows.remove(UNFINISHED_MARK),
        }
        Ok(writes)
    };
    store.commit(Box::new(mark)).await.map_err(|error| match error {
        CommitError::Failed(error) => CopyError::Store(error),
        CommitError::Rejected(rejection) => CopyError::Differs(rejection.to_string()),
    })
}

/// Copies the index of events, by which an engine finds late ones while it writes events. Returns how many entries it has.
async fn copy_external_ids(from: &dyn Portable, to: &dyn Portable) -> Result<u64, CopyError> {
    let (mut done, mut after) = (0, None);
    loop {
        let external_ids = from.external_ids(after, ROWS_AT_ONCE).await?;
        let Some((last, ..)) = external_ids.last() else { return Ok(done) };
        after = Some(*last);
        done += external_ids.len() as u64;
        to.put(Part::ExternalIds(external_ids)).await?;
    }
}

async fn copy_events(
    from: &dyn Portable,
    to: &dyn Portable,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let (mut done, mut after) = (0, None);
    let mut batch = Batch::default();
    while let Some((last, heads)) = next_timelines(from, after).await? {
        // An interrupted copy may have written some of these timelines, or parts of them.
        let started: HashMap<_, _> = to.timelines(after, TIMELINES_AT_ONCE).await?.into_iter().collect();
        after = Some(last);
        for (timeline, head) in heads {
            if matches!(timeline, TimelineId::User(_)) && batch.has_apps() {
                // The target may store users' timelines as references, so the events of apps are written first.
                batch.put(to).await?;
            }
            let mut copied = started.get(&timeline).map_or(0, |head| head.length);
            done += copied;
            while copied < head.length {
                let events = read_oldest(from, timeline, copied + 1, head.length).await?;
                let count = events.len() as u64;
                batch.push(Events { timeline, first: copied + 1, events });
                copied += count;
                done += count;
                if batch.is_full() {
                    batch.put(to).await?;
                    progress(done);
                }
            }
        }
        progress(done);
    }
    batch.put(to).await?;
    progress(done);
    Ok(())
}

/// Events that have been read but not written.
#[derive(Default)]
struct Batch {
    events: Vec<Events>,
    count: usize,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, events: Events) {
        self.count += events.events.len();
        self.bytes += events.events.iter().map(Bytes::len).sum::<usize>();
        self.events.push(events);
    }

    fn has_apps(&self) -> bool {
        self.events.iter().any(|events| matches!(events.timeline, TimelineId::App(_)))
    }

    fn is_full(&self) -> bool {
        self.count >= EVENTS_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    async fn put(&mut self, to: &dyn Portable) -> Result<(), Error> {
        let Self { events, .. } = std::mem::take(self);
        if events.is_empty() { Ok(()) } else { to.put(Part::Events(events)).await }
    }
}

async fn copy_rest(
    from: &dyn Portable,
    to: &dyn Portable,
    mut done: u64,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let mut after = 0;
    loop {
        let commits = from.platform(after, EVENTS_AT_ONCE).await?;
        let Some(last) = commits.last() else { break };
        after = last.last();
        done += commits.len() as u64;
        to.put(Part::Platform(commits)).await?;
        progress(done);
    }
    let mut after = None;
    loop {
        let rows = from.rows(after.as_ref(), ROWS_AT_ONCE).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        done += rows.len() as u64;
        to.put(Part::Rows(rows)).await?;
        progress(done);
    }
}
