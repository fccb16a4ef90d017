//! Lists of all apps and all users, for those who read the whole platform.

use std::sync::Arc;

use annals_model::{Account, App, AppId, UserId};
use annals_store::{Head, TimelineId, TypedRows as _, key};

use crate::{Error, Service};

/// An identifier that is greater than that of any app. All apps come before all users.
const LAST_APP: AppId = AppId::from_bytes([u8::MAX; AppId::BYTES]);

impl Service {
    /// Returns the apps that have events, ordered by identifier, each with the end of its timeline: those after an identifier, or
    /// the first ones.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn all_apps(
        &self,
        after: Option<AppId>,
        limit: usize,
    ) -> Result<Vec<(AppId, Arc<App>, Head)>, Error> {
        let mut apps = Vec::new();
        for (timeline, _) in self.store().timelines(after.map(TimelineId::App), limit).await? {
            let TimelineId::App(id) = timeline else { break };
            if let Some((app, head)) = self.store().app(id).await? {
                apps.push((id, app, head));
            }
        }
        Ok(apps)
    }

    /// Returns the users who have events, ordered by identifier, each with the end of their timeline: those after an identifier, or
    /// the first ones. The platform itself is among them, see [`UserId::PLATFORM`].
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn all_users(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(Arc<Account>, Head)>, Error> {
        let after = after.map_or(TimelineId::App(LAST_APP), TimelineId::User);
        let mut users = Vec::new();
        for (timeline, head) in self.store().timelines(Some(after), limit).await? {
            let TimelineId::User(id) = timeline else { continue };
            if let Some(account) = self.store().get(key::Account(id)).await? {
                users.push((account, head));
            }
        }
        Ok(users)
    }
}
