//! The caller.
//!
//! Clients send credentials as `Authorization: Bearer`. Old clients send an API token, or a bearer token that was issued
//! for it, as Basic with an empty name.

use annals_service::{Credential, Reader, SignedIn};
use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::error::{ApiError, USE_BEARER};
use crate::state::AppState;

const NO_CREDENTIALS: ApiError =
    ApiError::Unauthorized("send an API token, or the token it was exchanged for, as Authorization: Bearer");

/// A caller with a valid credential.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Credential);

/// A user with a valid credential.
pub(crate) struct User(pub(crate) SignedIn);

/// The operator, whose credential is the platform's own.
pub(crate) struct Operator;

/// A caller who reads the whole platform: the operator or an auditor.
pub(crate) struct PlatformReader(pub(crate) Reader);

/// The secret of the caller, as sent. A stream that stays open asks again whose it is.
pub(crate) struct Presented(pub(crate) String);

/// A secret that may be an API token, to be exchanged for a bearer token.
pub(crate) struct Exchanging(pub(crate) String);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        // Several extractors need the caller, but the rate limit must count a request once.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let secret = presented(parts)?;
        let database = parts.uri.path().strip_prefix("/api/databases/");
        let database = database.and_then(|path| path.split('/').next());
        let credential = state.service.authenticate(&secret, database).await?;
        // Refused here and not by each operation, so that none is forgotten.
        if matches!(credential, Credential::Auditor) && !parts.method.is_safe() {
            return Err(annals_service::Error::AuditorsOnlyRead.into());
        }
        if let (Credential::User(user), Some(limit)) = (&credential, &state.rate_limit) {
            limit.check(user.id())?;
        }
        let caller = Self(credential);
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

impl FromRequestParts<AppState> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(credential) = Caller::from_request_parts(parts, state).await?;
        Ok(Self(credential.user()?.clone()))
    }
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, state).await? {
            Caller(Credential::Operator) => Ok(Self),
            Caller(Credential::User(_) | Credential::Auditor) => {
                Err(annals_service::Error::NeedsOperator.into())
            }
        }
    }
}

impl FromRequestParts<AppState> for PlatformReader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(credential) = Caller::from_request_parts(parts, state).await?;
        Ok(Self(state.service.platform_reader(&credential)?))
    }
}

impl FromRequestParts<AppState> for Presented {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        presented(parts).map(Self)
    }
}

impl FromRequestParts<AppState> for Exchanging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        presented(parts).map(Self)
    }
}

/// A name and a password.
pub(crate) struct NameAndPassword {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// Reads the name and the password, if the request has both.
pub(crate) fn name_and_password(parts: &Parts) -> Option<NameAndPassword> {
    let header = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, value) = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':').filter(|(name, _)| !name.is_empty())?;
    Some(NameAndPassword { name: name.to_owned(), password: password.to_owned() })
}

/// Reads the credential.
fn presented(parts: &Parts) -> Result<String, ApiError> {
    let header = parts.headers.get(AUTHORIZATION).ok_or(NO_CREDENTIALS)?;
    let (scheme, value) = header.to_str().ok().and_then(|header| header.split_once(' ')).ok_or(USE_BEARER)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(USE_BEARER);
    }
    let decoded = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let password = decoded.as_deref().and_then(|text| text.strip_prefix(':')).ok_or(USE_BEARER)?;
    Ok(password.to_owned())
}
