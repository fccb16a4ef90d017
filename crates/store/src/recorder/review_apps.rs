//! What happens to two apps at once: a review app and the app it is made from.

use std::time::Duration;

use annals_model::app::{
    AppAction, CreateApp, DeleteApp, DeployCommit, FollowUp, PullChange, PullRequest, linker, review_apps,
};
use annals_model::{AppId, Person, Rejection, Role, Time};

use crate::contract::{CommandError, CommitError};
use crate::rows::{Listing, RowKey};

use super::actions::{act_on, create, outcome, present, record_all, require_role};
use super::draft::Draft;
use super::{Outcome, Recorded, Recorder, Request};

/// How many timers are fired at a time.
const TIMERS_AT_ONCE: usize = 100;
/// How long a process has for them before another one tries.
const TIMER_LEASE: Duration = Duration::from_secs(30);

impl Recorder {
    /// Makes the review app of a pull request by hand. The outcome is the parent's.
    pub async fn create_review_app(
        &self,
        request: Request,
        parent: AppId,
        number: u64,
    ) -> Result<Outcome, CommitError> {
        self.act_once(request, move |draft, request| {
            require_role(draft, request, &*present(draft, parent)?, Role::Collaborator)?;
            let actor = request.actor.clone();
            let recorded = create_review_app(draft, request, actor.as_ref(), parent, number)?;
            outcome(draft, parent, recorded)
        })
        .await
    }

    /// Takes in what a forge tells of a pull request, with all that follows from it.
    pub async fn hear_of_pull(
        &self,
        request: Request,
        parent: AppId,
        told: PullRequest,
        change: PullChange,
    ) -> Result<Outcome, CommitError> {
        self.act_once(request, move |draft, request| {
            let app = present(draft, parent)?;
            require_role(draft, request, &app, Role::Platform)?;
            let mut facts = draft.facts(parent)?;
            let follow_up = review_apps::hear_of(&app, &mut facts, told.clone(), change, draft.now())?;
            draft.put_facts(parent, facts)?;
            let actor = draft.as_now(linker(&app))?;
            let recorded = match follow_up {
                FollowUp::Nothing => Vec::new(),
                FollowUp::Create => {
                    // A name that somebody else has is nothing the forge could do something about.
                    match create_review_app(draft, request, actor.as_ref(), parent, told.number) {
                        Err(CommandError::Rejected(_)) => Vec::new(),
                        recorded => recorded?,
                    }
                }
                FollowUp::Deploy(child) => deploy(draft, request, actor.as_ref(), child, &told.head)?,
                FollowUp::Destroy => match review_apps::of_pull(&app, told.number) {
                    Some((name, _)) => destroy(draft, request, actor.as_ref(), parent, &name.clone())?,
                    None => Vec::new(),
                },
            };
            outcome(draft, parent, recorded)
        })
        .await
    }

    /// Deletes an app: a review app with what its parent's timeline says of it, and any app with its review apps.
    pub async fn delete_app(
        &self,
        request: Request,
        id: AppId,
        action: DeleteApp,
    ) -> Result<Outcome, CommitError> {
        self.act_once(request, move |draft, request| {
            let app = present(draft, id)?;
            let actor = request.actor.clone();
            let mut recorded = Vec::new();
            for name in app.review_apps.keys() {
                recorded.extend(destroy(draft, request, actor.as_ref(), id, name)?);
            }
            let of_parent = match app.parent {
                Some(parent) => draft.app(parent)?.filter(|parent| parent.deleted_at.is_none()),
                None => None,
            };
            recorded.extend(act_on(draft, request, id, &action)?);
            if let Some(parent) = of_parent
                && let Some((name, _)) =
                    parent.review_apps.iter().find(|(_, review_app)| review_app.app_id == Some(id))
            {
                recorded.extend(record_destruction(draft, actor.as_ref(), parent.id, name)?);
            }
            outcome(draft, id, recorded)
        })
        .await
    }

    /// Does all that is due by now. Gives how many timers there were; where they are many, some may be left.
    ///
    /// A timer that is fired twice, by two processes or since one was cut off, does what it does once.
    pub async fn fire_due_timers(&self) -> Result<usize, CommitError> {
        let now = self.clock.now();
        let claimed = self.store.claim(Listing::TimersDue(now), TIMERS_AT_ONCE, TIMER_LEASE).await?;
        let due: Vec<_> = claimed
            .into_iter()
            .filter_map(|(key, _)| match key {
                RowKey::Timer(time, app, number) => Some((time, app, number)),
                _ => None,
            })
            .collect();
        // One that fails must not keep the others from being fired; it stays, and is tried again.
        let mut failed = None;
        for &(time, app, number) in &due {
            if let Err(error) = self.fire(time, app, number).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(due.len()), Err)
    }

