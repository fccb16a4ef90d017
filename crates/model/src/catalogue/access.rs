use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::Time;
use crate::field_class::classes;

/// A permission for the platform's people to look into an app, for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Until when.
    pub end_at: Time,
    /// Whether into its databases.
    pub databases: bool,
    /// Whether into its containers.
    pub containers: bool,
    /// The address the request came from.
    #[serde(default)]
    pub remote_ip: Option<IpAddr>,
}
classes!(Consent { end_at: Public, databases: Public, containers: Public, remote_ip: Personal });

/// Who answers for the health data of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HdsContact {
    /// Their name.
    pub name: String,
    /// Their email address.
    pub email: String,
    /// Their telephone number.
    #[serde(default)]
    pub phone_number: Option<String>,
    /// Their company.
    #[serde(default)]
    pub company: Option<String>,
    /// The first line of their address.
    #[serde(default)]
    pub address_line1: Option<String>,
    /// The second line of their address.
    #[serde(default)]
    pub address_line2: Option<String>,
    /// Their city.
    #[serde(default)]
    pub address_city: Option<String>,
    /// Their postal code.
    #[serde(default)]
    pub address_zip: Option<String>,
    /// Their country, as two letters.
    #[serde(default)]
    pub address_country: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub notes: Option<String>,
    /// The address the request came from.
    #[serde(default)]
    pub remote_ip: Option<IpAddr>,
}
classes!(HdsContact {
    name: Personal,
    email: Personal,
    phone_number: Personal,
    company: Personal,
    address_line1: Personal,
    address_line2: Personal,
    address_city: Personal,
    address_zip: Personal,
    address_country: Personal,
    notes: Personal,
    remote_ip: Personal,
});

event_types! {
    /// Who may look into an app, and who answers for its health data.
    Access, Access;

    /// When a consent to access data is given.
    CreateConsent(Consent) = "create_data_access_consent", "Data access granted", App: |data| format!(
        "granted access to {} until {}",
        match (data.databases, data.containers) {
            (true, true) => "databases and containers",
            (true, false) => "databases",
            (false, true) => "containers",
            (false, false) => "nothing",
        },
        data.end_at
    );
    /// When the contact for health data is updated.
    EditHdsContact(HdsContact) = "edit_hds_contact", "Health data contact updated", App:
        |_| "named a contact for health data";
}

impl Shape for Consent {}
impl Shape for HdsContact {}
