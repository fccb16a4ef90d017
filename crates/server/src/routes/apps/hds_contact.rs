//! The contact who is responsible for an app's health data.

use annals_model::app::SetHdsContact;
use annals_model::catalogue::HdsContact;
use annals_model::{App, ResourceId, Time};
use annals_service::Access;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::ok;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, Readable, given, required};

pub(crate) fn api() -> Api {
    const PATH: &str = "/v1/apps/{app}/hds_contact";
    Api::of("Data access")
        .get(PATH, show_contact, op("The contact for health data").anybody_known().ok::<ContactAnswer>())
        .patch(
            PATH,
            set_contact,
            op("Name the contact for health data (edit_hds_contact)")
                .body::<ContactBody>()
                .ok::<ContactAnswer>(),
        )
}

#[derive(Deserialize, JsonSchema)]
struct ContactBody {
    hds_contact: Option<ContactFields>,
}

#[derive(Deserialize, JsonSchema)]
struct ContactFields {
    name: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
    company: Option<String>,
    address_line1: Option<String>,
    address_line2: Option<String>,
    address_city: Option<String>,
    address_zip: Option<String>,
    /// The country code: two capital letters.
    address_country: Option<String>,
    notes: Option<String>,
}

/// Replaces the whole contact.
async fn set_contact(
    access: Authorized<SetHdsContact>,
    body: JsonBody<ContactBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.hds_contact, "hds_contact")?;
    let contact = HdsContact {
        name: fields.name.unwrap_or_default(),
        email: fields.email.unwrap_or_default(),
        phone_number: given(fields.phone_number),
        company: given(fields.company),
        address_line1: given(fields.address_line1),
        address_line2: given(fields.address_line2),
        address_city: given(fields.address_city),
        address_zip: given(fields.address_zip),
        address_country: given(fields.address_country),
        notes: given(fields.notes),
        remote_ip: None,
    };
    let app = access.act(SetHdsContact(contact), &body.bytes).await?.app;
    Ok(ok(&ContactAnswer::new(&app)?))
}

/// Shows the contact.
async fn show_contact(readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live_not_limited()?;
    Ok(ok(&ContactAnswer::new(&app)?))
}

#[derive(Serialize, JsonSchema)]
struct ContactAnswer {
    hds_contact: ContactView,
}

#[derive(Serialize, JsonSchema)]
struct ContactView {
    id: ResourceId,
    name: String,
    email: String,
    phone_number: Option<String>,
    company: Option<String>,
    address_line1: Option<String>,
    address_line2: Option<String>,
    address_city: Option<String>,
    address_zip: Option<String>,
    address_country: Option<String>,
    notes: Option<String>,
    updated_at: Time,
    up_to_date: bool,
}

impl ContactAnswer {
    fn new(app: &App) -> Result<Self, ApiError> {
        let contact = app.hds_contact.as_deref().cloned().ok_or(ApiError::NotFound("hds_contact"))?;
        let HdsContact {
            name,
            email,
            phone_number,
            company,
            address_line1,
            address_line2,
            address_city,
            address_zip,
            address_country,
            notes,
            remote_ip: _,
        } = contact;
        let hds_contact = ContactView {
            id: ResourceId::derived(app.id, "hds_contact", ""),
            name,
            email,
            phone_number,
            company,
            address_line1,
            address_line2,
            address_city,
            address_zip,
            address_country,
            notes,
            updated_at: app.updated_at,
            up_to_date: true,
        };
        Ok(Self { hds_contact })
    }
}
