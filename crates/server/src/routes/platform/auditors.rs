//! The tokens of auditors, who read everything but secrets and change nothing.

use annals_model::UserId;
use annals_service::Service;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{JsonBody, LastSegment, Operator, PlatformReader, required};
use crate::idempotency::Repeatable;
use crate::routes::people::tokens::{TokenAnswer, TokenView, TokensAnswer, parse_id};

pub(crate) fn api() -> Api {
    Api::of("Platform")
        .get(
            "/v1/operator/auditor_tokens",
            list_auditor_tokens,
            op("List the tokens of auditors").auditor().ok::<TokensAnswer>(),
        )
        .post(
            "/v1/operator/auditor_tokens",
            create_auditor_token,
            op("Create a token for an auditor, who reads everything but secrets and changes nothing")
                .records(&["new_token"])
                .operator()
                .repeatable()
                .body::<CreateAuditorTokenBody>()
                .example(json!({ "token": { "name": "audit of 2026" } }))
                .created::<TokenAnswer>(),
        )
        .delete(
            "/v1/operator/auditor_tokens/{token}",
            revoke_auditor_token,
            op("Revoke the token of an auditor")
                .records(&["delete_token"])
                .operator()
                .repeatable()
                .no_content(),
        )
}

#[derive(Deserialize, JsonSchema)]
struct CreateAuditorTokenBody {
    token: Option<CreateAuditorTokenFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CreateAuditorTokenFields {
    name: Option<String>,
}

/// Lists the tokens of auditors, oldest first, without their secrets.
async fn list_auditor_tokens(
    State(service): State<Service>,
    _: PlatformReader,
) -> Result<Response, ApiError> {
    let tokens = service.tokens_of(UserId::PLATFORM).await?;
    Ok(ok(&TokensAnswer::new(&tokens)))
}

/// Creates a token for an auditor. The response alone contains it.
async fn create_auditor_token(
    State(service): State<Service>,
    _: Operator,
    repeatable: Repeatable,
    body: JsonBody<CreateAuditorTokenBody>,
) -> Result<Response, ApiError> {
    let name = required(body.value.token.and_then(|fields| fields.name), "name")?;
    let issued = service.create_token(UserId::PLATFORM, name, repeatable.idempotency(&body.bytes)).await?;
    Ok(created(&TokenAnswer { token: TokenView::with_secret(&issued) }))
}

/// Revokes the token of an auditor, and every bearer token that was issued for it.
async fn revoke_auditor_token(
    State(service): State<Service>,
    _: Operator,
    repeatable: Repeatable,
    LastSegment(token): LastSegment,
) -> Result<Response, ApiError> {
    service.revoke_token(UserId::PLATFORM, parse_id(&token)?, repeatable.idempotency(b"")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
