//! API tokens, and what they are exchanged for.

use annals_model::Time;
use annals_model::report::NAME_BYTES_MAX;
use annals_store::{
    IssuedToken, Listing, Request, Row, RowKey, SignInOutcome, TOKEN_NAME_MAX, Token, TokenId,
};
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::LastSegment;
use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::auth::{BAD_CREDENTIALS, Exchanging, NameAndPassword, SignedIn, name_and_password, new_secret};
use crate::body::{JsonBody, required};
use crate::error::ApiError;
use crate::limits::TOKENS_MAX;
use crate::password;
use crate::remote_ip::RemoteIp;
use crate::service::Service;

pub(crate) fn api() -> Api {
    Api::of("Account")
        .get("/v1/tokens", list_tokens, op("Your API tokens").ok::<TokensAnswer>())
        .post(
            "/v1/tokens",
            create_token,
            op("Make an API token (new_token); with a name and a password, sign in (login_success, login_failure)")
                .basic()
                .body::<TokenBody>()
                .created::<TokenAnswer>(),
        )
        .post(
            "/v1/tokens/exchange",
            exchange_token,
            op("Exchange an API token for a bearer token of an hour").basic().ok::<BearerAnswer>(),
        )
        .delete("/v1/tokens/{token}", revoke_token, op("Revoke an API token (delete_token)").no_content())
        .patch(
            "/v1/tokens/{token}/renew",
            renew_token,
            op("Give an API token another secret (regenerate_token)").ok::<TokenAnswer>(),
        )
}

/// A bearer token of one hour for an API token. This is no sign-in, and not counted as a request.
async fn exchange_token(
    State(service): State<Service>,
    Exchanging { user, token }: Exchanging,
) -> Result<Response, ApiError> {
    service.recorder.token_used(user, &token).await?;
    let bearer = service.signing_key.issue(user, &token, service.clock.now().as_seconds());
    Ok(ok(&BearerAnswer { token: bearer }))
}

/// The tokens of who asks, oldest first, without their secrets.
async fn list_tokens(State(service): State<Service>, user: SignedIn) -> Result<Response, ApiError> {
    let listed = service.store.list(Listing::TokensOf(user.id()), TOKENS_MAX).await?;
    let tokens = listed.iter().filter_map(|(_, row)| match row {
        Row::Token(token) => Some(TokenView::new(token)),
        _ => None,
    });
    Ok(ok(&TokensAnswer { tokens: tokens.collect() }))
}

/// Clients send the fields in an object or bare.
#[derive(Deserialize, JsonSchema)]
struct TokenBody {
    token: Option<TokenFields>,
    name: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct TokenFields {
    name: Option<String>,
}

/// Gives who asks a further token. With a name and a password instead of a token it is a sign-in.
async fn create_token(
    State(service): State<Service>,
    credential: TokenCredential,
    remote_ip: RemoteIp,
    body: JsonBody<TokenBody>,
) -> Result<Response, ApiError> {
    let name = body.value.token.and_then(|fields| fields.name).or(body.value.name);
    let name = required(name, "name")?;
    let issued = match credential {
        TokenCredential::Token(user) => {
            service.recorder.create_token(user.id(), name, new_secret("tk-us-")).await?
        }
        TokenCredential::Password(given) => sign_in(&service, remote_ip, given, name).await?,
    };
    Ok(created(&TokenAnswer { token: TokenView::with_secret(&issued) }))
}

/// Signs somebody in. It takes the same time, and the answer is the same, whether or not there is such an account.
async fn sign_in(
    service: &Service,
    remote_ip: RemoteIp,
    given: NameAndPassword,
    token_name: String,
) -> Result<IssuedToken, ApiError> {
    if token_name.is_empty() || token_name.chars().count() > TOKEN_NAME_MAX {
        return Err(ApiError::invalid("name", &format!("must have 1 to {TOKEN_NAME_MAX} characters")));
    }
    service.attempts.check(remote_ip.0, &given.name)?;
    let name: String = given.name.chars().take(NAME_BYTES_MAX).collect();
    let name_key = match name.contains('@') {
        true => RowKey::email(&name),
        false => RowKey::Username(name),
    };
    let user = match service.store.row(&name_key).await? {
        Some(Row::UserWithName(user)) => Some(user),
        _ => None,
    };
    let hash = match user {
        Some(user) => match service.store.row(&RowKey::Password(user)).await? {
            Some(Row::Password(hash)) => Some(hash),
            _ => None,
        },
        None => None,
    };
    let is_right = password::is_right(given.password, hash.clone()).await?;
    let right_for = hash.filter(|_| is_right);
    let Some(user) = user else {
        service.recorder.nobody_tried().await?;
        return Err(BAD_CREDENTIALS);
    };
    let request = Request { remote_ip: remote_ip.0, ..Request::default() };
    match service.recorder.sign_in(request, user, right_for, token_name, new_secret("tk-us-")).await? {
        SignInOutcome::SignedIn(issued) => Ok(issued),
        SignInOutcome::Refused => Err(BAD_CREDENTIALS),
        SignInOutcome::Locked => Err(ApiError::Locked),
    }
}

/// What a new token is asked for with.
enum TokenCredential {
    Token(SignedIn),
    Password(NameAndPassword),
}

impl FromRequestParts<Service> for TokenCredential {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        match name_and_password(parts) {
            Some(given) => Ok(Self::Password(given)),
            None => SignedIn::from_request_parts(parts, service).await.map(Self::Token),
        }
    }
}

/// Gives a token another secret.
async fn renew_token(
    State(service): State<Service>,
    user: SignedIn,
    LastSegment(token): LastSegment,
) -> Result<Response, ApiError> {
    let issued = service.recorder.renew_token(user.id(), parse_id(&token)?, new_secret("tk-us-")).await?;
    Ok(ok(&TokenAnswer { token: TokenView::with_secret(&issued) }))
}

/// Revokes a token, and with it every bearer token it was exchanged for.
async fn revoke_token(
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

#[derive(Serialize, JsonSchema)]
struct BearerAnswer {
    token: String,
}

#[derive(Serialize, JsonSchema)]
struct TokensAnswer {
    tokens: Vec<TokenView>,
}

#[derive(Serialize, JsonSchema)]
struct TokenAnswer {
    token: TokenView,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenView {
    id: TokenId,
    name: String,
    created_at: Time,
    last_used_at: Option<Time>,
    issued_at: Time,
    /// The token itself, which is shown only once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl TokenView {
    fn new(token: &Token) -> Self {
        let &Token { id, created_at, last_used_at, issued_at, .. } = token;
        Self { id, name: token.name.clone(), created_at, last_used_at, issued_at, token: None }
    }

    pub(crate) fn with_secret(issued: &IssuedToken) -> Self {
        Self { token: Some(issued.secret.clone()), ..Self::new(&issued.token) }
    }
}
