//! Checking a whole store: that everything in it can be read, and that its parts say the same.

use std::collections::HashMap;
use std::sync::Arc;

use annals_model::{Account, App, Event};

use crate::contract::Head;
use crate::error::Error;
use crate::rows::{Row, RowKey, TokenHash, key};
use crate::timeline::TimelineId;
use crate::transfer::CopyError;
use crate::transfer::Portable;
use crate::transfer::read::{EVENTS_AT_ONCE, ROWS_AT_ONCE, next_timelines, read_oldest};
use crate::typed_rows::TypedRows as _;

/// The most findings that a check keeps. It goes on beyond them, and counts.
const FINDINGS_MAX: usize = 100;

/// What a check read, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// The number of timelines.
    pub timelines: u64,
    /// The number of timeline entries; an event counts once for its app and once for its user.
    pub entries: u64,
    /// The number of commits on the platform timeline.
    pub commits: u64,
    /// The number of rows.
    pub rows: u64,
    /// The number of external identifiers, and of those of late events.
    pub identifiers: u64,
    /// What is wrong, and where. At most 100; `wrong` counts all.
    pub findings: Vec<String>,
    /// The number of things that are wrong.
    pub wrong: u64,
}

impl Checked {
    fn find(&mut self, finding: String) {
        self.wrong += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Returns what was read, or adds why it could not be.
    fn read<T, E: std::fmt::Display>(&mut self, what: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.find(format!("{what} cannot be read: {error}"))).ok()
    }
}

/// Reads everything in a store, and compares:
///
/// - every event with its timeline, and every timeline with its head;
/// - the state of every app and every account with the fold of its timeline (not with `states_follow` false: a store of
///   `--contract-only` has states that no event tells);
/// - the platform timeline with the timelines: it has every event once;
/// - every identifier in the index with the event that it leads to;
/// - every name and address of a row with the state that has it.
///
/// Goes on after what is wrong. `progress` gets the number of things that have been read.
///
/// # Errors
///
/// Fails if the store is unavailable. What is damaged is a finding.
pub async fn check(
    store: &dyn Portable,
    states_follow: bool,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    let lengths = check_timelines(store, states_follow, &mut checked, &mut progress).await?;
    check_platform(store, lengths, &mut checked, &mut progress).await?;
    check_identifiers(store, &mut checked, &mut progress).await?;
    check_rows(store, &mut checked, &mut progress).await?;
    Ok(checked)
}

/// Returns how many events have each timeline as their home.
async fn check_timelines(
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
            } else if states_follow {
                check_state(store, timeline, &read, checked).await?;
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
}

impl Read {
    fn add(&mut self, timeline: TimelineId, event: &Event) {
        self.reached = self.reached.append(event.created_at);
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

async fn check_platform(
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

async fn check_identifiers(
    store: &dyn Portable,
    checked: &mut Checked,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<(), Error> {
    let mut after = None;
    loop {
        let read = available(store.external_ids(after, ROWS_AT_ONCE).await)?;
        let Some(ids) = checked.read("the index of identifiers", read) else { return Ok(()) };
        let Some((last, ..)) = ids.last() else { return Ok(()) };
        after = Some(*last);
        for (id, timeline, position) in ids {
            checked.identifiers += 1;
            let read = available(store.read(timeline, position..=position, usize::MAX).await)?;
            let Some(found) = checked.read(&format!("{timeline:?} position {position}"), read) else {
                continue;
            };
            let found = found.first().and_then(|json| Event::from_json(json));
            if found.is_none_or(|event| event.id != id) {
                checked.find(format!(
                    "identifier {id} leads to {timeline:?} position {position}, which has another"
                ));
            }
        }
        progress(checked.entries + checked.identifiers);
    }
}

async fn check_rows(
    store: &dyn Portable,
    checked: &mut Checked,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<(), Error> {
    let mut after: Option<RowKey> = None;
    loop {
        let read = available(store.rows(after.as_ref(), ROWS_AT_ONCE).await)?;
        let Some(rows) = checked.read("the rows", read) else { return Ok(()) };
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, row) in rows {
            checked.rows += 1;
            let is_right = match (&key, &row) {
                (RowKey::App(key::App(id)), Row::App(app)) if app.deleted_at.is_none() => {
                    app.id == *id
                        && available(store.get(key::AppName(app.name.clone())).await)?
                            .is_ok_and(|app| app.is_some())
                }
                (RowKey::AppName(key::AppName(name)), Row::AppName(app)) => {
                    let app = available(store.get(key::App(*app)).await)?;
                    app.is_ok_and(|app| app.is_some_and(|app| app.name == *name && app.deleted_at.is_none()))
                }
                (RowKey::Token(key::Token(user, id)), Row::Token(token)) => {
                    let hash = TokenHash::from_hex(&token.hash);
                    let owner = match hash {
                        Some(hash) => available(store.get(key::TokenHash(hash)).await)?.ok().flatten(),
                        None => None,
                    };
                    owner == Some((*user, *id))
                }
                _ => true,
            };
            if !is_right {
                // The finding names only the kind: keys may be names, and values secret.
                let key = format!("{key:?}");
                let kind = key.split('(').next().unwrap_or_default();
                checked.find(format!("a row of kind {kind} differs from the rows that it belongs to"));
            }
        }
        progress(checked.entries + checked.rows);
    }
}

/// Passes on that the store is unavailable. Any other error is a finding.
fn available<T>(read: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match read {
        Err(error @ (Error::Unavailable(_) | Error::Closed)) => Err(error),
        read => Ok(read),
    }
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
