//! Users.

use std::collections::BTreeMap;

use annals_model::{Account, Time, UserId};
use annals_service::NewUser;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{JsonBody, Operator, RemoteIp, User, required};
use crate::idempotency::{Repeatable, not_supported};
use crate::routes::people::tokens;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Account")
        .post(
            "/v1/users",
            register_user,
            op("Register a user. Without a credential, if the operator allows it: register yourself")
                .records(&["new_user"])
                .operator()
                .limited()
                .repeatable()
                .body::<RegisterUserBody>()
                .example(json!({ "user": { "username": "jane", "email": "jane@example.com" } }))
                .created::<RegisteredAnswer>(),
        )
        .get("/v1/users/self", show_self, op("Get your account").ok::<UserAnswer>())
}

#[derive(Deserialize, JsonSchema)]
struct RegisterUserBody {
    user: Option<RegisterUserFields>,
}

#[derive(Deserialize, JsonSchema)]
struct RegisterUserFields {
    id: Option<String>,
    username: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

/// Registers a user. The response contains their first API token.
async fn register_user(
    State(state): State<AppState>,
    registrar: Registrar,
    repeatable: Repeatable,
    body: JsonBody<RegisterUserBody>,
) -> Result<Response, ApiError> {
    let idempotency = repeatable.idempotency(&body.bytes);
    let fields = required(body.value.user, "user")?;
    if idempotency.is_some() && fields.password.is_some() {
        // The fingerprint of the request is a fast hash, from which a stored password could be guessed.
        return Err(not_supported("with a password"));
    }
    if let Registrar::Themself(remote_ip) = registrar {
        return sign_up(&state, remote_ip, fields).await;
    }
    let id = fields.id.map(|id| id.parse::<UserId>()).transpose();
    let id = id.map_err(|error| ApiError::invalid("id", &error.to_string()))?;
    let username = required(fields.username, "username")?;
    let email = required(fields.email, "email")?;
    let user = NewUser { id, username, email, password: fields.password, signs_up: false };
    let (account, issued) = state.service.register_user(user, idempotency).await?;
    Ok(created(&RegisteredAnswer {
        user: UserView::new(&account),
        token: tokens::TokenView::with_secret(&issued),
    }))
}

/// Lets users register themselves. The default username is the part of the email address before the @.
async fn sign_up(
    state: &AppState,
    remote_ip: RemoteIp,
    fields: RegisterUserFields,
) -> Result<Response, ApiError> {
    let email = required(fields.email, "email")?;
    state.attempts.check(remote_ip.0, &email)?;
    let is_good =
        |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let local_part =
        || email.split('@').next().unwrap_or_default().chars().filter(is_good).take(64).collect();
    let username = fields.username.unwrap_or_else(local_part);
    let password = Some(required(fields.password, "password")?);
    let user = NewUser { id: None, username, email, password, signs_up: true };
    let (account, issued) = state.service.register_user(user, None).await?;
    Ok(created(&RegisteredAnswer {
        user: UserView::new(&account),
        token: tokens::TokenView::with_secret(&issued),
    }))
}

/// Who registers a user.
enum Registrar {
    Operator,
    /// A caller without a credential, if the operator lets users sign up.
    Themself(RemoteIp),
}

impl FromRequestParts<AppState> for Registrar {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if state.config.sign_up && !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Self::Themself(RemoteIp::of(parts, &state.config.trusted_proxies)));
        }
        Operator::from_request_parts(parts, state).await.map(|_| Self::Operator)
    }
}

/// Shows the caller.
async fn show_self(User(user): User) -> Response {
    ok(&UserAnswer { user: UserView::new(&user.account) })
}

#[derive(Serialize, JsonSchema)]
struct UserAnswer {
    user: UserView,
}

#[derive(Serialize, JsonSchema)]
struct RegisteredAnswer {
    user: UserView,
    token: tokens::TokenView,
}

/// An account as clients expect it. `flags` never has `admin`: with it, the official CLI prompts on commands.
#[derive(Serialize, JsonSchema)]
struct UserView {
    id: UserId,
    uuid: UserId,
    username: String,
    email: String,
    fullname: String,
    company: Option<String>,
    location: Option<String>,
    created_at: Time,
    tos_accepted: bool,
    flags: BTreeMap<String, bool>,
    limits: BTreeMap<String, u32>,
}

impl UserView {
    fn new(account: &Account) -> Self {
        let person = &account.person;
        Self {
            id: person.id,
            uuid: person.id,
            username: person.username.clone(),
            email: person.email.clone(),
            fullname: person.username.clone(),
            company: None,
            location: None,
            created_at: account.created_at,
            tos_accepted: true,
            flags: BTreeMap::new(),
            limits: BTreeMap::new(),
        }
    }
}
