//! Actions on apps.

use annals_model::app::{AcceptInvitation, AppAction, CreateApp};
use annals_model::{App, AppId, AppRef, Event, EventId, Person, Rejection, Role, Time, TypeData};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::contract::{CommandError, CommitError};
use crate::rows::{Caller, Row, RowKey, TokenHash};

use super::draft::Draft;
use super::{Outcome, Recorded, Recorder, Request, answers};

impl Recorder {
    /// Makes a new app. Where it is to be a child, who asks works on its parent.
    pub async fn create_app(&self, request: Request, action: CreateApp) -> Result<Outcome, CommitError> {
        self.act_once(request, move |draft, request| {
            if let Some(parent) = action.parent {
                require_role(draft, request, &*present(draft, parent)?, Role::Collaborator)?;
            }
            let actor = request.actor.as_ref();
            let id = draft.ids().app_id(draft.now());
            let recorded = create(draft, request, actor, id, &action)?;
            outcome(draft, id, recorded)
        })
        .await
    }

    /// Does something with an app.
    pub async fn act<A: AppAction + 'static>(
        &self,
        request: Request,
        id: AppId,
        action: A,
    ) -> Result<Outcome, CommitError> {
        self.act_once(request, move |draft, request| act_for_outcome(draft, request, id, &action)).await
    }

    /// Accepts the invitation to an app that has this token.
    pub async fn accept_invitation(&self, request: Request, token: String) -> Result<Outcome, CommitError> {
        self.act_once(request, move |draft, request| {
            let key = RowKey::Invitation(TokenHash::of(&token));
            let Some(Row::AppWithName(id)) = draft.row(&key)? else {
                return Err(already_used(draft, request, &token)?.into());
            };
            let app = present(draft, id)?;
            if app.deleted_at.is_some() {
                return Err(Rejection::NotFound("collaborator").into());
            }
            let mut facts = draft.facts(id)?;
            let context = draft.context(request, request.actor.as_ref(), None);
            let action = AcceptInvitation { token: token.clone() };
            let decided = action.decide(&app, &mut facts, &context);
            let decided = draft.decided(decided)?;
            draft.put_facts(id, facts)?;
            // Who accepts again is told so, and not that there was no invitation.
            draft.put(RowKey::UsedInvitation(TokenHash::of(&token)), Row::AppWithName(id));
            let recorded = record_all(draft, request.actor.as_ref(), id, decided)?;
            outcome(draft, id, recorded)
        })
        .await
    }

    pub(super) async fn act_once(
        &self,
        request: Request,
        mut decide: impl FnMut(&mut Draft<'_>, &Request) -> Result<Outcome, CommandError> + Send + 'static,
    ) -> Result<Outcome, CommitError> {
        let caller = request.actor.as_ref().map_or(Caller::Operator, |actor| Caller::User(actor.id));
        // A request that records nothing needs nothing to make its repeat harmless.
        let idempotency = request.idempotency.clone().filter(|_| !request.dry_run);
        self.commit(move |draft| {
            if let Some(idempotency) = &idempotency
                && let Some(Kept { app, recorded, made }) = answers::find(draft, caller, idempotency)?
            {
                return Ok(Outcome { made, ..outcome(draft, app, recorded)? });
            }
            let request = up_to_date(draft, &request)?;
            let outcome = decide(draft, &request)?;
            if request.dry_run {
                draft.discard();
            }
            if let Some(idempotency) = &idempotency {
                let Outcome { app, recorded, made, .. } = &outcome;
                let kept = Kept { app: app.id, recorded: recorded.clone(), made: *made };
                answers::remember(draft, caller, idempotency, &kept);
            }
            Ok(outcome)
        })
        .await
    }
}

/// What is remembered of an outcome for its repeat: not the app, which would be kept a second time with all its secrets.
#[derive(Serialize, Deserialize)]
struct Kept {
    app: AppId,
    recorded: Vec<Recorded>,
    made: Option<EventId>,
}

/// The request of who asks as they are now, which may not be as they were when the request came.
pub(super) fn up_to_date(draft: &Draft<'_>, request: &Request) -> Result<Request, CommandError> {
    Ok(Request { actor: draft.as_now(request.actor.clone())?, ..request.clone() })
}

/// Does something with an app, as a part of a change.
pub(super) fn act_on<A: AppAction>(
    draft: &mut Draft<'_>,
    request: &Request,
    id: AppId,
    action: &A,
) -> Result<Vec<Recorded>, CommandError> {
    Ok(act_for_outcome(draft, request, id, action)?.recorded)
}

