//! Integrations: the accounts at forges that a user connected.

use annals_model::account::{Connect, Disconnect};
use annals_model::{Account, Integration, Time};
use annals_service::Service;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Acting, JsonBody, LastSegment, User, given, required};

pub(crate) fn api() -> Api {
    const ALL: &str = "/v1/scm_integrations";
    const ONE: &str = "/v1/scm_integrations/{integration}";
    Api::of("Source control")
        .get(
            ALL,
            list_scm_integrations,
            op("List your accounts at Git hosting services").ok::<ScmIntegrationsAnswer>(),
        )
        .post(
            ALL,
            create_scm_integration,
            action("Connect your account at a Git hosting service")
                .records(&["new_integration"])
                .body::<CreateScmIntegrationBody>()
                .example(json!({ "scm_integration": {
                    "scm_type": "gitlab-self-hosted",
                    "url": "https://gitlab.example.com",
                    "access_token": "glpat-secret",
                } }))
                .created::<ScmIntegrationAnswer>(),
        )
        .get(ONE, show_scm_integration, op("Get a connected account").ok::<ScmIntegrationAnswer>())
        .delete(
            ONE,
            delete_scm_integration,
            action("Disconnect your account at a Git hosting service")
                .records(&["delete_integration"])
                .no_content(),
        )
}

/// Lists the caller's integrations.
async fn list_scm_integrations(User(user): User) -> Response {
    let views = user.account.integrations.values().map(|one| ScmIntegrationView::new(&user.account, one));
    ok(&ScmIntegrationsAnswer { scm_integrations: views.collect() })
}

/// Shows an integration, by identifier or type. The official CLI asks by type.
async fn show_scm_integration(
    User(user): User,
    LastSegment(name): LastSegment,
) -> Result<Response, ApiError> {
    let one = user.account.integration(&name).ok_or(ApiError::NotFound("scm_integration"))?;
    Ok(ok(&ScmIntegrationAnswer { scm_integration: ScmIntegrationView::new(&user.account, one) }))
}

#[derive(Deserialize, JsonSchema)]
struct CreateScmIntegrationBody {
    scm_integration: Option<CreateScmIntegrationFields>,
}

#[derive(Deserialize, JsonSchema)]
struct CreateScmIntegrationFields {
    /// github, github-enterprise, gitlab or gitlab-self-hosted.
    scm_type: Option<String>,
    /// The base URL of the Git hosting service, for types with more than one.
    url: Option<String>,
    /// The access token for the Git hosting service. No response contains it.
    access_token: Option<String>,
    /// The username at the Git hosting service; by default the same as here.
    username: Option<String>,
}

/// Connects an account at a forge.
async fn create_scm_integration(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<CreateScmIntegrationBody>,
) -> Result<Response, ApiError> {
    acting.user()?;
    let fields = required(body.value.scm_integration, "scm_integration")?;
    let action = Connect {
        scm_type: fields.scm_type.unwrap_or_default(),
        url: given(fields.url),
        access_token: fields.access_token.unwrap_or_default(),
        login: given(fields.username),
    };
    let outcome = service.act_on_own_account(acting.request(&body.bytes), action).await?;
    let connected = outcome.account.integrations.get(&outcome.created);
    let connected = connected.ok_or(ApiError::NotFound("scm_integration"))?;
    Ok(created(&ScmIntegrationAnswer {
        scm_integration: ScmIntegrationView::new(&outcome.account, connected),
    }))
}

/// Disconnects an account at a forge.
async fn delete_scm_integration(
    State(service): State<Service>,
    acting: Acting,
    LastSegment(name): LastSegment,
) -> Result<Response, ApiError> {
    acting.user()?;
    service.act_on_own_account(acting.request(b""), Disconnect { name }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Serialize, JsonSchema)]
struct ScmIntegrationsAnswer {
    scm_integrations: Vec<ScmIntegrationView>,
}

#[derive(Serialize, JsonSchema)]
struct ScmIntegrationAnswer {
    scm_integration: ScmIntegrationView,
}

#[derive(Serialize, JsonSchema)]
struct ScmIntegrationView {
    id: String,
    scm_type: String,
    url: String,
    uid: String,
    username: String,
    email: String,
    avatar_url: String,
    profile_url: String,
    created_at: Time,
    owner: annals_model::Person,
}

impl ScmIntegrationView {
    fn new(account: &Account, integration: &Integration) -> Self {
        Self {
            id: integration.id.clone(),
            scm_type: integration.scm_type.clone(),
            url: integration.url.clone(),
            uid: String::new(),
            username: integration.login.clone(),
            email: String::new(),
            avatar_url: String::new(),
            profile_url: format!("{}/{}", integration.url, integration.login),
            created_at: integration.created_at,
            owner: account.person.clone(),
        }
    }
}
