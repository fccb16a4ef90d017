//! API tokens, and what they are exchanged for.

use annals_store::{IssuedToken, Listing, Row, Token, TokenId};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::LastSegment;
use crate::answer::{created, ok};
use crate::auth::{Exchanging, SignedIn, new_secret};
use crate::body::{JsonBody, required};
use crate::error::ApiError;
use crate::limits::TOKENS_MAX;
use crate::service::Service;

/// A bearer token of one hour for an API token. This is no sign-in, and not counted as a request.
pub(crate) async fn exchange_token(
    State(service): State<Service>,
    Exchanging { user, token }: Exchanging,
) -> Result<Response, ApiError> {
    service.recorder.token_used(user, &token).await?;
    let bearer = service.signing_key.issue(user, &token, service.clock.now().as_seconds());
    Ok(ok(&json!({ "token": bearer })))
}

/// The tokens of who asks, oldest first, without their secrets.
pub(crate) async fn list_tokens(
    State(service): State<Service>,
    user: SignedIn,
) -> Result<Response, ApiError> {
    let listed = service.store.list(Listing::TokensOf(user.id()), TOKENS_MAX).await?;
    let tokens: Vec<Value> = listed
        .iter()
        .filter_map(|(_, row)| match row {
            Row::Token(token) => Some(view(token)),
            _ => None,
        })
        .collect();
    Ok(ok(&json!({ "tokens": tokens })))
}

/// Clients send the fields in an object or bare.
#[derive(Deserialize)]
pub(crate) struct TokenBody {
    token: Option<TokenFields>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct TokenFields {
    name: Option<String>,
}

/// Gives who asks a further token.
pub(crate) async fn create_token(
    State(service): State<Service>,
    user: SignedIn,
    body: JsonBody<TokenBody>,
) -> Result<Response, ApiError> {
    let name = body.value.token.and_then(|fields| fields.name).or(body.value.name);
    let name = required(name, "name")?;
    let issued = service.recorder.create_token(user.id(), name, new_secret("tk-us-")).await?;
    Ok(created(&json!({ "token": view_with_secret(&issued) })))
}

/// Gives a token another secret.
pub(crate) async fn renew_token(
    State(service): State<Service>,
    user: SignedIn,
    LastSegment(token): LastSegment,
) -> Result<Response, ApiError> {
    let issued = service.recorder.renew_token(user.id(), parse_id(&token)?, new_secret("tk-us-")).await?;
    Ok(ok(&json!({ "token": view_with_secret(&issued) })))
}

/// Revokes a token, and with it every bearer token it was exchanged for.
pub(crate) async fn revoke_token(
    State(service): State<Service>,
    user: SignedIn,
    LastSegment(token): LastSegment,
) -> Result<Response, ApiError> {
    service.recorder.revoke_token(user.id(), parse_id(&token)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse_id(text: &str) -> Result<TokenId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("token"))
}

fn view(token: &Token) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
        "issued_at": token.issued_at,
    })
}

/// A token with its secret, which is shown this once.
pub(crate) fn view_with_secret(issued: &IssuedToken) -> Value {
    let mut value = view(&issued.token);
    value["token"] = issued.secret.clone().into();
    value
}
