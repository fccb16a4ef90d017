//! Commands on review apps. They involve two apps: the review app, and its parent, from which it is created.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_model::app::{
    DeleteApp, DeployCommit, FollowUp, PullChange, PullRequest, RenameApp, Repository, linker, review_apps,
};
use annals_model::{App, AppId, Person, Rejection, Role};
use annals_store::{CommandError, key};

use super::apps::{
    act_on, create, decide_and_record, decide_creation, outcome, present, record_all, require_role,
};
use super::{Outcome, Request};
use crate::transaction::{RecordedEvent, Transaction};
use crate::{Error, Service};

impl Service {
    /// Creates the review app of a pull request because the caller requests it. In the outcome, `app` is the parent, and
    /// `created` is the name of the review app.
    ///
    /// # Errors
    ///
    /// Fails if the caller is not a collaborator of the parent, if the pull request is unknown or has a review app, if the name
    /// is taken, or if the store fails.
    pub async fn create_review_app(
        &self,
        request: Request,
        parent: AppId,
        number: u64,
    ) -> Result<Outcome<String>, Error> {
        self.act_once(request, move |transaction, request| {
            require_role(transaction, request, &*present(transaction, parent)?, Role::Collaborator)?;
            let actor = request.actor.clone();
            let (recorded, name) = create_review_app(transaction, request, actor.as_ref(), parent, number)?;
            Ok(outcome(transaction, parent, recorded)?.with(name))
        })
        .await
    }

    /// Records the state of a pull request that a forge (a Git hosting service such as GitHub or GitLab) sent, and creates,
    /// deploys or destroys the review app accordingly. In the outcome, `created` says why no review app was created although the
    /// link wants one. `repository` is the one that the forge names, if it was asked.
    ///
    /// # Errors
    ///
    /// Fails if the caller is not the operator, if the rules reject the change, or if the store fails.
    pub async fn pull_request_received(
        &self,
        request: Request,
        parent: AppId,
        received: PullRequest,
        change: PullChange,
        repository: Option<Repository>,
    ) -> Result<Outcome<Option<String>>, Error> {
        self.act_once(request, move |transaction, request| {
            receive(transaction, request, parent, received.clone(), change, repository.as_ref())
        })
        .await
    }

    /// Records that a pull request is closed, and destroys the review app accordingly. The rest of the pull request stays as it
    /// was received last.
    ///
    /// # Errors
    ///
    /// Fails if the caller is not the operator, if the pull request is unknown, if the rules reject the change, or if the store
    /// fails.
    pub async fn close_pull_request(
        &self,
        request: Request,
        parent: AppId,
        number: u64,
    ) -> Result<Outcome<Option<String>>, Error> {
        self.act_once(request, move |transaction, request| {
            // Read in the command, because it may be received anew at the same time.
            let known = transaction.private(parent)?.pull_requests.get(&number).cloned();
            let known = known.ok_or(Rejection::NotFound("pull_request"))?;
            receive(transaction, request, parent, known, PullChange::Closed, None)
        })
        .await
    }

    /// Renames an app. For a review app, records the rename in the parent's timeline too.
    ///
    /// # Errors
    ///
    /// Fails if the app does not exist or is hidden from the caller, if the caller's role does not suffice, if the rules
    /// reject the name, or if the store fails.
    pub async fn rename_app(&self, request: Request, id: AppId, action: RenameApp) -> Result<Outcome, Error> {
        self.act_once(request, move |transaction, request| {
            let mut recorded = act_on(transaction, request, id, &action)?.0;
            let app = present(transaction, id)?;
            if let Some(parent) = live_parent(transaction, &app)? {
                let actor = request.actor.as_ref();
                let context = transaction.context(request.remote_ip, actor, None);
                let renamed = review_apps::rename(&parent, id, &app.name, &context);
                recorded.extend(record_all(transaction, actor, parent.id, renamed.events)?);
            }
            outcome(transaction, id, recorded)
        })
        .await
    }

