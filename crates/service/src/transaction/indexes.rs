//! Rows that follow from states: names of apps and accounts, domains, members, add-ons, timers, invitations.
//!
//! Parts of a state that have not changed are not compared item by item: an app may have many add-ons, and computing the
//! identifier of each takes a hash.

use std::collections::BTreeSet;

use annals_model::app::addon_id;
use annals_model::{Account, App, AppId, PrivateState, Rejection, Time, UserId};
use annals_store::{CommandError, Error, Key, TokenHash, key};

use super::{Touched, Transaction};

/// Names of one kind that holders give up and take.
struct Names<K: Key> {
    freed: Vec<(K, K::Value)>,
    taken: Vec<(K, K::Value)>,
}

impl<K: Key<Value: PartialEq>> Names<K> {
    const fn none() -> Self {
        Self { freed: Vec::new(), taken: Vec::new() }
    }

    fn change(&mut self, before: Option<K>, now: Option<K>, holder: &K::Value) {
        if before != now {
            self.freed.extend(before.map(|name| (name, holder.clone())));
            self.taken.extend(now.map(|name| (name, holder.clone())));
        }
    }

    /// Writes the names. Frees all names before it gives any, so that a holder can take a name that another one gives up in the
    /// same transaction, whichever comes first. If reports give one name to two holders, the first one keeps the name until it
    /// gives it up. The other is found by its identifier only.
    fn index(self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        for (name, holder) in self.freed {
            if transaction.get(name.clone())?.as_ref() == Some(&holder) {
                transaction.remove(name);
            }
        }
        for (name, holder) in self.taken {
            if transaction.get(name.clone())?.is_none() {
                transaction.put(name, holder);
            }
        }
        Ok(())
    }
}

