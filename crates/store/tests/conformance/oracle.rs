//! A store in a few lines of memory, and random histories to compare one with.

use std::collections::{BTreeMap, BTreeSet};

use annals_model::{RandomIds, Time};
use annals_store::{NewEvent, Store, TimelineId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::suite::{START, app, event, user};

/// Every timeline, whole, oldest first.
#[derive(Default)]
pub(crate) struct Oracle {
    timelines: BTreeMap<TimelineId, Vec<NewEvent>>,
    last_time: Time,
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

    /// Few apps, users and times, so that borders meet; commits of one event and of hundreds.
    pub(crate) fn next(&mut self, oracle: &Oracle) -> Step {
        match self.random.random_range(0..20) {
            0 => Step::Reopen,
            1..8 => Step::Read,
            _ => {
                let count = *[1, 1, 1, 2, 5, 63, 64, 65, 300].get(self.random.random_range(0..9)).unwrap();
                let mut time = oracle.last_time.max(START);
                let events = (0..count).map(|_| {
                    time = time.plus_millis(self.random.random_range(0..3));
                    let app =
                        (self.random.random_range(0..5) > 0).then(|| app(self.random.random_range(0..4)));
                    let user =
                        (app.is_none() || self.random.random()).then(|| user(self.random.random_range(0..3)));
                    event(&self.ids, app, user, time)
                });
                Step::Append(events.collect())
            }
        }
    }
}

impl Oracle {
    pub(crate) fn append(&mut self, events: &[NewEvent]) {
        for event in events {
            for timeline in [Some(event.home()), event.reference()].into_iter().flatten() {
                self.timelines.entry(timeline).or_default().push(event.clone());
            }
            self.last_time = event.created_at;
        }
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
        let before = events.iter().filter(|event| event.created_at < picked.created_at).count();
        assert_eq!(store.count_before(*timeline, picked.created_at).await.unwrap(), before as u64);
        let found = store.find(picked.home(), picked.id).await.unwrap();
        assert_eq!(found.as_deref(), Some(picked.json.as_slice()));
    }

    pub(crate) async fn check_everything(&self, store: &dyn Store) {
        for (timeline, events) in &self.timelines {
            let head = store.head(*timeline).await.unwrap();
            assert_eq!(head.length, events.len() as u64);
            assert_eq!(head.last_time, events.last().unwrap().created_at);
            let all = store.read(*timeline, 1..=head.length, usize::MAX).await.unwrap();
            let expected: Vec<_> = events.iter().rev().map(|event| event.json.clone()).collect();
            assert_eq!(all, expected);
        }
        let mut in_feed = BTreeSet::new();
        for (timeline, positions) in
            store.feed(0, usize::MAX).await.unwrap().iter().flat_map(|entry| &entry.ranges)
        {
            for position in positions.clone() {
                assert!(in_feed.insert((*timeline, position)), "{timeline:?} {position} comes once");
            }
        }
        let homes = self.timelines.iter().flat_map(|(timeline, events)| {
            let homes = events.iter().zip(1..).filter(move |(event, _)| event.home() == *timeline);
            homes.map(move |(_, position)| (*timeline, position))
        });
        assert_eq!(in_feed, homes.collect());
        assert_eq!(store.statistics().await.unwrap().timelines, self.timelines.len() as u64);
    }
}
