//! Which processes may open a store and write to it.

use std::sync::Arc;
use std::time::Duration;

use annals_model::RandomIds;
use annals_store::postgres::{Address, Options};
use annals_store::{CommitError, Error, Store, TimelineId, TypedRows as _, key};
use annals_testing::{TestDatabase, app, user};

use crate::append;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_while_another_process_has_exclusive_access() {
    let database = TestDatabase::create().await;
    let store = database.open().await;
    let ids = Arc::new(RandomIds::default());
    append(&*store, &ids, vec![app(1)], user(1)).await.unwrap();
    // The process loses its lock, and another one takes it first.
    let other = database.connect().await;
    let lock: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&i32::from_be_bytes(*b"anls")];
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int \
                     AND objid::bigint = hashtext(current_schema())::bigint & 4294967295";
    let taken = tokio::join!(
        biased;
        other.query(terminate, &lock),
        other.query("SELECT pg_advisory_lock($1, hashtext(current_schema()))", &lock),
    );
    assert_eq!((taken.0.unwrap().len(), taken.1.unwrap().len()), (1, 1));
    let refused = append(&*store, &ids, vec![app(1)], user(1)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Failed(Error::Unavailable(_))), "{refused:?}");
    assert!(store.ready().await.is_err());
    let claimed = store.claim(key::Mail::all(), 1, Duration::from_secs(60)).await;
    assert!(matches!(claimed, Err(Error::Unavailable(_))), "{claimed:?}");
    drop(other);
    append(&*store, &ids, vec![app(1)], user(1)).await.unwrap();
    assert_eq!(store.head(TimelineId::App(app(1))).await.unwrap().length, 2);
    store.claim(key::Mail::all(), 1, Duration::from_secs(60)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_newer_in_use_or_missing_is_not_opened() {
    let database = TestDatabase::create().await;
    let missing = database.options().existing(true).open().await;
    assert!(matches!(missing, Err(Error::Missing)));
    let store = database.open().await;
    let alone = database.options().exclusive().open().await;
    assert!(matches!(alone, Err(Error::InUse)));
    drop(store);
    let alone = database.options().exclusive().open().await.unwrap();
    let shared = database.options().open().await;
    assert!(matches!(shared, Err(Error::InUse)));
    drop(alone);
    database.connect().await.batch_execute("UPDATE annals_format SET format = 99").await.unwrap();
    let newer = database.options().open().await;
    assert!(matches!(newer, Err(Error::Newer { found: 99, known: 1 })));
    let elsewhere: Address = format!("{}_not_there", database.url).parse().unwrap();
    let refused = Options::new(elsewhere).open().await.err().unwrap();
    assert!(
        matches!(&refused, Error::Engine(why) if why.to_string().contains("no schema in the search_path")),
        "{refused:?}"
    );
    let nobody: Address = "postgres://me:secret@127.0.0.1:1/annals".parse().unwrap();
    let error = Options::new(nobody).open().await.err().unwrap();
    assert!(matches!(error, Error::Unavailable(_)) && !format!("{error:?}").contains("secret"), "{error:?}");
}
