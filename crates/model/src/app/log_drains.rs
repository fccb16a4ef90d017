//! The log drains of an app and of its add-ons.

use std::sync::Arc;

use super::addons::{find, meant_by, uuid_in_events};
use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{AddonLogDrain, LogDrain, LogDrains};
use crate::{FieldErrors, Rejection, Role};

/// The most drains of an app, or of an add-on.
const DRAINS_MAX: usize = 20;
/// The longest part of a drain's URL, and the longest URL.
const PART_MAX: usize = 512;

/// A requested drain: its kind, and the parts of the URL that this kind needs.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    /// The kind: `syslog`, `datadog`, …
    pub kind: String,
    /// The full URL.
    pub url: Option<String>,
    /// A host name or address.
    pub host: Option<String>,
    /// A decimal port.
    pub port: Option<String>,
    /// A token.
    pub token: Option<String>,
    /// The region, such as `eu`.
    pub drain_region: Option<String>,
}

/// The kinds of drains.
const KINDS: &[&str] =
    &["appsignal", "betterstack", "datadog", "elk", "logtail", "ovh-graylog", "papertrail", "syslog"];

impl Drain {
    /// Builds the drain's URL.
    ///
    /// # Errors
    ///
    /// Fails if the kind is unknown, or if a part is invalid or missing.
    pub fn into_url(self) -> Result<String, Rejection> {
        let mut errors = Vec::new();
        let mut refuse = |field: &str, message: &str| errors.push((field.to_owned(), message.to_owned()));
        let is_token =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"@/?#%:\\".contains(&byte));
        let is_host = |text: &str| {
            text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
            })
        };
        let is_region = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
        let is_http = |text: &str| {
            text.split_once("://")
                .is_some_and(|(_, rest)| !rest.is_empty() && !rest.contains(char::is_whitespace))
        };
        let mut part = |name: &str,
                        value: Option<String>,
                        is_needed: bool,
                        is_good: &dyn Fn(&str) -> bool,
                        what: &str| {
            match value {
                None if is_needed => refuse(name, "is missing"),
                Some(value) if value.len() > PART_MAX || !is_good(&value) => refuse(name, what),
                value => return value.unwrap_or_default(),
            }
            String::new()
        };
        const HOST: &str = "must be a host name or an address";
        const PORT: &str = "must be a port, from 1 to 65535";
        const TOKEN: &str = "must not contain spaces or any of @/?#%:\\";
        let kind = self.kind.as_str();
        if !KINDS.contains(&kind) {
            let message = if kind.is_empty() {
                "is missing".to_owned()
            } else {
                format!("must be one of {}", KINDS.join(", "))
            };
            return Err(Rejection::invalid("type", message));
        }
        let needs = |kinds: &[&str]| kinds.contains(&kind);
        let host = part(
            "host",
            self.host,
            needs(&["betterstack", "logtail", "ovh-graylog", "papertrail", "syslog"]),
            &is_host,
            HOST,
        );
        let port = part("port", self.port, needs(&["papertrail", "syslog"]), &is_port, PORT);
        let needs_token = needs(&["appsignal", "betterstack", "logtail", "datadog", "ovh-graylog"]);
        let token = part("token", self.token, needs_token, &is_token, TOKEN);
        let region = part(
            "drain_region",
            self.drain_region,
            kind == "datadog",
            &is_region,
            "must be a region, such as eu",
        );
        let url = part("url", self.url, kind == "elk", &is_http, "must be a URL");
        if let Some(errors) = FieldErrors::any(errors) {
            return Err(Rejection::Invalid(errors));
        }
        Ok(match kind {
            "appsignal" => format!("appsignal://{token}"),
            "betterstack" | "logtail" => format!("{kind}://:{token}@{host}"),
            "datadog" => format!("datadog://{token}?region={region}"),
            "ovh-graylog" => format!("ovh://:{token}@{host}:6514"),
            "papertrail" => format!("tcp+tls://{host}:{port}"),
            "elk" => format!("elk://{}", url.split_once("://").map_or(url.as_str(), |(_, rest)| rest)),
            _ if token.is_empty() => format!("syslog://{host}:{port}"),
            _ => format!("syslog://:{token}@{host}:{port}"),
        })
    }
}

/// Adds a log drain to an app. Creates nothing that has an identifier: the drain is known by its URL, which is secret.
#[derive(Debug, Clone)]
pub struct AddLogDrain(pub Drain);

impl AppAction for AddLogDrain {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let url = self.0.clone().into_url()?;
        check_new(app.log_drains.iter(), &url)?;
        Ok(Decision::of(LogDrains::NewLogDrain(LogDrain { url })))
    }
}

/// Removes a log drain from an app.
#[derive(Debug, Clone)]
pub struct DeleteLogDrain {
    /// The drain's URL.
    pub url: String,
}

