//! Which app a request is about, and what who asks may do with it.

use std::marker::PhantomData;
use std::sync::Arc;

use annals_model::app::{AppAction, is_addon_id};
use annals_model::report::NAME_BYTES_MAX;
use annals_model::{App, AppId, Rejection, Role, UserId};
use annals_store::{Head, Idempotency, Outcome, Request, Row, RowKey};
use axum::extract::{FromRequestParts, RawPathParams};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::{Caller, SignedIn};
use crate::error::ApiError;
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::remote_ip::RemoteIp;
use crate::service::Service;

/// An app that who asks may look at. A deleted one is only its last owner's and the operator's.
pub(crate) struct Readable {
    pub(crate) app: Arc<App>,
    /// What who asks may do; the operator has no role.
    pub(crate) role: Option<Role>,
    /// Where its timeline stands.
    pub(crate) head: Head,
}

/// What says which role a request needs: an action or, where an action is known only later, a role by itself.
pub(crate) trait Needs {
    const ROLE: Role;
}

impl<A: AppAction> Needs for A {
    const ROLE: Role = <A as AppAction>::ROLE;
}

/// Whoever works on the app, be it little.
pub(crate) struct AnyMember;

impl Needs for AnyMember {
    const ROLE: Role = Role::LimitedCollaborator;
}

/// Whoever works on the app and is not limited.
pub(crate) struct AnyCollaborator;

impl Needs for AnyCollaborator {
    const ROLE: Role = Role::Collaborator;
}

/// The operator.
pub(crate) struct ThePlatform;

impl Needs for ThePlatform {
    const ROLE: Role = Role::Platform;
}

/// An app with which who asks may do `A`.
pub(crate) struct Access<A> {
    pub(crate) app: Arc<App>,
    pub(crate) acting: Acting,
    action: PhantomData<A>,
}

/// Somebody who is about to do something.
pub(crate) struct Acting {
    service: Service,
    /// Nobody where it is the operator.
    user: Option<SignedIn>,
    remote_ip: RemoteIp,
    idempotency_key: Option<String>,
    /// What is asked for, but for the body.
    target: String,
    is_dry_run: bool,
}

impl FromRequestParts<Service> for Readable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, service).await?;
        let (app, kind) = named_in(parts, service).await?;
        let (app, head) = app.ok_or(ApiError::NotFound(kind))?;
        match caller {
            Caller::Operator => Ok(Self { app, role: None, head }),
            Caller::User(user) => {
                let role = Some(role_of(service, &app, user.id()).await?.ok_or(ApiError::NotFound(kind))?);
                Ok(Self { app, role, head })
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

impl Readable {
    /// The same, but not for a limited collaborator.
    pub(crate) fn not_limited(self) -> Result<Self, ApiError> {
        match self.role {
            Some(Role::LimitedCollaborator) => Err(Rejection::needs(Role::Collaborator).into()),
            _ => Ok(self),
        }
    }
}

impl FromRequestParts<Service> for Acting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let user = match Caller::from_request_parts(parts, service).await? {
            Caller::User(user) => Some(user),
            Caller::Operator => None,
        };
        Ok(Self {
            service: service.clone(),
            user,
            remote_ip: RemoteIp::of(parts, &service.config.trusted_proxies),
            idempotency_key: idempotency_key(&parts.headers)?,
            target: target(parts),
            is_dry_run: parts.headers.get("x-dry-run").is_some_and(|value| value == "true"),
        })
    }
}

