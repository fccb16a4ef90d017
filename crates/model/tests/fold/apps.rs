//! Random histories of an app over every action.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use annals_model::app::{
    AcceptInvitation, AddAddon, AddAddonLogDrain, AddDomain, AddFeature, AddLogDrain, AppAction,
    BuildDetails, CertificateChange, ChangeRole, ChangeStack, ChangeVariable, ChooseMaintenanceWindow,
    ConfigureAddon, CreateApp, DeleteAddon, DeleteAddonLogDrain, DeleteApp, DeleteDomain, DeleteLogDrain,
    DeleteVariable, DeleteVariables, DeployArchive, DeployBranch, Drain, EditApp, EditDomain, FollowUp,
    GrantConsent, ImportDeployment, Invite, Link, LinkSettings, MaintenanceMove, MoveDeployment,
    MoveMaintenance, NewValue, PlanMaintenance, Progress, PullChange, PullRequest, PushReceived,
    RemoveCollaborator, RemoveFeature, RenameApp, Restart, Run, Scale, ScaledType, SetHdsContact,
    SetVariable, SetVariables, Stage, TransferApp, Unlink, UpdateLink, UpgradeAddon, addon_id,
    collaborator_id, domain_id, review_apps, variable_id,
};
use annals_model::catalogue::{CommitList, DeploymentStatus, HdsContact};
use annals_model::{
    App, AppRef, Context, Decision, Directory, Event, IdSource, Person, PrivateState, RandomIds, Rejection,
    Report, Role, Rules, Time, TypeData,
};
use proptest::prelude::*;

use crate::platform::{Decided, Fixed, named, people};

/// One step of a history: what is done, and three choices that it makes what it likes of.
#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    by: u8,
    a: u8,
    b: u8,
}

const KINDS: u8 = 46;

/// How many events each kind of step recorded.
static RECORDED: [AtomicUsize; KINDS as usize] = [const { AtomicUsize::new(0) }; KINDS as usize];

#[test]
fn random_histories_reach_every_action() {
    let never = || -> Vec<_> {
        (0..usize::from(KINDS)).filter(|kind| RECORDED[*kind].load(Ordering::Relaxed) == 0).collect()
    };
    // Some kinds need several others before them, so a round of histories may miss one: the next will not.
    for _ in 0..20 {
        folding_the_timeline_gives_the_state_at_every_point();
        if never().is_empty() {
            return;
        }
    }
    panic!("kinds of steps that never recorded an event: {:?}", never());
}

fn any_step() -> impl Strategy<Value = Step> {
    // The owner, who may most, does most.
    (0..KINDS, prop_oneof![3 => Just(0u8), 1 => 1..4u8], 0..6u8, 0..6u8).prop_map(|(kind, by, a, b)| Step {
        kind,
        by,
        a,
        b,
    })
}

