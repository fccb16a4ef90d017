//! People.

use annals_model::{Account, UserId};
use annals_store::NewUser;
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{created, ok};
use crate::auth::{Operator, SignedIn, new_secret};
use crate::body::{JsonBody, required};
use crate::error::ApiError;
use crate::routes::tokens;
use crate::service::Service;

/// The shortest password, and the longest that is worth hashing.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 12..=1024;

#[derive(Deserialize)]
pub(crate) struct UserBody {
    user: Option<UserFields>,
}

#[derive(Deserialize)]
struct UserFields {
    id: Option<String>,
    username: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

/// Registers somebody, and answers with their first API token.
pub(crate) async fn register_user(
    State(service): State<Service>,
    _: Operator,
    body: JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.user, "user")?;
    let id = fields.id.map(|id| id.parse::<UserId>()).transpose();
    let id = id.map_err(|error| ApiError::invalid("id", &error.to_string()))?;
    let username = required(fields.username, "username")?;
    let email = required(fields.email, "email")?;
    let password_hash = match fields.password {
        Some(password) => Some(hash(password).await?),
        None => None,
    };
    let user = NewUser { id, username, email, password_hash };
    let (account, issued) = service.recorder.register_user(user, new_secret("tk-us-")).await?;
    Ok(created(&json!({ "user": view(&account), "token": tokens::view_with_secret(&issued) })))
}

/// Who asks.
pub(crate) async fn show_self(user: SignedIn) -> Response {
    ok(&json!({ "user": view(&user.account) }))
}

/// The hash of a password. It takes long on purpose, so it is made where it holds up nobody.
async fn hash(password: String) -> Result<String, ApiError> {
    if !PASSWORD_BYTES.contains(&password.len()) {
        let message = format!("must have {} to {} bytes", PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
        return Err(ApiError::invalid("password", &message));
    }
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
    });
    match hashed.await {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(error)) => {
            tracing::error!(%error, "a password could not be hashed");
            Err(ApiError::Internal)
        }
        Err(_) => Err(ApiError::Internal),
    }
}

/// An account as clients read it. `flags` never has `admin`, which would make the official CLI ask questions.
fn view(account: &Account) -> Value {
    let person = &account.person;
    json!({
        "id": person.id,
        "uuid": person.id,
        "username": person.username,
        "email": person.email,
        "fullname": person.username,
        "company": null,
        "location": null,
        "created_at": account.created_at,
        "tos_accepted": true,
        "flags": {},
        "limits": {},
    })
}
