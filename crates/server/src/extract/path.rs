//! Path parameters.

use annals_model::UserId;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::error::ApiError;
use crate::state::AppState;

/// All path parameters, in order.
pub(crate) struct Segments<const N: usize>(pub(crate) [String; N]);

impl<const N: usize> FromRequestParts<AppState> for Segments<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NoSuchPath)?;
        let values: Vec<_> = params.iter().map(|(_, value)| value.to_owned()).collect();
        values.try_into().map(Self).map_err(|_| ApiError::NoSuchPath)
    }
}

/// The last path parameter.
pub(crate) struct LastSegment(pub(crate) String);

impl FromRequestParts<AppState> for LastSegment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NoSuchPath)?;
        params.iter().last().map(|(_, value)| Self(value.to_owned())).ok_or(ApiError::NoSuchPath)
    }
}

/// The user that the path names, by identifier or username. Whether the caller may know of them is checked elsewhere.
pub(crate) struct NamedUser(pub(crate) UserId);

impl FromRequestParts<AppState> for NamedUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let name = segment(parts, "user").await?.ok_or(ApiError::NoSuchPath)?;
        let user = state.service.user_named(&name).await?;
        user.map(Self).ok_or(ApiError::NotFound("user"))
    }
}

/// Returns the path parameter of this name, if the path has one.
pub(super) async fn segment(parts: &mut Parts, name: &str) -> Result<Option<String>, ApiError> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::NoSuchPath)?;
    Ok(params.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_owned()))
}
