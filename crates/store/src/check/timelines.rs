//! Timelines: their events, heads and times, and the states that follow from them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use annals_model::{Account, App, Event, Time};

use crate::contract::Head;
use crate::error::Error;
use crate::rows::{LateBlock, key};
use crate::timeline::TimelineId;
use crate::transfer::read::{next_timelines, read_oldest};
use crate::transfer::{CopyError, Portable};
use crate::typed_rows::TypedRows as _;

use super::{Checked, available};

/// The most blocks with late events that are compared in one timeline: ten million events.
const BLOCKS_MAX: usize = 10_000;

/// Returns how many events have each timeline as their home.
pub(super) async fn check(
    store: &dyn Portable,
    states_follow: bool,
    checked: &mut Checked,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<HashMap<TimelineId, u64>, Error> {
    let (mut homes, mut after) = (HashMap::new(), None);
    loop {
        let next = available(next_timelines(store, after).await)?;
        let Some(Some((last, heads))) = checked.read("the list of timelines", next) else { return Ok(homes) };
        after = Some(last);
        for (timeline, head) in heads {
            let read = check_timeline(store, timeline, head, checked, progress).await?;
            if read.reached != head {
                let reached = read.reached;
                checked.find(format!("{timeline:?} has the head {head:?}, but its events give {reached:?}"));
            } else {
                check_late_blocks(store, timeline, &read, checked).await?;
                if states_follow {
                    check_state(store, timeline, &read, checked).await?;
                }
            }
            homes.insert(timeline, read.at_home);
            checked.timelines += 1;
            checked.entries += read.reached.length;
        }
    }
}

/// What the events of a timeline give.
#[derive(Default)]
struct Read {
    reached: Head,
    /// The number of events whose home the timeline is.
    at_home: u64,
    app: Option<Arc<App>>,
    account: Option<Arc<Account>>,
    /// The times of each block that has a late event.
    late_blocks: BTreeMap<u64, LateBlock>,
    /// The latest time of any event in the block of the last position.
    latest_in_block: Time,
}

impl Read {
    fn add_time(&mut self, created_at: Time) {
        let is_late = self.reached.is_late(created_at);
        self.reached = self.reached.append(created_at);
        let block = LateBlock::of_position(self.reached.length);
        if self.reached.length == *LateBlock::positions(block).start() {
            self.latest_in_block = created_at;
        }
        self.latest_in_block = self.latest_in_block.max(created_at);
        let latest = self.latest_in_block;
        if is_late {
            let times = LateBlock { earliest_late: created_at, latest };
            let late = self.late_blocks.entry(block).or_insert(times);
            late.earliest_late = late.earliest_late.min(created_at);
        }
        if let Some(late) = self.late_blocks.get_mut(&block) {
            late.latest = latest;
        }
    }

    fn add(&mut self, timeline: TimelineId, event: &Event) {
        self.add_time(event.created_at);
        self.at_home += u64::from(home_of(event) == Some(timeline));
        match (timeline, &event.app, &event.user) {
            (TimelineId::App(_), Some(app), _) => {
                let state = self.app.get_or_insert_with(|| Arc::new(App::first_seen(app, event.created_at)));
                App::apply(state, event);
            }
            (TimelineId::User(_), _, Some(user)) => {
                let first = || Arc::new(Account::first_seen(user, event.created_at));
                Account::apply(self.account.get_or_insert_with(first), event);
            }
            _ => {}
        }
    }
}

async fn check_timeline(
    store: &dyn Portable,
    timeline: TimelineId,
    head: Head,
    checked: &mut Checked,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<Read, Error> {
    let mut read = Read::default();
    while read.reached.length < head.length {
        let first = read.reached.length + 1;
        let events = match read_oldest(store, timeline, first, head.length).await {
            Err(CopyError::Store(error)) => available(Err(error))?,
            Err(error) => Err(Error::Damaged(error.to_string())),
            Ok(events) => Ok(events),
        };
        let Some(events) = checked.read(&format!("{timeline:?} from position {first} on"), events) else {
            break;
        };
        for json in events {
            match Event::from_json(&json).filter(|event| is_in(event, timeline)) {
                Some(event) => read.add(timeline, &event),
                None => {
                    read.reached.length += 1;
                    let position = read.reached.length;
                    checked.find(format!("{timeline:?} position {position} is not an event of it"));
                }
            }
        }
        progress(checked.entries + read.reached.length);
    }
    Ok(read)
}

async fn check_state(
    store: &dyn Portable,
    timeline: TimelineId,
    read: &Read,
    checked: &mut Checked,
) -> Result<(), Error> {
    let is_same = match timeline {
        TimelineId::App(app) => {
            let state = available(store.get(key::App(app)).await)?;
            let Some(state) = checked.read(&format!("the state of app {app}"), state) else { return Ok(()) };
            state == read.app
        }
        TimelineId::User(user) => {
            let state = available(store.get(key::Account(user)).await)?;
            let Some(state) = checked.read(&format!("the state of user {user}"), state) else {
                return Ok(());
            };
            // No event tells when the user registered, and under which name.
            let as_registered = |folded: &Account, state: &Account| {
                let Account { person, created_at, .. } = state.clone();
                Account { person, created_at, ..folded.clone() } == *state
            };
            read.account.as_ref().zip(state).is_some_and(|(folded, state)| as_registered(folded, &state))
        }
    };
    if !is_same {
        checked.find(format!("the state of {timeline:?} differs from the fold of its events"));
    }
    Ok(())
}

async fn check_late_blocks(
    store: &dyn Portable,
    timeline: TimelineId,
    read: &Read,
    checked: &mut Checked,
) -> Result<(), Error> {
    let stored = available(store.list(key::LateBlock::from(timeline, 0), BLOCKS_MAX).await)?;
    let Some(stored) = checked.read(&format!("the times of late events of {timeline:?}"), stored) else {
        return Ok(());
    };
    let stored = stored.into_iter().map(|(key::LateBlock(_, block), times)| (block, times));
    if !stored.eq(read.late_blocks.iter().map(|(block, times)| (*block, *times)).take(BLOCKS_MAX)) {
        checked.find(format!("the times of late events of {timeline:?} differ from those of its events"));
    }
    Ok(())
}

/// Returns the timeline that an event belongs to first: its app's, or its user's if it has no app.
fn home_of(event: &Event) -> Option<TimelineId> {
    let app = event.app.as_ref().map(|app| TimelineId::App(app.id));
    app.or(event.user.as_ref().map(|user| TimelineId::User(user.id)))
}

fn is_in(event: &Event, timeline: TimelineId) -> bool {
    match timeline {
        TimelineId::App(app) => event.app.as_ref().is_some_and(|of| of.id == app),
        TimelineId::User(user) => event.user.as_ref().is_some_and(|of| of.id == user),
    }
}