impl AppAction for DeleteLogDrain {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        _: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let url = app.log_drains.get(&self.url).ok_or(Rejection::NotFound("log drain"))?.clone();
        Ok(Decision::of(LogDrains::DeleteLogDrain(LogDrain { url })))
    }
}

/// Adds a log drain to an add-on.
#[derive(Debug, Clone)]
pub struct AddAddonLogDrain {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The drain.
    pub drain: Drain,
}

impl AppAction for AddAddonLogDrain {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (resource_id, addon) = find(app, &self.addon_id)?;
        let url = self.drain.clone().into_url()?;
        check_new(addon.log_drains.iter(), &url)?;
        let addon_uuid = uuid_in_events(app.id, resource_id, addon);
        let addon_name = addon.display_name(context.lookups.directory()).to_owned();
        Ok(Decision::of(LogDrains::NewAddonLogDrain(AddonLogDrain { url, addon_uuid, addon_name })))
    }
}

/// Removes a log drain from an add-on.
#[derive(Debug, Clone)]
pub struct DeleteAddonLogDrain {
    /// The add-on's identifier.
    pub addon_id: String,
    /// The drain's URL.
    pub url: String,
}

impl AppAction for DeleteAddonLogDrain {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (resource_id, addon) = find(app, &self.addon_id)?;
        let url = addon.log_drains.get(&self.url).ok_or(Rejection::NotFound("log drain"))?.clone();
        let addon_uuid = uuid_in_events(app.id, resource_id, addon);
        let addon_name = addon.display_name(context.lookups.directory()).to_owned();
        Ok(Decision::of(LogDrains::DeleteAddonLogDrain(AddonLogDrain { url, addon_uuid, addon_name })))
    }
}

pub(super) fn apply(app: &mut App, data: &LogDrains) {
    match data {
        LogDrains::NewLogDrain(LogDrain { url }) => _ = app.log_drains.insert(url.clone()),
        LogDrains::DeleteLogDrain(LogDrain { url }) => _ = app.log_drains.remove(url),
        LogDrains::NewAddonLogDrain(drain) => {
            if let Some(addon) = meant_by(app, &drain.addon_uuid) {
                addon.log_drains.insert(drain.url.clone());
            }
        }
        LogDrains::DeleteAddonLogDrain(drain) => {
            if let Some(addon) = meant_by(app, &drain.addon_uuid) {
                addon.log_drains.remove(&drain.url);
            }
        }
    }
}

fn check_new<'a>(mut drains: impl ExactSizeIterator<Item = &'a String>, url: &str) -> Result<(), Rejection> {
    if drains.len() >= DRAINS_MAX {
        return Err(Rejection::invalid("url", format!("limit reached ({DRAINS_MAX})")));
    }
    if drains.any(|drain| drain == url) {
        return Err(Rejection::invalid("url", "already exists"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(kind: &str, parts: &[(&str, &str)]) -> Result<String, String> {
        let part =
            |name: &str| parts.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned());
        let drain = Drain {
            kind: kind.to_owned(),
            url: part("url"),
            host: part("host"),
            port: part("port"),
            token: part("token"),
            drain_region: part("drain_region"),
        };
        drain.into_url().map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn every_kind_has_its_url_and_names_missing_parts() {
        let (host, port, token) = (("host", "logs.io"), ("port", "514"), ("token", "t0k"));
        for (kind, parts, url) in [
            ("appsignal", &[token][..], "appsignal://t0k"),
            ("betterstack", &[host, token], "betterstack://:t0k@logs.io"),
            ("logtail", &[host, token], "logtail://:t0k@logs.io"),
            ("datadog", &[token, ("drain_region", "eu")], "datadog://t0k?region=eu"),
            ("ovh-graylog", &[host, token], "ovh://:t0k@logs.io:6514"),
            ("papertrail", &[host, port], "tcp+tls://logs.io:514"),
            ("syslog", &[host, port], "syslog://logs.io:514"),
            ("syslog", &[host, port, token], "syslog://:t0k@logs.io:514"),
            ("elk", &[("url", "https://u:p@elk.io:9200")], "elk://u:p@elk.io:9200"),
        ] {
            assert_eq!(drain(kind, parts).as_deref(), Ok(url));
        }
        for (kind, parts, refused) in [
            ("", &[][..], "type is missing"),
            ("syslog", &[], "host is missing; port is missing"),
            ("syslog", &[host, ("port", "0")], "port must be a port, from 1 to 65535"),
            ("papertrail", &[("host", "a b"), port], "host must be a host name or an address"),
            ("datadog", &[token], "drain_region is missing"),
            ("appsignal", &[("token", "a@b")], "token must not contain spaces or any of @/?#%:\\"),
            ("elk", &[("url", "nowhere")], "url must be a URL"),
        ] {
            assert_eq!(drain(kind, parts), Err(refused.to_owned()), "{kind}");
        }
        assert!(drain("carrier-pigeon", &[]).unwrap_err().starts_with("type must be one of appsignal"));
    }
}
