//! Event types of domains.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, check_length, event_types, is_false};
use crate::FieldErrors;
use crate::field_class::classes;

/// An added domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    /// The host name.
    #[serde(default)]
    pub hostname: String,
    /// Whether it has its own certificate.
    pub ssl: bool,
    /// The same as `hostname`.
    #[serde(default)]
    pub name: String,
    /// Whether it is the app's canonical domain; omitted if false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub canonical: bool,
    /// Whether to request a Let's Encrypt certificate; omitted if true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letsencrypt_enabled: Option<bool>,
}
classes!(NewDomain {
    hostname: Public,
    ssl: Public,
    name: Public,
    canonical: Public,
    letsencrypt_enabled: Public,
});

/// A changed domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditDomain {
    /// The host name.
    pub hostname: String,
    /// Whether it had its own certificate before.
    pub old_ssl: bool,
    /// Whether it has its own certificate now.
    pub ssl: bool,
    /// Whether it is now the app's canonical domain; omitted if unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical: Option<bool>,
    /// Whether to request a Let's Encrypt certificate from now on; omitted if unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letsencrypt_enabled: Option<bool>,
}
classes!(EditDomain {
    hostname: Public,
    old_ssl: Public,
    ssl: Public,
    canonical: Public,
    letsencrypt_enabled: Public,
});

/// A removed domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteDomain {
    /// The host name.
    pub hostname: String,
}
classes!(DeleteDomain { hostname: Public });

event_types! {
    /// The domains of an app.
    Domains, Domains;

    /// When a domain is added to an app.
    NewDomain(NewDomain) = "new_domain", "Domain added", App: |data| format!("added domain {}", data.hostname);
    /// When a domain is changed, or its certificate is set, replaced or removed.
    EditDomain(EditDomain) = "edit_domain", "Domain modified", App: |data| match (data.old_ssl, data.ssl) {
        (false, true) => format!("added a certificate to domain {}", data.hostname),
        (true, false) => format!("removed the certificate of domain {}", data.hostname),
        (true, true) => format!("changed the certificate of domain {}", data.hostname),
        (false, false) => format!("modified domain {}", data.hostname),
    };
    /// When a domain is removed from an app.
    DeleteDomain(DeleteDomain) = "delete_domain", "Domain removed", App:
        |data| format!("removed domain {}", data.hostname);
}

impl Shape for EditDomain {}
impl Shape for DeleteDomain {}

impl Shape for NewDomain {
    fn complete(&mut self) -> Result<(), FieldErrors> {
        match (self.hostname.is_empty(), self.name.is_empty()) {
            (true, true) => return Err(FieldErrors::one("hostname", "is missing")),
            (true, false) => self.hostname.clone_from(&self.name),
            (false, true) => self.name.clone_from(&self.hostname),
            (false, false) if self.hostname != self.name => {
                return Err(FieldErrors::one("name", "must equal hostname"));
            }
            (false, false) => {}
        }
        check_length("hostname", &self.hostname)
    }
}