    /// Deletes an app with its review apps. For a review app, records its destruction in the parent's timeline too.
    ///
    /// # Errors
    ///
    /// Fails if the app does not exist or is hidden from the caller, if the caller's role does not suffice, if the rules
    /// reject the deletion, or if the store fails.
    pub async fn delete_app(&self, request: Request, id: AppId, action: DeleteApp) -> Result<Outcome, Error> {
        self.act_once(request, move |transaction, request| {
            let app = present(transaction, id)?;
            let actor = request.actor.clone();
            let mut recorded = Vec::new();
            for name in app.review_apps.keys() {
                recorded.extend(destroy(transaction, request, actor.as_ref(), id, name)?);
            }
            let of_parent = live_parent(transaction, &app)?;
            recorded.extend(act_on(transaction, request, id, &action)?.0);
            if let Some(parent) = of_parent
                && let Some((name, _)) =
                    parent.review_apps.iter().find(|(_, review_app)| review_app.app_id == Some(id))
            {
                recorded.extend(record_destruction(transaction, request, actor.as_ref(), parent.id, name)?);
            }
            outcome(transaction, id, recorded)
        })
        .await
    }

    /// Fires a due timer: destroys the review app of its pull request. Firing a timer again has no effect.
    pub(crate) async fn fire_timer(&self, timer: key::Timer) -> Result<(), Error> {
        self.commit(move |transaction| {
            let key::Timer(time, parent, number) = timer.clone();
            let mut private = transaction.private(parent)?;
            let app = transaction.app(parent)?;
            let set_to = private.pull_requests.get(&number).and_then(|pull| pull.delete_at);
            let (Some(app), true) = (app, set_to == Some(time)) else {
                // The timer was fired or moved since it was listed. If it stayed in the store, it would be listed forever.
                transaction.remove(timer.clone());
                return Ok(());
            };
            review_apps::forget_timer(&mut private, number);
            transaction.put_private(parent, private)?;
            if app.deleted_at.is_none()
                && app.scm_link.is_some()
                && let Some((name, _)) = review_apps::of_pull(&app, number)
            {
                let actor = transaction.refresh(linker(&app))?;
                destroy(transaction, &Request::default(), actor.as_ref(), parent, name)?;
            }
            Ok(())
        })
        .await
    }
}

/// Records the state of a pull request, and does what must follow.
fn receive(
    transaction: &mut Transaction<'_>,
    request: &Request,
    parent: AppId,
    received: PullRequest,
    change: PullChange,
    repository: Option<&Repository>,
) -> Result<Outcome<Option<String>>, CommandError> {
    let app = present(transaction, parent)?;
    require_role(transaction, request, &app, Role::Operator)?;
    let mut private = transaction.private(parent)?;
    if let Some(repository) = repository {
        repository.remember(&mut private);
    }
    let (number, head, now) = (received.number, received.head.clone(), transaction.now());
    let follow_up = review_apps::pull_request_received(&app, &mut private, received, change, now)?;
    transaction.put_private(parent, private)?;
    let actor = transaction.refresh(linker(&app))?;
    let actor = actor.as_ref();
    let mut refused = None;
    let recorded = match follow_up {
        FollowUp::Nothing => Vec::new(),
        FollowUp::Create => {
            let part = transaction
                .part(|transaction| create_review_app(transaction, request, actor, parent, number))?;
            // The forge can do nothing about a rejection. Its pull request is stored, without a time to delete what is not there.
            part.map(|(recorded, _)| recorded).or_else(|rejection| {
                refused = Some(rejection.to_string());
                let mut private = transaction.private(parent)?;
                review_apps::forget_timer(&mut private, number);
                transaction.put_private(parent, private)?;
                Ok::<_, CommandError>(Vec::new())
            })?
        }
        FollowUp::Deploy(child) => deploy(transaction, request, actor, child, &head)?,
        FollowUp::Destroy => match review_apps::of_pull(&app, number) {
            Some((name, _)) => destroy(transaction, request, actor, parent, &name.clone())?,
            None => Vec::new(),
        },
    };
    Ok(outcome(transaction, parent, recorded)?.with(refused))
}

/// Returns the parent of an app, unless it has none or it is deleted.
fn live_parent(transaction: &Transaction<'_>, app: &App) -> Result<Option<Arc<App>>, CommandError> {
    let parent = app.parent.map(|parent| transaction.app(parent)).transpose()?.flatten();
    Ok(parent.filter(|parent| parent.deleted_at.is_none()))
}

