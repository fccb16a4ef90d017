//! A change in the making: what is recorded, and the states, names and memberships that follow from it.

use std::sync::Arc;

use annals_model::report::AHEAD_MILLIS_MAX;
use annals_model::{Account, App, AppId, Context, Event, EventId, IdSource, Person, Rejection, Time, UserId};

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use indexmap::IndexMap;
use indexmap::map::Entry;

use crate::contract::{Error, NewEvent, Refusal, TimelineId, View, Writes};
use crate::rows::{Row, RowKey};

/// The store in view, with what was drafted so far on top of it.
pub(super) struct Draft<'a> {
    view: &'a dyn View,
    ids: &'a dyn IdSource,
    now: Time,
    last_times: HashMap<TimelineId, Time>,
    /// In the order in which they were met, which decides who was first to hold a name.
    apps: IndexMap<AppId, Drafted<App>, RandomState>,
    accounts: IndexMap<UserId, Drafted<Account>, RandomState>,
    given: HashSet<EventId>,
    rows: HashMap<RowKey, Option<Row>>,
    events: Vec<NewEvent>,
}

/// A state as it was found and as it is now.
struct Drafted<T> {
    found: Option<Arc<T>>,
    now: Arc<T>,
}

impl<T> Drafted<T> {
    fn is_changed(&self) -> bool {
        self.found.as_ref().is_none_or(|found| !Arc::ptr_eq(found, &self.now))
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(view: &'a dyn View, ids: &'a dyn IdSource, now: Time) -> Self {
        Self {
            view,
            ids,
            now,
            last_times: HashMap::new(),
            apps: IndexMap::default(),
            accounts: IndexMap::default(),
            given: HashSet::new(),
            rows: HashMap::new(),
            events: Vec::new(),
        }
    }

    /// What the rules decide from.
    pub(super) fn context<'b>(&self, actor: &'b Person) -> Context<'b>
    where
        'a: 'b,
    {
        Context { now: self.now, actor, ids: self.ids }
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn ids(&self) -> &'a dyn IdSource {
        self.ids
    }

