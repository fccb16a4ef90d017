//! Moving a store into another engine, and proving that it arrived.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};

use crate::contract::{Command, CommandError, CommitError, Error, Head, Snapshot, TimelineId, WriteSet};
use crate::portable::{Events, Part, Portable};
use crate::rows::{Row, RowKey, Setting, TokenHash};

/// How much is written at once; each piece is durable before the next.
const EVENTS_AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: usize = 8 << 20;
const ROWS_AT_ONCE: usize = 1_000;
const TIMELINES_AT_ONCE: usize = 1_000;
const ROWS_ASKED_AT_ONCE: usize = 16;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done now.
    pub step: Step,
    /// How much of it is done.
    pub done: u64,
    /// How many entries all timelines have: an event counts once for its app and once for its user. How much the rest is, is
    /// known only once it was read.
    pub total: u64,
}

/// What a copy does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Entries of timelines are read and written.
    CopyingEvents,
    /// Given identifiers, commits of the feed and rows are.
    CopyingRest,
    /// Entries of timelines are read from both and compared.
    ComparingEvents,
    /// Given identifiers, commits of the feed and rows are.
    ComparingRest,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// How many timelines.
    pub timelines: u64,
    /// How many entries of timelines.
    pub entries: u64,
    /// How many rows.
    pub rows: u64,
    /// How many commits of the feed.
    pub commits: u64,
}

/// Why a copy is not made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target has something in it that is no part of this copy.
    #[error("the target is not empty: name a store that is not there yet, or the one of an interrupted copy")]
    NotEmpty,
    /// The target has the beginning of a copy of another store.
    #[error(
        "the target has the beginning of a copy of another store: finish that one, or name another target"
    )]
    OtherCopy,
    /// The source is itself a copy that is not finished.
    #[error("the source is a copy that is not finished: finish it first")]
    UnfinishedSource,
    /// There is nothing to copy.
    #[error("the source has nothing in it: is it the right one?")]
    EmptySource,
    /// What was written is not what was read.
    #[error(
        "the copy is not the same: {0}; if the source was used since the copy was begun, copy it to a new target"
    )]
    Differs(String),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Copies everything, compares it, and only then lets the target be served. One that was interrupted goes on where it was.
