//! Copies of stores between engines, backups, and checks.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::sync::Arc;

use annals_service::{Clock as _, Idempotency, NewUser, SystemClock};
use annals_store::{
    CopyError, EmbeddedStore, Error, Events, Key as _, Part, Portable, PostgresStore, Setting, Step, Store,
    TimelineId, TokenHash, TypedRows as _, check, copy, embedded, key,
};
use annals_testing::{TestDatabase, TestStore, report, serve};
use serde_json::json;

fn embedded(test_store: &TestStore) -> Arc<EmbeddedStore> {
    Arc::new(embedded::Options::new(test_store.location()).open().unwrap())
}

async fn in_database(database: &TestDatabase) -> Arc<PostgresStore> {
    Arc::new(database.options().exclusive().open().await.unwrap())
}

const MARK: key::Setting = key::Setting(Setting::UnfinishedCopy);

/// Marks the target as an unfinished copy.
async fn mark(target: &dyn Portable, mark: String) {
    let mark = (MARK.into_row_key(), key::Setting::row(mark.into()));
    target.put(Part::Rows(vec![mark])).await.unwrap();
}

/// Returns the mark of a copy of that store.
async fn mark_of(source: &dyn Portable) -> String {
    TokenHash::of(&source.get(key::Setting(Setting::SigningKey)).await.unwrap().unwrap()).to_string()
}

/// The number of identifiers that come with the reports of [`fill`].
const EXTERNAL_IDS: u64 = 20 * 38;

fn user_id(number: usize) -> String {
    format!("us-00000000-0000-4000-8000-{number:012}")
}

