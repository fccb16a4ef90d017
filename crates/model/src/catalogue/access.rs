//! Event types of data access consents and the health data contact.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::Time;
use crate::field_class::classes;

/// Permission for the platform's staff to access an app's data until a given time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// When the permission ends.
    pub end_at: Time,
    /// Whether it covers the app's databases.
    pub databases: bool,
    /// Whether it covers the app's containers.
    pub containers: bool,
    /// The IP address of the request.
    #[serde(default)]
    pub remote_ip: Option<IpAddr>,
}
classes!(Consent { end_at: Public, databases: Public, containers: Public, remote_ip: Personal });

/// The contact who is responsible for an app's health data.
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
    /// Their country, as a two-letter code.
    #[serde(default)]
    pub address_country: Option<String>,
    /// Further notes.
    #[serde(default)]
    pub notes: Option<String>,
    /// The IP address of the request.
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
    /// Access to an app's data by the platform's staff, and the contact for its health data.
    Access, Access;

    /// When consent to access data is given.
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
