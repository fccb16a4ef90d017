//! Recording events, and applying them to states.

use std::sync::Arc;

use annals_model::catalogue::Origin;
use annals_model::report::AHEAD_MILLIS_MAX;
use annals_model::{Account, App, AppRef, Event, EventId, Person, Rejection, Time, TypeData};
use annals_store::{CommandError, Error, NewEvent, TimelineId, key};
use serde::{Deserialize, Serialize};

use super::{Touched, Transaction};

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEvent {
    /// Its identifier.
    pub id: EventId,
    /// Its type.
    pub event_type: String,
}

/// Creates an event whose identifier and time are assigned when it is recorded.
pub(crate) fn unassigned(actor: Option<&Person>, app: Option<AppRef>, data: TypeData) -> Event {
    let id = EventId::from_bytes([0; EventId::BYTES]);
    Event { id, created_at: Time::EPOCH, user: actor.cloned(), app, project: None, data }
}

/// Returns the timeline that an event belongs to first.
fn home_of(event: &Event) -> TimelineId {
    match (&event.app, &event.user) {
        (Some(app), _) => TimelineId::App(app.id),
        (None, Some(user)) => TimelineId::User(user.id),
        (None, None) => unreachable!("the catalogue gives every event an app or a user"),
    }
}

impl Transaction<'_> {
    /// Records an event now, with a new identifier.
    pub(crate) fn record(&mut self, mut event: Event) -> Result<RecordedEvent, CommandError> {
        let mut tail = Vec::with_capacity(512);
        event.write_tail_to(&mut tail);
        self.record_written(&mut event, &tail, None, None)?;
        Ok(RecordedEvent { id: event.id, event_type: event.data.event_type().name.to_owned() })
    }

    /// Records an event whose tail (its JSON after identifier and time) is already encoded. Assigns the identifier if `id` is
    /// `None`, and the time if `created_at` is `None`.
    pub(crate) fn record_written(
        &mut self,
        event: &mut Event,
        tail: &[u8],
        id: Option<EventId>,
        created_at: Option<Time>,
    ) -> Result<(), CommandError> {
        let app = event.app.as_ref().map(|app| app.id);
        let user = event.user.as_ref().map(|user| user.id);
        let event_type = event.data.event_type();
        let timelines = [app.map(TimelineId::App), user.map(TimelineId::User)];
        event.created_at = match created_at {
            Some(given) => self.require_not_ahead(given)?,
            None => self.now,
        };
        event.id = match id {
            None => self.ids.event_id(event.created_at),
            Some(id) => {
                self.require_new_id(id, event)?;
                id
            }
        };
        self.apply(event)?;
        if self.settings.contract_only && event_type.origin != Origin::Contract {
            // The event is not recorded, so the state cannot be rebuilt from the timeline.
            self.force_checkpoint.extend(app);
            return Ok(());
        }
        let mut is_late_at_home = None;
        for timeline in timelines.into_iter().flatten() {
            let is_late = self.extend(timeline, event.created_at)?;
            is_late_at_home.get_or_insert(is_late);
        }
        self.events.push(NewEvent {
            id: event.id,
            is_indexed: id.is_some() || is_late_at_home == Some(true),
            created_at: event.created_at,
            event_type: event_type.name,
            app,
            user,
            json: Event::json_with_tail(event.id, event.created_at, tail),
        });
        Ok(())
    }

    /// Returns whether an event has this identifier already, in the store or in this transaction.
    pub(crate) fn is_recorded(&self, id: EventId, event: &Event) -> Result<bool, CommandError> {
        Ok(self.external_ids.contains(&id) || self.snapshot.contains_event(id, home_of(event))?)
    }

    /// Returns the time of a report, rejected if it is too far in the future. It may be as late as it is.
    fn require_not_ahead(&self, given: Time) -> Result<Time, CommandError> {
        if given > self.now.plus_millis(AHEAD_MILLIS_MAX) {
            let message = "must not be more than five minutes ahead of the server's clock";
            return Err(Rejection::invalid("created_at", message).into());
        }
        Ok(given)
    }

    fn require_new_id(&mut self, id: EventId, event: &Event) -> Result<(), CommandError> {
        let is_recorded = self.is_recorded(id, event)?;
        self.external_ids.insert(id);
        if is_recorded {
            return Err(
                Rejection::invalid("id", "is the identifier of an event that is already recorded").into()
            );
        }
        Ok(())
    }

    /// Applies an event to the states of its app and its user. Creates the states that do not exist.
    fn apply(&mut self, event: &Event) -> Result<(), Error> {
        if let Some(user) = &event.user {
            let touched = self.touch_account(user, event.created_at)?;
            let before = (touched.now.person != *user).then(|| touched.now.person.clone());
            Account::apply(&mut touched.now, event);
            if before.is_some() {
                let now = touched.now.person.clone();
                self.rename_user(before.as_ref(), &now)?;
            }
        }
        if let Some(app) = &event.app {
            self.note_contradiction(app, event)?;
            let touched = self.touch_app(app, event.created_at)?;
            let owner_of = |app: &App| app.owner.as_ref().map(|owner| owner.id);
            let owner_before = owner_of(&touched.now);
            let was_live = touched.now.deleted_at.is_none();
            let old_name = (touched.now.name != app.name).then(|| touched.now.name.clone());
            App::apply(&mut touched.now, event);
            let is_live = touched.now.deleted_at.is_none();
            // A new owner gets an account, even if they did nothing themselves.
            if owner_of(&touched.now) != owner_before
                && let Some(owner) = touched.now.owner.clone()
            {
                self.touch_account(&owner, event.created_at)?;
            }
            if old_name.is_some() || is_live != was_live {
                let before = was_live.then(|| old_name.as_ref().unwrap_or(&app.name));
                self.rename_app(app.id, before, is_live.then_some(&app.name))?;
            }
        }
        Ok(())
    }

    pub(super) fn touch_app(&mut self, app: &AppRef, at: Time) -> Result<&mut Touched<App>, Error> {
        if !self.apps.contains_key(&app.id) {
            let found = self.snapshot.get(key::App(app.id))?;
            if found.is_none() {
                self.rename_app(app.id, None, Some(&app.name))?;
            }
            let now = found.clone().unwrap_or_else(|| Arc::new(App::first_seen(app, at)));
            self.apps.insert(app.id, Touched { found, now });
        }
        Ok(&mut self.apps[&app.id])
    }

    fn touch_account(&mut self, person: &Person, at: Time) -> Result<&mut Touched<Account>, Error> {
        if !self.accounts.contains_key(&person.id) {
            let found = self.snapshot.get(key::Account(person.id))?;
            if found.is_none() {
                self.rename_user(None, person)?;
            }
            let now = found.clone().unwrap_or_else(|| Arc::new(Account::first_seen(person, at)));
            self.accounts.insert(person.id, Touched { found, now });
        }
        Ok(&mut self.accounts[&person.id])
    }
}
