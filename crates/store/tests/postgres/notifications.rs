//! Notifications of timelines reach all processes.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_model::RandomIds;
use annals_store::{PostgresStore, Store, TimelineId, follow};
use annals_testing::{TestDatabase, app, user};

use crate::append;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_is_notified_of_what_another_records() {
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await];
    let mut notifications = stores[1].subscribe();
    let mut follower = follow(Arc::<PostgresStore>::clone(&stores[1]), 0);
    let follower = tokio::spawn(async move { follower.next().await.unwrap() });
    append(&*stores[0], &Arc::new(RandomIds::default()), vec![app(7)], user(7)).await.unwrap();
    let received = [notifications.recv().await.unwrap(), notifications.recv().await.unwrap()];
    assert_eq!(BTreeSet::from(received), [TimelineId::App(app(7)), TimelineId::User(user(7))].into());
    let followed = follower.await.unwrap();
    assert_eq!((followed.len(), followed[0].first, followed[0].events.len()), (1, 1, 1));
}
