//! Authorization: which app a request names, and the caller's role in that app. Nothing else determines roles.

use std::sync::Arc;

use annals_model::app::{addon_id, is_addon_id};
use annals_model::directory::Provider;
use annals_model::limits::NAME_BYTES_MAX;
use annals_model::{App, AppId, Rejection, Role, UserId};
use annals_store::{Head, TypedRows as _, key};
use uuid::Uuid;

use crate::credentials::Credential;
use crate::visibility::{Reader, Visibility};
use crate::{Error, Service};

/// An app as a request names it.
#[derive(Debug, Clone, Copy)]
pub enum AppReference<'a> {
    /// By name, identifier or UUID. A deleted app has no name any more, so only the others find it.
    App(&'a str),
    /// By the identifier of one of its databases.
    Database(&'a str),
}

impl AppReference<'_> {
    const fn kind(self) -> &'static str {
        match self {
            Self::App(_) => "app",
            Self::Database(_) => "database",
        }
    }
}

/// An app that the caller can access. Only the last owner and the operator can access a deleted app.
#[derive(Debug, Clone)]
pub struct Access {
    /// The app.
    pub app: Arc<App>,
    /// The caller's role.
    pub role: Role,
    /// The head of its timeline.
    pub head: Head,
}

impl Access {
    /// Returns what the caller may see of the app.
    pub fn visibility(&self) -> Visibility {
        Visibility::of(Some(self.role))
    }

    /// Returns the caller as a reader of the app's events.
    pub fn reader(&self) -> Reader {
        Reader::Seeing(self.visibility())
    }

    /// Returns the access if the app is not deleted. Requests that also work for a deleted app, such as reading its timeline,
    /// do not call this.
    ///
    /// # Errors
    ///
    /// Fails with "not found" if the app is deleted.
    pub fn live(self) -> Result<Self, Error> {
        if self.app.deleted_at.is_some() { Err(Rejection::NotFound("app").into()) } else { Ok(self) }
    }

    /// Returns the access if the caller has at least a role.
    ///
    /// # Errors
    ///
    /// Fails if the caller's role does not suffice; the error names the one needed.
    pub fn at_least(self, needed: Role) -> Result<Self, Error> {
        if self.role < needed { Err(Rejection::needs(needed).into()) } else { Ok(self) }
    }
}

impl Service {
    /// Returns the app that a request names, with the caller's role.
    ///
    /// # Errors
    ///
    /// Fails with "not found" if the app does not exist or the caller cannot access it. Fails if the store cannot be read.
    pub async fn authorize(&self, credential: &Credential, app: AppReference<'_>) -> Result<Access, Error> {
        let not_found = || Error::Rejected(Rejection::NotFound(app.kind()));
        let id = self.identify(app).await?.ok_or_else(not_found)?;
        let (app, head) = self.store().app(id).await?.ok_or_else(not_found)?;
        let role = match credential {
            Credential::Operator => Role::Operator,
            Credential::Auditor => Role::Auditor,
            Credential::User(user) => self.role_in(&app, user.id()).await?.ok_or_else(not_found)?,
        };
        Ok(Access { app, role, head })
    }

    /// Returns the role of a user in an app; `None` if they cannot access it.
    pub(crate) async fn role_in(&self, app: &App, user: UserId) -> Result<Option<Role>, Error> {
        let parent = match app.parent {
            Some(parent) => self.store().get(key::App(parent)).await?,
            None => None,
        };
        Ok(role_in(app, parent.as_deref(), user))
    }

    /// Returns the app that a request names, without checking a role; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn find_app(&self, app: AppReference<'_>) -> Result<Option<Arc<App>>, Error> {
        match self.identify(app).await? {
            Some(id) => Ok(self.store().get(key::App(id)).await?),
            None => Ok(None),
        }
    }

    /// Returns the provider's add-on that a request names: its app and its identifier. The request can name it by the
    /// identifier of the add-on, of its resource or of its app.
    ///
    /// # Errors
    ///
    /// Fails with "not found" if there is none, or if it is another provider's. Fails if the store cannot be read.
    pub async fn addon_of_provider(
        &self,
        provider: &Provider,
        name: &str,
    ) -> Result<(Arc<App>, String), Error> {
        let not_found = || Error::Rejected(Rejection::NotFound("app"));
        let app = if is_addon_id(name) {
            self.find_app(AppReference::Database(name)).await?
        } else if let Ok(id) = name.parse::<AppId>() {
            self.app(id).await?
        } else {
            let mut found = None;
            for (app, _) in self.addons_of(&provider.id).await? {
                let app = self.app(app).await?;
                if let Some(app) = app.filter(|app| app.addons.contains_key(name)) {
                    found = Some(app);
                    break;
                }
            }
            found
        };
        let app = app.filter(|app| app.deleted_at.is_none()).ok_or_else(not_found)?;
        let addons = app.addons.iter().filter(|(_, addon)| addon.provider == provider.id);
        let mut ids = addons.map(|(resource, _)| (addon_id(app.id, resource), resource));
        let is_app = app.id.to_string() == name;
        let id = ids.find(|(id, resource)| is_app || id == name || *resource == name);
        let (id, _) = id.ok_or_else(not_found)?;
        Ok((app, id))
    }

    /// Returns the identifier of the app that a request names; `None` if no app has this name. If the request names an
    /// identifier, the app need not exist.
    async fn identify(&self, app: AppReference<'_>) -> Result<Option<AppId>, Error> {
        match app {
            AppReference::App(text) if text.len() > NAME_BYTES_MAX => Ok(None),
            AppReference::App(text) => match text.parse().ok().or_else(|| from_uuid(text)) {
                Some(id) => Ok(Some(id)),
                None => Ok(self.store().get(key::AppName(text.to_owned())).await?),
            },
            AppReference::Database(id) if is_addon_id(id) => {
                Ok(self.store().get(key::Addon(id.to_owned())).await?)
            }
            AppReference::Database(_) => Ok(None),
        }
    }
}

/// Returns the role of a user in an app: the higher of their roles in the app itself and in its parent app.
pub(crate) fn role_in(app: &App, parent: Option<&App>, user: UserId) -> Option<Role> {
    let parent = parent.filter(|parent| app.deleted_at.is_none() && parent.deleted_at.is_none());
    app.role_of(user).max(parent.and_then(|parent| parent.role_of(user)))
}

/// The end of an app's UUID. The rest is the app's identifier.
const UUID_END: [u8; 4] = *b"app\0";

/// Returns an app's UUID, prefixed with `ap-`. It contains the app's identifier.
pub fn to_uuid(id: AppId) -> String {
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
