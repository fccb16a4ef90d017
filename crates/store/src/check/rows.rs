//! Rows that follow from states, in both directions: each has its state, and each state has all of its rows.

use std::sync::Arc;

use annals_model::app::addon_id;
use annals_model::filter::summary::{CHILDREN, LEAF_EVENTS};
use annals_model::filter::{OwnKind, Summary};
use annals_model::{App, AppId, Secret, UserId};

use crate::error::Error;
use crate::rows::{Key, Name, Neighbours, Row, RowKey, TokenHash, key};
use crate::transfer::Portable;
use crate::transfer::read::ROWS_AT_ONCE;
use crate::typed_rows::TypedRows as _;

use super::{Checked, available};

/// About how many bytes of events are read at once.
const READ_BYTES: usize = 256 << 10;

pub(super) async fn check(
    store: &dyn Portable,
    checked: &mut Checked,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<(), Error> {
    let mut after: Option<RowKey> = None;
    loop {
        let read = available(store.rows(after.as_ref(), ROWS_AT_ONCE).await)?;
        let Some(rows) = checked.read("the rows", read) else { return Ok(()) };
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, row) in rows {
            checked.rows += 1;
            // Findings name only kinds of rows: keys may be names, and values secret.
            let text = format!("{key:?}");
            let kind = text.split('(').next().unwrap_or_default();
            let what = format!("what a row of kind {kind} goes with");
            let missing = available(missing(store, &key, &row).await)?;
            for missing in checked.read(&what, missing).unwrap_or_default() {
                checked.find(missing);
            }
            let is_right = available(is_right(store, key, row).await)?;
            if checked.read(&what, is_right) == Some(false) {
                checked.find(format!("a row of kind {kind} differs from what it follows from"));
            }
        }
        progress(checked.entries + checked.rows);
    }
}

/// Returns which rows that follow from a state are missing or lead elsewhere.
async fn missing(store: &dyn Portable, key: &RowKey, row: &Row) -> Result<Vec<String>, Error> {
    let mut rows = Expected { store, of: String::new(), missing: Vec::new() };
    match (key, row) {
        (RowKey::App(key::App(id)), Row::App(app)) if app.deleted_at.is_none() => {
            rows.of = format!("app {id}");
            rows.name("AppName", key::AppName(app.name.clone()), *id).await?;
            for domain in app.domains.keys() {
                rows.name("Domain", key::Domain(domain.clone()), *id).await?;
            }
            for member in app.members() {
                rows.row("Member", key::Member(member, *id), ()).await?;
            }
            for (resource, addon) in app.addons.iter() {
                let addon_id = addon_id(*id, resource);
                rows.row("AddonOf", key::AddonOf(addon.provider.clone(), addon_id.clone()), *id).await?;
                rows.row("Addon", key::Addon(addon_id), *id).await?;
            }
        }
        (RowKey::Account(key::Account(id)), Row::Account(account)) => {
            rows.of = format!("user {id}");
            rows.name("Username", key::Username::of(&account.person.username), *id).await?;
            if !account.person.email.is_empty() {
                rows.name("Email", key::Email::of(&account.person.email), *id).await?;
            }
        }
        (RowKey::PrivateState(key::PrivateState(app)), Row::PrivateState(private)) => {
            rows.of = format!("app {app}");
            for token in private.invitations.values() {
                rows.row("Invitation", key::Invitation(TokenHash::of(&token.0)), *app).await?;
            }
            for id in private.archives() {
                // Another app may have deployed it since.
                let is_there = store.get(key::Archive(id.to_owned())).await?.is_some();
                rows.expect("Archive", is_there);
            }
            for (at, number) in private.timers() {
                rows.row("Timer", key::Timer(at, *app, number), ()).await?;
            }
        }
        (RowKey::Token(key::Token(user, id)), Row::Token(token)) => {
            rows.of = format!("user {user}");
            match TokenHash::from_hex(&token.hash) {
                Some(hash) => rows.row("TokenHash", key::TokenHash(hash), (*user, *id)).await?,
                None => rows.missing.push(format!("user {user}: a token has no hash")),
            }
        }
        _ => {}
    }
    Ok(rows.missing)
}

/// The rows that follow from a state.
struct Expected<'a> {
    store: &'a dyn Portable,
    /// Whose state it is.
    of: String,
    missing: Vec<String>,
}

