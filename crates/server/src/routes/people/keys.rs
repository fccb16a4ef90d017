//! The public SSH keys of an account.

use annals_model::account::{AccountPrivateState, AddKey, DeleteKey, Key, key_id};
use annals_model::{ResourceId, Time, UserId};
use annals_service::{Service, SignedIn};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Acting, JsonBody, LastSegment, User, required};

pub(crate) fn api() -> Api {
    Api::of("Account")
        .get("/v1/keys", list_keys, op("List your public keys").ok::<KeysAnswer>())
        .post(
            "/v1/keys",
            add_key,
            action("Add a public key")
                .records(&["new_key"])
                .body::<AddKeyBody>()
                .example(json!({ "key": { "name": "desktop", "content": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAMKERgfJi00O0JJUFdeZWxzeoGIj5adpKuyucDHztXc jane" } }))
                .created::<KeyAnswer>(),
        )
        .get("/v1/keys/{key}", show_key, op("Get a public key").ok::<KeyAnswer>())
        .delete(
            "/v1/keys/{key}",
            delete_key,
            action("Remove a public key").records(&["delete_key"]).no_content(),
        )
}

/// Lists the caller's keys.
async fn list_keys(State(service): State<Service>, User(user): User) -> Result<Response, ApiError> {
    Ok(ok(&KeysAnswer { keys: views(&service, &user).await? }))
}

/// Shows a key.
async fn show_key(
    State(service): State<Service>,
    User(user): User,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    let found = views(&service, &user).await?.into_iter().find(|key| key.id.to_string() == id);
    Ok(ok(&KeyAnswer { key: found.ok_or(ApiError::NotFound("key"))? }))
}

async fn views(service: &Service, user: &SignedIn) -> Result<Vec<KeyView>, ApiError> {
    let private = service.account_private_state(user.id()).await?;
    Ok(user.account.keys.iter().map(|(name, key)| KeyView::new(user.id(), &private, name, key)).collect())
}

/// Clients send the fields wrapped in an object or bare.
#[derive(Deserialize, JsonSchema)]
struct AddKeyBody {
    key: Option<KeyFields>,
    #[serde(flatten)]
    bare: KeyFields,
}

#[derive(Deserialize, JsonSchema)]
struct KeyFields {
    name: Option<String>,
    /// The public key, as in `~/.ssh/id_ed25519.pub`.
    content: Option<String>,
}

/// Adds a key.
async fn add_key(
    State(service): State<Service>,
    acting: Acting,
    body: JsonBody<AddKeyBody>,
) -> Result<Response, ApiError> {
    let user = acting.user()?.id();
    let fields = body.value.key.unwrap_or(body.value.bare);
    let name = required(fields.name, "name")?;
    let content = required(fields.content, "content")?;
    let action = AddKey { name: name.clone(), content: content.clone() };
    let account = service.act_on_own_account(acting.request(&body.bytes), action).await?.account;
    let key = account.keys.get(&name).ok_or(ApiError::NotFound("key"))?;
    let private =
        AccountPrivateState { keys: [(name.clone(), content)].into(), ..AccountPrivateState::default() };
    Ok(created(&KeyAnswer { key: KeyView::new(user, &private, &name, key) }))
}

/// Removes a key.
async fn delete_key(
    State(service): State<Service>,
    acting: Acting,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    acting.user()?;
    let id = id.parse().map_err(|_| ApiError::NotFound("key"))?;
    service.act_on_own_account(acting.request(b""), DeleteKey { id }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Serialize, JsonSchema)]
struct KeysAnswer {
    keys: Vec<KeyView>,
}

#[derive(Serialize, JsonSchema)]
struct KeyAnswer {
    key: KeyView,
}

#[derive(Serialize, JsonSchema)]
struct KeyView {
    id: ResourceId,
    name: String,
    content: String,
    fingerprint: String,
    created_at: Time,
}

impl KeyView {
    fn new(user: UserId, private: &AccountPrivateState, name: &str, key: &Key) -> Self {
        Self {
            id: key_id(user, name),
            name: name.to_owned(),
            content: private.keys.get(name).cloned().unwrap_or_default(),
            fingerprint: key.fingerprint.clone(),
            created_at: key.created_at,
        }
    }
}