/// Nobody else may use either store meanwhile.
pub async fn copy(
    from: &dyn Portable,
    to: &dyn Portable,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Copied, CopyError> {
    begin(from, to).await?;
    let mut copied = Copied::default();
    let mut after = None;
    while let Some((last, heads)) = next_timelines(from, after).await? {
        copied.timelines += heads.len() as u64;
        copied.entries += heads.iter().map(|(_, head)| head.length).sum::<u64>();
        after = Some(last);
    }
    let total = copied.entries;
    let mut tell = |step, done| progress(Progress { step, done, total });
    copy_events(from, to, |done| tell(Step::CopyingEvents, done)).await?;
    copy_rest(from, to, |done| tell(Step::CopyingRest, done)).await?;
    compare_events(from, to, |done| tell(Step::ComparingEvents, done)).await?;
    compare_rest(from, to, &mut copied, |done| tell(Step::ComparingRest, done)).await?;
    mark(to, None).await?;
    Ok(copied)
}

/// Sees that the target is empty or has the beginning of this copy, and marks it.
async fn begin(from: &dyn Portable, to: &dyn Portable) -> Result<(), CopyError> {
    if from.timelines(None, 1).await?.is_empty() && from.rows(None, 1).await?.is_empty() {
        return Err(CopyError::EmptySource);
    }
    if from.row(&MARK).await?.is_some() {
        return Err(CopyError::UnfinishedSource);
    }
    let identity = match from.row(&RowKey::Setting(Setting::SigningKey)).await? {
        Some(Row::Setting(key)) => TokenHash::of(&key).to_string(),
        _ => "a store that was never served".to_owned(),
    };
    match to.row(&MARK).await? {
        Some(Row::Setting(mark)) if *mark == *identity => Ok(()),
        Some(_) => Err(CopyError::OtherCopy),
        None if !to.timelines(None, 1).await?.is_empty() || !to.rows(None, 1).await?.is_empty() => {
            Err(CopyError::NotEmpty)
        }
        None => mark(to, Some(identity)).await,
    }
}

const MARK: RowKey = RowKey::Setting(Setting::UnfinishedCopy);

/// Sets or removes what says that a store is not whole.
async fn mark(store: &dyn Portable, identity: Option<String>) -> Result<(), CopyError> {
    struct Mark(Option<String>);

    impl Command for Mark {
        fn decide(&mut self, _: &dyn Snapshot) -> Result<WriteSet, CommandError> {
            let row = self.0.as_deref().map(|identity| Row::Setting(identity.into()));
            Ok(WriteSet { rows: vec![(MARK, row)], ..WriteSet::default() })
        }
    }

    store.commit(Box::new(Mark(identity))).await.map_err(|error| match error {
        CommitError::Failed(error) => CopyError::Store(error),
        CommitError::Rejected(rejection) => CopyError::Differs(rejection.to_string()),
    })
}

type Heads = Vec<(TimelineId, Head)>;

async fn next_timelines(
    store: &dyn Portable,
    after: Option<TimelineId>,
) -> Result<Option<(TimelineId, Heads)>, Error> {
    let heads = store.timelines(after, TIMELINES_AT_ONCE).await?;
    Ok(heads.last().map(|(last, _)| *last).map(|last| (last, heads)))
}

async fn copy_events(
    from: &dyn Portable,
    to: &dyn Portable,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let (mut done, mut after) = (0, None);
    let mut waiting = Waiting::default();
    while let Some((last, heads)) = next_timelines(from, after).await? {
        // An interrupted copy has the beginning of them.
        let begun: HashMap<_, _> = to.timelines(after, TIMELINES_AT_ONCE).await?.into_iter().collect();
        after = Some(last);
        for (timeline, head) in heads {
            if matches!(timeline, TimelineId::User(_)) && waiting.has_apps() {
                // What users did may be kept as references to what is in their apps' timelines.
                waiting.put(to).await?;
            }
            let mut copied = begun.get(&timeline).map_or(0, |begun| begun.length);
            done += copied;
            while copied < head.length {
                let events = oldest(from, timeline, copied + 1, head.length).await?;
                let count = events.len() as u64;
                waiting.push(Events { timeline, first: copied + 1, events });
                copied += count;
                done += count;
                if waiting.is_full() {
                    waiting.put(to).await?;
                    progress(done);
                }
            }
        }
        progress(done);
    }
    waiting.put(to).await?;
    progress(done);
    Ok(())
}

/// Events that are read and not yet written.
#[derive(Default)]
struct Waiting {
    events: Vec<Events>,
    count: usize,
    bytes: usize,
}

impl Waiting {
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

/// Events from a position on, oldest first: as many as are good to have in memory.
async fn oldest(
    store: &dyn Portable,
    timeline: TimelineId,
    first: u64,
    length: u64,
) -> Result<Vec<Bytes>, CopyError> {
    let mut count = (length - first + 1).min(EVENTS_AT_ONCE as u64);
    loop {
        let mut events = store.read(timeline, first..=first + count - 1, BYTES_AT_ONCE).await?;
        let read = events.len() as u64;
        if read == count {
            events.reverse();
            return Ok(events);
        }
        if read == 0 {
            return Err(CopyError::Differs(format!("{timeline:?} has no event at {first}")));
        }
        // They were longer than that, and what was left out are the oldest.
        count = (count / 2).max(1).min(count - 1);
    }
}

async fn copy_rest(
    from: &dyn Portable,
    to: &dyn Portable,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let (mut done, mut after) = (0, None);
    loop {
        let given = from.external_ids(after, ROWS_AT_ONCE).await?;
        let Some((last, ..)) = given.last() else { break };
        after = Some(*last);
        done += given.len() as u64;
        to.put(Part::ExternalIds(given)).await?;
        progress(done);
    }
    let mut after = 0;
    loop {
        let entries = from.feed(after, ROWS_AT_ONCE).await?;
        let Some(last) = entries.last() else { break };
        after = last.number;
        done += entries.len() as u64;
        to.put(Part::Feed(entries)).await?;
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

async fn compare_events(
    from: &dyn Portable,
    to: &dyn Portable,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let (mut done, mut after) = (0, None);
    loop {
        let (here, there) =
            (next_timelines(from, after).await?, to.timelines(after, TIMELINES_AT_ONCE).await?);
        let Some((last, heads)) = here else {
            return match there.first() {
                None => Ok(()),
                Some((timeline, _)) => Err(CopyError::Differs(format!("{timeline:?} is in the target only"))),
            };
        };
        if heads != there {
            let different = heads.iter().find(|head| !there.contains(head)).or(there.last());
            let timeline = different.map(|(timeline, _)| *timeline);
            return Err(CopyError::Differs(format!("{timeline:?} has another length, or is in one only")));
        }
        after = Some(last);
        for (timeline, head) in heads {
            let mut compared = 0;
            while compared < head.length {
                let first = compared + 1;
                let events = oldest(from, timeline, first, head.length).await?;
                if events != oldest(to, timeline, first, compared + events.len() as u64).await? {
                    return Err(CopyError::Differs(format!("{timeline:?} from position {first} on")));
                }
                compared += events.len() as u64;
                done += events.len() as u64;
                progress(done);
            }
        }
    }
}

async fn compare_rest(
    from: &dyn Portable,
    to: &dyn Portable,
    copied: &mut Copied,
    mut progress: impl FnMut(u64) + Send,
) -> Result<(), CopyError> {
    let (mut done, mut after) = (0, None);
    loop {
        let (here, there) =
            (from.external_ids(after, ROWS_AT_ONCE).await?, to.external_ids(after, ROWS_AT_ONCE).await?);
        if here != there {
            return Err(CopyError::Differs("given identifiers".to_owned()));
        }
        let Some((last, ..)) = here.last() else { break };
        after = Some(*last);
        done += here.len() as u64;
        progress(done);
    }
    let mut after = 0;
    loop {
        let (here, there) = (from.feed(after, ROWS_AT_ONCE).await?, to.feed(after, ROWS_AT_ONCE).await?);
        if here != there {
            return Err(CopyError::Differs(format!("the feed after {after}")));
        }
        let Some(last) = here.last() else { break };
        after = last.number;
        copied.commits += here.len() as u64;
        progress(done + copied.commits);
    }
    // Engines have rows in orders of their own.
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
            .try_for_each_concurrent(ROWS_ASKED_AT_ONCE, async |(key, row)| match to.row(&key).await? {
                Some(there) if there == row => Ok(()),
                // Which one it is, is for the log of whoever has both: keys may be addresses and values secret.
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
