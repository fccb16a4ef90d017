//! The transaction: a command's unit of work.
//!
//! A transaction reads a snapshot of the store, with its own writes on top. It records events and applies them to states
//! (`append`). At its end it derives the rows that follow from the states (`indexes`). The rules of `annals-model` look up
//! other states through it (`lookups`).

mod append;
mod contradictions;
mod heads;
mod ids;
mod indexes;
mod lookups;

use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;

use annals_model::account::AccountPrivateState;
use annals_model::{
    Account, App, AppId, Context, Directory, EventId, IdSource, Person, PrivateState, Rejection, Role, Time,
    UserId,
};
use annals_store::{
    CommandError, Error, Head, Key, NewEvent, RowWrites, Snapshot, TimelineId, WriteSet, key,
};
use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use indexmap::IndexMap;

use crate::authorization::role_in;
use crate::settings::Settings;

pub use append::RecordedEvent;
pub(crate) use append::unassigned;
pub(crate) use contradictions::Contradiction;
pub(crate) use ids::RepeatedIds;

/// A command's view of the store, with its own writes.
pub(crate) struct Transaction<'a> {
    snapshot: &'a dyn Snapshot,
    ids: &'a dyn IdSource,
    settings: &'a Settings,
    now: Time,
    heads: HashMap<TimelineId, Head>,
    /// In the order of their first use, so that a command writes the same rows each time it is decided.
    apps: IndexMap<AppId, Touched<App>, RandomState>,
    accounts: IndexMap<UserId, Touched<Account>, RandomState>,
    private: IndexMap<AppId, Touched<PrivateState>, RandomState>,
    account_private: IndexMap<UserId, Touched<AccountPrivateState>, RandomState>,
    directory: OnceCell<Arc<Directory>>,
    /// The error of a lookup that failed while the rules decided. It makes the decision void.
    failed_lookup: RefCell<Option<Error>>,
    force_checkpoint: Vec<AppId>,
    external_ids: HashSet<EventId>,
    rows: RowWrites,
    events: Vec<NewEvent>,
    contradictions: Vec<Contradiction>,
}

/// A state that the transaction uses: as found in the store, and as it is now.
#[derive(Clone)]
struct Touched<T> {
    found: Option<Arc<T>>,
    now: Arc<T>,
}

