//! A change in the making: what is recorded, and the states, names and memberships that follow from it.

use std::sync::Arc;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;

use annals_model::account::{AccountFacts, Integration};
use annals_model::app::addon_id;
use annals_model::catalogue::Origin;
use annals_model::report::AHEAD_MILLIS_MAX;
use annals_model::{
    Account, App, AppId, Context, Directory, Event, EventId, Facts, IdSource, Person, Platform, Rejection,
    Role, Rules, Time, UserId,
};

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use indexmap::IndexMap;
use indexmap::map::Entry;

use crate::contract::{CommandError, Error, NewEvent, Snapshot, TimelineId, WriteSet};
use crate::rows::{Row, RowKey, TokenHash};

use super::{Recorded, Request, Settings};

/// The store in view, with what was drafted so far on top of it.
pub(super) struct Draft<'a> {
    view: &'a dyn Snapshot,
    ids: &'a dyn IdSource,
    settings: &'a Settings,
    now: Time,
    last_times: HashMap<TimelineId, Time>,
    /// In the order in which they were met, which decides who was first to hold a name.
    apps: IndexMap<AppId, Drafted<App>, RandomState>,
    accounts: IndexMap<UserId, Drafted<Account>, RandomState>,
    facts: IndexMap<AppId, Drafted<Facts>, RandomState>,
    account_facts: IndexMap<UserId, Drafted<AccountFacts>, RandomState>,
    directory: OnceCell<Arc<Directory>>,
    /// Why something could not be looked up while the rules decided, which makes the decision worth nothing.
    failed_lookup: RefCell<Option<Error>>,
    force_checkpoint: Vec<AppId>,
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
    pub(super) fn new(
        view: &'a dyn Snapshot,
        ids: &'a dyn IdSource,
        settings: &'a Settings,
        now: Time,
    ) -> Self {
        Self {
            view,
            ids,
            settings,
            now,
            last_times: HashMap::new(),
            apps: IndexMap::default(),
            accounts: IndexMap::default(),
            facts: IndexMap::default(),
            account_facts: IndexMap::default(),
            directory: OnceCell::new(),
            failed_lookup: RefCell::default(),
            force_checkpoint: Vec::new(),
            given: HashSet::new(),
            rows: HashMap::new(),
            events: Vec::new(),
        }
    }

    /// What the rules decide from.
    pub(super) fn context<'b>(
        &'b self,
        request: &Request,
        actor: Option<&'b Person>,
        role: Option<Role>,
    ) -> Context<'b> {
        let (now, remote_ip) = (self.now, request.remote_ip);
        Context { now, actor, role, remote_ip, ids: self.ids, platform: self }
    }

    /// Somebody as they are now, who may not be as they were when they were noted down.
    pub(super) fn as_now(&self, person: Option<Person>) -> Result<Option<Person>, Error> {
        let Some(noted) = person else { return Ok(None) };
        Ok(Some(self.account(noted.id)?.map_or(noted, |account| account.person.clone())))
    }

    /// What the rules decided, if all they looked up could be looked up.
    pub(super) fn decided<T>(&self, decided: Result<T, Rejection>) -> Result<T, CommandError> {
        match self.failed_lookup.take() {
            Some(error) => Err(error.into()),
            None => Ok(decided?),
        }
    }

    /// What a user may do with an app, by themself or as a member of the app it is a child of.
    pub(super) fn role_of(&self, app: &App, user: UserId) -> Result<Option<Role>, Error> {
        let own = app.role_of(user);
        let Some(parent) = app.parent.filter(|_| app.deleted_at.is_none()) else { return Ok(own) };
        let parent = self.app(parent)?.filter(|parent| parent.deleted_at.is_none());
        Ok(own.max(parent.and_then(|parent| parent.role_of(user))))
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

    /// The private facts of an app.
    pub(super) fn facts(&self, id: AppId) -> Result<Arc<Facts>, Error> {
        if let Some(drafted) = self.facts.get(&id) {
            return Ok(Arc::clone(&drafted.now));
        }
        match self.view.row(&RowKey::Facts(id))? {
            Some(Row::Facts(facts)) => Ok(facts),
            _ => Ok(Arc::default()),
        }
    }

    pub(super) fn put_facts(&mut self, id: AppId, facts: Arc<Facts>) -> Result<(), Error> {
        let found = self.facts(id)?;
        if !Arc::ptr_eq(&found, &facts) {
            let drafted =
                self.facts.entry(id).or_insert(Drafted { found: Some(found), now: Arc::clone(&facts) });
            drafted.now = facts;
        }
        Ok(())
    }

    /// The private facts of an account.
    pub(super) fn account_facts(&self, id: UserId) -> Result<Arc<AccountFacts>, Error> {
        if let Some(drafted) = self.account_facts.get(&id) {
            return Ok(Arc::clone(&drafted.now));
        }
        match self.view.row(&RowKey::AccountFacts(id))? {
            Some(Row::AccountFacts(facts)) => Ok(facts),
            _ => Ok(Arc::default()),
        }
    }

    pub(super) fn put_account_facts(&mut self, id: UserId, facts: Arc<AccountFacts>) -> Result<(), Error> {
        let found = self.account_facts(id)?;
        if !Arc::ptr_eq(&found, &facts) {
            let drafted = self
                .account_facts
                .entry(id)
                .or_insert(Drafted { found: Some(found), now: Arc::clone(&facts) });
            drafted.now = facts;
        }
        Ok(())
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
    pub(super) fn require_free_name(&self, name: &str) -> Result<(), CommandError> {
        match self.row(&RowKey::AppName(name.to_owned()))? {
            None => Ok(()),
            Some(_) => Err(Rejection::invalid("name", "has already been taken").into()),
        }
    }

    /// Where people reach the platform.
    pub(super) fn public_url(&self) -> &'a str {
        &self.settings.rules.public_url
    }

    /// Refuses what an app has only now, while another one has it already.
    pub(super) fn require_free(&self, before: Option<&App>, now: &App) -> Result<(), CommandError> {
        for key in names_only_in(Some(now), before) {
            if self.row(&key)?.is_some_and(|holder| holder != Row::AppWithName(now.id)) {
                return Err(Rejection::invalid("name", "has already been taken").into());
            }
        }
        Ok(())
    }

    /// Records an event now: the event's own identifier and time are replaced.
    pub(super) fn record(&mut self, event: Event) -> Result<Recorded, CommandError> {
        let mut tail = Vec::with_capacity(512);
        event.write_tail_to(&mut tail);
        let mut event = event;
        self.record_written(&mut event, &tail, None, None)?;
        Ok(Recorded { id: event.id, event_type: event.data.event_type().name.to_owned() })
    }

    /// Records an event whose tail is written already, with that identifier and time where they are given.
    pub(super) fn record_written(
        &mut self,
        event: &mut Event,
        tail: &[u8],
        id: Option<EventId>,
        created_at: Option<Time>,
    ) -> Result<(), CommandError> {
        let app = event.app.as_ref().map(|app| app.id);
        let user = event.user.as_ref().map(|user| user.id);
        let is_recorded = !self.settings.contract_only || event.data.event_type().origin == Origin::Contract;
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
        if !is_recorded {
            // Timelines hold only the contract's types here, so nothing but the state itself tells of this change.
            self.force_checkpoint.extend(app);
            return Ok(());
        }
        self.events.push(NewEvent {
            id: event.id,
            has_external_id: id.is_some(),
            created_at: event.created_at,
            app,
            user,
            json: Event::json_with_tail(event.id, event.created_at, tail),
        });
        Ok(())
    }

    /// The time for an event of these timelines: the given one if it does not go back or too far ahead, else now, or
    /// the time of their last event where the clock is behind that.
    fn time_for(
        &mut self,
        timelines: [Option<TimelineId>; 2],
        given: Option<Time>,
    ) -> Result<Time, CommandError> {
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

    fn require_new_id(
        &mut self,
        id: EventId,
        timelines: [Option<TimelineId>; 2],
    ) -> Result<(), CommandError> {
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
            let owner_of = |app: &App| app.owner.as_ref().map(|owner| owner.id);
            let owner_before = owner_of(&drafted.now);
            App::apply(&mut drafted.now, event);
            // An owner is registered as they come to be it.
            if owner_of(&drafted.now) != owner_before
                && let Some(owner) = drafted.now.owner.clone()
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
        *self = Self::new(self.view, self.ids, self.settings, self.now);
    }

    /// All that was drafted, with the rows that states imply. Names are all freed before any is taken, so that it does
    /// not matter who is looked at first when one gives up a name for another.
    pub(super) fn finish(mut self) -> Result<WriteSet, Error> {
        let (apps, accounts) = (std::mem::take(&mut self.apps), std::mem::take(&mut self.accounts));
        let changed_apps = apps.values().filter(|drafted| drafted.is_changed());
        let changed_accounts = accounts.values().filter(|drafted| drafted.is_changed());
        let names: Vec<_> = changed_apps
            .flat_map(changed_names_of_app)
            .chain(changed_accounts.flat_map(changed_names_of_account))
            .collect();
        for change in &names {
            if let NameChange::Freed(name, holder) = change
                && (is_its_own(name) || self.row(name)?.as_ref() == Some(holder))
            {
                self.remove(name.clone());
            }
        }
        for change in names {
            if let NameChange::Taken(name, holder) = change
                && (is_its_own(&name) || self.row(&name)?.is_none())
            {
                self.put(name, holder);
            }
        }
        for (id, Drafted { found, now }) in std::mem::take(&mut self.facts) {
            self.keep_index_of_facts(id, found.as_deref(), &now);
            self.put(RowKey::Facts(id), Row::Facts(now));
        }
        for (id, Drafted { now, .. }) in std::mem::take(&mut self.account_facts) {
            self.put(RowKey::AccountFacts(id), Row::AccountFacts(now));
        }
        for Drafted { found, now } in apps.into_values() {
            self.keep_members(found.as_deref(), &now);
            // Also one that stays as it is: the store counts the events since it last wrote it.
            self.put(RowKey::App(now.id), Row::App(now));
        }
        for Drafted { now, .. } in accounts.into_values().filter(Drafted::is_changed) {
            self.put(RowKey::Account(now.id()), Row::Account(now));
        }
        let (events, force_checkpoint) = (self.events, self.force_checkpoint);
        Ok(WriteSet { events, rows: self.rows.into_iter().collect(), force_checkpoint })
    }

    /// What leads to private facts: invitations by their tokens, and what is due by its time.
    fn keep_index_of_facts(&mut self, app: AppId, found: Option<&Facts>, now: &Facts) {
        let index = |facts: &Facts| -> BTreeSet<(Option<Time>, u64, String)> {
            let timers = facts.timers().map(|(time, number)| (Some(time), number, String::new()));
            timers.chain(facts.invitations.values().map(|token| (None, 0, token.0.clone()))).collect()
        };
        let key = |(time, number, token): &(Option<Time>, u64, String)| match time {
            Some(time) => RowKey::Timer(*time, app, *number),
            None => RowKey::Invitation(TokenHash::of(token)),
        };
        let (before, after) = (found.map(index).unwrap_or_default(), index(now));
        for gone in before.difference(&after) {
            self.remove(key(gone));
        }
        for new in after.difference(&before) {
            self.put(key(new), if new.0.is_some() { Row::Present } else { Row::AppWithName(app) });
        }
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

impl Platform for Draft<'_> {
    fn directory(&self) -> &Directory {
        self.directory.get_or_init(|| match self.row(&RowKey::Directory) {
            Ok(Some(Row::Directory(directory))) => directory,
            Ok(_) => Arc::clone(&self.settings.default_directory),
            Err(error) => {
                self.failed_lookup.replace(Some(error));
                Arc::clone(&self.settings.default_directory)
            }
        })
    }

    fn rules(&self) -> &Rules {
        &self.settings.rules
    }

    fn person(&self, user: UserId) -> Option<Person> {
        Some(self.looked_up(self.account(user))?.person.clone())
    }

    fn person_with_email(&self, email: &str) -> Option<Person> {
        let found = self.row(&RowKey::email(email)).and_then(|row| match row {
            Some(Row::UserWithName(user)) => self.account(user),
            _ => Ok(None),
        });
        Some(self.looked_up(found)?.person.clone())
    }

    fn integration(&self, user: UserId, name: &str) -> Option<Integration> {
        self.looked_up(self.account(user))?.integration(name).cloned()
    }
}

impl Draft<'_> {
    /// What was looked up; a failure is kept for [`Draft::decided`].
    fn looked_up<T>(&self, found: Result<Option<T>, Error>) -> Option<T> {
        found.unwrap_or_else(|error| {
            self.failed_lookup.replace(Some(error));
            None
        })
    }
}

/// A name that came to lead to somebody or something, or no longer does. Where reports give a name to two, the first one
/// keeps it until it goes; the other is found by its identifier.
enum NameChange {
    Freed(RowKey, Row),
    Taken(RowKey, Row),
}

/// What leads to an app besides its identifier, and changed. Only what changed is looked at closely: an app may have many
/// add-ons, and identifying one takes a hash.
fn changed_names_of_app(drafted: &Drafted<App>) -> Vec<NameChange> {
    let is_live = |app: &&App| app.deleted_at.is_none();
    let before = drafted.found.as_deref().filter(is_live);
    let now = Some(&*drafted.now).filter(is_live);
    let mut changes = Vec::new();
    let holder = || Row::AppWithName(drafted.now.id);
    for key in names_only_in(before, now) {
        changes.push(NameChange::Freed(key, holder()));
    }
    for key in names_only_in(now, before) {
        changes.push(NameChange::Taken(key, holder()));
    }
    changes
}

/// Whether no two can have that name: the identifier of an add-on is derived from its app.
const fn is_its_own(name: &RowKey) -> bool {
    matches!(name, RowKey::Addon(_) | RowKey::AddonOf(..))
}

/// What leads to an app as it is in one state, and does not in the other.
fn names_only_in(state: Option<&App>, other: Option<&App>) -> Vec<RowKey> {
    let Some(state) = state else { return Vec::new() };
    let mut keys = Vec::new();
    if other.is_none_or(|other| other.name != state.name) {
        keys.push(RowKey::AppName(state.name.clone()));
    }
    if !other.is_some_and(|other| other.domains.is_same(&state.domains)) {
        let new =
            state.domains.keys().filter(|name| !other.is_some_and(|other| other.domains.contains_key(*name)));
        keys.extend(new.cloned().map(RowKey::Domain));
    }
    let has_addon = |id: &String, provider: &String| {
        other.and_then(|other| other.addons.get(id)).is_some_and(|addon| addon.provider == *provider)
    };
    if other.is_some_and(|other| other.addons.is_same(&state.addons)) {
        return keys;
    }
    for (resource_id, addon) in &state.addons {
        if !has_addon(resource_id, &addon.provider) {
            let id = addon_id(state.id, resource_id);
            keys.extend([RowKey::AddonOf(addon.provider.clone(), id.clone()), RowKey::Addon(id)]);
        }
    }
    keys
}

fn changed_names_of_account(drafted: &Drafted<Account>) -> Vec<NameChange> {
    let names = |person: &Person| [RowKey::Username(person.username.clone()), RowKey::email(&person.email)];
    let holder = || Row::UserWithName(drafted.now.id());
    let now = names(&drafted.now.person);
    match drafted.found.as_ref().map(|account| names(&account.person)) {
        None => now.into_iter().map(|name| NameChange::Taken(name, holder())).collect(),
        Some(before) => before
            .into_iter()
            .zip(now)
            .filter(|(before, now)| before != now)
            .flat_map(|(before, now)| [NameChange::Freed(before, holder()), NameChange::Taken(now, holder())])
            .collect(),
    }
}
