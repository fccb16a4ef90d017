//! Commands that act on apps.

use std::sync::Arc;

use annals_model::app::{AcceptInvitation, AppAction, CreateApp};
use annals_model::{App, AppId, AppRef, Decision, Person, PrivateState, Rejection, Role, TypeData};
use annals_store::{CommandError, TimelineId, TokenHash, key};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Outcome, Request, idempotency};
use crate::transaction::{RecordedEvent, Transaction, unassigned};
use crate::{Error, Service};

impl Service {
    /// Creates an app. The caller needs the role of a collaborator in its parent, if it has one.
    ///
    /// # Errors
    ///
    /// Fails if the rules reject the app, or if the store fails.
    pub async fn create_app(&self, request: Request, action: CreateApp) -> Result<Outcome, Error> {
        self.act_once(request, move |transaction, request| {
            if let Some(parent) = action.parent {
                require_role(transaction, request, &*present(transaction, parent)?, Role::Collaborator)?;
            }
            let actor = request.actor.as_ref();
            let decision = decide_creation(transaction, request, actor, &action)?;
            let id = decision.created;
            let recorded = create(transaction, actor, &action.name, decision)?;
            outcome(transaction, id, recorded)
        })
        .await
    }

    /// Acts on an app.
    ///
    /// # Errors
    ///
    /// Fails if the app does not exist or is hidden from the caller, if the caller's role does not suffice, if the rules
    /// reject the action, or if the store fails.
    pub async fn act<A: AppAction + 'static>(
        &self,
        request: Request,
        id: AppId,
        action: A,
    ) -> Result<Outcome<A::Created>, Error> {
        self.act_once(request, move |transaction, request| {
            let (recorded, created) = act_on(transaction, request, id, &action)?;
            Ok(outcome(transaction, id, recorded)?.with(created))
        })
        .await
    }

    /// Accepts the invitation with this token to an app.
    ///
    /// # Errors
    ///
    /// Fails if there is no such invitation, if it is not for the caller, or if the store fails.
    pub async fn accept_invitation(&self, request: Request, token: String) -> Result<Outcome, Error> {
        self.act_once(request, move |transaction, request| {
            let hash = TokenHash::of(&token);
            let Some(id) = transaction.get(key::Invitation(hash))? else {
                return Err(already_used(transaction, request, hash)?.into());
            };
            let app = present(transaction, id)?;
            if app.deleted_at.is_some() {
                return Err(Rejection::NotFound("collaborator").into());
            }
            let mut private = transaction.private(id)?;
            let context = transaction.context(request.remote_ip, request.actor.as_ref(), None);
            let action = AcceptInvitation { token: token.clone() };
            let decided = action.decide(&app, &mut private, &context);
            let events = transaction.decided(decided)?.events;
            transaction.put_private(id, private)?;
            // Lets a repeat fail with "already a collaborator", instead of "not found".
            transaction.put(key::UsedInvitation(hash), id);
            let recorded = record_all(transaction, request.actor.as_ref(), id, events)?;
            outcome(transaction, id, recorded)
        })
        .await
    }

    pub(super) async fn act_once<C: Clone + Serialize + DeserializeOwned + Send + 'static>(
        &self,
        request: Request,
        mut decide: impl FnMut(&mut Transaction<'_>, &Request) -> Result<Outcome<C>, CommandError>
        + Send
        + 'static,
    ) -> Result<Outcome<C>, Error> {
        let (caller, idempotency) = (request.caller(), request.idempotency());
        let once = self.commit(move |transaction| {
            if let Some(idempotency) = &idempotency
                && let Some(stored) = idempotency::find::<StoredOutcome<C>>(transaction, caller, idempotency)?
            {
                // The app may be somebody else's since.
                let app = present(transaction, stored.app)?;
                let role = role(transaction, &request, &app)?.ok_or(Rejection::NotFound("app"))?;
                return Ok(Once::Repeated(stored, role));
            }
            let mut outcome = decide(transaction, &request.refreshed(transaction)?)?;
            outcome.role = role(transaction, &request, &outcome.app)?;
            if request.dry_run {
                transaction.discard();
            }
            if let Some(idempotency) = &idempotency {
                let stored = StoredOutcome::new(transaction, &outcome)?;
                idempotency::remember(transaction, caller, idempotency, &stored);
            }
            Ok(Once::First(outcome))
        });
        match once.await? {
            Once::First(outcome) => Ok(outcome),
            Once::Repeated(stored, role) => self.repeated(stored, role).await,
        }
    }

    /// Returns a stored outcome with the app as it was then.
    async fn repeated<C>(&self, stored: StoredOutcome<C>, role: Role) -> Result<Outcome<C>, Error> {
        let StoredOutcome { app: id, position, records, recorded, created } = stored;
        let (now, head) = self.store().app(id).await?.ok_or(Rejection::NotFound("app"))?;
        let app = match position {
            Some(position) if position != head.length => self.state_after(id, position).await?.unwrap_or(now),
            _ => now,
        };
        let private = Arc::new(self.private_state(id).await?.with_records(records));
        Ok(Outcome { app, private, role: Some(role), recorded, created, is_repeat: true })
    }
}

