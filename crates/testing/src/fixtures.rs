//! What tests of stores commit.

use annals_model::{AppId, IdSource, RandomIds, Time, UserId};
use annals_store::{CommandError, CommitError, NewEvent, RowWrites, Snapshot, Store, WriteSet};

/// When the first event is.
pub const START: Time = Time::from_millis(1_762_000_000_000);

/// An app, by number.
pub fn app(number: u8) -> AppId {
    AppId::from_bytes([number; 12])
}

/// A user, by number.
pub fn user(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

/// An event that the store does not have yet.
pub fn event(ids: &RandomIds, app: Option<AppId>, user: Option<UserId>, time: Time) -> NewEvent {
    let id = ids.event_id(time);
    let json =
        format!(r#"{{"id":"{id}","created_at":"{time}","type":"restart","type_data":{{}}}}"#).into_bytes();
    NewEvent { id, has_external_id: false, created_at: time, event_type: "restart", app, user, json }
}

/// Commits what a closure decides.
pub async fn commit(
    store: &dyn Store,
    decide: impl FnMut(&dyn Snapshot) -> Result<WriteSet, CommandError> + Send + 'static,
) -> Result<(), CommitError> {
    store.commit(Box::new(decide)).await
}

/// Commits the rows that a closure writes.
pub async fn write_rows(store: &dyn Store, write: impl Fn(&mut RowWrites) + Send + 'static) {
    let decide = move |_: &dyn Snapshot| {
        let mut writes = WriteSet::default();
        write(&mut writes.rows);
        Ok(writes)
    };
    commit(store, decide).await.expect("the rows can be written");
}
