//! What a store says of a database that refuses writes.

use annals_store::{Error, Store as _};
use annals_testing::TestDatabase;
use url::Url;

#[tokio::test]
async fn a_database_that_became_read_only_is_not_ready() {
    let database = TestDatabase::create().await;
    let client = database.connect().await;
    let role = format!("role_{:016x}", rand::random::<u64>());
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await.unwrap();
    let mut url: Url = database.url.parse().unwrap();
    url.set_username(&role).unwrap();
    let store = TestDatabase { url: url.into() }.open().await;
    store.ready().await.unwrap();
    // The sessions that follow are read-only, as after the primary has become a standby.
    let read_only = format!(
        "ALTER ROLE {role} SET default_transaction_read_only = on; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
    );
    client.batch_execute(&read_only).await.unwrap();
    loop {
        match store.ready().await {
            Err(Error::Unavailable(cause)) if cause.to_string() == "it is read-only" => break,
            Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
    drop(store);
    let gone = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    client.batch_execute(&gone).await.unwrap();
}