/// An outcome, or what is stored of the first one.
enum Once<C> {
    First(Outcome<C>),
    Repeated(StoredOutcome<C>, Role),
}

/// The part of an outcome that is stored for repeats. The app is left out, because its secrets would be stored a second time:
/// it is folded from its timeline again.
#[derive(Serialize, Deserialize)]
struct StoredOutcome<C> {
    app: AppId,
    /// The length of the app's timeline; `None` if the state does not follow from it. The app is then shown as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// The records of the private state that changed, which are in no event.
    records: PrivateState,
    recorded: Vec<RecordedEvent>,
    created: C,
}

impl<C: Clone> StoredOutcome<C> {
    fn new(transaction: &Transaction<'_>, outcome: &Outcome<C>) -> Result<Self, CommandError> {
        let app = outcome.app.id;
        let position = match transaction.folds() {
            true => Some(transaction.head(TimelineId::App(app))?.length),
            false => None,
        };
        let records = outcome.private.records_changed(&*transaction.private_before(app)?);
        let (recorded, created) = (outcome.recorded.clone(), outcome.created.clone());
        Ok(Self { app, position, records, recorded, created })
    }
}

impl Outcome {
    pub(super) fn with<C>(self, created: C) -> Outcome<C> {
        let Self { app, private, role, recorded, created: (), is_repeat } = self;
        Outcome { app, private, role, recorded, created, is_repeat }
    }
}

/// Acts on an app as a part of a command. Returns the recorded events, and what the action created.
pub(super) fn act_on<A: AppAction>(
    transaction: &mut Transaction<'_>,
    request: &Request,
    id: AppId,
    action: &A,
) -> Result<(Vec<RecordedEvent>, A::Created), CommandError> {
    let app = present(transaction, id)?;
    let role = require_role(transaction, request, &app, A::ROLE)?;
    let mut private = transaction.private(id)?;
    let caller = request.actor.as_ref();
    let actor = match action.actor(&app, &private, caller) {
        // The request was refreshed, so the caller's name and address are current.
        Some(actor) if caller.is_some_and(|caller| caller.id == actor.id) => caller.cloned(),
        other => transaction.refresh(other)?,
    };
    decide_and_record(transaction, request, (actor.as_ref(), role), &app, &mut private, action)
}

