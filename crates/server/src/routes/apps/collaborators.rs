//! The collaborators of an app, and invitations.

use std::collections::HashMap;

use annals_model::app::{
    ChangeRole, Collaborator, Found, Invitation, Invite, RemoveCollaborator, collaborator_id,
    find_collaborator,
};
use annals_model::{App, AppId, PrivateState, ResourceId, UserId};
use annals_service::{Service, Visibility};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Acting, Authorized, JsonBody, LastSegment, Readable, required};
use crate::routes::apps::lifecycle::AppAnswer;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    const ALL: &str = "/v1/apps/{app}/collaborators";
    const ONE: &str = "/v1/apps/{app}/collaborators/{collaborator}";
    const ACCEPT: &str = "/v1/apps/collaboration";
    Api::of("Collaborators")
        .get(
            ALL,
            list_collaborators,
            op("List the collaborators and invitations of an app")
                .anybody_known()
                .ok::<CollaboratorsAnswer>(),
        )
        .post(
            ALL,
            invite_collaborator,
            action("Invite a collaborator")
                .records(&["new_collaborator"])
                .body::<InviteCollaboratorBody>()
                .example(json!({ "collaborator": { "email": "sam@example.com", "is_limited": true } }))
                .created::<CollaboratorAnswer>(),
        )
        .patch(
            ONE,
            update_collaborator,
            action("Change the role of a collaborator")
                .records(&["change_collaborator_role"])
                .body::<UpdateCollaboratorBody>()
                .example(json!({ "collaborator": { "is_limited": true } }))
                .ok::<CollaboratorAnswer>(),
        )
        .delete(
            ONE,
            remove_collaborator,
            action("Remove a collaborator, or withdraw an invitation")
                .records(&["delete_collaborator"])
                .no_content(),
        )
        .get(
            ACCEPT,
            accept_invitation_by_link,
            action("Accept an invitation by its link")
                .records(&["accept_collaborator"])
                .query("token", "The invitation's token.")
                .ok::<AppAnswer>(),
        )
        .post(
            ACCEPT,
            accept_invitation,
            action("Accept an invitation")
                .records(&["accept_collaborator"])
                .body::<AcceptInvitationBody>()
                .ok::<AppAnswer>(),
        )
}

/// Lists the collaborators and the invited users.
async fn list_collaborators(
    State(service): State<Service>,
    readable: Readable,
) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let app = &access.app;
    // Anyone with an invitation's link can accept it.
    let private = access.visibility().secret(service.private_state(app.id).await?).unwrap_or_default();
    let accepted = app
        .collaborators
        .iter()
        .map(|(&user, collaborator)| CollaboratorView::accepted(app, user, collaborator));
    let invited = app
        .invitations
        .iter()
        .map(|(email, invitation)| CollaboratorView::invited(&service, app, &private, email, invitation));
    Ok(ok(&CollaboratorsAnswer { collaborators: accepted.chain(invited).collect() }))
}

#[derive(Deserialize, JsonSchema)]
struct InviteCollaboratorBody {
    collaborator: Option<InviteCollaboratorFields>,
}

#[derive(Deserialize, JsonSchema)]
struct InviteCollaboratorFields {
    email: Option<String>,
    /// Whether they become a limited collaborator. The default is true.
    is_limited: Option<bool>,
}

/// Invites a user. The response is an object, although old documentation shows a list.
async fn invite_collaborator(
    State(service): State<Service>,
    access: Authorized<Invite>,
    body: JsonBody<InviteCollaboratorBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.collaborator, "collaborator")?;
    let email = fields.email.unwrap_or_default();
    let action = Invite { email: email.clone(), is_limited: fields.is_limited.unwrap_or(true) };
    let outcome = access.act(action, &body.bytes).await?;
    let id = collaborator_id(outcome.app.id, &email);
    Ok(created(&CollaboratorAnswer::new(&service, &outcome.app, &outcome.private, id)?))
}

#[derive(Deserialize, JsonSchema)]
struct UpdateCollaboratorBody {
    collaborator: Option<UpdateCollaboratorFields>,
}

#[derive(Deserialize, JsonSchema)]
struct UpdateCollaboratorFields {
    is_limited: Option<bool>,
}

