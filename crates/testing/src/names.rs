//! Who has a name: by the rows of a store, and by its events.

use std::collections::{BTreeMap, BTreeSet};

use annals_model::catalogue::AppOperations;
use annals_model::{AppId, Event, TypeData};
use annals_store::{Store, TimelineId, TypedRows as _, key};

use crate::fixtures::timeline;

/// The names of apps by all events of a store: a naive fold, which shares nothing with the rows.
#[derive(Debug, Default)]
pub struct NamesByEvents {
    /// The names of live apps, in the order in which the apps got them.
    claims: Vec<(AppId, String)>,
    /// Whether an app is deleted, and its name.
    apps: BTreeMap<AppId, (bool, String)>,
    /// Every name that an app ever had.
    ever: BTreeSet<String>,
}

impl NamesByEvents {
    /// Reads all events of a store in the order of their commits. They must include every deletion.
    pub async fn of(store: &dyn Store) -> Self {
        let commits = store.platform(0, usize::MAX).await.expect("the platform timeline can be read");
        let committed = || commits.iter().flat_map(|commit| &commit.events);
        let mut timelines = BTreeMap::new();
        for app in committed().map(|event| event.timeline).collect::<BTreeSet<_>>() {
            if matches!(app, TimelineId::App(_)) {
                timelines.insert(app, timeline(store, app).await);
            }
        }
        let mut names = Self::default();
        for event in committed() {
            if let Some(events) = timelines.get(&event.timeline) {
                let position = usize::try_from(event.position).expect("a test has few events");
                names.apply(&events[position - 1]);
            }
        }
        names
    }

    fn apply(&mut self, event: &Event) {
        let app = event.app.as_ref().expect("the event is in an app's timeline");
        let before = self.apps.get(&app.id).cloned();
        let was_deleted = before.as_ref().is_some_and(|(is_deleted, _)| *is_deleted);
        let is_deleted = match event.data {
            TypeData::AppOperations(AppOperations::DeleteApp(_)) => true,
            TypeData::AppOperations(AppOperations::NewApp(_)) => false,
            _ => was_deleted,
        };
        let now = (is_deleted, app.name.clone());
        if before.as_ref() != Some(&now) {
            self.claims.retain(|(holder, _)| *holder != app.id);
            if !is_deleted {
                self.claims.push((app.id, app.name.clone()));
            }
        }
        self.ever.insert(app.name.clone());
        self.apps.insert(app.id, now);
    }

    /// Returns the live apps with a name. The last one got it last.
    pub fn holders(&self, name: &str) -> Vec<AppId> {
        self.claims.iter().filter(|(_, held)| held == name).map(|(app, _)| *app).collect()
    }

    /// Checks that the rows of a store say the same about every name.
    pub async fn check_rows(&self, store: &dyn Store) {
        for name in &self.ever {
            assert_eq!(holders(store, name).await, self.holders(name), "{name}");
        }
        for (app, (_, name)) in &self.apps {
            let shared = store.get(key::SharedAppName(name.clone(), *app)).await.expect("a row can be read");
            assert_eq!(
                shared.is_some(),
                self.holders(name).len() > 1 && self.claims.contains(&(*app, name.clone()))
            );
        }
    }
}

/// Returns the apps with a name by the rows of a store. The last one got it last.
async fn holders(store: &dyn Store, name: &str) -> Vec<AppId> {
    let mut next = store.get(key::AppName(name.to_owned())).await.expect("a row can be read");
    let (mut holders, mut later) = (Vec::new(), None);
    while let Some(app) = next {
        assert!(!holders.contains(&app), "the holders of {name} are a circle");
        holders.push(app);
        let shared = store.get(key::SharedAppName(name.to_owned(), app)).await.expect("a row can be read");
        assert_eq!(shared.and_then(|shared| shared.later), later, "{name}");
        (later, next) = (Some(app), shared.and_then(|shared| shared.earlier));
    }
    holders.reverse();
    holders
}