impl Expected<'_> {
    async fn row<K: Key<Value: PartialEq>>(
        &mut self,
        kind: &str,
        key: K,
        value: K::Value,
    ) -> Result<(), Error> {
        let is_there = self.store.get(key).await? == Some(value);
        self.expect(kind, is_there);
        Ok(())
    }

    /// A name leads to its holder, or to a later one while it is shared.
    async fn name<K: Name>(&mut self, kind: &str, name: K, holder: K::Value) -> Result<(), Error> {
        let is_there = match self.store.get(name.clone()).await? {
            Some(last) if last == holder => true,
            Some(_) => {
                self.store.get(name.shared(holder)).await?.is_some_and(|shared| shared.later.is_some())
            }
            None => false,
        };
        self.expect(kind, is_there);
        Ok(())
    }

    fn expect(&mut self, kind: &str, is_there: bool) {
        if !is_there {
            self.missing.push(format!("{}: its row of kind {kind} is missing or leads elsewhere", self.of));
        }
    }
}

/// Returns whether a row follows from the state that it belongs to.
async fn is_right(store: &dyn Portable, key: RowKey, row: Row) -> Result<bool, Error> {
    match (key, row) {
        (RowKey::App(key::App(id)), Row::App(app)) => Ok(app.id == id),
        (RowKey::AppName(name), Row::AppName(app)) => app_has_name(store, &name.0, app).await,
        (RowKey::SharedAppName(key::SharedAppName(name, app)), Row::SharedAppName(neighbours)) => {
            Ok(app_has_name(store, &name, app).await?
                && is_in_list(store, &key::AppName(name), app, neighbours).await?)
        }
        (RowKey::Domain(domain), Row::Domain(app)) => app_has_domain(store, &domain.0, app).await,
        (RowKey::SharedDomain(key::SharedDomain(domain, app)), Row::SharedDomain(neighbours)) => {
            Ok(app_has_domain(store, &domain, app).await?
                && is_in_list(store, &key::Domain(domain), app, neighbours).await?)
        }
        (RowKey::Username(name), Row::Username(user)) => user_has_name(store, &name, user).await,
        (RowKey::SharedUsername(key::SharedUsername(name, user)), Row::SharedUsername(neighbours)) => {
            let name = key::Username(name);
            Ok(user_has_name(store, &name, user).await? && is_in_list(store, &name, user, neighbours).await?)
        }
        (RowKey::Email(address), Row::Email(user)) => user_has_address(store, &address, user).await,
        (RowKey::SharedEmail(key::SharedEmail(address, user)), Row::SharedEmail(neighbours)) => {
            let address = key::Email(address);
            Ok(user_has_address(store, &address, user).await?
                && is_in_list(store, &address, user, neighbours).await?)
        }
        (RowKey::Member(key::Member(user, app)), _) => {
            let app = store.get(key::App(app)).await?;
            Ok(app.is_some_and(|app| app.members().contains(&user)))
        }
        (RowKey::Addon(key::Addon(id)), Row::Addon(app)) => app_has_addon(store, app, &id, None).await,
        (RowKey::AddonOf(key::AddonOf(provider, id)), Row::AddonOf(app)) => {
            app_has_addon(store, app, &id, Some(&provider)).await
        }
        (RowKey::Invitation(key::Invitation(hash)), Row::Invitation(app)) => {
            let private = store.get(key::PrivateState(app)).await?;
            let invites = |token: &Secret| TokenHash::of(&token.0) == hash;
            Ok(private.is_some_and(|private| private.invitations.values().any(invites)))
        }
        (RowKey::Timer(key::Timer(at, app, number)), _) => {
            let private = store.get(key::PrivateState(app)).await?;
            Ok(private.is_some_and(|private| private.timers().any(|timer| timer == (at, number))))
        }
        (RowKey::Output(key::Output(app, deployment)), Row::Output(output)) => {
            let private = store.get(key::PrivateState(app)).await?;
            let last = output.parts.checked_sub(1).map(|last| key::OutputPart(app, deployment, last));
            Ok(private.is_some_and(|private| private.deployment(deployment).is_some())
                && match last {
                    Some(last) => store.get(last).await?.is_some(),
                    None => false,
                })
        }
        (RowKey::Archive(key::Archive(id)), Row::Archive(app)) => {
            let private = store.get(key::PrivateState(app)).await?;
            Ok(private.is_some_and(|private| private.archives().contains(&*id)))
        }
        (RowKey::OutputPart(key::OutputPart(app, deployment, part)), _) => {
            let output = store.get(key::Output(app, deployment)).await?;
            Ok(output.is_some_and(|output| part < output.parts))
        }
        (RowKey::TokenHash(key::TokenHash(hash)), Row::TokenHash((user, id))) => {
            let token = store.get(key::Token(user, id)).await?;
            Ok(token.is_some_and(|token| TokenHash::from_hex(&token.hash) == Some(hash)))
        }
        (RowKey::Summary(key), Row::Summary(summary)) => summary_is_right(store, &key, &summary).await,
        (RowKey::SummaryLeaves(key::SummaryLeaves(timeline)), Row::SummaryLeaves(leaves)) => {
            let length = store.head(timeline).await?.length;
            let last = key::Summary(timeline, 0, leaves.saturating_sub(1));
            Ok(leaves <= length / LEAF_EVENTS && store.get(last).await?.is_some())
        }
        (RowKey::AnswerExpiry(key::AnswerExpiry(_, caller, key)), _) => {
            Ok(store.get(key::Answer(caller, key)).await?.is_some())
        }
        _ => Ok(true),
    }
}

