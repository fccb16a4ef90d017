//! API tokens, and the bearer tokens that are issued for them.

use std::sync::Arc;

use annals_model::Time;
use annals_model::account::check_token_name;
use annals_service::{Idempotency, IssuedToken, Service, SignInOutcome, SignedIn, Token, TokenId};
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::error::{ApiError, BAD_CREDENTIALS};
use crate::extract::{
    Exchanging, JsonBody, LastSegment, NameAndPassword, RemoteIp, User, name_and_password, required,
};
use crate::idempotency::Repeatable;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Account")
        .get("/v1/tokens", list_tokens, op("List your API tokens").ok::<TokensAnswer>())
        .post(
            "/v1/tokens",
            create_token,
            op("Create an API token. With a name and a password: sign in")
                .records(&["new_token", "login_success", "login_failure", "login_lock"])
                .basic()
                .limited()
                .repeatable()
                .body::<CreateTokenBody>()
                .example(json!({ "token": { "name": "laptop" } }))
                .created::<TokenAnswer>(),
        )
        .post(
            "/v1/tokens/exchange",
            exchange_token,
            op("Get a bearer token, valid for an hour, for an API token: the password of Basic, or a bearer token").basic().ok::<BearerAnswer>(),
        )
        .delete(
            "/v1/tokens/{token}",
            revoke_token,
            op("Revoke an API token").repeatable().records(&["delete_token"]).no_content(),
        )
        .patch(
            "/v1/tokens/{token}/renew",
            renew_token,
            op("Replace the secret of an API token")
                .repeatable()
                .records(&["regenerate_token"])
                .ok::<TokenAnswer>(),
        )
}

/// Exchanges an API token for a bearer token that is valid for one hour. The API token stays valid. An exchange is not a
/// sign-in, and the rate limit does not count it.
async fn exchange_token(
    State(service): State<Service>,
    Exchanging(secret): Exchanging,
) -> Result<Response, ApiError> {
    Ok(ok(&BearerAnswer { token: service.exchange(&secret).await? }))
}

/// Lists the caller's tokens, oldest first, without their secrets.
async fn list_tokens(State(service): State<Service>, User(user): User) -> Result<Response, ApiError> {
    let tokens = service.tokens_of(user.id()).await?;
    Ok(ok(&TokensAnswer::new(&tokens)))
}

/// Clients send the fields wrapped in an object or bare.
#[derive(Deserialize, JsonSchema)]
struct CreateTokenBody {
    token: Option<CreateTokenFields>,
    name: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct CreateTokenFields {
    name: Option<String>,
}

/// Creates an API token. With a name and a password as the credential, it is a sign-in.
async fn create_token(
    State(state): State<AppState>,
    credential: TokenCredential,
    remote_ip: RemoteIp,
    repeatable: Repeatable,
    body: JsonBody<CreateTokenBody>,
) -> Result<Response, ApiError> {
    let name = body.value.token.and_then(|fields| fields.name).or(body.value.name);
    let name = required(name, "name")?;
    let idempotency = repeatable.idempotency(&body.bytes);
    let issued = match credential {
        TokenCredential::Token(user) => state.service.create_token(user.id(), name, idempotency).await?,
        TokenCredential::Password(given) => sign_in(&state, remote_ip, given, name, idempotency).await?,
    };
    Ok(created(&TokenAnswer { token: TokenView::with_secret(&issued) }))
}

/// Signs a user in. Neither the response nor its timing reveals whether the account exists.
async fn sign_in(
    state: &AppState,
    RemoteIp(remote_ip): RemoteIp,
    given: NameAndPassword,
    token_name: String,
    idempotency: Option<Idempotency>,
) -> Result<IssuedToken, ApiError> {
    // A request that cannot succeed does not count as an attempt.
    check_token_name(&token_name)?;
    state.attempts.check(remote_ip, &given.name)?;
    let NameAndPassword { name, password } = given;
    match state.service.sign_in(remote_ip, &name, password, token_name, idempotency).await? {
        SignInOutcome::SignedIn(issued) => Ok(issued),
        SignInOutcome::Refused => Err(BAD_CREDENTIALS),
    }
}

/// The credential of a request for a new token.
enum TokenCredential {
    Token(SignedIn),
    Password(NameAndPassword),
}

impl FromRequestParts<AppState> for TokenCredential {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        match name_and_password(parts) {
            Some(given) => Ok(Self::Password(given)),
            None => User::from_request_parts(parts, state).await.map(|User(user)| Self::Token(user)),
        }
    }
}

/// Replaces a token's secret.
async fn renew_token(
    State(service): State<Service>,
    User(user): User,
    repeatable: Repeatable,
    LastSegment(token): LastSegment,
) -> Result<Response, ApiError> {
    let issued = service.renew_token(user.id(), parse_id(&token)?, repeatable.idempotency(b"")).await?;
    Ok(ok(&TokenAnswer { token: TokenView::with_secret(&issued) }))
}

/// Revokes a token, and every bearer token that was issued for it.
async fn revoke_token(
    State(service): State<Service>,
    User(user): User,
    repeatable: Repeatable,
    LastSegment(token): LastSegment,
) -> Result<Response, ApiError> {
    service.revoke_token(user.id(), parse_id(&token)?, repeatable.idempotency(b"")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) fn parse_id(text: &str) -> Result<TokenId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("token"))
}

#[derive(Serialize, JsonSchema)]
struct BearerAnswer {
    token: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TokensAnswer {
    tokens: Vec<TokenView>,
}

impl TokensAnswer {
    pub(crate) fn new(tokens: &[Arc<Token>]) -> Self {
        Self { tokens: tokens.iter().map(|token| TokenView::new(token)).collect() }
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenAnswer {
    pub(crate) token: TokenView,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenView {
    id: TokenId,
    name: String,
    created_at: Time,
    last_used_at: Option<Time>,
    issued_at: Time,
    /// The token itself. Only the response that creates or renews it contains it, and no repeat of that response.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl TokenView {
    fn new(token: &Token) -> Self {
        let &Token { id, created_at, last_used_at, issued_at, .. } = token;
        Self { id, name: token.name.clone(), created_at, last_used_at, issued_at, token: None }
    }

    pub(crate) fn with_secret(issued: &IssuedToken) -> Self {
        Self { token: issued.secret.clone(), ..Self::new(&issued.token) }
    }
}