/// Changes a collaborator's role.
async fn update_collaborator(
    State(service): State<Service>,
    access: Authorized<ChangeRole>,
    LastSegment(id): LastSegment,
    body: JsonBody<UpdateCollaboratorBody>,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let is_limited = required(required(body.value.collaborator, "collaborator")?.is_limited, "is_limited")?;
    let outcome = access.act(ChangeRole { id, is_limited }, &body.bytes).await?;
    Ok(ok(&CollaboratorAnswer::new(&service, &outcome.app, &outcome.private, id)?))
}

/// Removes a collaborator or withdraws an invitation.
async fn remove_collaborator(
    access: Authorized<RemoveCollaborator>,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    access.act(RemoveCollaborator { id: parse_id(&id)? }, b"").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, JsonSchema)]
struct AcceptInvitationBody {
    token: Option<String>,
}

/// Accepts an invitation. It is a GET because invitations are links; a HEAD is refused.
async fn accept_invitation_by_link(
    State(state): State<AppState>,
    acting: Acting,
    method: http::Method,
    Query(mut query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    if method != http::Method::GET {
        return Err(ApiError::MethodNotAllowed("GET or POST".to_owned()));
    }
    accept_token(&state, &acting, query.remove("token"), b"").await
}

/// Accepts an invitation.
async fn accept_invitation(
    State(state): State<AppState>,
    acting: Acting,
    body: JsonBody<AcceptInvitationBody>,
) -> Result<Response, ApiError> {
    accept_token(&state, &acting, body.value.token, &body.bytes).await
}

async fn accept_token(
    state: &AppState,
    acting: &Acting,
    token: Option<String>,
    body: &[u8],
) -> Result<Response, ApiError> {
    acting.user()?;
    let token = required(token, "token")?;
    let outcome = state.service.accept_invitation(acting.request(body), token).await?;
    let mut response = ok(&AppAnswer::seen(state, &outcome.app, Visibility::of(outcome.role)).await?);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn parse_id(text: &str) -> Result<ResourceId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("collaborator"))
}

#[derive(Serialize, JsonSchema)]
struct CollaboratorsAnswer {
    collaborators: Vec<CollaboratorView>,
}

#[derive(Serialize, JsonSchema)]
struct CollaboratorAnswer {
    collaborator: CollaboratorView,
}

impl CollaboratorAnswer {
    fn new(service: &Service, app: &App, private: &PrivateState, id: ResourceId) -> Result<Self, ApiError> {
        let collaborator = match find_collaborator(app, id)? {
            Found::Collaborator(user, collaborator) => CollaboratorView::accepted(app, user, collaborator),
            Found::Invitation(email, invitation) => {
                CollaboratorView::invited(service, app, private, email, invitation)
            }
        };
        Ok(Self { collaborator })
    }
}

#[derive(Serialize, JsonSchema)]
struct CollaboratorView {
    id: ResourceId,
    email: String,
    user_id: Option<UserId>,
    /// `n/a` until the invitation is accepted.
    username: String,
    tfa_status: Option<bool>,
    status: &'static str,
    is_limited: bool,
    /// The link that accepts the invitation; empty once it is accepted.
    invitation_link: String,
    app_id: AppId,
    app_name: String,
}

impl CollaboratorView {
    fn accepted(app: &App, user: UserId, collaborator: &Collaborator) -> Self {
        Self {
            id: collaborator.id(app.id),
            email: collaborator.email.clone(),
            user_id: Some(user),
            username: collaborator.username.clone(),
            tfa_status: Some(false),
            status: "accepted",
            is_limited: collaborator.is_limited,
            invitation_link: String::new(),
            app_id: app.id,
            app_name: app.name.clone(),
        }
    }

    fn invited(
        service: &Service,
        app: &App,
        private: &PrivateState,
        email: &str,
        invitation: &Invitation,
    ) -> Self {
        let link = |token: &str| format!("{}/v1/apps/collaboration?token={token}", service.public_url());
        Self {
            id: collaborator_id(app.id, email),
            email: email.to_owned(),
            user_id: None,
            username: "n/a".to_owned(),
            tfa_status: None,
            status: "pending",
            is_limited: invitation.is_limited,
            invitation_link: private.invitations.get(email).map(|token| link(&token.0)).unwrap_or_default(),
            app_id: app.id,
            app_name: app.name.clone(),
        }
    }
}
