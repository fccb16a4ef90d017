//! A store in a few lines of memory, and random histories to compare an engine with it.

use std::collections::BTreeMap;

use annals_model::{RandomIds, Time};
use annals_store::{Head, NewEvent, PlatformCommit, PlatformEvent, Store, TimelineId};
use annals_testing::{START, app, event, user};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::suite::{check_platform, recorded_at};

/// Every timeline, oldest event first.
#[derive(Default)]
pub(crate) struct Oracle {
    timelines: BTreeMap<TimelineId, Vec<NewEvent>>,
    platform: Vec<PlatformCommit>,
    latest: Time,
}

pub(crate) enum Step {
    Append(Vec<NewEvent>),
    Reopen,
    Read,
}

pub(crate) struct History {
    random: StdRng,
    ids: RandomIds,
}

impl History {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), ids: RandomIds::starting_at(1, 0) }
    }

    /// Returns the next step. Apps, users and times are few, so that they collide; commits have one event or hundreds. Some
    /// events are late.
    pub(crate) fn next(&mut self, oracle: &Oracle) -> Step {
        match self.random.random_range(0..20) {
            0 => Step::Reopen,
            1..8 => Step::Read,
            _ => {
                let count = *[1, 1, 1, 2, 5, 63, 64, 65, 300].get(self.random.random_range(0..9)).unwrap();
                let mut latest = oracle.latest.max(START);
                let late_of_ten = *[0, 0, 1, 9].get(self.random.random_range(0..4)).unwrap();
                let mut heads: BTreeMap<TimelineId, Head> = BTreeMap::new();
                let events = (0..count).map(|_| {
                    latest = latest.plus_millis(self.random.random_range(0..3));
                    let time = match self.random.random_range(0..10) < late_of_ten {
                        true => latest.minus_millis(self.random.random_range(0..2000)),
                        false => latest,
                    };
                    let app =
                        (self.random.random_range(0..5) > 0).then(|| app(self.random.random_range(0..4)));
                    let user =
                        (app.is_none() || self.random.random()).then(|| user(self.random.random_range(0..3)));
                    let mut event = event(&self.ids, app, user, time);
                    let mut extend = |timeline| {
                        let head = heads.entry(timeline).or_insert_with(|| oracle.head(timeline));
                        let is_late = head.is_late(time);
                        *head = head.append(time);
                        is_late
                    };
                    event.is_indexed = extend(event.home());
                    if let Some(reference) = event.reference() {
                        extend(reference);
                    }
                    event.event_type =
                        ["restart", "scale", "database/add_feature"][self.random.random_range(0..3)];
                    event
                });
                Step::Append(events.collect())
            }
        }
    }
}

impl Oracle {
    /// Returns the head of a timeline, by looking at all its events.
    fn head(&self, timeline: TimelineId) -> Head {
        let events = self.timelines.get(&timeline).map(Vec::as_slice).unwrap_or_default();
        let is_late = |index: &usize| {
            events[..*index].iter().any(|before| before.created_at > events[*index].created_at)
        };
        Head {
            length: events.len() as u64,
            latest: events.iter().map(|event| event.created_at).max().unwrap_or_default(),
            last_late: (0..events.len()).rev().find(is_late).map_or(0, |index| index as u64 + 1),
        }
    }

    pub(crate) fn append(&mut self, events: &[NewEvent]) {
        let mut commit = PlatformCommit {
            first: self.platform.last().map_or(1, |last| last.last() + 1),
            recorded_at: recorded_at(events),
            earliest: events.iter().map(|event| event.created_at).min().unwrap(),
            latest: events.iter().map(|event| event.created_at).max().unwrap(),
            ..PlatformCommit::default()
        };
        for event in events {
            for timeline in [Some(event.home()), event.reference()].into_iter().flatten() {
                self.timelines.entry(timeline).or_default().push(event.clone());
            }
            self.latest = self.latest.max(event.created_at);
            if !commit.types.iter().any(|name| name == event.event_type) {
                commit.types.push(event.event_type.to_owned());
            }
            let event_type = commit.types.iter().position(|name| name == event.event_type).unwrap();
            commit.events.push(PlatformEvent {
                timeline: event.home(),
                position: self.timelines[&event.home()].len() as u64,
                event_type: u16::try_from(event_type).unwrap(),
            });
        }
        self.platform.push(commit);
    }

    /// Compares a read from a random position with a random limit.
    pub(crate) async fn check_the_platform(&self, store: &dyn Store, history: &mut History) {
        let length = self.platform.last().map_or(0, PlatformCommit::last);
        assert_eq!(store.platform_length().await.unwrap(), length);
        let after = history.random.random_range(0..=length);
        let limit = history.random.random_range(1..400);
        let mut expected: Vec<_> = self
            .platform
            .iter()
            .filter(|commit| commit.last() > after && commit.first <= after + limit)
            .cloned()
            .collect();
        if let Some(first) = expected.first_mut()
            && first.first <= after
        {
            first.events.drain(..usize::try_from(after + 1 - first.first).unwrap());
            first.first = after + 1;
        }
        let read = store.platform(after, usize::try_from(limit).unwrap()).await.unwrap();
        assert_eq!(read, expected, "after {after}, {limit}");
    }

    pub(crate) async fn check_a_page(&self, store: &dyn Store, history: &mut History) {
        let Some(timeline) = self.timelines.keys().nth(history.random.random_range(0..7)) else { return };
        let events = &self.timelines[timeline];
        let oldest = history.random.random_range(1..=events.len());
        let newest = (oldest + history.random.random_range(0..100)).min(events.len());
        let page = store.read(*timeline, oldest as u64..=newest as u64, usize::MAX).await.unwrap();
        let expected: Vec<_> =
            events[oldest - 1..newest].iter().rev().map(|event| event.json.clone()).collect();
        assert_eq!(page, expected, "{timeline:?} {oldest}..={newest}");
        let picked = &events[newest - 1];
        let reached = events.iter().position(|event| event.created_at >= picked.created_at).unwrap();
        assert_eq!(store.length_before(*timeline, picked.created_at).await.unwrap(), reached as u64);
        let found = store.find(picked.home(), picked.id).await.unwrap();
        assert_eq!(found.as_deref(), Some(picked.json.as_slice()));
    }

    pub(crate) async fn check_everything(&self, store: &dyn Store) {
        for (timeline, events) in &self.timelines {
            let head = store.head(*timeline).await.unwrap();
            assert_eq!(head, self.head(*timeline), "{timeline:?}");
            let all = store.read(*timeline, 1..=head.length, usize::MAX).await.unwrap();
            let expected: Vec<_> = events.iter().rev().map(|event| event.json.clone()).collect();
            assert_eq!(all, expected);
        }
        assert_eq!(store.platform(0, usize::MAX).await.unwrap(), self.platform);
        check_platform(store, self.timelines.keys().copied()).await;
        assert_eq!(store.statistics().await.unwrap().timelines, self.timelines.len() as u64);
    }
}
