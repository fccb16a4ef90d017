//! The app that a request names, and what the caller may do with it.

use std::marker::PhantomData;
use std::sync::Arc;

use annals_model::app::AppAction;
use annals_model::{App, Role};
use annals_service::{Access, AppReference, Credential, Error, Outcome, Request, Service, SignedIn};
use axum::extract::FromRequestParts;
use http::request::Parts;

use super::caller::Caller;
use super::path::segment;
use super::remote_ip::RemoteIp;
use crate::dry_run::DryRun;
use crate::error::ApiError;
use crate::idempotency::Repeatable;
use crate::state::AppState;

/// An app that the caller may read. Only the last owner and the operator may read a deleted app.
pub(crate) struct Readable(pub(crate) Access);

/// Names the role that a request needs: an action or, where the action is known only later, a role by itself.
pub(crate) trait Needs {
    const ROLE: Role;
}

impl<A: AppAction> Needs for A {
    const ROLE: Role = <A as AppAction>::ROLE;
}

/// Any collaborator, a limited one included.
pub(crate) struct AnyMember;

impl Needs for AnyMember {
    const ROLE: Role = Role::LimitedCollaborator;
}

/// Any collaborator who is not limited.
pub(crate) struct AnyCollaborator;

impl Needs for AnyCollaborator {
    const ROLE: Role = Role::Collaborator;
}

/// The operator.
pub(crate) struct TheOperator;

impl Needs for TheOperator {
    const ROLE: Role = Role::Operator;
}

/// An app on which the caller may perform the action `A`.
pub(crate) struct Authorized<A> {
    pub(crate) app: Arc<App>,
    pub(crate) acting: Acting,
    action: PhantomData<A>,
}

/// The caller of an action, and what the service needs to know of the request.
pub(crate) struct Acting {
    service: Service,
    credential: Credential,
    remote_ip: RemoteIp,
    repeatable: Repeatable,
    dry_run: DryRun,
}

impl FromRequestParts<AppState> for Readable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(credential) = Caller::from_request_parts(parts, state).await?;
        authorize(parts, &state.service, &credential).await.map(Self)
    }
}

impl Readable {
    /// Refuses a deleted app: only its timeline can be read.
    pub(crate) fn live(self) -> Result<Access, ApiError> {
        Ok(self.0.live()?)
    }

    /// Refuses a deleted app, and limited collaborators.
    pub(crate) fn live_not_limited(self) -> Result<Access, ApiError> {
        Ok(self.0.live()?.at_least(Role::Collaborator)?)
    }
}

impl FromRequestParts<AppState> for Acting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(credential) = Caller::from_request_parts(parts, state).await?;
        Ok(Self {
            service: state.service.clone(),
            credential,
            remote_ip: RemoteIp::of(parts, &state.config.trusted_proxies),
            repeatable: Repeatable::of(parts),
            dry_run: DryRun::of(parts),
        })
    }
}

impl<A: Needs> FromRequestParts<AppState> for Authorized<A> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let acting = Acting::from_request_parts(parts, state).await?;
        let access = authorize(parts, &state.service, &acting.credential).await?.live()?;
        if matches!(acting.credential, Credential::Operator) && A::ROLE != Role::Operator {
            return Err(Error::NeedsUser.into());
        }
        let Access { app, .. } = access.at_least(A::ROLE)?;
        Ok(Self { app, acting, action: PhantomData })
    }
}

impl<A: AppAction + 'static> Authorized<A> {
    /// Performs the action. The service checks the role again, on the state that the action changes.
    pub(crate) async fn act(self, action: A, body: &[u8]) -> Result<Outcome<A::Created>, ApiError> {
        let request = self.acting.request(body);
        Ok(self.acting.service.act(request, self.app.id, action).await?)
    }
}

impl<A> Authorized<A> {
    /// Authorizes another action that needs the same role.
    pub(crate) fn instead<B: AppAction>(self) -> Authorized<B> {
        Authorized { app: self.app, acting: self.acting, action: PhantomData }
    }
}

impl Acting {
    /// Returns the request for the service, with its idempotency key and whether it is a dry run.
    pub(crate) fn request(&self, body: &[u8]) -> Request {
        Request {
            actor: self.credential.user().ok().map(|user| user.person().clone()),
            remote_ip: self.remote_ip.0,
            idempotency: self.repeatable.idempotency(body),
            dry_run: self.dry_run.0,
        }
    }

    /// Returns the calling user. Refuses the operator.
    pub(crate) fn user(&self) -> Result<&SignedIn, ApiError> {
        Ok(self.credential.user()?)
    }
}

/// Finds the app that the path names, directly or by one of its databases.
async fn authorize(
    parts: &mut Parts,
    service: &Service,
    credential: &Credential,
) -> Result<Access, ApiError> {
    if let Some(app) = segment(parts, "app").await? {
        return Ok(service.authorize(credential, AppReference::App(&app)).await?);
    }
    let database = segment(parts, "database").await?.ok_or(ApiError::NoSuchPath)?;
    Ok(service.authorize(credential, AppReference::Database(&database)).await?)
}