/// Creates the review app of a pull request: the parent's event, the app, and its first deployment. Returns its name.
fn create_review_app(
    transaction: &mut Transaction<'_>,
    request: &Request,
    actor: Option<&Person>,
    parent: AppId,
    number: u64,
) -> Result<(Vec<RecordedEvent>, String), CommandError> {
    let app = present(transaction, parent)?;
    let mut private = transaction.private(parent)?;
    let name = free_name(transaction, &app, number)?;
    let action = review_apps::create_app(&app, number, name.clone(), transaction.now());
    let creation = decide_creation(transaction, request, actor, &action)?;
    let child = creation.created;
    let context = transaction.context(request.remote_ip, actor, None);
    let decision = review_apps::create(&app, &mut private, number, child, name, &context)?;
    let head = private.pull_requests.get(&number).map(|pull| pull.head.clone()).unwrap_or_default();
    transaction.put_private(parent, private)?;
    let mut recorded = record_all(transaction, actor, parent, decision.events)?;
    recorded.extend(create(transaction, actor, &action.name, creation)?);
    recorded.extend(deploy(transaction, request, actor, child, &head)?);
    Ok((recorded, decision.created))
}

/// Returns the first free name for the review app of a pull request.
fn free_name(transaction: &Transaction<'_>, app: &App, number: u64) -> Result<String, CommandError> {
    for name in review_apps::names(app, number) {
        match transaction.require_free_name(&name) {
            Err(CommandError::Rejected(_)) => {}
            free => return free.map(|()| name),
        }
    }
    Err(Rejection::invalid("name", "has already been taken, and so have the other names of a review app")
        .into())
}

/// Deploys the latest commit of a pull request.
fn deploy(
    transaction: &mut Transaction<'_>,
    request: &Request,
    actor: Option<&Person>,
    child: AppId,
    head: &str,
) -> Result<Vec<RecordedEvent>, CommandError> {
    let is_live = transaction.app(child)?.is_some_and(|app| app.deleted_at.is_none());
    let Some(actor) = actor.filter(|_| is_live) else { return Ok(Vec::new()) };
    let by_operator = Request { actor: None, ..request.clone() };
    let action = DeployCommit { pusher: actor.clone(), head: head.to_owned() };
    Ok(act_on(transaction, &by_operator, child, &action)?.0)
}

/// Destroys a review app. If it has review apps itself, destroys these first.
fn destroy(
    transaction: &mut Transaction<'_>,
    request: &Request,
    actor: Option<&Person>,
    parent: AppId,
    name: &str,
) -> Result<Vec<RecordedEvent>, CommandError> {
    // Reports can make apps review apps of each other, so each app is visited once, and without recursion.
    let mut met = BTreeSet::from([parent]);
    let (mut waiting, mut found) = (vec![(parent, name.to_owned())], Vec::new());
    while let Some((parent, name)) = waiting.pop() {
        let app = present(transaction, parent)?;
        let child = app.review_apps.get(&name).and_then(|review_app| review_app.app_id);
        let child = child.map(|child| transaction.app(child)).transpose()?.flatten();
        let child = child.filter(|child| child.deleted_at.is_none() && met.insert(child.id));
        if let Some(child) = &child {
            waiting.extend(child.review_apps.keys().map(|name| (child.id, name.clone())));
        }
        found.push((parent, name, child.map(|child| child.id)));
    }
    let mut recorded = Vec::new();
    for (parent, name, child) in found.into_iter().rev() {
        if let Some(child) = child {
            let child = present(transaction, child)?;
            let mut private = transaction.private(child.id)?;
            let by = (actor, Role::Operator);
            // If only a report calls the app a review app, the rules take it for an ordinary one. Deleting that needs its name.
            let action = DeleteApp { current_name: Some(child.name.clone()) };
            recorded.extend(decide_and_record(transaction, request, by, &child, &mut private, &action)?.0);
        }
        recorded.extend(record_destruction(transaction, request, actor, parent, &name)?);
    }
    Ok(recorded)
}

/// Records the destruction of a review app in its parent's timeline.
fn record_destruction(
    transaction: &mut Transaction<'_>,
    request: &Request,
    actor: Option<&Person>,
    parent: AppId,
    name: &str,
) -> Result<Vec<RecordedEvent>, CommandError> {
    let app = present(transaction, parent)?;
    let mut private = transaction.private(parent)?;
    let child = app.review_apps.get(name).and_then(|review_app| review_app.app_id);
    let child = child.map(|child| transaction.app(child)).transpose()?.flatten();
    let current_name = child.as_ref().map_or(name, |child| &child.name);
    let context = transaction.context(request.remote_ip, actor, None);
    let decision = review_apps::destroy(&app, &mut private, name, current_name, &context)?;
    transaction.put_private(parent, private)?;
    record_all(transaction, actor, parent, decision.events)
}
