//! Webhooks of GitHub and GitLab.
//!
//! Each link has its own secret, so a webhook cannot concern another app's repository. Each delivery has an identifier, which
//! annals remembers for a day: a repeated delivery changes nothing.

use std::borrow::Cow;

use annals_model::Secret;
use annals_model::app::PushReceived;
use annals_service::{AppReference, Idempotency, Request};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::answer::ok;
use crate::api::{Api, op};
use crate::arriving::{Arrived, Unproven};
use crate::error::ApiError;
use crate::extract::Segments;
use crate::forges::{WebhookEvent, github, gitlab};
use crate::idempotency::Repeatable;
use crate::limits::HOOK_BYTES_MAX;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Source control").post(
        "/v1/apps/{app}/scm_repo_link/hook",
        receive_webhook,
        op("Receive a webhook of GitHub or GitLab about pushes and pull requests")
            .records(&["deployment", "create_review_app", "new_app", "destroy_review_app"])
            .open()
            .repeatable()
            .header("X-GitHub-Event", "GitHub's name for what happened.")
            .header("X-Hub-Signature-256", "GitHub's signature of the body with the link's secret.")
            .header("X-GitHub-Delivery", "Identifies a delivery of GitHub, so that a repeat changes nothing.")
            .header("X-Gitlab-Event", "GitLab's name for what happened.")
            .header("X-Gitlab-Token", "The link's secret, as GitLab sends it.")
            .header(
                "X-Gitlab-Event-UUID",
                "Identifies a delivery of GitLab, so that a repeat changes nothing.",
            )
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
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let forge_event = header("x-github-event").or(header("x-gitlab-event")).ok_or_else(|| {
        let message = "not a webhook of GitHub or GitLab: X-GitHub-Event or X-Gitlab-Event is missing";
        ApiError::BadRequest(message.to_owned())
    })?;
    const UNPROVEN: ApiError =
        ApiError::Unauthorized("the signature or token does not match the link's secret");
    // Only the forge, which knows the secret, may learn whether the app and the link exist. So the body of every webhook is
    // read first, and compared with a secret that nobody knows if there is no other.
    let Arrived { bytes: body, room: _room } =
        state.arriving.read(body, HOOK_BYTES_MAX, Some(Unproven)).await?;
    let app = service.find_app(AppReference::App(&app)).await?.filter(|app| app.deleted_at.is_none());
    let secret = match &app {
        Some(app) => service.private_state(app.id).await?.hook_secret.clone(),
        None => None,
    };
    let is_linked = secret.is_some();
    let secret = secret.unwrap_or_else(|| Secret(hex::encode(rand::random::<[u8; 32]>())));
    let is_proven = match header("x-hub-signature-256") {
        Some(signature) => is_signed(secret.0.as_bytes(), &body, signature),
        None => header("x-gitlab-token").unwrap_or_default().as_bytes().ct_eq(secret.0.as_bytes()).into(),
    };
    let app = app.filter(|_| is_linked && is_proven).ok_or(UNPROVEN)?;
    let bytes = u32::try_from(body.len()).expect("a webhook is shorter than 4 GiB");
    let _in_work = state.hook_bytes.acquire_many(bytes).await.map_err(|_| ApiError::Unavailable)?;
    let (event, delivery) = if headers.contains_key("x-github-event") {
        (
            github::read(forge_event, &json_in(&headers, &body)?)?,
            repeatable.key().or(header("x-github-delivery")),
        )
    } else {
        let delivery = repeatable.key().or(header("webhook-id")).or(header("x-gitlab-event-uuid"));
        (gitlab::read(&body)?, delivery)
    };
    let fingerprint = hex::encode(Sha256::digest(&body));
    let idempotency =
        delivery.map(|delivery| Idempotency { key: format!("hook {} {delivery:.255}", app.id), fingerprint });
    let request = Request { idempotency, ..Request::default() };
    let recorded = match event {
        WebhookEvent::Push { branch, head, commits } => {
            service.act(request, app.id, PushReceived { branch, head, commits }).await?.recorded
        }
        WebhookEvent::Pull { pull, change } => {
            let pull = pull.at(service.now());
            service.pull_request_received(request, app.id, pull, change).await?.recorded
        }
        WebhookEvent::Nothing => Vec::new(),
    };
    Ok(ok(&ReceivedAnswer { recorded: recorded.into_iter().map(|event| event.event_type).collect() }))
}

/// Returns whether GitHub's signature matches the body and the secret.
fn is_signed(secret: &[u8], body: &[u8], header: &str) -> bool {
    let Some(Ok(tag)) = header.strip_prefix("sha256=").map(hex::decode) else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC key may have any length");
    mac.update(body);
    mac.verify_slice(&tag).is_ok()
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
    /// The types of the events recorded.
    recorded: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_github_s() {
        let header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_signed(b"It's a Secret to Everybody", b"Hello, World!", header));
        assert!(!is_signed(b"It's a Secret to Everybody", b"Hello, World?", header));
        assert!(!is_signed(b"another", b"Hello, World!", header));
        assert!(!is_signed(b"", b"", "sha256="));
    }
}