impl Transaction<'_> {
    /// Rejects a name that another app has.
    pub(crate) fn require_free_name(&self, name: &str) -> Result<(), CommandError> {
        match self.get(key::AppName(name.to_owned()))? {
            None => Ok(()),
            Some(_) => Err(Rejection::invalid("name", "has already been taken").into()),
        }
    }

    /// Rejects a new name or domain of an app if another app has it.
    pub(crate) fn require_free(&self, before: Option<&App>, now: &App) -> Result<(), CommandError> {
        let is_others = |holder: Option<AppId>| holder.is_some_and(|holder| holder != now.id);
        let mut is_taken = false;
        if before.is_none_or(|before| before.name != now.name) {
            is_taken = is_others(self.get(key::AppName(now.name.clone()))?);
        }
        for domain in domains_only_in(Some(now), before) {
            is_taken |= is_others(self.get(domain)?);
        }
        if is_taken { Err(Rejection::invalid("name", "has already been taken").into()) } else { Ok(()) }
    }

    /// Writes the rows that follow from the states.
    pub(super) fn index_states(&mut self) -> Result<(), Error> {
        self.index_names()?;
        let private = std::mem::take(&mut self.private);
        for (app, Touched { found, now }) in &private {
            self.index_private(*app, found.as_deref(), now);
        }
        self.private = private;
        let apps = std::mem::take(&mut self.apps);
        for touched in apps.values().filter(|touched| touched.is_changed()) {
            self.index_members(touched);
            self.index_addons(touched);
        }
        self.apps = apps;
        Ok(())
    }

    fn index_names(&mut self) -> Result<(), Error> {
        let (mut names, mut domains) = (Names::none(), Names::none());
        for touched in self.apps.values().filter(|touched| touched.is_changed()) {
            let (before, now) = touched.live();
            let name = |app: &App| key::AppName(app.name.clone());
            names.change(before.map(name), now.map(name), &touched.now.id);
            for domain in domains_only_in(before, now) {
                domains.change(Some(domain), None, &touched.now.id);
            }
            for domain in domains_only_in(now, before) {
                domains.change(None, Some(domain), &touched.now.id);
            }
        }
        let (mut usernames, mut emails) = (Names::none(), Names::none());
        for Touched { found, now } in self.accounts.values().filter(|touched| touched.is_changed()) {
            let username = |account: &Account| key::Username(account.person.username.clone());
            let email = |account: &Account| key::Email::of(&account.person.email);
            let (before, user) = (found.as_deref(), now.id());
            usernames.change(before.map(username), Some(username(now)), &user);
            emails.change(before.map(email), Some(email(now)), &user);
        }
        names.index(self)?;
        domains.index(self)?;
        usernames.index(self)?;
        emails.index(self)
    }

    /// Writes the rows that follow from private state: invitations by token, timers by time.
    fn index_private(&mut self, app: AppId, found: Option<&PrivateState>, now: &PrivateState) {
        let timers = |private: &PrivateState| private.timers().collect::<BTreeSet<(Time, u64)>>();
        let (before, after) = (found.map(timers).unwrap_or_default(), timers(now));
        for (time, number) in before.difference(&after) {
            self.remove(key::Timer(*time, app, *number));
        }
        for (time, number) in after.difference(&before) {
            self.put(key::Timer(*time, app, *number), ());
        }
        let tokens = |private: &PrivateState| {
            private.invitations.values().map(|token| token.0.clone()).collect::<BTreeSet<_>>()
        };
        let (before, after) = (found.map(tokens).unwrap_or_default(), tokens(now));
        for token in before.difference(&after) {
            self.remove(key::Invitation(TokenHash::of(token)));
        }
        for token in after.difference(&before) {
            self.put(key::Invitation(TokenHash::of(token)), app);
        }
    }

    fn index_members(&mut self, touched: &Touched<App>) {
        let id = touched.now.id;
        let before = touched.found.as_deref().map(App::members).unwrap_or_default();
        let after = touched.now.members();
        let only_in = |some: &[UserId], others: &[UserId]| -> Vec<UserId> {
            some.iter().filter(|member| !others.contains(member)).copied().collect()
        };
        for member in only_in(&before, &after) {
            self.remove(key::Member(member, id));
        }
        for member in only_in(&after, &before) {
            self.put(key::Member(member, id), ());
        }
    }

    /// Writes the add-ons. No two apps can have the same one, because an add-on's identifier is derived from its app.
    fn index_addons(&mut self, touched: &Touched<App>) {
        let (before, now) = touched.live();
        for (provider, id) in addons_only_in(before, now) {
            self.remove(key::AddonOf(provider, id.clone()));
            self.remove(key::Addon(id));
        }
        for (provider, id) in addons_only_in(now, before) {
            self.put(key::AddonOf(provider, id.clone()), touched.now.id);
            self.put(key::Addon(id), touched.now.id);
        }
    }
}

impl Touched<App> {
    /// Returns the app before and now; `None` in place of a state in which the app is deleted or does not exist.
    fn live(&self) -> (Option<&App>, Option<&App>) {
        let is_live = |app: &&App| app.deleted_at.is_none();
        (self.found.as_deref().filter(is_live), Some(&*self.now).filter(is_live))
    }
}

/// Returns the domains that are in `state` but not in `other`.
fn domains_only_in(state: Option<&App>, other: Option<&App>) -> Vec<key::Domain> {
    let Some(state) = state else { return Vec::new() };
    if other.is_some_and(|other| other.domains.is_same(&state.domains)) {
        return Vec::new();
    }
    let is_new = |name: &&String| !other.is_some_and(|other| other.domains.contains_key(*name));
    state.domains.keys().filter(is_new).cloned().map(key::Domain).collect()
}

/// Returns the providers and identifiers of the add-ons that are in `state` but not in `other`.
fn addons_only_in(state: Option<&App>, other: Option<&App>) -> Vec<(String, String)> {
    let Some(state) = state else { return Vec::new() };
    if other.is_some_and(|other| other.addons.is_same(&state.addons)) {
        return Vec::new();
    }
    let is_in_other = |id: &String, provider: &String| {
        other.and_then(|other| other.addons.get(id)).is_some_and(|addon| addon.provider == *provider)
    };
    let new = state.addons.iter().filter(|(id, addon)| !is_in_other(id, &addon.provider));
    new.map(|(id, addon)| (addon.provider.clone(), addon_id(state.id, id))).collect()
}