impl<T> Touched<T> {
    fn is_changed(&self) -> bool {
        self.found.as_ref().is_none_or(|found| !Arc::ptr_eq(found, &self.now))
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(
        snapshot: &'a dyn Snapshot,
        ids: &'a dyn IdSource,
        settings: &'a Settings,
        now: Time,
    ) -> Self {
        Self {
            snapshot,
            ids,
            settings,
            now,
            heads: HashMap::new(),
            apps: IndexMap::default(),
            accounts: IndexMap::default(),
            private: IndexMap::default(),
            account_private: IndexMap::default(),
            directory: OnceCell::new(),
            failed_lookup: RefCell::default(),
            force_checkpoint: Vec::new(),
            external_ids: HashSet::new(),
            rows: RowWrites::default(),
            events: Vec::new(),
            contradictions: Vec::new(),
        }
    }

    /// Decides a part of a command that may be rejected without the rest. A rejection undoes what the part has written, and
    /// exactly that.
    pub(crate) fn part<T>(
        &mut self,
        decide: impl FnOnce(&mut Self) -> Result<T, CommandError>,
    ) -> Result<Result<T, Rejection>, CommandError> {
        let before = self.savepoint();
        match decide(self) {
            Ok(decided) => Ok(Ok(decided)),
            Err(CommandError::Rejected(rejection)) => {
                *self = before;
                Ok(Err(rejection))
            }
            Err(failed) => Err(failed),
        }
    }

    /// Returns the transaction as it is now.
    fn savepoint(&self) -> Self {
        Self {
            snapshot: self.snapshot,
            ids: self.ids,
            settings: self.settings,
            now: self.now,
            heads: self.heads.clone(),
            apps: self.apps.clone(),
            accounts: self.accounts.clone(),
            private: self.private.clone(),
            account_private: self.account_private.clone(),
            directory: self.directory.clone(),
            // A lookup that failed has already failed the command.
            failed_lookup: RefCell::default(),
            force_checkpoint: self.force_checkpoint.clone(),
            external_ids: self.external_ids.clone(),
            rows: self.rows.clone(),
            events: self.events.clone(),
            contradictions: self.contradictions.clone(),
        }
    }

    /// Returns the context in which the rules decide.
    pub(crate) fn context<'b>(
        &'b self,
        remote_ip: Option<IpAddr>,
        actor: Option<&'b Person>,
        role: Option<Role>,
    ) -> Context<'b> {
        Context { now: self.now, actor, role, remote_ip, ids: self.ids, lookups: self }
    }

    /// Returns a person with their current name and address. These may have changed since the given ones were read.
    pub(crate) fn refresh(&self, person: Option<Person>) -> Result<Option<Person>, Error> {
        let Some(given) = person else { return Ok(None) };
        Ok(Some(self.account(given.id)?.map_or(given, |account| account.person.clone())))
    }

    /// Returns the decision of the rules, unless one of their lookups failed.
    pub(crate) fn decided<T>(&self, decided: Result<T, Rejection>) -> Result<T, CommandError> {
        match self.failed_lookup.take() {
            Some(error) => Err(error.into()),
            None => Ok(decided?),
        }
    }

    /// Returns the role of a user in an app.
    pub(crate) fn role_of(&self, app: &App, user: UserId) -> Result<Option<Role>, Error> {
        let parent = app.parent.map(|parent| self.app(parent)).transpose()?.flatten();
        Ok(role_in(app, parent.as_deref(), user))
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn ids(&self) -> &'a dyn IdSource {
        self.ids
    }

    /// Returns the URL at which users reach the platform.
    pub(crate) fn public_url(&self) -> &'a str {
        &self.settings.rules.public_url
    }

    /// Returns a row as written in this transaction, or as found in the store. Use [`Self::app`] and [`Self::account`] for
    /// states: they include the events recorded in this transaction.
    pub(crate) fn get<K: Key>(&self, key: K) -> Result<Option<K::Value>, Error> {
        match self.rows.get(key.clone()) {
            Some(written) => Ok(written),
            None => self.snapshot.get(key),
        }
    }

    pub(crate) fn put<K: Key>(&mut self, key: K, value: K::Value) {
        self.rows.put(key, value);
    }

    pub(crate) fn remove<K: Key>(&mut self, key: K) {
        self.rows.remove(key);
    }

    /// Returns the state of an app; `None` if it has no event.
    pub(crate) fn app(&self, id: AppId) -> Result<Option<Arc<App>>, Error> {
        match self.apps.get(&id) {
            Some(touched) => Ok(Some(Arc::clone(&touched.now))),
            None => self.snapshot.get(key::App(id)),
        }
    }

    /// Returns the state of an account; `None` if no event or registration names it.
    pub(crate) fn account(&self, id: UserId) -> Result<Option<Arc<Account>>, Error> {
        match self.accounts.get(&id) {
            Some(touched) => Ok(Some(Arc::clone(&touched.now))),
            None => self.snapshot.get(key::Account(id)),
        }
    }

    /// Returns the private state of an app.
    pub(crate) fn private(&self, id: AppId) -> Result<Arc<PrivateState>, Error> {
        match self.private.get(&id) {
            Some(touched) => Ok(Arc::clone(&touched.now)),
            None => Ok(self.snapshot.get(key::PrivateState(id))?.unwrap_or_default()),
        }
    }

    /// Returns the private state of an app as found in the store.
    pub(crate) fn private_before(&self, id: AppId) -> Result<Arc<PrivateState>, Error> {
        match self.private.get(&id) {
            Some(touched) => Ok(touched.found.clone().unwrap_or_default()),
            None => Ok(self.snapshot.get(key::PrivateState(id))?.unwrap_or_default()),
        }
    }

    /// Returns whether the state of an app follows from its timeline.
    pub(crate) fn folds(&self) -> bool {
        !self.settings.contract_only
    }

    pub(crate) fn put_private(&mut self, id: AppId, private: Arc<PrivateState>) -> Result<(), Error> {
        let found = self.private(id)?;
        touch(&mut self.private, id, found, private);
        Ok(())
    }

    /// Returns the private state of an account.
    pub(crate) fn account_private(&self, id: UserId) -> Result<Arc<AccountPrivateState>, Error> {
        match self.account_private.get(&id) {
            Some(touched) => Ok(Arc::clone(&touched.now)),
            None => Ok(self.snapshot.get(key::AccountPrivateState(id))?.unwrap_or_default()),
        }
    }

    pub(crate) fn put_account_private(
        &mut self,
        id: UserId,
        private: Arc<AccountPrivateState>,
    ) -> Result<(), Error> {
        let found = self.account_private(id)?;
        touch(&mut self.account_private, id, found, private);
        Ok(())
    }

    /// Writes the state of an account.
    pub(crate) fn put_account(&mut self, account: Account) -> Result<(), Error> {
        let id = account.id();
        let (found, now) = (self.account(id)?, Arc::new(account));
        self.rename_user(found.as_deref().map(|found| &found.person), &now.person)?;
        let first = Touched { found, now: Arc::clone(&now) };
        self.accounts.entry(id).or_insert(first).now = now;
        Ok(())
    }

    /// Discards all writes.
    pub(crate) fn discard(&mut self) {
        *self = Self::new(self.snapshot, self.ids, self.settings, self.now);
    }

    /// Returns all writes, with the rows that follow from the states.
    pub(crate) fn finish(mut self) -> Result<WriteSet, Error> {
        self.index_states()?;
        for (id, Touched { now, .. }) in std::mem::take(&mut self.private) {
            self.put(key::PrivateState(id), now);
        }
        for (id, Touched { now, .. }) in std::mem::take(&mut self.account_private) {
            self.put(key::AccountPrivateState(id), now);
        }
        for (id, Touched { now, .. }) in std::mem::take(&mut self.apps) {
            // Even an unchanged state is put: the store then counts how many events have followed the written one.
            self.put(key::App(id), now);
        }
        for (id, touched) in std::mem::take(&mut self.accounts) {
            if touched.is_changed() {
                self.put(key::Account(id), touched.now);
            }
        }
        let Self { events, rows, force_checkpoint, now, .. } = self;
        Ok(WriteSet { events, rows, force_checkpoint, recorded_at: now })
    }
}