    async fn fire(&self, time: Time, parent: AppId, number: u64) -> Result<(), CommitError> {
        self.commit(move |draft| {
            let mut facts = draft.facts(parent)?;
            let app = draft.app(parent)?;
            let set_to = facts.pull_requests.get(&number).and_then(|pull| pull.delete_at);
            let (Some(app), true) = (app, set_to == Some(time)) else {
                // Fired or set to another time since it was listed; left here it would be listed for good.
                draft.remove(RowKey::Timer(time, parent, number));
                return Ok(());
            };
            review_apps::forget_timer(&mut facts, number);
            draft.put_facts(parent, facts)?;
            if app.deleted_at.is_none()
                && app.scm_link.is_some()
                && let Some((name, _)) = review_apps::of_pull(&app, number)
            {
                let (actor, name) = (draft.as_now(linker(&app))?, name.clone());
                destroy(draft, &Request::default(), actor.as_ref(), parent, &name)?;
            }
            Ok(())
        })
        .await
    }
}

/// Makes the review app of a pull request: the parent's event, the app, and its first deployment.
fn create_review_app(
    draft: &mut Draft<'_>,
    request: &Request,
    actor: Option<&Person>,
    parent: AppId,
    number: u64,
) -> Result<Vec<Recorded>, CommandError> {
    let app = present(draft, parent)?;
    let child = draft.ids().app_id(draft.now());
    let mut facts = draft.facts(parent)?;
    let context = draft.context(request, actor, None);
    let data = review_apps::create(&app, &mut facts, number, child, &context)?;
    let head = facts.pull_requests.get(&number).map(|pull| pull.head.clone()).unwrap_or_default();
    let action = CreateApp {
        name: review_apps::name_of(&app, number),
        stack_id: app
            .stack
            .clone()
            .filter(|stack| annals_model::directory::may_be_chosen(stack, draft.now())),
        parent: Some(parent),
        pull_request: Some(number),
        ..CreateApp::default()
    };
    // The name is looked at before anything is recorded, since a refusal here need not end the whole change.
    draft.require_free_name(&action.name)?;
    action.decide(&context).map_err(CommandError::Rejected)?;
    draft.put_facts(parent, facts)?;
    let mut recorded = record_all(draft, actor, parent, vec![data])?;
    recorded.extend(create(draft, request, actor, child, &action)?);
    recorded.extend(deploy(draft, request, actor, child, &head)?);
    Ok(recorded)
}

/// Deploys what a pull request has come to.
fn deploy(
    draft: &mut Draft<'_>,
    request: &Request,
    actor: Option<&Person>,
    child: AppId,
    head: &str,
) -> Result<Vec<Recorded>, CommandError> {
    let is_live = draft.app(child)?.is_some_and(|app| app.deleted_at.is_none());
    let Some(actor) = actor.filter(|_| is_live) else { return Ok(Vec::new()) };
    let by_platform = Request { actor: None, ..request.clone() };
    act_on(draft, &by_platform, child, &DeployCommit { pusher: actor.clone(), head: head.to_owned() })
}

/// Destroys the review app of that name.
fn destroy(
    draft: &mut Draft<'_>,
    request: &Request,
    actor: Option<&Person>,
    parent: AppId,
    name: &str,
) -> Result<Vec<Recorded>, CommandError> {
    let child = present(draft, parent)?.review_apps.get(name).and_then(|review_app| review_app.app_id);
    let child =
        child.map(|child| draft.app(child)).transpose()?.flatten().filter(|child| child.deleted_at.is_none());
    let mut recorded = Vec::new();
    if let Some(child) = child {
        for name in child.review_apps.keys() {
            recorded.extend(destroy(draft, request, actor, child.id, name)?);
        }
        let mut facts = draft.facts(child.id)?;
        let context = draft.context(request, actor, Some(Role::Platform));
        let action = DeleteApp { current_name: child.name.clone() };
        let decided = action.decide(&child, &mut facts, &context)?;
        draft.put_facts(child.id, facts)?;
        recorded.extend(record_all(draft, actor, child.id, decided)?);
    }
    recorded.extend(record_destruction(draft, actor, parent, name)?);
    Ok(recorded)
}

/// Records in the parent's timeline that a review app went.
fn record_destruction(
    draft: &mut Draft<'_>,
    actor: Option<&Person>,
    parent: AppId,
    name: &str,
) -> Result<Vec<Recorded>, CommandError> {
    let app = present(draft, parent)?;
    let mut facts = draft.facts(parent)?;
    let data = review_apps::destroy(&app, &mut facts, name).ok_or(Rejection::NotFound("app"))?;
    draft.put_facts(parent, facts)?;
    record_all(draft, actor, parent, vec![data])
}
