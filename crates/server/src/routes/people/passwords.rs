//! Password resets and account unlocking, with tokens sent by mail.
//!
//! Responses do not reveal whether an account exists. Only a mail to its address does.

use annals_model::account::Unlock;
use annals_service::{Mail, Request, RevokedTokens, Service};
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

use crate::answer::{json_response, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Acting, JsonBody, NamedUser, Operator, RemoteIp, required};
use crate::state::AppState;

pub(crate) fn api() -> Api {
    const PASSWORD: &str = "/v1/users/password";
    const UNLOCK: &str = "/v1/users/unlock";
    Api::of("Account")
        .post(
            PASSWORD,
            request_password_reset,
            op("Request a mail with a token for a new password")
                .records(&["password_reset_query"])
                .open()
                .limited()
                .body::<EmailBody>()
                .example(json!({ "user": { "email": "jane@example.com" } }))
                .answers::<MessageAnswer>(StatusCode::ACCEPTED),
        )
        .put(
            PASSWORD,
            reset_password,
            op("Set a new password with a mailed token")
                .records(&["password_reset_success"])
                .open()
                .limited()
                .body::<ResetPasswordBody>()
                .example(json!({ "user": {
                    "reset_password_token": "the mailed token",
                    "password": "correct horse battery",
                } }))
                .ok::<MessageAnswer>(),
        )
        .get(
            UNLOCK,
            unlock_account_by_link,
            op("Unlock an account by a mailed link")
                .records(&["login_unlock_success"])
                .open()
                .limited()
                .has_effects()
                .query("unlock_token", "The mailed token.")
                .ok::<MessageAnswer>(),
        )
        .post(
            UNLOCK,
            unlock_account,
            op("Unlock an account with a mailed token, or request the mail")
                .records(&["login_unlock_success"])
                .open()
                .limited()
                .body::<UnlockAccountBody>()
                .example(json!({ "user": { "email": "jane@example.com" } }))
                .ok::<MessageAnswer>()
                .answers::<MessageAnswer>(StatusCode::ACCEPTED),
        )
        .post(
            "/v1/operator/users/{user}/unlock",
            unlock_user,
            action("Unlock the account of a user")
                .records(&["login_unlock_success"])
                .operator()
                .ok::<MessageAnswer>(),
        )
        .get(
            "/v1/operator/users/{user}/outbox",
            list_outbox,
            op("List the queued mails to a user").operator().ok::<OutboxAnswer>(),
        )
}

#[derive(Deserialize, JsonSchema)]
struct EmailBody {
    user: Option<EmailFields>,
}

#[derive(Deserialize, JsonSchema)]
struct EmailFields {
    email: Option<String>,
}

/// Queues the password-reset mail. The response is the same for every address.
async fn request_password_reset(
    State(state): State<AppState>,
    remote_ip: RemoteIp,
    body: JsonBody<EmailBody>,
) -> Result<Response, ApiError> {
    let email = required(required(body.value.user, "user")?.email, "email")?;
    state.attempts.check(remote_ip.0, &email)?;
    state.service.request_reset(from(remote_ip), &email).await?;
    let message = "If there is an account with this address, a mail is on its way.";
    Ok(json_response(StatusCode::ACCEPTED, &MessageAnswer { message }))
}

#[derive(Deserialize, JsonSchema)]
struct ResetPasswordBody {
    user: Option<ResetPasswordFields>,
}

#[derive(Deserialize, JsonSchema)]
struct ResetPasswordFields {
    reset_password_token: Option<String>,
    /// At least 12 bytes.
    password: Option<String>,
    password_confirmation: Option<String>,
    /// Whether all API tokens are revoked, not only those that signing in with the old password gave.
    #[serde(default)]
    revoke_tokens: bool,
}

