//! Actions on apps.

use std::sync::Arc;

use annals_model::app::{AppAction, CreateApp};
use annals_model::{App, AppId, AppRef, Event, EventId, Rejection, Time, TypeData};

use crate::contract::{CommitError, Refusal};
use crate::rows::Caller;

use super::draft::Draft;
use super::{Outcome, Recorder, Request};

impl Recorder {
    /// Makes a new app.
    pub async fn create_app(&self, request: Request, action: CreateApp) -> Result<Outcome, CommitError> {
        self.act_once(request, move |draft, request| {
            let decided = action.decide(&draft.context(&request.actor))?;
            draft.require_free_name(&action.name)?;
            let app = AppRef { id: draft.ids().app_id(draft.now()), name: action.name.clone() };
            let recorded = names(&decided);
            for data in decided {
                draft.record(unplaced(request, app.clone(), data))?;
            }
            Ok(Outcome { app: present(draft, app.id)?, recorded })
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
        self.act_once(request, move |draft, request| {
            let app = present(draft, id)?;
            let role = app.role_of(request.actor.id).filter(|_| app.deleted_at.is_none());
            let role = role.ok_or(Rejection::NotFound("app"))?;
            if role < A::ROLE {
                let message = format!("this needs the role of {}", annals_model::action::in_words(A::ROLE));
                return Err(Rejection::Forbidden(message).into());
            }
            let decided = action.decide(&app, &draft.context(&request.actor))?;
            let recorded = names(&decided);
            for data in decided {
                let app = app.named_in(&data);
                if draft.app(id)?.is_some_and(|before| before.name != app.name) {
                    draft.require_free_name(&app.name)?;
                }
                draft.record(unplaced(request, app, data))?;
            }
            Ok(Outcome { app: present(draft, id)?, recorded })
        })
        .await
    }

    async fn act_once(
        &self,
        request: Request,
        mut decide: impl FnMut(&mut Draft<'_>, &Request) -> Result<Outcome, Refusal> + Send + 'static,
    ) -> Result<Outcome, CommitError> {
        let caller = Caller::User(request.actor.id);
        // A request that records nothing needs nothing to make its repeat harmless.
        let idempotency = request.idempotency.clone().filter(|_| !request.dry_run);
        self.commit_once(caller, idempotency, move |draft| {
            // As they are now, which may not be as they were when the request came.
            let actor = draft.account(request.actor.id)?.map(|account| account.person.clone());
            let request =
                Request { actor: actor.unwrap_or_else(|| request.actor.clone()), ..request.clone() };
            let outcome = decide(draft, &request)?;
            if request.dry_run {
                draft.discard();
            }
            Ok(outcome)
        })
        .await
    }
}

fn present(draft: &Draft<'_>, id: AppId) -> Result<Arc<App>, Refusal> {
    draft.app(id)?.ok_or_else(|| Rejection::NotFound("app").into())
}

fn names(decided: &[TypeData]) -> Vec<String> {
    decided.iter().map(|data| data.event_type().name.to_owned()).collect()
}

/// An event whose identifier and time the draft will say.
fn unplaced(request: &Request, app: AppRef, data: TypeData) -> Event {
    Event {
        id: EventId::from_bytes([0; EventId::BYTES]),
        created_at: Time::EPOCH,
        user: Some(request.actor.clone()),
        app: Some(app),
        data,
    }
}