impl<A: Needs> FromRequestParts<Service> for Access<A> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let acting = Acting::from_request_parts(parts, service).await?;
        let (app, kind) = named_in(parts, service).await?;
        let (app, _) = app.filter(|(app, _)| app.deleted_at.is_none()).ok_or(ApiError::NotFound(kind))?;
        match &acting.user {
            None if A::ROLE != Role::Platform => return Err(needs_a_user()),
            None => {}
            Some(user) => {
                let role = role_of(service, &app, user.id()).await?.ok_or(ApiError::NotFound(kind))?;
                if role < A::ROLE {
                    return Err(Rejection::needs(A::ROLE).into());
                }
            }
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

impl<A> Access<A> {
    /// The same, for another action that needs the same role.
    pub(crate) fn instead<B: AppAction>(self) -> Access<B> {
        Access { app: self.app, acting: self.acting, action: PhantomData }
    }
}

impl Acting {
    /// The request as the recorder takes it, with what makes its repeat harmless.
    pub(crate) fn request(&self, body: &[u8]) -> Request {
        Request {
            actor: self.user.as_ref().map(|user| user.person().clone()),
            remote_ip: self.remote_ip.0,
            idempotency: idempotency(self.idempotency_key.as_ref(), &self.target, body),
            dry_run: self.is_dry_run,
        }
    }

    /// Who asks, where it is no operator.
    pub(crate) fn user(&self) -> Result<&SignedIn, ApiError> {
        self.user.as_ref().ok_or_else(needs_a_user)
    }
}

/// What the operator is told who asks for what only people do.
pub(crate) fn needs_a_user() -> ApiError {
    ApiError::Forbidden("this needs a user's token, not the operator's".to_owned())
}

/// What somebody may do with an app, by themself or as a member of the app it is a child of.
async fn role_of(service: &Service, app: &App, user: UserId) -> Result<Option<Role>, ApiError> {
    let own = app.role_of(user);
    let Some(parent) = app.parent.filter(|_| app.deleted_at.is_none()) else { return Ok(own) };
    match service.store.row(&RowKey::App(parent)).await? {
        Some(Row::App(parent)) if parent.deleted_at.is_none() => Ok(own.max(parent.role_of(user))),
        _ => Ok(own),
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

/// What the parts of the path that are not fixed say.
pub(crate) struct Segments<const N: usize>(pub(crate) [String; N]);

impl<const N: usize> FromRequestParts<Service> for Segments<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NoSuchPath)?;
        let values: Vec<_> = params.iter().map(|(_, value)| value.to_owned()).collect();
        values.try_into().map(Self).map_err(|_| ApiError::NoSuchPath)
    }
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

/// An app, and where its timeline stands.
type AppAndHead = (Arc<App>, Head);

/// The app that a request's path names, itself or by one of its databases, and what kind of thing it names.
async fn named_in(
    parts: &mut Parts,
    service: &Service,
) -> Result<(Option<AppAndHead>, &'static str), ApiError> {
    let (id, kind) = if let Ok(reference) = path_param(parts, "app").await {
        (identify(service, &reference).await?, "app")
    } else {
        let database = path_param(parts, "database").await?;
        let id = match is_addon_id(&database) {
            true => match service.store.row(&RowKey::Addon(database)).await? {
                Some(Row::AppWithName(id)) => Some(id),
                _ => None,
            },
            false => None,
        };
        (id, "database")
    };
    match id {
        Some(id) => Ok((service.store.app(id).await?, kind)),
        None => Ok((None, kind)),
    }
}

async fn path_param(parts: &mut Parts, name: &str) -> Result<String, ApiError> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NoSuchPath)?;
    let value = params.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_owned());
    value.ok_or(ApiError::NoSuchPath)
}

/// The app of that name or identifier: of the live apps by name, of all by identifier.
pub(crate) async fn find(service: &Service, reference: &str) -> Result<Option<Arc<App>>, ApiError> {
    let Some(id) = identify(service, reference).await? else { return Ok(None) };
    match service.store.row(&RowKey::App(id)).await? {
        Some(Row::App(app)) => Ok(Some(app)),
        _ => Ok(None),
    }
}

/// The identifier of the app that is meant, which need not be there.
async fn identify(service: &Service, reference: &str) -> Result<Option<AppId>, ApiError> {
    if reference.len() > NAME_BYTES_MAX {
        return Ok(None);
    }
    if let Some(id) = reference.parse().ok().or_else(|| from_uuid(reference)) {
        return Ok(Some(id));
    }
    match service.store.row(&RowKey::AppName(reference.to_owned())).await? {
        Some(Row::AppWithName(id)) => Ok(Some(id)),
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
