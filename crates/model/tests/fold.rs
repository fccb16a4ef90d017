//! Random histories: what actions decide, applied, is what folding their events gives, at every point.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use annals_model::app::{
    AppAction, ChangeVariable, CreateApp, DeleteApp, DeleteVariable, DeleteVariables, NewValue, RenameApp,
    Scale, ScaledType, SetVariable, SetVariables, variable_id,
};
use annals_model::{
    Account, App, AppRef, Context, Event, IdSource, Person, RandomIds, Rejection, Report, Time, TypeData,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Scale { name: &'static str, amount: i64, size: Option<&'static str> },
    Set { name: &'static str, value: &'static str },
    Change { name: &'static str, value: &'static str },
    Delete { name: &'static str },
    SetMany(Vec<(&'static str, &'static str)>),
    DeleteMany(Vec<&'static str>),
    Rename { name: &'static str },
    DeleteApp { confirmed: bool },
    Report { example: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(vec!["A", "B", "LONG_NAME", "9bad"]);
    let value = || prop::sample::select(vec!["", "1", "two", "é"]);
    prop_oneof![
        (
            prop::sample::select(vec!["web", "worker", "b@d"]),
            -1..12i64,
            prop::option::of(prop::sample::select(vec!["S", "L", "huge"]))
        )
            .prop_map(|(name, amount, size)| Step::Scale { name, amount, size }),
        (name(), value()).prop_map(|(name, value)| Step::Set { name, value }),
        (name(), value()).prop_map(|(name, value)| Step::Change { name, value }),
        name().prop_map(|name| Step::Delete { name }),
        prop::collection::vec((name(), value()), 0..4).prop_map(Step::SetMany),
        prop::collection::vec(name(), 0..3).prop_map(Step::DeleteMany),
        prop::sample::select(vec!["first-name", "second-name", "no"]).prop_map(|name| Step::Rename { name }),
        any::<bool>().prop_map(|confirmed| Step::DeleteApp { confirmed }),
        (0..46usize).prop_map(|example| Step::Report { example }),
    ]
}

fn decide(step: &Step, app: &App, context: &Context<'_>) -> Result<Vec<TypeData>, Rejection> {
    let id = |name: &&str| variable_id(app.id, name);
    let new =
        |(name, value): &(&str, &str)| NewValue { name: (*name).to_owned(), value: (*value).to_owned() };
    match step {
        Step::Scale { name, amount, size } => Scale {
            containers: vec![ScaledType {
                name: (*name).to_owned(),
                amount: *amount,
                size: size.map(str::to_owned),
            }],
        }
        .decide(app, context),
        Step::Set { name, value } => SetVariable(new(&(*name, *value))).decide(app, context),
        Step::Change { name, value } => {
            ChangeVariable { id: id(name), value: (*value).to_owned() }.decide(app, context)
        }
        Step::Delete { name } => DeleteVariable { id: id(name) }.decide(app, context),
        Step::SetMany(values) => SetVariables(values.iter().map(new).collect()).decide(app, context),
        Step::DeleteMany(names) => DeleteVariables(names.iter().map(id).collect()).decide(app, context),
        Step::Rename { name } => {
            RenameApp { current_name: app.name.clone(), new_name: (*name).to_owned() }.decide(app, context)
        }
        Step::DeleteApp { confirmed } => {
            let current_name = if *confirmed { app.name.clone() } else { "other".to_owned() };
            DeleteApp { current_name }.decide(app, context)
        }
        Step::Report { example } => {
            let line = include_str!("../../../docs/examples.ndjson").lines().nth(*example).unwrap();
            let report = Report::parse(line).unwrap();
            Ok(report.app.map(|_| report.data).into_iter().collect())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn folding_the_timeline_gives_the_state_at_every_point(steps in prop::collection::vec(any_step(), 0..40)) {
        let ids = RandomIds::starting_at(1, 0);
        let actor = Person {
            username: "johndoe".to_owned(),
            email: "john@doe.com".to_owned(),
            id: "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac".parse().unwrap(),
        };
        let mut now = Time::from_millis(1_762_000_000_000);
        let create = CreateApp { name: "first-name".to_owned(), git_source: None };
        let first = create.decide(&Context { now, actor: &actor, ids: &ids }).unwrap();
        let app = AppRef { id: ids.app_id(now), name: create.name };
        let mut state = Arc::new(App::first_seen(&app, now));
        let mut timeline = Vec::new();
        let mut record = |state: &mut Arc<App>, now: Time, data: TypeData| {
            let app = Some(state.named_in(&data));
            let event = Event { id: ids.event_id(now), created_at: now, user: Some(actor.clone()), app, data };
            App::apply(state, &event);
            timeline.push(event);
            let folded = App::fold(&timeline);
            prop_assert_eq!(folded.as_ref(), Some(&**state));
            prop_assert_eq!(
                Account::fold(&timeline).unwrap().person,
                actor.clone()
            );
            Ok(())
        };
        for data in first {
            record(&mut state, now, data)?;
        }
        for step in &steps {
            now = now.plus_millis(7);
            let context = Context { now, actor: &actor, ids: &ids };
            let before = Arc::clone(&state);
            match decide(step, &state, &context) {
                Ok(events) => {
                    for data in events {
                        record(&mut state, now, data)?;
                    }
                }
                Err(_) => prop_assert_eq!(&before, &state),
            }
        }
        // What is kept of a state is enough to go on from it.
        let kept: App = serde_json::from_str(&serde_json::to_string(&*state).unwrap()).unwrap();
        prop_assert_eq!(&kept, &*state);
    }
}