/// Returns whether a summary is what its events, or those that it joins, give.
async fn summary_is_right(
    store: &dyn Portable,
    key: &key::Summary,
    summary: &Summary,
) -> Result<bool, Error> {
    let &key::Summary(timeline, level, number) = key;
    if level == 0 {
        let mut events = Vec::new();
        let (first, mut last) = (number * LEAF_EVENTS + 1, (number + 1) * LEAF_EVENTS);
        while first <= last {
            let read = store.read(timeline, first..=last, READ_BYTES).await?;
            if read.is_empty() {
                return Ok(false);
            }
            last -= read.len() as u64;
            events.extend(read.iter().map(|json| OwnKind::of(json)));
        }
        events.reverse();
        return Ok(Summary::of(&events) == *summary);
    }
    let mut children = Vec::new();
    for child in number * CHILDREN..(number + 1) * CHILDREN {
        children.extend(store.get(key::Summary(timeline, level - 1, child)).await?);
    }
    let are_all = children.len() as u64 == CHILDREN;
    let children: Vec<_> = children.iter().map(|child| &**child).collect();
    Ok(are_all && Summary::joining(&children, LEAF_EVENTS) == *summary)
}

/// Returns whether a holder of a shared name is in the list of its holders where its neighbours say.
async fn is_in_list<K: Name>(
    store: &dyn Portable,
    name: &K,
    holder: K::Value,
    neighbours: Neighbours<K::Value>,
) -> Result<bool, Error> {
    let follows = match neighbours.earlier {
        Some(earlier) => {
            let earlier = store.get(name.shared(earlier)).await?;
            earlier.is_some_and(|earlier| earlier.later == Some(holder))
        }
        None => true,
    };
    let leads = match neighbours.later {
        Some(later) => {
            let later = store.get(name.shared(later)).await?;
            later.is_some_and(|later| later.earlier == Some(holder))
        }
        None => store.get(name.clone()).await? == Some(holder),
    };
    Ok(follows && leads)
}

/// Returns an app, unless it is deleted or does not exist.
async fn live_app(store: &dyn Portable, app: AppId) -> Result<Option<Arc<App>>, Error> {
    Ok(store.get(key::App(app)).await?.filter(|app| app.deleted_at.is_none()))
}

async fn app_has_name(store: &dyn Portable, name: &str, app: AppId) -> Result<bool, Error> {
    Ok(live_app(store, app).await?.is_some_and(|app| app.name == name))
}

async fn app_has_domain(store: &dyn Portable, domain: &str, app: AppId) -> Result<bool, Error> {
    Ok(live_app(store, app).await?.is_some_and(|app| app.domains.contains_key(domain)))
}

async fn app_has_addon(
    store: &dyn Portable,
    app: AppId,
    id: &str,
    provider: Option<&str>,
) -> Result<bool, Error> {
    Ok(live_app(store, app).await?.is_some_and(|app| {
        app.addons.iter().any(|(resource, addon)| {
            addon_id(app.id, resource) == id && provider.is_none_or(|provider| addon.provider == provider)
        })
    }))
}

async fn user_has_name(store: &dyn Portable, name: &key::Username, user: UserId) -> Result<bool, Error> {
    let account = store.get(key::Account(user)).await?;
    Ok(account.is_some_and(|account| key::Username::of(&account.person.username) == *name))
}

async fn user_has_address(store: &dyn Portable, address: &key::Email, user: UserId) -> Result<bool, Error> {
    let account = store.get(key::Account(user)).await?;
    Ok(account.is_some_and(|account| key::Email::of(&account.person.email) == *address))
}