    /// A row, as drafted or as found. States that events change are read with [`Draft::app`] and [`Draft::account`].
    pub(super) fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        match self.rows.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.view.row(key),
        }
    }

    pub(super) fn put(&mut self, key: RowKey, row: Row) {
        self.rows.insert(key, Some(row));
    }

    pub(super) fn remove(&mut self, key: RowKey) {
        self.rows.insert(key, None);
    }

    /// The state of an app, if it is known.
    pub(super) fn app(&self, id: AppId) -> Result<Option<Arc<App>>, Error> {
        if let Some(drafted) = self.apps.get(&id) {
            return Ok(Some(Arc::clone(&drafted.now)));
        }
        match self.view.row(&RowKey::App(id))? {
            Some(Row::App(app)) => Ok(Some(app)),
            _ => Ok(None),
        }
    }

    /// The state of an account, if it is known.
    pub(super) fn account(&self, id: UserId) -> Result<Option<Arc<Account>>, Error> {
        if let Some(drafted) = self.accounts.get(&id) {
            return Ok(Some(Arc::clone(&drafted.now)));
        }
        match self.view.row(&RowKey::Account(id))? {
            Some(Row::Account(account)) => Ok(Some(account)),
            _ => Ok(None),
        }
    }

    /// Registers an account, or gives a known one these particulars.
    pub(super) fn put_account(&mut self, account: Account) -> Result<(), Error> {
        let found = self.account(account.id())?;
        let entry = self
            .accounts
            .entry(account.id())
            .or_insert_with(|| Drafted { found, now: Arc::new(account.clone()) });
        entry.now = Arc::new(account);
        Ok(())
    }

    /// Refuses a name that another app has.
    pub(super) fn require_free_name(&self, name: &str) -> Result<(), Refusal> {
        match self.row(&RowKey::AppName(name.to_owned()))? {
            None => Ok(()),
            Some(_) => Err(Rejection::invalid("name", "has already been taken").into()),
        }
    }

    /// Records an event now: the event's own identifier and time are replaced.
    pub(super) fn record(&mut self, event: Event) -> Result<(), Refusal> {
        let mut tail = Vec::with_capacity(512);
        event.write_tail_to(&mut tail);
        self.record_written(&mut { event }, &tail, None, None)
    }

    /// Records an event whose tail is written already, with that identifier and time where they are given.
    pub(super) fn record_written(
        &mut self,
        event: &mut Event,
        tail: &[u8],
        id: Option<EventId>,
        created_at: Option<Time>,
    ) -> Result<(), Refusal> {
        let app = event.app.as_ref().map(|app| app.id);
        let user = event.user.as_ref().map(|user| user.id);
        let timelines = [app.map(TimelineId::App), user.map(TimelineId::User)];
        event.created_at = self.time_for(timelines, created_at)?;
        event.id = match id {
            None => self.ids.event_id(event.created_at),
            Some(id) => {
                self.require_new_id(id, timelines)?;
                id
            }
        };
        for timeline in timelines.into_iter().flatten() {
            self.last_times.insert(timeline, event.created_at);
        }
        self.apply(event)?;
        self.events.push(NewEvent {
            id: event.id,
            id_given: id.is_some(),
            created_at: event.created_at,
            app,
            user,
            json: Event::json_with_tail(event.id, event.created_at, tail),
        });
        Ok(())
    }

    /// The time for an event of these timelines: the given one if it does not go back or too far ahead, else now, or
    /// the time of their last event where the clock is behind that.
    fn time_for(&mut self, timelines: [Option<TimelineId>; 2], given: Option<Time>) -> Result<Time, Refusal> {
        let mut earliest = Time::EPOCH;
        for timeline in timelines.into_iter().flatten() {
            let last = match self.last_times.get(&timeline) {
                Some(time) => *time,
                None => self.view.head(timeline)?.last_time,
            };
            if let Some(given) = given
                && given < last
            {
                let whose = match timeline {
                    TimelineId::App(app) => format!("app {app}"),
                    TimelineId::User(user) => format!("user {user}"),
                };
                let message = format!("must not be before the last event of {whose}, {last}");
                return Err(Rejection::invalid("created_at", message).into());
            }
            earliest = earliest.max(last);
        }
        let latest = self.now.plus_millis(AHEAD_MILLIS_MAX);
        match given {
            Some(given) if given > latest && given > earliest => {
                Err(Rejection::invalid("created_at", "must not be more than an hour ahead of the clock")
                    .into())
            }
            Some(given) => Ok(given),
            None => Ok(self.now.max(earliest)),
        }
    }

    fn require_new_id(&mut self, id: EventId, timelines: [Option<TimelineId>; 2]) -> Result<(), Refusal> {
        let home = timelines.into_iter().flatten().next().expect("an event belongs to an app or a user");
        if !self.given.insert(id) || self.view.holds(id, home)? {
            return Err(
                Rejection::invalid("id", "is the identifier of an event that is already recorded").into()
            );
        }
        Ok(())
    }

    /// Changes the states of the app and the accounts as the event says; those not seen before are registered.
    fn apply(&mut self, event: &Event) -> Result<(), Error> {
        if let Some(user) = &event.user {
            Account::apply(&mut self.known_account(user, event.created_at)?.now, event);
        }
        if let Some(app) = &event.app {
            let drafted = match self.apps.entry(app.id) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let found = match self.view.row(&RowKey::App(app.id))? {
                        Some(Row::App(app)) => Some(app),
                        _ => None,
                    };
                    let now =
                        found.clone().unwrap_or_else(|| Arc::new(App::first_seen(app, event.created_at)));
                    entry.insert(Drafted { found, now })
                }
            };
            App::apply(&mut drafted.now, event);
            if let Some(owner) = drafted.now.owner.clone()
                && event.user.as_ref().is_none_or(|user| user.id != owner.id)
            {
                self.known_account(&owner, event.created_at)?;
            }
        }
        Ok(())
    }

    fn known_account(&mut self, person: &Person, at: Time) -> Result<&mut Drafted<Account>, Error> {
        match self.accounts.entry(person.id) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let found = match self.view.row(&RowKey::Account(person.id))? {
                    Some(Row::Account(account)) => Some(account),
                    _ => None,
                };
                let now = found.clone().unwrap_or_else(|| Arc::new(Account::first_seen(person, at)));
                Ok(entry.insert(Drafted { found, now }))
            }
        }
    }

    /// Forgets all that was drafted.
    pub(super) fn discard(&mut self) {
        *self = Self::new(self.view, self.ids, self.now);
    }

    /// All that was drafted, with the rows that states imply. Names are all freed before any is taken, so that it does
    /// not matter who is looked at first when one gives up a name for another.
    pub(super) fn finish(mut self) -> Result<Writes, Error> {
        let (apps, accounts) = (std::mem::take(&mut self.apps), std::mem::take(&mut self.accounts));
        let names: Vec<_> = apps
            .values()
            .filter(|drafted| drafted.is_changed())
            .flat_map(names_of_app)
            .chain(accounts.values().filter(|drafted| drafted.is_changed()).flat_map(names_of_account))
            .filter(|name| name.before != name.now)
            .collect();
        for Name { before, holder, .. } in &names {
            if let Some(before) = before
                && self.row(before)?.as_ref() == Some(holder)
            {
                self.remove(before.clone());
            }
        }
        for Name { now, holder, .. } in names {
            if let Some(now) = now
                && self.row(&now)?.is_none()
            {
                self.put(now, holder);
            }
        }
        for Drafted { found, now } in apps.into_values() {
            self.keep_members(found.as_deref(), &now);
            // Also one that stays as it is: the store counts the events since it last wrote it.
            self.put(RowKey::App(now.id), Row::App(now));
        }
        for Drafted { now, .. } in accounts.into_values().filter(Drafted::is_changed) {
            self.put(RowKey::Account(now.id()), Row::Account(now));
        }
        Ok(Writes { events: self.events, rows: self.rows.into_iter().collect() })
    }

    fn keep_members(&mut self, found: Option<&App>, now: &App) {
        if found.is_some_and(|found| std::ptr::eq(found, now)) {
            return;
        }
        let before = found.map(App::members).unwrap_or_default();
        let after = now.members();
        for member in before.iter().filter(|member| !after.contains(member)) {
            self.remove(RowKey::Member(*member, now.id));
        }
        for member in after.iter().filter(|member| !before.contains(member)) {
            self.put(RowKey::Member(*member, now.id), Row::Present);
        }
    }
}

/// A name that somebody or something has: the row before and the row now, and what it leads to. Where reports give a
/// name to two, the first one keeps it until it goes; the other is found by its identifier.
struct Name {
    before: Option<RowKey>,
    now: Option<RowKey>,
    holder: Row,
}

fn names_of_app(drafted: &Drafted<App>) -> Vec<Name> {
    let name = |app: &App| app.deleted_at.is_none().then(|| RowKey::AppName(app.name.clone()));
    let before = drafted.found.as_deref().and_then(name);
    vec![Name { before, now: name(&drafted.now), holder: Row::AppWithName(drafted.now.id) }]
}

fn names_of_account(drafted: &Drafted<Account>) -> Vec<Name> {
    let name = |key: fn(&Person) -> RowKey| Name {
        before: drafted.found.as_ref().map(|account| key(&account.person)),
        now: Some(key(&drafted.now.person)),
        holder: Row::UserWithName(drafted.now.id()),
    };
    vec![
        name(|person| RowKey::Username(person.username.clone())),
        name(|person| RowKey::email(&person.email)),
    ]
}