/// Decides an action for an actor whose role was checked before, and records its events.
pub(super) fn decide_and_record<A: AppAction>(
    transaction: &mut Transaction<'_>,
    request: &Request,
    (actor, role): (Option<&Person>, Role),
    app: &App,
    private: &mut Arc<PrivateState>,
    action: &A,
) -> Result<(Vec<RecordedEvent>, A::Created), CommandError> {
    let context = transaction.context(request.remote_ip, actor, Some(role));
    let decided = action.decide(app, private, &context);
    let decision = transaction.decided(decided)?;
    transaction.put_private(app.id, Arc::clone(private))?;
    Ok((record_all(transaction, actor, app.id, decision.events)?, decision.created))
}

/// Decides the creation of an app.
pub(super) fn decide_creation(
    transaction: &Transaction<'_>,
    request: &Request,
    actor: Option<&Person>,
    action: &CreateApp,
) -> Result<Decision<AppId>, CommandError> {
    transaction.decided(action.decide(&transaction.context(request.remote_ip, actor, None)))
}

/// Creates an app as a part of a command.
pub(super) fn create(
    transaction: &mut Transaction<'_>,
    actor: Option<&Person>,
    name: &str,
    decision: Decision<AppId>,
) -> Result<Vec<RecordedEvent>, CommandError> {
    let app = AppRef { id: decision.created, name: name.to_owned() };
    let mut recorded = Vec::with_capacity(decision.events.len());
    for data in decision.events {
        recorded.push(transaction.record(unassigned(actor, Some(app.clone()), data))?);
    }
    transaction.require_free(None, &*present(transaction, app.id)?)?;
    Ok(recorded)
}

/// Records the events that were decided for an app.
pub(super) fn record_all(
    transaction: &mut Transaction<'_>,
    actor: Option<&Person>,
    id: AppId,
    events: Vec<TypeData>,
) -> Result<Vec<RecordedEvent>, CommandError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let before = present(transaction, id)?;
    let mut recorded = Vec::with_capacity(events.len());
    for data in events {
        let app = present(transaction, id)?.named_in(&data);
        recorded.push(transaction.record(unassigned(actor, Some(app), data))?);
    }
    transaction.require_free(Some(&before), &*present(transaction, id)?)?;
    Ok(recorded)
}

pub(super) fn outcome(
    transaction: &Transaction<'_>,
    id: AppId,
    recorded: Vec<RecordedEvent>,
) -> Result<Outcome, CommandError> {
    let (app, private) = (present(transaction, id)?, transaction.private(id)?);
    Ok(Outcome { app, private, role: None, recorded, created: (), is_repeat: false })
}

pub(super) fn present(transaction: &Transaction<'_>, id: AppId) -> Result<Arc<App>, CommandError> {
    transaction.app(id)?.ok_or_else(|| Rejection::NotFound("app").into())
}

/// Returns the caller's role in an app, if it is at least `needed`.
pub(super) fn require_role(
    transaction: &Transaction<'_>,
    request: &Request,
    app: &App,
    needed: Role,
) -> Result<Role, CommandError> {
    let role = role(transaction, request, app)?;
    let role = role.filter(|_| app.deleted_at.is_none()).ok_or(Rejection::NotFound("app"))?;
    if role < needed { Err(Rejection::needs(needed).into()) } else { Ok(role) }
}

/// Returns the caller's role in an app; `None` if they cannot access it.
fn role(transaction: &Transaction<'_>, request: &Request, app: &App) -> Result<Option<Role>, CommandError> {
    match &request.actor {
        None => Ok(Some(Role::Operator)),
        Some(actor) => Ok(transaction.role_of(app, actor.id)?),
    }
}

/// Returns the reason why there is no invitation with a token.
fn already_used(
    transaction: &Transaction<'_>,
    request: &Request,
    token: TokenHash,
) -> Result<Rejection, CommandError> {
    if let (Some(id), Some(actor)) = (transaction.get(key::UsedInvitation(token))?, &request.actor)
        && let Some(app) = transaction.app(id)?
        && app.role_of(actor.id).is_some()
    {
        return Ok(Rejection::AlreadyCollaborator);
    }
    Ok(Rejection::NotFound("collaborator"))
}
