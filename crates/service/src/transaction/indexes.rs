//! Rows that follow from states: names of apps and accounts, domains, members, add-ons, timers, invitations.
//!
//! Parts of a state that have not changed are not compared item by item: an app may have many add-ons, and computing the
//! identifier of each takes a hash.

use std::collections::BTreeSet;

use annals_model::app::addon_id;
use annals_model::{App, AppId, Person, PrivateState, Rejection, Time, UserId};
use annals_store::{CommandError, Error, Name, Neighbours, TokenHash, key};

use super::{Touched, Transaction};

impl Transaction<'_> {
    /// Gives a name to a holder. The name leads to this one from now on, and to its earlier holder again when this one gives it up.
    fn give<K: Name>(&mut self, name: &K, holder: K::Value) -> Result<(), Error> {
        match self.get(name.clone())? {
            Some(earlier) if earlier == holder => return Ok(()),
            Some(earlier) => {
                self.change_neighbours(name, earlier, |neighbours| neighbours.later = Some(holder))?;
                self.put(name.shared(holder), Neighbours { earlier: Some(earlier), later: None });
            }
            None => {}
        }
        self.put(name.clone(), holder);
        Ok(())
    }

    /// Takes a name from one of its holders. Reads the name's own row in any case: another process that gives the name writes it.
    fn free<K: Name>(&mut self, name: &K, holder: K::Value) -> Result<(), Error> {
        let is_last = self.get(name.clone())? == Some(holder);
        let shared = self.get(name.shared(holder))?;
        let Neighbours { earlier, later } = shared.unwrap_or(Neighbours::NONE);
        match earlier {
            Some(earlier) if is_last => self.put(name.clone(), earlier),
            None if is_last => self.remove(name.clone()),
            _ => {}
        }
        if shared.is_some() {
            self.remove(name.shared(holder));
        }
        if let Some(earlier) = earlier {
            self.change_neighbours(name, earlier, |neighbours| neighbours.later = later)?;
        }
        if let Some(later) = later {
            self.change_neighbours(name, later, |neighbours| neighbours.earlier = earlier)?;
        }
        Ok(())
    }

    fn change_neighbours<K: Name>(
        &mut self,
        name: &K,
        holder: K::Value,
        change: impl FnOnce(&mut Neighbours<K::Value>),
    ) -> Result<(), Error> {
        let key = name.shared(holder);
        let mut neighbours = self.get(key.clone())?.unwrap_or(Neighbours::NONE);
        change(&mut neighbours);
        if neighbours == Neighbours::NONE {
            self.remove(key);
        } else {
            self.put(key, neighbours);
        }
        Ok(())
    }
}

impl Transaction<'_> {
    /// Writes which app a name leads to, as soon as an event changes it. So the last event decides, and what follows in the
    /// transaction reads the current holder.
    pub(super) fn rename_app(
        &mut self,
        id: AppId,
        before: Option<&String>,
        now: Option<&String>,
    ) -> Result<(), Error> {
        let key = |name: &String| key::AppName(name.clone());
        self.rename(id, before.map(key), now.map(key))
    }

    /// Does the same for the username and the email address of a user. `before` is `None` if nothing has named them yet.
    pub(super) fn rename_user(&mut self, before: Option<&Person>, now: &Person) -> Result<(), Error> {
        let username = |person: &Person| key::Username::of(&person.username);
        self.rename(now.id, before.map(username), Some(username(now)))?;
        let email = |person: &Person| (!person.email.is_empty()).then(|| key::Email::of(&person.email));
        self.rename(now.id, before.and_then(email), email(now))
    }

    fn rename<K: Name>(&mut self, holder: K::Value, before: Option<K>, now: Option<K>) -> Result<(), Error> {
        if before == now {
            return Ok(());
        }
        before.map_or(Ok(()), |name| self.free(&name, holder))?;
        now.map_or(Ok(()), |name| self.give(&name, holder))
    }

    /// Rejects a name that another app has.
    pub(crate) fn require_free_name(&self, name: &str) -> Result<(), CommandError> {
        match self.get(key::AppName(name.to_owned()))? {
            None => Ok(()),
            Some(_) => Err(Rejection::invalid("name", "has already been taken").into()),
        }
    }

    /// Rejects a new name or domain of an app if another app has it. The transaction has given the app its name already.
    pub(crate) fn require_free(&self, before: Option<&App>, now: &App) -> Result<(), CommandError> {
        let mut is_taken = false;
        if before.is_none_or(|before| before.name != now.name) {
            is_taken = self.get(key::SharedAppName(now.name.clone(), now.id))?.is_some();
        }
        for domain in domains_only_in(Some(now), before) {
            is_taken |= self.get(domain)?.is_some_and(|holder| holder != now.id);
        }
        if is_taken { Err(Rejection::invalid("name", "has already been taken").into()) } else { Ok(()) }
    }

    /// Writes the rows that follow from the states.
    pub(super) fn index_states(&mut self) -> Result<(), Error> {
        self.index_domains()?;
        let private = std::mem::take(&mut self.private);
        for (app, Touched { found, now }) in &private {
            self.index_private(*app, found.as_deref(), now);
            self.forget_deployments(*app, found.as_deref(), now)?;
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

    fn index_domains(&mut self) -> Result<(), Error> {
        let (mut freed, mut given) = (Vec::new(), Vec::new());
        for touched in self.apps.values().filter(|touched| touched.is_changed()) {
            let (before, now) = touched.live();
            let id = touched.now.id;
            freed.extend(domains_only_in(before, now).into_iter().map(|domain| (domain, id)));
            given.extend(domains_only_in(now, before).into_iter().map(|domain| (domain, id)));
        }
        for (domain, id) in freed {
            self.free(&domain, id)?;
        }
        for (domain, id) in given {
            self.give(&domain, id)?;
        }
        Ok(())
    }

    /// Writes the rows that follow from private state: invitations by token, timers by time, archives by identifier.
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
        let (before, after) = (found.map(PrivateState::archives).unwrap_or_default(), now.archives());
        for archive in after.difference(&before) {
            self.put(key::Archive((*archive).to_owned()), app);
        }
    }

    /// Removes the output of deployments that are no longer known, and what says that the app has deployed an archive.
    fn forget_deployments(
        &mut self,
        app: AppId,
        found: Option<&PrivateState>,
        now: &PrivateState,
    ) -> Result<(), Error> {
        let known = found.map(|found| found.deployments.as_slice()).unwrap_or_default();
        for forgotten in known.iter().filter(|known| now.deployment(known.id).is_none()) {
            let Some(output) = self.get(key::Output(app, forgotten.id))? else { continue };
            for part in 0..output.parts {
                self.remove(key::OutputPart(app, forgotten.id, part));
            }
            self.remove(key::Output(app, forgotten.id));
        }
        let (before, after) = (found.map(PrivateState::archives).unwrap_or_default(), now.archives());
        for archive in before.difference(&after) {
            let archive = key::Archive((*archive).to_owned());
            if self.get(archive.clone())? == Some(app) {
                self.remove(archive);
            }
        }
        Ok(())
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