/// Sets a new password.
async fn reset_password(
    State(state): State<AppState>,
    remote_ip: RemoteIp,
    body: JsonBody<ResetPasswordBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.user, "user")?;
    let token = required(fields.reset_password_token, "reset_password_token")?;
    let new = required(fields.password, "password")?;
    if fields.password_confirmation.is_some_and(|confirmation| confirmation != new) {
        return Err(ApiError::invalid("password_confirmation", "must be the same as password"));
    }
    state.attempts.check(remote_ip.0, &token)?;
    let revoked = if fields.revoke_tokens { RevokedTokens::All } else { RevokedTokens::OfPassword };
    state.service.reset_password(from(remote_ip), token, new, revoked).await?;
    Ok(ok(&MessageAnswer { message: "The new password is set. Sign in with it." }))
}

/// Unlocks an account. The link in the mail leads here.
async fn unlock_account_by_link(
    State(state): State<AppState>,
    remote_ip: RemoteIp,
    method: http::Method,
    Query(mut query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    if method != http::Method::GET {
        return Err(ApiError::MethodNotAllowed("GET or POST".to_owned()));
    }
    let token = required(query.remove("unlock_token"), "unlock_token")?;
    unlock(&state, remote_ip, token).await
}

#[derive(Deserialize, JsonSchema)]
struct UnlockAccountBody {
    /// The mailed token, to unlock the account.
    unlock_token: Option<String>,
    /// The user of the account, to request a token.
    user: Option<EmailFields>,
}

/// Unlocks an account, or queues the mail with the token that unlocks it.
async fn unlock_account(
    State(state): State<AppState>,
    remote_ip: RemoteIp,
    body: JsonBody<UnlockAccountBody>,
) -> Result<Response, ApiError> {
    if let Some(token) = body.value.unlock_token.filter(|token| !token.is_empty()) {
        return unlock(&state, remote_ip, token).await;
    }
    let fields = body.value.user.ok_or_else(|| ApiError::invalid("unlock_token", "or user is missing"))?;
    let email = required(fields.email, "email")?;
    state.attempts.check(remote_ip.0, &email)?;
    state.service.request_unlock(from(remote_ip), &email).await?;
    let message = "If there is a locked account with this address, a mail is on its way.";
    Ok(json_response(StatusCode::ACCEPTED, &MessageAnswer { message }))
}

async fn unlock(state: &AppState, remote_ip: RemoteIp, token: String) -> Result<Response, ApiError> {
    state.attempts.check(remote_ip.0, &token)?;
    state.service.unlock(from(remote_ip), token).await?;
    Ok(ok(&MessageAnswer { message: "The account is unlocked." }))
}

/// Unlocks a user's account.
async fn unlock_user(
    State(service): State<Service>,
    _: Operator,
    acting: Acting,
    NamedUser(user): NamedUser,
) -> Result<Response, ApiError> {
    service.act_on_account(acting.request(b""), user, Unlock { token: None }).await?;
    Ok(ok(&MessageAnswer { message: "The account is unlocked." }))
}

/// Lists the mail to a user that is waiting to be sent, oldest first.
async fn list_outbox(
    State(service): State<Service>,
    _: Operator,
    NamedUser(user): NamedUser,
) -> Result<Response, ApiError> {
    let mails = service.waiting_mail(user).await?.iter().map(|mail| MailView::new(mail)).collect();
    Ok(ok(&OutboxAnswer { mails }))
}

fn from(remote_ip: RemoteIp) -> Request {
    Request { remote_ip: remote_ip.0, ..Request::default() }
}

#[derive(Serialize, JsonSchema)]
struct MessageAnswer {
    message: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct OutboxAnswer {
    mails: Vec<MailView>,
}

#[derive(Serialize, JsonSchema)]
struct MailView {
    to: String,
    subject: String,
    text: String,
    created_at: annals_model::Time,
    expires_at: annals_model::Time,
}

impl MailView {
    fn new(mail: &Mail) -> Self {
        let Mail { to, subject, text, created_at, expires_at, .. } = mail.clone();
        Self { to, subject, text, created_at, expires_at }
    }
}
