//! Which app a request is about, and what who asks may do with it.

use std::marker::PhantomData;
use std::sync::Arc;

use annals_model::app::AppAction;
use annals_model::report::NAME_BYTES_MAX;
use annals_model::{App, AppId, Role};
use annals_store::{Idempotency, Outcome, Request, Row, RowKey};
use axum::extract::{FromRequestParts, RawPathParams};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::{Caller, SignedIn};
use crate::error::ApiError;
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::service::Service;

/// An app that who asks may look at. A deleted one is only its last owner's and the operator's.
pub(crate) struct Readable {
    pub(crate) app: Arc<App>,
    /// What who asks may do; the operator has no role.
    pub(crate) role: Option<Role>,
}

/// An app with which who asks may do `A`.
pub(crate) struct Access<A> {
    pub(crate) app: Arc<App>,
    acting: Acting,
    action: PhantomData<A>,
}

/// A user who is about to do something.
pub(crate) struct Acting {
    service: Service,
    user: SignedIn,
    idempotency_key: Option<String>,
    /// What is asked for, but for the body.
    target: String,
    is_dry_run: bool,
}

impl FromRequestParts<Service> for Readable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, service).await?;
        let app = find(service, &path_param(parts, "app").await?).await?.ok_or(ApiError::NotFound("app"))?;
        match caller {
            Caller::Operator => Ok(Self { app, role: None }),
            Caller::User(user) => {
                let role = Some(app.role_of(user.id()).ok_or(ApiError::NotFound("app"))?);
                Ok(Self { app, role })
            }
        }
    }
}

impl Readable {
    /// The same, but of a deleted app there is nothing to look at besides its timeline.
    pub(crate) fn live(self) -> Result<Self, ApiError> {
        if self.app.deleted_at.is_some() { Err(ApiError::NotFound("app")) } else { Ok(self) }
    }
}

impl FromRequestParts<Service> for Acting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let user = SignedIn::from_request_parts(parts, service).await?;
        Ok(Self {
            service: service.clone(),
            user,
            idempotency_key: idempotency_key(&parts.headers)?,
            target: target(parts),
            is_dry_run: parts.headers.get("x-dry-run").is_some_and(|value| value == "true"),
        })
    }
}

impl<A: AppAction> FromRequestParts<Service> for Access<A> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let acting = Acting::from_request_parts(parts, service).await?;
        let app = find(service, &path_param(parts, "app").await?).await?;
        let app = app.filter(|app| app.deleted_at.is_none()).ok_or(ApiError::NotFound("app"))?;
        let role = app.role_of(acting.user.id()).ok_or(ApiError::NotFound("app"))?;
        if role < A::ROLE {
            let needed = annals_model::action::in_words(A::ROLE);
            return Err(ApiError::Forbidden(format!("this needs the role of {needed}")));
        }
        Ok(Self { app, acting, action: PhantomData })
    }
}

impl<A: AppAction + 'static> Access<A> {
    /// Does it. The role is looked at again, with the state that is acted on.
    pub(crate) async fn act(self, action: A, body: &[u8]) -> Result<Outcome, ApiError> {
        let request = self.acting.request(body);
        Ok(self.acting.service.recorder.act(request, self.app.id, action).await?)
    }
}

impl Acting {
    /// The request as the recorder takes it, with what makes its repeat harmless.
    pub(crate) fn request(&self, body: &[u8]) -> Request {
        Request {
            actor: self.user.person().clone(),
            idempotency: idempotency(self.idempotency_key.as_ref(), &self.target, body),
            dry_run: self.is_dry_run,
        }
    }
}

/// The key in the request's head, if it carries one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(ApiError::BadRequest(format!(
            "Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
        ))),
    }
}

/// The key with what stands for the request.
pub(crate) fn idempotency(key: Option<&String>, target: &str, body: &[u8]) -> Option<Idempotency> {
    let key = key?.clone();
    let digest = Sha256::new().chain_update(target).chain_update([0]).chain_update(body).finalize();
    Some(Idempotency { key, fingerprint: hex::encode(digest) })
}

/// What is asked for, but for the body.
pub(crate) fn target(parts: &Parts) -> String {
    format!("{} {}", parts.method, parts.uri)
}

/// What the last part of the path that is not fixed says.
pub(crate) struct LastSegment(pub(crate) String);

impl FromRequestParts<Service> for LastSegment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NoSuchPath)?;
        params.iter().last().map(|(_, value)| Self(value.to_owned())).ok_or(ApiError::NoSuchPath)
    }
}

async fn path_param(parts: &mut Parts, name: &str) -> Result<String, ApiError> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NoSuchPath)?;
    let value = params.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_owned());
    value.ok_or(ApiError::NoSuchPath)
}

/// The app of that name or identifier: of the live apps by name, of all by identifier.
async fn find(service: &Service, reference: &str) -> Result<Option<Arc<App>>, ApiError> {
    if reference.len() > NAME_BYTES_MAX {
        return Ok(None);
    }
    let id = match reference.parse().ok().or_else(|| from_uuid(reference)) {
        Some(id) => id,
        None => match service.store.row(&RowKey::AppName(reference.to_owned())).await? {
            Some(Row::AppWithName(id)) => id,
            _ => return Ok(None),
        },
    };
    match service.store.row(&RowKey::App(id)).await? {
        Some(Row::App(app)) => Ok(Some(app)),
        _ => Ok(None),
    }
}

/// What an app's UUID ends with; its identifier is the rest.
const UUID_END: [u8; 4] = *b"app\0";

/// The app's other identifier, `ap-` and a UUID, which holds the first.
pub(crate) fn to_uuid(id: AppId) -> String {
    let mut bytes = [0; 16];
    bytes[..12].copy_from_slice(id.as_bytes());
    bytes[12..].copy_from_slice(&UUID_END);
    format!("ap-{}", Uuid::from_bytes(bytes).hyphenated())
}

fn from_uuid(text: &str) -> Option<AppId> {
    let uuid = Uuid::parse_str(text.strip_prefix("ap-")?).ok()?;
    let id = uuid.as_bytes().strip_suffix(&UUID_END)?;
    Some(AppId::from_bytes(id.try_into().ok()?))
}
