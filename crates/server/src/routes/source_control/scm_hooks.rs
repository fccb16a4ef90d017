//! Webhooks of GitHub, GitLab, Gitea, Forgejo and Bitbucket.
//!
//! Each link has its own secret, so a webhook cannot concern another app's repository. Each delivery has an identifier, which
//! annals remembers for a day: a repeated delivery changes nothing.

use std::borrow::Cow;
use std::sync::Arc;

use annals_model::Secret;
use annals_model::app::{PushReceived, Repository};
use annals_service::{AppReference, Idempotency, RecordedEvent, Request};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::answer::ok;
use crate::api::{Api, op};
use crate::arriving::{Arrived, Unproven};
use crate::error::ApiError;
use crate::extract::Segments;
use crate::forges::delivery::{Delivery, Form};
use crate::forges::{WebhookEvent, bitbucket, github, gitlab, readable};
use crate::idempotency::Repeatable;
use crate::limits::HOOK_BYTES_MAX;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Source control").post(
        "/v1/apps/{app}/scm_repo_link/hook",
        receive_webhook,
        op("Receive a webhook of GitHub, GitLab, Gitea, Forgejo or Bitbucket about pushes and pull requests")
            .records(&["deployment", "create_review_app", "new_app", "destroy_review_app"])
            .open()
            .repeatable()
            .header("X-GitHub-Event", "The name of what happened. GitHub, Gitea and Forgejo send it.")
            .header("X-Hub-Signature-256", "The signature of the body with the link's secret.")
            .header("X-GitHub-Delivery", "Identifies a delivery, so that a repeat changes nothing.")
            .header("X-Gitlab-Event", "GitLab's name for what happened.")
            .header("X-Gitlab-Token", "The link's secret, as GitLab sends it.")
            .header("X-Event-Key", "Bitbucket's name for what happened.")
            .header("X-Hub-Signature", "The signature of the body, as Bitbucket sends it.")
            .header("X-Request-UUID", "Identifies a delivery of Bitbucket.")
            .raw_body("application/json")
            .raw_body("application/x-www-form-urlencoded")
            .ok::<ReceivedAnswer>(),
    )
}

/// Receives a webhook. Irrelevant events get 200 too, since forges disable webhooks that fail.
async fn receive_webhook(
    State(state): State<AppState>,
    Segments([app]): Segments<1>,
    repeatable: Repeatable,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let service = &state.service;
    let delivery = Delivery::of(&headers)?;
    const UNPROVEN: ApiError =
        ApiError::Unauthorized("the signature or token does not match the link's secret");
    // Only the forge, which knows the secret, may learn whether the app and the link exist. So the body of every webhook is
    // read first, and compared with a secret that nobody knows if there is no other.
    let Arrived { bytes: body, room: _room } =
        state.arriving.read(body, HOOK_BYTES_MAX, Some(Unproven)).await?;
    let app = service.find_app(AppReference::App(&app)).await?.filter(|app| app.deleted_at.is_none());
    let private = match &app {
        Some(app) => service.private_state(app.id).await?,
        None => Arc::default(),
    };
    let secret = private.hook_secret.clone();
    let is_linked = secret.is_some();
    let secret = secret.unwrap_or_else(|| Secret(hex::encode(rand::random::<[u8; 32]>())));
    let is_proven = delivery.is_proven(&secret, &body);
    let app = app.filter(|_| is_linked && is_proven).ok_or(UNPROVEN)?;
    let bytes = u32::try_from(body.len()).expect("a webhook is shorter than 4 GiB");
    let _in_work = state.hook_bytes.acquire_many(bytes).await.map_err(|_| ApiError::Unavailable)?;
    let event = match delivery.form {
        Form::GitHub => github::read(delivery.event, &readable(&json_in(&headers, &body)?))?,
        Form::GitLab => gitlab::read(&readable(&body))?,
        Form::Bitbucket => {
            let branch = app.scm_link.as_ref().and_then(|link| link.branch.as_deref());
            bitbucket::read(delivery.event, &readable(&body), branch)?
        }
    };
    let delivery = repeatable.key().or(delivery.id);
    let fingerprint = hex::encode(Sha256::digest(&body));
    let idempotency =
        delivery.map(|delivery| Idempotency { key: format!("hook {} {delivery:.255}", app.id), fingerprint });
    let request = Request { idempotency, ..Request::default() };
    let is_linked_one =
        |repository: &Repository| app.scm_link.as_ref().is_some_and(|link| link.is_to(repository, &private));
    let answer = match event {
        WebhookEvent::Push { repository, .. } | WebhookEvent::Pull { repository, .. }
            if !is_linked_one(&repository) =>
        {
            ReceivedAnswer::nothing(format!("the app is not linked to {}", repository.name))
        }
        WebhookEvent::Push { repository, branch, head, is_skipped, commits } => {
            let push = PushReceived { repository, is_skipped, branch, head, commits };
            let outcome = service.act(request, app.id, push).await?;
            let reason = outcome.created.err().map(|reason| reason.to_string());
            ReceivedAnswer::new(outcome.recorded, outcome.is_repeat, reason)
        }
        WebhookEvent::Pull { repository, pull, change } => {
            let change = match state.config.draft_review_apps {
                true => change,
                false => pull.change_without_drafts(change),
            };
            let pull = pull.at(service.now());
            let outcome =
                service.pull_request_received(request, app.id, pull, change, Some(repository)).await?;
            ReceivedAnswer::new(outcome.recorded, outcome.is_repeat, outcome.created)
        }
        WebhookEvent::Nothing => ReceivedAnswer::nothing("only pushes and pull requests matter".to_owned()),
    };
    Ok(ok(&answer))
}

/// Returns the JSON of a GitHub webhook, which may come in a form: GitHub's user chooses the content type.
fn json_in<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, ApiError> {
    let kind =
        headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Ok(body.into());
    }
    let payload = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    payload
        .map(|(_, payload)| payload.into_owned().into_bytes().into())
        .ok_or_else(|| ApiError::BadRequest("the form has no payload".to_owned()))
}

#[derive(Serialize, JsonSchema)]
struct ReceivedAnswer {
    /// The types of the events recorded now.
    recorded: Vec<String>,
    /// Why nothing was recorded. Missing if something was, or if there was nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl ReceivedAnswer {
    fn new(recorded: Vec<RecordedEvent>, is_repeat: bool, reason: Option<String>) -> Self {
        if is_repeat {
            return Self::nothing("the delivery was received before".to_owned());
        }
        let recorded: Vec<_> = recorded.into_iter().map(|event| event.event_type).collect();
        let reason = reason.filter(|_| recorded.is_empty());
        Self { recorded, reason }
    }

    fn nothing(reason: String) -> Self {
        Self { recorded: Vec::new(), reason: Some(reason) }
    }
}
