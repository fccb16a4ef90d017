//! Claims are valid across processes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use annals_store::{PostgresStore, TypedRows as _, key};
use annals_testing::{START, TestDatabase, app, write_rows};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_claimed_by_one_process() {
    let database = TestDatabase::create().await;
    let stores = [database.open().await, database.open().await];
    let timer = |number| key::Timer(START, app(1), number);
    write_rows(&*stores[0], move |rows| (0..200).for_each(|number| rows.put(timer(number), ()))).await;
    let claim = |store: &Arc<PostgresStore>| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let more = store.claim(key::Timer::until(START), 7, MINUTE).await.unwrap();
                if more.is_empty() {
                    return claimed;
                }
                claimed.extend(more.into_iter().map(|(key, ())| key));
            }
        })
    };
    let (first, second) = tokio::join!(claim(&stores[0]), claim(&stores[1]));
    let claimed = [first.unwrap(), second.unwrap()].concat();
    assert_eq!(claimed.len(), 200);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 200);

    // A write by another process ends a claim too.
    write_rows(&*stores[1], move |rows| rows.put(timer(7), ())).await;
    let claimed = stores[0].claim(key::Timer::until(START), 7, MINUTE).await.unwrap();
    assert_eq!(claimed, [(timer(7), ())]);
}
