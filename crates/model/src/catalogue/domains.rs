use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, check_length, event_types, is_false};
use crate::FieldErrors;
use crate::field_class::classes;

/// A domain that came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    /// The host name.
    #[serde(default)]
    pub hostname: String,
    /// Whether it has a certificate of its own.
    pub ssl: bool,
    /// The same as `hostname`.
    #[serde(default)]
    pub name: String,
    /// Whether it is the app's canonical domain; left out where it is not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub canonical: bool,
    /// Whether a certificate of Let's Encrypt is asked for; left out where it is.
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

/// A domain that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditDomain {
    /// The host name.
    pub hostname: String,
    /// Whether it had a certificate of its own before.
    pub old_ssl: bool,
    /// Whether it has one after.
    pub ssl: bool,
    /// Whether it became the app's canonical domain, or no longer is; left out where that stayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical: Option<bool>,
    /// Whether a certificate of Let's Encrypt is asked for from then on; left out where that stayed.
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

/// A domain that went.
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

    /// Each time a domain is added to an app.
    NewDomain(NewDomain) = "new_domain", "Domain added", App: |data| format!("added domain {}", data.hostname);
    /// When a domain is modified, its certificate set or removed.
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