/// What a step decides. Like the service, it refuses callers whose role is too small.
fn decide(step: &Step, app: &App, private: &mut Arc<PrivateState>, context: &Context<'_>) -> Decided {
    fn act<A: AppAction>(
        action: &A,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Decided {
        let role = if A::ROLE == Role::Operator { Some(Role::Operator) } else { context.role };
        match role {
            Some(role) if role >= A::ROLE => {
                let actor = action.actor(app, private, context.actor);
                let context = Context { actor: actor.as_ref(), role: Some(role), ..*context };
                action.decide(app, private, &context).map(named)
            }
            Some(_) => Err(Rejection::needs(A::ROLE)),
            None => Err(Rejection::NotFound("app")),
        }
    }
    let (a, b) = (usize::from(step.a), usize::from(step.b));
    let text = |pool: &[&str], at: usize| pool[at % pool.len()].to_owned();
    let name = |at| text(&["A", "B", "LONG_NAME", "9bad"], at);
    let value = |at| text(&["", "1", "two", "é"], at);
    let addon = || {
        app.addons.keys().nth(a % app.addons.len().max(1)).map(|id| addon_id(app.id, id)).unwrap_or_default()
    };
    let domain = || domain_id(app.id, &text(&["a.io", "b.io", "c.io"], a));
    let email =
        |at| text(&["jane@example.com", "sam@example.com", "kim@example.com", "new@example.com", "no"], at);
    let flag = |at: usize| [None, Some(true), Some(false)][at % 3];
    let drain = || Drain {
        kind: text(&["syslog", "datadog", "elk"], a),
        host: Some("logs.io".to_owned()),
        port: Some(text(&["514", "515", "x"], b)),
        token: Some("t".to_owned()),
        drain_region: Some("eu".to_owned()),
        url: Some("https://elk.io".to_owned()),
    };
    let drain_url = || text(&["syslog://:t@logs.io:514", "datadog://t?region=eu", "elk://elk.io"], b);
    let settings = || LinkSettings {
        branch: Some(text(&["main", "next"], b)),
        auto_deploy: flag(a),
        auto_deploy_review_apps: flag(b),
        delete_on_close: flag(a + 1),
        delete_stale: flag(b + 1),
        hours_before_delete_stale: Some(b as u32),
        ..LinkSettings::default()
    };
    let value_of = |at: usize, with: usize| NewValue { name: name(at), value: value(with) };
    let until = |at: usize| (at > 0).then(|| context.now.plus_millis(at as u64 * 86_400_000));
    let progress = [
        Progress::UnderWay(Stage::Building),
        Progress::Ended(DeploymentStatus::Success),
        Progress::Ended(DeploymentStatus::BuildError),
    ][b % 3];
    let maintenance = || {
        private
            .maintenances
            .get(a % private.maintenances.len().max(1))
            .map(|record| (record.addon_id.clone(), record.id))
    };
    match step.kind {
        0 => act(
            &Scale {
                containers: vec![ScaledType {
                    name: text(&["web", "worker", "b@d"], a),
                    amount: b as i64 * 3 - 2,
                    size: None,
                }],
            },
            app,
            private,
            context,
        ),
        1 => act(
            &Scale {
                containers: vec![ScaledType {
                    name: "web".to_owned(),
                    amount: 1,
                    size: Some(text(&["S", "L", "huge"], a)),
                }],
            },
            app,
            private,
            context,
        ),
        2 => act(&SetVariable(value_of(a, b)), app, private, context),
        3 => {
            act(&ChangeVariable { id: variable_id(app.id, &name(a)), value: value(b) }, app, private, context)
        }
        4 => act(&DeleteVariable { id: variable_id(app.id, &name(a)) }, app, private, context),
        5 => act(&SetVariables(vec![value_of(a, b), value_of(b, a)]), app, private, context),
        6 => act(
            &DeleteVariables(vec![variable_id(app.id, &name(a)), variable_id(app.id, &name(b))]),
            app,
            private,
            context,
        ),
        7 => act(
            &RenameApp {
                current_name: app.name.clone(),
                new_name: text(&["first-name", "second-name", "no"], a),
            },
            app,
            private,
            context,
        ),
        8 => act(
            &EditApp { force_https: flag(a), sticky_session: flag(b), router_logs: None },
            app,
            private,
            context,
        ),
        9 => act(
            &ChangeStack { stack_id: text(&["scalingo-22", "scalingo-24", "scalingo-18", "none"], a) },
            app,
            private,
            context,
        ),
        10 => act(&Restart { scope: vec![text(&["web", "web-1", "nothing"], a)] }, app, private, context),
        11 => act(
            &Run { command: text(&["ls", ""], a), size: None, detached: b % 2 == 0 },
            app,
            private,
            context,
        ),
        12 => act(
            &AddDomain {
                name: text(&["a.io", "b.io", "c.io", "bad"], a),
                certificate: None,
                canonical: b == 0,
                letsencrypt_enabled: b != 1,
            },
            app,
            private,
            context,
        ),
        13 => act(
            &EditDomain {
                id: domain(),
                certificate: CertificateChange::Remove,
                canonical: flag(b),
                letsencrypt_enabled: flag(b + 1),
            },
            app,
            private,
            context,
        ),
        14 => act(&DeleteDomain { id: domain() }, app, private, context),
        15 => act(
            &AddAddon {
                provider_id: text(&["postgresql", "redis", "none"], a),
                plan_id: text(&["postgresql-sandbox", "redis-sandbox"], b),
            },
            app,
            private,
            context,
        ),
        16 => act(
            &UpgradeAddon { id: addon(), plan_id: text(&["postgresql-starter-512", "redis-starter-512"], b) },
            app,
            private,
            context,
        ),
        17 => act(&DeleteAddon { id: addon() }, app, private, context),
        18 => act(
            &ConfigureAddon {
                id: addon(),
                config: vec![NewValue {
                    name: text(&["DATABASE_URL", "REDIS_URL", "A"], b),
                    value: value(a),
                }],
            },
            app,
            private,
            context,
        ),
        19 => act(
            &AddFeature { addon_id: addon(), feature: text(&["force-ssl", "publicly-available", "none"], b) },
            app,
            private,
            context,
        ),
        20 => act(
            &RemoveFeature { addon_id: addon(), feature: text(&["force-ssl", "publicly-available"], b) },
            app,
            private,
            context,
        ),
        21 => act(
            &ChooseMaintenanceWindow {
                addon_id: addon(),
                weekday_utc: Some(b as i64 * 2),
                starting_hour_utc: None,
            },
            app,
            private,
            context,
        ),
        22 => act(
            &PlanMaintenance { addon_id: addon(), maintenance_type: text(&["db-upgrade", "NO"], b) },
            app,
            private,
            context,
        ),
        23 => match maintenance() {
            Some((addon_id, id)) => {
                let to = [
                    MaintenanceMove::Start,
                    MaintenanceMove::Complete,
                    MaintenanceMove::Fail,
                    MaintenanceMove::Cancel,
                ][b % 4];
                act(&MoveMaintenance { addon_id, id, to }, app, private, context)
            }
            None => Err(Rejection::NotFound("maintenance")),
        },
        24 => act(&AddLogDrain(drain()), app, private, context),
        25 => act(&DeleteLogDrain { url: drain_url() }, app, private, context),
        26 => act(&AddAddonLogDrain { addon_id: addon(), drain: drain() }, app, private, context),
        27 => act(&DeleteAddonLogDrain { addon_id: addon(), url: drain_url() }, app, private, context),
        28 => act(&Invite { email: email(a), is_limited: b == 0 }, app, private, context),
        29 => {
            let token = private
                .invitations
                .values()
                .nth(a % private.invitations.len().max(1))
                .map(|token| token.0.clone());
            AcceptInvitation { token: token.unwrap_or_default() }.decide(app, private, context).map(named)
        }
        30 => act(&RemoveCollaborator { id: collaborator_id(app.id, &email(a)) }, app, private, context),
        31 => act(
            &ChangeRole { id: collaborator_id(app.id, &email(a)), is_limited: b % 2 == 0 },
            app,
            private,
            context,
        ),
        32 => act(&TransferApp { owner: email(a), current_name: None }, app, private, context),
        33 => act(
            &DeployArchive { source_url: text(&["https://a.io/x.tar.gz", "no"], a), git_ref: None },
            app,
            private,
            context,
        ),
        34 => act(&DeployBranch { branch: text(&["main", "next"], a) }, app, private, context),
        35 => {
            let id =
                private.deployments.get(a % private.deployments.len().max(1)).map(|deployment| deployment.id);
            let id = id.unwrap_or_else(|| context.ids.event_id(context.now));
            act(
                &MoveDeployment { id, status: progress, details: BuildDetails::default() },
                app,
                private,
                context,
            )
        }
        36 => act(
            &ImportDeployment {
                pusher: people()[a % 3].clone(),
                status: progress,
                details: BuildDetails::default(),
            },
            app,
            private,
            context,
        ),
        37 => act(
            &Link {
                source: text(&["https://github.com/jane/shop", "https://gitlab.com/a/b"], a),
                integration_id: text(&["github", "gitlab"], b),
                settings: settings(),
            },
            app,
            private,
            context,
        ),
        38 => act(&UpdateLink(settings()), app, private, context),
        39 => act(&Unlink, app, private, context),
        40 => act(
            &PushReceived {
                branch: text(&["main", "next"], a),
                head: format!("{b:040}"),
                commits: CommitList::default(),
            },
            app,
            private,
            context,
        ),
        41 => {
            let received = pull(a as u64, b, context.now);
            let change =
                [PullChange::Opened, PullChange::Synchronised, PullChange::Closed, PullChange::Other][b % 4];
            match review_apps::pull_request_received(app, private, received, change, context.now)? {
                FollowUp::Create => {
                    let child = context.ids.app_id(context.now);
                    review_apps::create(app, private, a as u64, child, context).map(named)
                }
                FollowUp::Destroy => {
                    let name =
                        review_apps::of_pull(app, a as u64).map(|(name, _)| name.clone()).unwrap_or_default();
                    review_apps::destroy(app, private, &name).map(named)
                }
                FollowUp::Deploy(_) | FollowUp::Nothing => Ok(named(Decision::none())),
            }
        }
        42 => act(
            &GrantConsent { databases_until: until(a), containers_until: until(b) },
            app,
            private,
            context,
        ),
        43 => {
            let contact = HdsContact {
                name: text(&["Jane", ""], a),
                email: email(b),
                phone_number: None,
                company: None,
                address_line1: None,
                address_line2: None,
                address_city: None,
                address_zip: None,
                address_country: Some("FR".to_owned()),
                notes: None,
                remote_ip: None,
            };
            act(&SetHdsContact(contact), app, private, context)
        }
        44 => act(
            &DeleteApp { current_name: ((a, b) == (1, 5)).then(|| app.name.clone()) },
            app,
            private,
            context,
        ),
        _ => {
            // A report is a fact: whatever it says of an app goes.
            let line = include_str!("../../../../docs/examples.ndjson").lines().nth(a * 6 + b).unwrap();
            let report = Report::parse(line).unwrap();
            Ok(named(report.app.map(|_| report.data).into_iter().collect::<Vec<_>>().into()))
        }
    }
}

/// How often the app or what is private to it has something of that name.
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

fn pull(number: u64, head: usize, now: Time) -> PullRequest {
    PullRequest {
        id: number,
        number,
        title: "A change".to_owned(),
        html_url: "https://github.com/jane/shop/pull/1".to_owned(),
        source_repo_name: "jane/shop".to_owned(),
        source_repo_url: "https://github.com/jane/shop".to_owned(),
        comes_from_a_fork: head == 1,
        branch: "change".to_owned(),
        base_branch: "main".to_owned(),
        head: head.to_string(),
        opened_at: now,
        closed_at: None,
        active_at: now,
        delete_at: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn folding_the_timeline_gives_the_state_at_every_point(
        steps in prop::collection::vec(any_step(), 0..400),
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
            let event = Event { id: ids.event_id(now), created_at: now, user: Some(user.clone()), app, data };
            // What is stored is what is folded, so an event must be what its own bytes say.
            let written = event.to_json();
            let event = Event::from_json(&written).unwrap();
            prop_assert_eq!(&event.to_json(), &written);
            App::apply(state, &event);
            timeline.push(event);
            // Every prefix of a long history would take long; the first ones, and then every seventh.
            if timeline.len() < 30 || timeline.len() % 7 == 0 {
                let folded = App::fold(&timeline);
                prop_assert_eq!(folded.as_ref(), Some(&**state));
            }
            Ok(())
        };
        for data in first.events {
            record(&mut state, now, jane, data)?;
        }
        for step in &steps {
            now = now.plus_millis(3_600_000);
            let actor = platform.people.get(usize::from(step.by)).unwrap_or(jane);
            if state.deleted_at.is_some() && step.kind != KINDS - 1 {
                continue;
            }
            let mut private_after = Arc::clone(&private);
            let role = state.role_of(actor.id);
            if let Ok(decision) = decide(step, &state, &mut private_after, &context(now, Some(actor), role)) {
                let Decision { events, created } = decision;
                let count_of_created = |app: &App, private: &PrivateState| {
                    created.as_ref().map(|name| count(name, app, private))
                };
                let before = count_of_created(&state, &private);
                RECORDED[usize::from(step.kind)].fetch_add(events.len(), Ordering::Relaxed);
                for data in events {
                    record(&mut state, now, actor, data)?;
                }
                private = private_after;
                let after = count_of_created(&state, &private);
                prop_assert_eq!(after, before.map(|before| before + 1), "{:?} made {:?}", step, &created);
            }
        }
        let folded = App::fold(&timeline);
        prop_assert_eq!(folded.as_ref(), Some(&*state));
        // What is kept of a state, and of the private one beside it, is enough to go on from.
        let kept: App = serde_json::from_str(&serde_json::to_string(&*state).unwrap()).unwrap();
        prop_assert_eq!(&kept, &*state);
        let kept: PrivateState = serde_json::from_str(&serde_json::to_string(&*private).unwrap()).unwrap();
        prop_assert_eq!(&kept, &*private);
    }
}