fn touch<Id: std::hash::Hash + Eq, T>(
    all: &mut IndexMap<Id, Touched<T>, RandomState>,
    id: Id,
    found: Arc<T>,
    now: Arc<T>,
) {
    if !Arc::ptr_eq(&found, &now) {
        let first = Touched { found: Some(found), now: Arc::clone(&now) };
        all.entry(id).or_insert(first).now = now;
    }
}

#[cfg(test)]
mod tests {
    use annals_model::{RandomIds, Report};
    use serde_json::json;

    use super::*;

    /// A store that has nothing.
    struct Nothing;

    impl Snapshot for Nothing {
        fn head(&self, _: TimelineId) -> Result<Head, Error> {
            Ok(Head::default())
        }

        fn row(&self, _: &annals_store::RowKey) -> Result<Option<annals_store::Row>, Error> {
            Ok(None)
        }

        fn contains_event(&self, _: EventId, _: TimelineId) -> Result<bool, Error> {
            Ok(false)
        }
    }

    fn create(transaction: &mut Transaction<'_>, app: u8) -> Result<(), CommandError> {
        let id = AppId::from_bytes([app; 12]);
        let name = format!("app-number-{app}");
        let person = json!({
            "id": "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac", "username": name, "email": "user@example.com",
        });
        let new_app = json!({ "user": person, "app_id": id, "app_name": name, "type": "new_app" });
        let new_app = Report::parse(&new_app.to_string()).expect("the report is valid");
        transaction.record(unassigned(new_app.user.as_ref(), new_app.app, new_app.data))?;
        transaction.put(key::UsedInvitation(annals_store::TokenHash::of(&name)), id);
        let mut private = transaction.private(id)?;
        Arc::make_mut(&mut private).hook_secret = Some(annals_model::Secret(name));
        transaction.put_private(id, private)?;
        Ok(())
    }

    #[test]
    fn a_rejected_part_is_undone_and_nothing_else() {
        let settings = Settings::default();
        let written = |apps: &[(u8, bool)]| {
            let ids = RandomIds::starting_at(1, 0);
            let mut transaction = Transaction::new(&Nothing, &ids, &settings, Time::from_millis(1000));
            for (app, is_rejected) in apps {
                let part = transaction.part(|transaction| {
                    create(transaction, *app)?;
                    if *is_rejected { Err(Rejection::NotFound("app").into()) } else { Ok(*app) }
                });
                let expected = if *is_rejected { Err(Rejection::NotFound("app")) } else { Ok(*app) };
                assert_eq!(part.expect("the store can be read"), expected);
            }
            let WriteSet { events, rows, .. } = transaction.finish().expect("the store can be read");
            let events: Vec<_> = events.into_iter().map(|event| (event.app, event.user)).collect();
            (events, rows.into_iter().collect::<std::collections::HashMap<_, _>>())
        };
        let expected = written(&[(1, false), (3, false)]);
        assert_eq!(expected.0.len(), 2);
        assert_eq!(written(&[(1, false), (2, true), (1, true), (3, false), (4, true)]), expected);
    }
}
