//! Queries of apps.

use std::sync::Arc;

use annals_model::{App, AppId, EventId, PrivateState, UserId};
use annals_store::{Output, TypedRows as _, key};

use crate::visibility::Visibility;
use crate::{Error, Service};

/// The most apps or add-ons in a listing.
const LISTED_MAX: usize = 10_000;

/// The most parts of an output that are read at once.
pub const OUTPUT_PARTS_READ: usize = 500;

impl Service {
    /// Returns the state of an app; `None` if it has no event.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn app(&self, id: AppId) -> Result<Option<Arc<App>>, Error> {
        Ok(self.store().get(key::App(id)).await?)
    }

    /// Returns the private state of an app: what its events do not contain.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn private_state(&self, id: AppId) -> Result<Arc<PrivateState>, Error> {
        Ok(self.store().get(key::PrivateState(id)).await?.unwrap_or_default())
    }

    /// Returns the app that deployed this archive last.
    pub(crate) async fn app_with_archive(&self, id: &str) -> Result<Option<AppId>, Error> {
        Ok(self.store().get(key::Archive(id.to_owned())).await?)
    }

    /// Returns how much output a deployment has.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn output_length(&self, app: AppId, deployment: EventId) -> Result<Output, Error> {
        Ok(self.store().get(key::Output(app, deployment)).await?.unwrap_or_default())
    }

    /// Returns the output of a deployment from that part on, at most [`OUTPUT_PARTS_READ`] parts.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn output(&self, app: AppId, deployment: EventId, part: u64) -> Result<Vec<Arc<str>>, Error> {
        let listing = key::OutputPart::from(app, deployment, part);
        let parts = self.store().list(listing, OUTPUT_PARTS_READ).await?;
        Ok(parts.into_iter().map(|(_, text)| text).collect())
    }

    /// Returns the apps that a user owns or collaborates on, ordered by name, with what the user may see of each.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn apps_of(&self, user: UserId) -> Result<Vec<(Arc<App>, Visibility)>, Error> {
        let mut apps = Vec::new();
        for (key::Member(_, app), ()) in self.store().list(key::Member::of(user), LISTED_MAX).await? {
            if let Some(app) = self.app(app).await? {
                let role = self.role_in(&app, user).await?;
                apps.push((app, Visibility::of(role)));
            }
        }
        apps.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        Ok(apps)
    }

    /// Returns the add-ons of a provider: their apps and identifiers.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn addons_of(&self, provider: &str) -> Result<Vec<(AppId, String)>, Error> {
        let listed = self.store().list(key::AddonOf::provider(provider), LISTED_MAX).await?;
        Ok(listed.into_iter().map(|(key::AddonOf(_, addon), app)| (app, addon)).collect())
    }
}