/// Fills the store with everything that it keeps in a separate place: events of apps and of accounts, late ones, external
/// identifiers, names, tokens, stored responses, many commits.
async fn fill(store: Arc<dyn Store>) {
    let service = serve(store).await;
    let jane = NewUser {
        id: Some(user_id(0).parse().unwrap()),
        username: "user-0".to_owned(),
        email: "user-0@example.com".to_owned(),
        password: Some("correct horse".to_owned()),
        signs_up: false,
    };
    service.register_user(jane, None).await.unwrap();
    let bystander = NewUser {
        id: None,
        username: "bystander".to_owned(),
        email: "bystander@example.com".to_owned(),
        password: None,
        signs_up: false,
    };
    service.register_user(bystander, None).await.unwrap();
    for batch in 0..20 {
        let reports = (0..150).map(|index| {
            let (app, user) = (index % 7, (index / 3) % 5);
            let mut event = json!({
                "user": {"id": user_id(user), "username": format!("user-{user}"), "email": format!("user-{user}@example.com")},
                "type": "login_success", "type_data": {"remote_ip": "192.0.2.1"},
            });
            if index % 10 != 0 {
                event["app_id"] = format!("{:024x}", app + 1).into();
                event["app_name"] = format!("app-{app}").into();
                event["type"] = "run".into();
                event["type_data"] = json!({"command": format!("rake {batch} {index}"), "detached": false});
            }
            if index % 5 == 1 {
                event["created_at"] = SystemClock.now().minus_millis(3_600_000).to_string().into();
            }
            if index % 4 == 0 {
                event["id"] = format!("aa{:022x}", batch * 1000 + index).into();
            }
            report(&event)
        });
        let idempotency = Idempotency { key: format!("key {batch}"), fingerprint: "f".to_owned() };
        service.report(reports.collect(), Some(idempotency)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_copied_to_a_database_and_back_is_unchanged() {
    let [first, second] = [TestStore::embedded(), TestStore::embedded()];
    let database = TestDatabase::create().await;
    fill(embedded(&first)).await;

    let (source, target) = (embedded(&first), in_database(&database).await);
    let mut steps = Vec::new();
    let there = copy(&*source, &*target, |progress| steps.push(progress)).await.unwrap();
    assert_eq!((there.timelines, there.commits), (12, 20));
    let last = |step| steps.iter().rfind(|progress| progress.step == step).unwrap().done;
    assert_eq!([Step::CopyingEvents, Step::ComparingEvents].map(last), [there.entries; 2]);
    let indexed = source.external_ids(None, 10_000).await.unwrap().len() as u64;
    assert!(indexed > EXTERNAL_IDS + 20 * 20, "late events are indexed too: {indexed}");
    let rest = there.rows + there.commits + indexed;
    assert_eq!([Step::CopyingRest, Step::ComparingRest].map(last), [rest; 2]);
    assert!(steps.is_sorted_by_key(|progress| (progress.step as u8, progress.done)));
    assert!(steps.iter().all(|progress| progress.total == there.entries));
    let again = copy(&*source, &*target, |_| {}).await.unwrap_err();
    assert!(matches!(again, CopyError::NotEmpty), "{again}");
    let unguarded = "SELECT count(*) FROM (SELECT id FROM apps UNION ALL SELECT id FROM accounts) AS states \
                     WHERE id NOT IN (SELECT timeline FROM timelines)";
    let row = database.connect().await.query_one(unguarded, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "each state has a clock");
    drop((source, target));

    let (source, target) = (in_database(&database).await, embedded(&second));
    assert_eq!(copy(&*source, &*target, |_| {}).await.unwrap(), there);
    drop((source, target));
    // No copy compared the first store with the last one, so compare them here.
    let (one, other) = (embedded(&first), embedded(&second));
    let commits = one.platform(0, usize::MAX).await.unwrap();
    assert_eq!(commits.len(), 20);
    assert_eq!(other.platform(0, usize::MAX).await.unwrap(), commits);
    let length = 20 * 150;
    assert_eq!(commits.last().unwrap().last(), length);
    for (timeline, head) in one.timelines(None, 100).await.unwrap() {
        assert_eq!(other.head(timeline).await.unwrap(), head);
        let all = 1..=head.length;
        assert_eq!(
            one.read(timeline, all.clone(), usize::MAX).await.unwrap(),
            other.read(timeline, all, usize::MAX).await.unwrap()
        );
    }
    assert_eq!(one.rows(None, 10_000).await.unwrap(), other.rows(None, 10_000).await.unwrap());
    assert_eq!(one.statistics().await.unwrap().timelines, other.statistics().await.unwrap().timelines);
    drop(other);
    // Both copies can be written to.
    let other = embedded(&second);
    fill_more(other.clone()).await;
    assert_eq!(other.platform(length, 10).await.unwrap()[0].first, length + 1);
    let database = database.open().await;
    fill_more(database.clone()).await;
    assert_eq!(database.platform(length, 10).await.unwrap()[0].first, length + 1);
    assert_eq!(database.platform_length().await.unwrap(), length + 1);
}

async fn fill_more(store: Arc<dyn Store>) {
    let service = serve(store).await;
    let event = json!({
        "user": {"id": user_id(1), "username": "user-1", "email": "user-1@example.com"},
        "app_id": format!("{:024x}", 1), "app_name": "app-0", "type": "restart", "type_data": {"scope": null},
    });
    service.report(vec![report(&event)], None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_copy_resumes_only_from_the_same_source() {
    let [first, other, target] = [(); 3].map(|()| TestStore::embedded());
    fill(embedded(&first)).await;
    fill(embedded(&other)).await;
    let source = embedded(&first);
    let target = embedded(&target);
    // The target as a copy leaves it that stops after some events of one timeline.
    mark(&*target, mark_of(&*source).await).await;
    let timeline = TimelineId::App(format!("{:024x}", 1).parse().unwrap());
    let mut events = source.read(timeline, 1..=40, usize::MAX).await.unwrap();
    events.reverse();
    let part = Events { timeline, first: 1, events };
    target.put(Part::Events(vec![part])).await.unwrap();

    let refused = copy(&*target, &*embedded(&TestStore::embedded()), |_| {}).await.unwrap_err();
    assert!(matches!(refused, CopyError::UnfinishedSource), "{refused}");
    let copied = copy(&*source, &*target, |_| {}).await.unwrap();
    assert_eq!(copied.timelines, 12);
    assert_eq!(target.get(MARK).await.unwrap(), None);

    // An unfinished copy of another store.
    let target = embedded(&TestStore::embedded());
    mark(&*target, "another".to_owned()).await;
    let refused = copy(&*embedded(&other), &*target, |_| {}).await.unwrap_err();
    assert!(matches!(refused, CopyError::OtherCopy), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_differs_from_its_source_fails() {
    let [first, target] = [(); 2].map(|()| TestStore::embedded());
    fill(embedded(&first)).await;
    let source = embedded(&first);
    let target = embedded(&target);
    mark(&*target, mark_of(&*source).await).await;
    let timeline = TimelineId::App(format!("{:024x}", 1).parse().unwrap());
    let json = source.read(timeline, 1..=1, usize::MAX).await.unwrap().remove(0);
    let changed = String::from_utf8(json.to_vec()).unwrap().replace("rake", "cake");
    let part = Events { timeline, first: 1, events: vec![changed.into()] };
    target.put(Part::Events(vec![part])).await.unwrap();
    let refused = copy(&*source, &*target, |_| {}).await.unwrap_err();
    assert!(matches!(&refused, CopyError::Differs(what) if what.contains("position 1")), "{refused}");
    assert!(target.get(MARK).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_holds_the_store_as_it_was_at_the_start_and_a_failed_restore_leaves_nothing() {
    let [first, restored] = [(); 2].map(|()| TestStore::embedded());
    let store = embedded(&first);
    fill(store.clone()).await;
    let mut pieces = store.backup().unwrap();
    let begun = pieces.next().unwrap().unwrap();
    let before = store.rows(None, 10_000).await.unwrap();
    let heads = store.timelines(None, 100).await.unwrap();
    fill_more(store.clone()).await;
    let rest: Vec<u8> = pieces.flat_map(|piece| piece.unwrap().to_vec()).collect();
    let backup = [&begun[..], &rest].concat();

    let directory = restored.location();
    let directory = Path::new(&directory);
    let entries = embedded::restore(&*backup, directory).unwrap();
    assert_eq!(embedded::check_backup(&*backup).unwrap(), entries);
    let again = embedded(&restored);
    assert_eq!(again.timelines(None, 100).await.unwrap(), heads);
    assert_eq!(again.rows(None, 10_000).await.unwrap(), before);
    let commits = store.platform(0, usize::MAX).await.unwrap();
    assert_eq!(again.platform(0, usize::MAX).await.unwrap(), commits[..20]);
    let refused = embedded::restore(&*backup, directory).unwrap_err();
    assert!(matches!(refused, Error::Occupied), "{refused}");

    let elsewhere = directory.with_file_name("elsewhere");
    let mut flipped = backup.clone();
    flipped[backup.len() / 2] ^= 1;
    let longer = [&backup[..], b"x"].concat();
    for (damaged, why) in [
        (&backup[..backup.len() - 1], "truncated"),
        (&flipped[..], "modified"),
        (&longer[..], "modified"),
        (b"nothing", "truncated"),
    ] {
        let refused = embedded::restore(damaged, &elsewhere).unwrap_err();
        assert!(matches!(&refused, Error::Damaged(what) if what.contains(why)), "{refused}");
        assert!(!elsewhere.exists());
        assert!(embedded::check_backup(damaged).is_err());
    }
    let mut newer = backup;
    newer[13..17].copy_from_slice(&9_u32.to_be_bytes());
    assert!(matches!(embedded::check_backup(&*newer), Err(Error::Newer { found: 9, .. })));
    assert_eq!(
        std::fs::read_dir(directory.parent().unwrap()).unwrap().count(),
        1,
        "a failed restore leaves nothing"
    );
}

/// Returns what is wrong with a store.
async fn findings(store: &dyn Portable) -> Vec<String> {
    let mut last = 0;
    let checked = check(store, true, |done| last = done).await.unwrap();
    assert_eq!(checked.wrong as usize, checked.findings.len());
    assert!(last > 0 && checked.entries > 3_000 && checked.commits >= 20, "{checked:?}");
    assert!(checked.identifiers >= EXTERNAL_IDS && checked.rows > 20, "{checked:?}");
    checked.findings
}

async fn portable(test_store: &TestStore) -> Arc<dyn Portable> {
    match test_store {
        TestStore::Directory(_) => embedded(test_store),
        TestStore::Database(database) => in_database(database).await,
    }
}

#[tokio::test]
async fn a_check_finds_nothing_in_a_whole_store_and_names_what_is_wrong() {
    for test_store in [TestStore::embedded(), TestStore::Database(TestDatabase::create().await)] {
        fill(test_store.open().await).await;
        let store = portable(&test_store).await;
        assert_eq!(findings(&*store).await, [] as [String; 0]);

        let app = |number: u8| format!("{number:024x}").parse().unwrap();
        let state = store.get(key::App(app(1))).await.unwrap().unwrap();
        let mut other = (*state).clone();
        other.force_https = true;
        let (_, timeline, position) = store.external_ids(None, 1).await.unwrap()[0];
        let other_id = "6905bc8073636100011affff".parse().unwrap();
        drop(store);
        for (part, finding) in [
            (
                Part::Rows(vec![(key::App(app(1)).into_row_key(), key::App::row(other.into()))]),
                "differs from the fold of its events",
            ),
            (
                Part::Rows(vec![(
                    key::AppName("nobody".to_owned()).into_row_key(),
                    key::AppName::row(app(200)),
                )]),
                "a row of kind AppName",
            ),
            (Part::ExternalIds(vec![(other_id, timeline, position)]), "which has another"),
        ] {
            // Reopened, because an import may leave caches behind.
            portable(&test_store).await.put(part).await.unwrap();
            let found = findings(&*portable(&test_store).await).await;
            assert!(found.iter().any(|found| found.contains(finding)), "{finding}: {found:#?}");
        }
        assert_eq!(findings(&*portable(&test_store).await).await.len(), 3);
    }
}