/// The same, with all that came of it.
fn act_for_outcome<A: AppAction>(
    draft: &mut Draft<'_>,
    request: &Request,
    id: AppId,
    action: &A,
) -> Result<Outcome, CommandError> {
    let app = present(draft, id)?;
    let role = require_role(draft, request, &app, A::ROLE)?;
    let before = draft.facts(id)?;
    let mut facts = Arc::clone(&before);
    let asking = request.actor.as_ref();
    let actor = match action.actor(&app, &facts, asking) {
        // Who asks is known as they are now already.
        Some(actor) if asking.is_some_and(|asking| asking.id == actor.id) => asking.cloned(),
        noted => draft.as_now(noted)?,
    };
    let context = draft.context(request, actor.as_ref(), Some(role));
    let decided = action.decide(&app, &mut facts, &context);
    let decided = draft.decided(decided)?;
    let made = facts.newest().filter(|newest| before.newest() != Some(*newest));
    if !Arc::ptr_eq(&before, &facts) {
        draft.put_facts(id, Arc::clone(&facts))?;
    }
    let recorded = record_all(draft, actor.as_ref(), id, decided)?;
    Ok(Outcome { app: present(draft, id)?, facts, recorded, made })
}

/// Makes a new app with that identifier, as a part of a change.
pub(super) fn create(
    draft: &mut Draft<'_>,
    request: &Request,
    actor: Option<&Person>,
    id: AppId,
    action: &CreateApp,
) -> Result<Vec<Recorded>, CommandError> {
    let context = draft.context(request, actor, None);
    let decided = action.decide(&context);
    let decided = draft.decided(decided)?;
    let app = AppRef { id, name: action.name.clone() };
    let mut recorded = Vec::with_capacity(decided.len());
    for data in decided {
        recorded.push(draft.record(unplaced(actor, app.clone(), data))?);
    }
    draft.require_free(None, &*present(draft, id)?)?;
    Ok(recorded)
}

/// Records what was decided for an app.
pub(super) fn record_all(
    draft: &mut Draft<'_>,
    actor: Option<&Person>,
    id: AppId,
    decided: Vec<TypeData>,
) -> Result<Vec<Recorded>, CommandError> {
    if decided.is_empty() {
        return Ok(Vec::new());
    }
    let before = present(draft, id)?;
    let mut recorded = Vec::with_capacity(decided.len());
    for data in decided {
        let app = present(draft, id)?.named_in(&data);
        recorded.push(draft.record(unplaced(actor, app, data))?);
    }
    draft.require_free(Some(&before), &*present(draft, id)?)?;
    Ok(recorded)
}

pub(super) fn outcome(
    draft: &Draft<'_>,
    id: AppId,
    recorded: Vec<Recorded>,
) -> Result<Outcome, CommandError> {
    Ok(Outcome { app: present(draft, id)?, facts: draft.facts(id)?, recorded, made: None })
}

pub(super) fn present(draft: &Draft<'_>, id: AppId) -> Result<Arc<App>, CommandError> {
    draft.app(id)?.ok_or_else(|| Rejection::NotFound("app").into())
}

/// What who asks may do with that app, if it is at least that.
pub(super) fn require_role(
    draft: &Draft<'_>,
    request: &Request,
    app: &App,
    needed: Role,
) -> Result<Role, CommandError> {
    let role = match &request.actor {
        None => Some(Role::Platform),
        Some(actor) => draft.role_of(app, actor.id)?,
    };
    let role = role.filter(|_| app.deleted_at.is_none()).ok_or(Rejection::NotFound("app"))?;
    if role < needed { Err(Rejection::needs(needed).into()) } else { Ok(role) }
}

/// Why a token leads to no invitation.
fn already_used(draft: &Draft<'_>, request: &Request, token: &str) -> Result<Rejection, CommandError> {
    let used = draft.row(&RowKey::UsedInvitation(TokenHash::of(token)))?;
    if let (Some(Row::AppWithName(id)), Some(actor)) = (used, &request.actor)
        && let Some(app) = draft.app(id)?
        && app.role_of(actor.id).is_some()
    {
        return Ok(Rejection::AlreadyCollaborator);
    }
    Ok(Rejection::NotFound("collaborator"))
}

/// An event whose identifier and time the draft will say.
fn unplaced(actor: Option<&Person>, app: AppRef, data: TypeData) -> Event {
    Event {
        id: EventId::from_bytes([0; EventId::BYTES]),
        created_at: Time::EPOCH,
        user: actor.cloned(),
        app: Some(app),
        data,
    }
}
