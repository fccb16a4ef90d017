//! Random histories of an app over every action.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use annals_model::app::{CreateApp, addon_id, collaborator_id, domain_id, variable_id};
use annals_model::{
    App, AppRef, Context, Decision, Directory, Event, IdSource, Person, PrivateState, RandomIds, Rules, Time,
    TypeData,
};
use proptest::prelude::*;

use crate::platform::{Fixed, people};
use crate::steps::{Plan, kinds};

/// The kinds of steps that have recorded an event.
static REACHED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

#[test]
fn random_histories_reach_every_action() {
    let all: BTreeSet<_> = kinds().iter().map(|kind| kind.name).collect();
    assert_eq!(all.len(), kinds().len(), "two kinds of steps have the same name");
    // Some kinds need several others before them, so one round of histories may miss a kind. Twenty rounds do not.
    for _ in 0..20 {
        folding_the_timeline_gives_the_state_at_every_point();
        if *REACHED.lock().unwrap() == all {
            return;
        }
    }
    let missed: Vec<_> = all.difference(&REACHED.lock().unwrap()).copied().collect();
    panic!("these kinds of steps never recorded an event: {missed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn folding_the_timeline_gives_the_state_at_every_point(
        plans in prop::collection::vec(Plan::any(), 0..400),
        instant_builder: bool,
    ) {
        let ids = RandomIds::starting_at(1, 0);
        let rules = Rules { instant_builder, public_url: "https://annals.example".to_owned() };
        let platform = Fixed { directory: Directory::default(), rules, people: people() };
        let mut now = Time::from_millis(1_762_000_000_000);
        let context = |now: Time, actor, role| {
            let remote_ip = "192.0.2.1".parse::<IpAddr>().ok();
            Context { now, actor, role, remote_ip, ids: &ids, lookups: &platform }
        };
        let jane = &platform.people[0];
        let create = CreateApp { name: "first-name".to_owned(), ..CreateApp::default() };
        let first = create.decide(&context(now, Some(jane), None)).unwrap();
        let app = AppRef { id: first.created, name: create.name };
        let mut state = Arc::new(App::first_seen(&app, now));
        let mut private = Arc::<PrivateState>::default();
        let mut timeline = Vec::new();
        let mut record = |state: &mut Arc<App>, now: Time, user: &Person, data: TypeData| {
            let app = Some(state.named_in(&data));
            let event = Event { id: ids.event_id(now), created_at: now, user: Some(user.clone()), app, project: None, data };
            // Stored bytes are what gets folded, so an event must survive being written and read.
            let written = event.to_json();
            let event = Event::from_json(&written).unwrap();
            prop_assert_eq!(&event.to_json(), &written);
            App::apply(state, &event);
            timeline.push(event);
            // Folding every prefix of a long history takes too long: the first ones, then every seventh.
            if timeline.len() < 30 || timeline.len() % 7 == 0 {
                let folded = App::fold(&timeline);
                prop_assert_eq!(folded.as_ref(), Some(&**state));
            }
            Ok(())
        };
        for data in first.events {
            record(&mut state, now, jane, data)?;
        }
        for plan in &plans {
            now = now.plus_millis(3_600_000);
            let actor = platform.people.get(plan.actor).unwrap_or(jane);
            if state.deleted_at.is_some() && !plan.takes_deleted_apps() {
                continue;
            }
            let mut private_after = Arc::clone(&private);
            let role = state.role_of(actor.id);
            let decided = plan.decide(&state, &mut private_after, &context(now, Some(actor), role));
            if let Ok(Decision { events, created }) = decided {
                let count_of_created = |app: &App, private: &PrivateState| {
                    created.as_ref().map(|name| count(name, app, private))
                };
                let before = count_of_created(&state, &private);
                if !events.is_empty() {
                    REACHED.lock().unwrap().insert(plan.kind.name);
                }
                for data in events {
                    record(&mut state, now, actor, data)?;
                }
                private = private_after;
                let after = count_of_created(&state, &private);
                prop_assert_eq!(after, before.map(|before| before + 1), "{:?} created {:?}", plan, &created);
            }
        }
        let folded = App::fold(&timeline);
        prop_assert_eq!(folded.as_ref(), Some(&*state));
        // Both states survive being stored and read back.
        let stored: App = serde_json::from_str(&serde_json::to_string(&*state).unwrap()).unwrap();
        prop_assert_eq!(&stored, &*state);
        let stored: PrivateState = serde_json::from_str(&serde_json::to_string(&*private).unwrap()).unwrap();
        prop_assert_eq!(&stored, &*private);
    }
}

/// Counts the things of that name in the app and in its private state.
fn count(name: &str, app: &App, private: &PrivateState) -> usize {
    let ids = private.deployments.iter().map(|deployment| deployment.id.to_string());
    let ids = ids.chain(private.one_offs.iter().map(|one_off| one_off.id.to_string()));
    let ids = ids.chain(private.maintenances.iter().map(|maintenance| maintenance.id.to_string()));
    let ids = ids.chain(app.variables.keys().map(|name| variable_id(app.id, name).to_string()));
    let ids = ids.chain(app.domains.keys().map(|name| domain_id(app.id, name).to_string()));
    let ids = ids.chain(app.invitations.keys().map(|email| collaborator_id(app.id, email).to_string()));
    let ids = ids.chain(app.addons.keys().map(|resource_id| addon_id(app.id, resource_id)));
    let drains = app.addons.values().flat_map(|addon| &addon.log_drains).chain(&app.log_drains);
    let names = drains.chain(app.review_apps.keys());
    ids.chain(names.cloned()).filter(|known| known == name).count()
}
