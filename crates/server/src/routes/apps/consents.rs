//! Consents: until when the platform's staff may access an app's data.

use annals_model::app::{Consent, GrantConsent};
use annals_model::{AppId, Time, UserId};
use annals_service::Access;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, Readable, given_time, required};

pub(crate) fn api() -> Api {
    const PATH: &str = "/v1/apps/{app}/data_access_consent";
    let example = || json!({ "data_access_consent": { "databases_until": "2026-11-10T12:00:00Z" } });
    Api::of("Data access")
        .get(
            PATH,
            show_consent,
            op("Get the consent of an app to access by the platform's staff")
                .anybody_known()
                .ok::<ConsentAnswer>(),
        )
        .post(
            PATH,
            grant_consent,
            action("Let the platform's staff access an app for a time")
                .records(&["create_data_access_consent"])
                .body::<ConsentBody>()
                .example(example())
                .created::<ConsentAnswer>(),
        )
        .patch(
            PATH,
            renew_consent,
            action("Renew the consent to access by the platform's staff")
                .records(&["create_data_access_consent"])
                .body::<ConsentBody>()
                .example(example())
                .ok::<ConsentAnswer>(),
        )
}

#[derive(Deserialize, JsonSchema)]
struct ConsentBody {
    data_access_consent: Option<ConsentFields>,
}

#[derive(Deserialize, JsonSchema)]
struct ConsentFields {
    #[serde(default, deserialize_with = "given_time")]
    #[schemars(with = "Option<Time>")]
    databases_until: Option<Time>,
    #[serde(default, deserialize_with = "given_time")]
    #[schemars(with = "Option<Time>")]
    containers_until: Option<Time>,
}

/// Grants consent.
async fn grant_consent(
    access: Authorized<GrantConsent>,
    body: JsonBody<ConsentBody>,
) -> Result<Response, ApiError> {
    Ok(created(&grant(access, body).await?))
}

/// Renews a consent.
async fn renew_consent(
    access: Authorized<GrantConsent>,
    body: JsonBody<ConsentBody>,
) -> Result<Response, ApiError> {
    Ok(ok(&grant(access, body).await?))
}

async fn grant(
    access: Authorized<GrantConsent>,
    body: JsonBody<ConsentBody>,
) -> Result<ConsentAnswer, ApiError> {
    let fields = required(body.value.data_access_consent, "data_access_consent")?;
    let ConsentFields { databases_until, containers_until } = fields;
    let app = access.act(GrantConsent { databases_until, containers_until }, &body.bytes).await?.app;
    let consent = app.consent.as_ref().ok_or(ApiError::NotFound("data_access_consent"))?;
    Ok(ConsentAnswer { data_access_consent: ConsentView::new(app.id, consent) })
}

/// Shows the latest consent.
async fn show_consent(readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    let consent = app.consent.as_ref().ok_or(ApiError::NotFound("data_access_consent"))?;
    Ok(ok(&ConsentAnswer { data_access_consent: ConsentView::new(app.id, consent) }))
}

#[derive(Serialize, JsonSchema)]
struct ConsentAnswer {
    data_access_consent: ConsentView,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ConsentView {
    app_id: AppId,
    user_id: Option<UserId>,
    databases_until: Option<Time>,
    containers_until: Option<Time>,
}

impl ConsentView {
    pub(crate) fn new(app_id: AppId, consent: &Consent) -> Self {
        let &Consent { user_id, databases_until, containers_until } = consent;
        Self { app_id, user_id, databases_until, containers_until }
    }
}
