//! The domains of an app.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, Domains};
use crate::{AppId, Event, Rejection, ResourceId, Role, Secret, Time};

/// The most domains of one app.
const DOMAINS_MAX: usize = 20;
/// The longest host name, by RFC 1035.
const NAME_MAX: usize = 253;
/// The longest label of a host name.
const LABEL_MAX: usize = 63;

/// A domain of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// When it was added.
    pub created_at: Time,
    /// Whether it has its own certificate.
    #[serde(default)]
    pub ssl: bool,
    /// Whether it is the canonical domain, to which the app's other domains redirect.
    #[serde(default)]
    pub canonical: bool,
    /// Whether to request a Let's Encrypt certificate.
    #[serde(default)]
    pub letsencrypt_enabled: bool,
}

/// A certificate with its private key. The key never leaves the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The certificate and its chain, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub private_key: Secret,
    /// Until when it is valid.
    pub valid_until: Time,
}

/// Returns the identifier of an app's domain.
pub fn domain_id(app: AppId, name: &str) -> ResourceId {
    ResourceId::derived(app, "domain", name)
}

/// Adds a domain. Creates its identifier.
#[derive(Debug, Clone)]
pub struct AddDomain {
    /// The host name, whose first label may be `*`.
    pub name: String,
    /// Its own certificate; `None` if it has none.
    pub certificate: Option<Certificate>,
    /// Whether it becomes the canonical domain.
    pub canonical: bool,
    /// Whether to request a Let's Encrypt certificate.
    pub letsencrypt_enabled: bool,
}

impl AppAction for AddDomain {
    const ROLE: Role = Role::Collaborator;
    type Created = ResourceId;

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision<ResourceId>, Rejection> {
        check_name(&self.name)?;
        if app.domains.contains_key(&self.name) {
            return Err(Rejection::invalid("name", "has already been taken"));
        }
        if app.domains.len() >= DOMAINS_MAX {
            return Err(Rejection::invalid("name", format!("limit reached ({DOMAINS_MAX})")));
        }
        if let Some(certificate) = &self.certificate {
            Arc::make_mut(private).certificates.insert(self.name.clone(), certificate.clone());
        }
        let added = Domains::NewDomain(catalogue::NewDomain {
            hostname: self.name.clone(),
            ssl: self.certificate.is_some(),
            name: self.name.clone(),
            canonical: self.canonical,
            letsencrypt_enabled: (!self.letsencrypt_enabled).then_some(false),
        });
        Ok(Decision::creating(domain_id(app.id, &self.name), added))
    }
}

/// A change of a domain's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateChange {
    /// Keeps the current certificate, if any.
    Keep,
    /// Removes the certificate.
    Remove,
    /// Sets this certificate.
    Set(Certificate),
}

/// Changes a domain.
#[derive(Debug, Clone)]
pub struct EditDomain {
    /// The domain's identifier.
    pub id: ResourceId,
    /// The change of its certificate.
    pub certificate: CertificateChange,
    /// Whether it is the canonical domain; `None` keeps the setting.
    pub canonical: Option<bool>,
    /// Whether to request a Let's Encrypt certificate; `None` keeps the setting.
    pub letsencrypt_enabled: Option<bool>,
}

impl AppAction for EditDomain {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (hostname, domain) = find(app, self.id)?;
        let ssl = match &self.certificate {
            CertificateChange::Keep => domain.ssl,
            CertificateChange::Remove => false,
            CertificateChange::Set(_) => true,
        };
        let is_another = match &self.certificate {
            CertificateChange::Set(new) => !domain.ssl || private.certificates.get(hostname) != Some(new),
            _ => ssl != domain.ssl,
        };
        let canonical = self.canonical.filter(|wanted| *wanted != domain.canonical);
        let letsencrypt_enabled =
            self.letsencrypt_enabled.filter(|wanted| *wanted != domain.letsencrypt_enabled);
        if !is_another && canonical.is_none() && letsencrypt_enabled.is_none() {
            return Ok(Decision::none());
        }
        match &self.certificate {
            CertificateChange::Keep => {}
            CertificateChange::Remove => _ = Arc::make_mut(private).certificates.remove(hostname),
            CertificateChange::Set(new) => {
                Arc::make_mut(private).certificates.insert(hostname.clone(), new.clone());
            }
        }
        let (hostname, old_ssl) = (hostname.clone(), domain.ssl);
        let edited = catalogue::EditDomain { hostname, old_ssl, ssl, canonical, letsencrypt_enabled };
        Ok(Decision::of(Domains::EditDomain(edited)))
    }
}

/// Removes a domain and its certificate.
#[derive(Debug, Clone)]
pub struct DeleteDomain {
    /// The domain's identifier.
    pub id: ResourceId,
}

impl AppAction for DeleteDomain {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        _context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (hostname, _) = find(app, self.id)?;
        if private.certificates.contains_key(hostname) {
            Arc::make_mut(private).certificates.remove(hostname);
        }
        Ok(Decision::of(Domains::DeleteDomain(catalogue::DeleteDomain { hostname: hostname.clone() })))
    }
}

pub(super) fn apply(app: &mut App, data: &Domains, event: &Event) {
    match data {
        Domains::NewDomain(new) => {
            if new.canonical {
                unset_canonical(app);
            }
            let domain = Domain {
                created_at: event.created_at,
                ssl: new.ssl,
                canonical: new.canonical,
                letsencrypt_enabled: new.letsencrypt_enabled.unwrap_or(true),
            };
            app.domains.insert(new.hostname.clone(), domain);
        }
        Domains::EditDomain(edited) => {
            if edited.canonical == Some(true) {
                unset_canonical(app);
            }
            if let Some(domain) = app.domains.get_mut(&edited.hostname) {
                domain.ssl = edited.ssl;
                domain.canonical = edited.canonical.unwrap_or(domain.canonical);
                domain.letsencrypt_enabled = edited.letsencrypt_enabled.unwrap_or(domain.letsencrypt_enabled);
            }
        }
        Domains::DeleteDomain(deleted) => _ = app.domains.remove(&deleted.hostname),
    }
}

fn unset_canonical(app: &mut App) {
    for domain in app.domains.values_mut() {
        domain.canonical = false;
    }
}

fn find(app: &App, id: ResourceId) -> Result<(&String, &Domain), Rejection> {
    app.domains.iter().find(|(name, _)| domain_id(app.id, name) == id).ok_or(Rejection::NotFound("domain"))
}

/// Checks that a name is a host name by RFC 1123, optionally with a wildcard as its first label.
fn check_name(name: &str) -> Result<(), Rejection> {
    if name.is_empty() {
        return Err(Rejection::invalid("name", "is missing"));
    }
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = name.strip_prefix("*.").unwrap_or(name);
    if name.len() <= NAME_MAX && labels.contains('.') && labels.split('.').all(is_label) {
        return Ok(());
    }
    Err(Rejection::invalid(
        "name",
        "must be a host name in lower case, such as www.example.com or *.example.com",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_domains_are_host_names() {
        for good in
            ["a.io", "www.example.com", "*.example.com", "_acme.x1.io", &format!("{}.io", "a".repeat(63))]
        {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "a..io",
            ".io",
            "a.io.",
            "A.io",
            "a b.io",
            "-a.io",
            "a.*.io",
            "https://a.io",
            "é.io",
        ] {
            assert!(matches!(check_name(bad), Err(Rejection::Invalid(_))), "{bad}");
        }
        assert!(check_name(&format!("{}.io", "a".repeat(64))).is_err());
        assert!(check_name(&"a.".repeat(127)).is_err());
    }
}
