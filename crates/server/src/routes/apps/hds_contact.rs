//! The contact who is responsible for an app's health data.

use annals_model::app::{HdsContact, SetHdsContact};
use annals_model::{App, ResourceId, Time};
use annals_service::Access;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::ok;
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, Readable, given, required};

pub(crate) fn api() -> Api {
    const PATH: &str = "/v1/apps/{app}/hds_contact";
    Api::of("Data access")
        .get(
            PATH,
            show_hds_contact,
            op("Get the contact for health data").anybody_known().ok::<HdsContactAnswer>(),
        )
        .patch(
            PATH,
            set_hds_contact,
            action("Set the contact for health data")
                .records(&["edit_hds_contact"])
                .body::<HdsContactBody>()
                .example(json!({ "hds_contact": { "name": "Jane Doe", "email": "jane@example.com" } }))
                .ok::<HdsContactAnswer>(),
        )
}

#[derive(Deserialize, JsonSchema)]
struct HdsContactBody {
    hds_contact: Option<HdsContactFields>,
}

#[derive(Deserialize, JsonSchema)]
struct HdsContactFields {
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
async fn set_hds_contact(
    access: Authorized<SetHdsContact>,
    body: JsonBody<HdsContactBody>,
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
    };
    let app = access.act(SetHdsContact(contact), &body.bytes).await?.app;
    Ok(ok(&HdsContactAnswer::new(&app)?))
}

/// Shows the contact.
async fn show_hds_contact(readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live_not_limited()?;
    Ok(ok(&HdsContactAnswer::new(&app)?))
}

#[derive(Serialize, JsonSchema)]
struct HdsContactAnswer {
    hds_contact: HdsContactView,
}

#[derive(Serialize, JsonSchema)]
struct HdsContactView {
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

impl HdsContactAnswer {
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
        } = contact;
        let hds_contact = HdsContactView {
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
