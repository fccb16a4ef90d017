//! What forges tell: the webhooks of GitHub and GitLab.
//!
//! Each link has its own secret, so that nobody can tell of another app's repository. A delivery that comes twice is
//! one: it carries an identifier, which is remembered for a day, and what it tells changes nothing the second time.

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
use crate::error::ApiError;
use crate::extract::{Segments, read};
use crate::forges::{WebhookEvent, github, gitlab};
use crate::limits::HOOK_BYTES_MAX;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Source control").post(
        "/v1/apps/{app}/scm_repo_link/hook",
        receive,
        op("Where forges tell of pushes and pull requests (deployment, create_review_app, destroy_review_app)")
            .open()
            .raw_body(&["application/json", "application/x-www-form-urlencoded"])
            .ok::<ReceivedAnswer>(),
    )
}

/// Takes in what a forge tells. What is of no interest here is answered 200 too, or the forge would give up.
async fn receive(
    State(state): State<AppState>,
    Segments([app]): Segments<1>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let service = &state.service;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let forge_event = header("x-github-event").or(header("x-gitlab-event")).ok_or_else(|| {
        let message =
            "this is no webhook of a forge that is known here: X-GitHub-Event or X-Gitlab-Event is missing";
        ApiError::BadRequest(message.to_owned())
    })?;
    const UNPROVEN: ApiError = ApiError::Unauthorized("the signature or the token is not the link's");
    // Whether there is such an app, or a link, is nobody's business who cannot prove to be its forge.
    let app = service
        .find_app(AppReference::App(&app))
        .await?
        .filter(|app| app.deleted_at.is_none())
        .ok_or(UNPROVEN)?;
    let secret = service.private_state(app.id).await?.hook_secret.clone().ok_or(UNPROVEN)?;
    // What is not proved until it is read must not fill the memory, nor hold up reports.
    let _in_work = state.hooks.acquire().await.map_err(|_| ApiError::Unavailable)?;
    let body = read(body, HOOK_BYTES_MAX).await?;
    let (event, delivery) = if headers.contains_key("x-github-event") {
        if !is_signed(secret.0.as_bytes(), &body, header("x-hub-signature-256").unwrap_or_default()) {
            return Err(UNPROVEN);
        }
        (github::read(forge_event, &json_in(&headers, &body)?)?, header("x-github-delivery"))
    } else {
        let token = header("x-gitlab-token").unwrap_or_default();
        if !bool::from(token.as_bytes().ct_eq(secret.0.as_bytes())) {
            return Err(UNPROVEN);
        }
        let delivery = header("idempotency-key").or(header("webhook-id")).or(header("x-gitlab-event-uuid"));
        (gitlab::read(&body)?, delivery)
    };
    let fingerprint = hex::encode(Sha256::digest(&body));
    let idempotency =
        delivery.map(|delivery| Idempotency { key: format!("hook {} {delivery:.128}", app.id), fingerprint });
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

/// Whether GitHub's signature is of this body and this secret.
fn is_signed(secret: &[u8], body: &[u8], header: &str) -> bool {
    let Some(Ok(tag)) = header.strip_prefix("sha256=").map(hex::decode) else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key may have any length");
    mac.update(body);
    mac.verify_slice(&tag).is_ok()
}

/// GitHub sends JSON as it is or, if its user left it so, in a form.
fn json_in(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let kind =
        headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Ok(body.to_vec());
    }
    let payload = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    payload
        .map(|(_, payload)| payload.into_owned().into_bytes())
        .ok_or_else(|| ApiError::BadRequest("the form has no payload".to_owned()))
}

#[derive(Serialize, JsonSchema)]
struct ReceivedAnswer {
    /// The types of the events that came of it.
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
