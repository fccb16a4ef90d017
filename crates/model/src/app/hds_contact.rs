//! The contact for an app's health data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{App, AppAction, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{self, Access};
use crate::limits::TEXT_CHARS_MAX;
use crate::names::is_email;
use crate::{FieldErrors, Rejection, Role};

/// The longest notes, in characters.
const NOTES_MAX: usize = 2_000;

/// The contact for an app's health data. The event has the IP address of the request too, which does not describe the
/// contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HdsContact {
    /// Their name.
    pub name: String,
    /// Their email address.
    pub email: String,
    /// Their telephone number.
    pub phone_number: Option<String>,
    /// Their company.
    pub company: Option<String>,
    /// The first line of their address.
    pub address_line1: Option<String>,
    /// The second line of their address.
    pub address_line2: Option<String>,
    /// Their city.
    pub address_city: Option<String>,
    /// Their postal code.
    pub address_zip: Option<String>,
    /// Their country, as a two-letter code.
    pub address_country: Option<String>,
    /// Further notes.
    pub notes: Option<String>,
}

/// Sets the contact for health data, replacing the previous one as a whole.
#[derive(Debug, Clone)]
pub struct SetHdsContact(pub HdsContact);

impl AppAction for SetHdsContact {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        check(&self.0)?;
        if app.hds_contact.as_deref() == Some(&self.0) {
            return Ok(Decision::none());
        }
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
        } = self.0.clone();
        let remote_ip = context.remote_ip;
        Ok(Decision::of(Access::EditHdsContact(catalogue::HdsContact {
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
            remote_ip,
        })))
    }
}

pub(super) fn apply(app: &mut App, data: &catalogue::HdsContact) {
    let catalogue::HdsContact {
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
    } = data.clone();
    app.hds_contact = Some(
        HdsContact {
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
        }
        .into(),
    );
}

fn check(contact: &HdsContact) -> Result<(), Rejection> {
    let optional = [
        ("phone_number", &contact.phone_number, TEXT_CHARS_MAX),
        ("company", &contact.company, TEXT_CHARS_MAX),
        ("address_line1", &contact.address_line1, TEXT_CHARS_MAX),
        ("address_line2", &contact.address_line2, TEXT_CHARS_MAX),
        ("address_city", &contact.address_city, TEXT_CHARS_MAX),
        ("address_zip", &contact.address_zip, TEXT_CHARS_MAX),
        ("notes", &contact.notes, NOTES_MAX),
    ];
    let too_long = |text: &str, max: usize| text.chars().count() > max;
    let named = |field: &str, message: String| Some((field.to_owned(), message));
    let name_error = match contact.name.trim() {
        "" => named("name", "is missing".to_owned()),
        name if too_long(name, TEXT_CHARS_MAX) => {
            named("name", format!("must not be longer than {TEXT_CHARS_MAX} characters"))
        }
        _ => None,
    };
    let email_error = match contact.email.as_str() {
        "" => named("email", "is missing".to_owned()),
        email if !is_email(email) => named("email", "must be an email address".to_owned()),
        _ => None,
    };
    let country_error = match contact.address_country.as_deref() {
        Some(country) if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            named("address_country", "must be two capital letters, such as FR".to_owned())
        }
        _ => None,
    };
    let length_errors = optional.into_iter().filter_map(|(field, text, max)| {
        text.as_ref()
            .filter(|text| too_long(text, max))
            .and_then(|_| named(field, format!("must not be longer than {max} characters")))
    });
    let errors = [name_error, email_error, country_error].into_iter().flatten().chain(length_errors);
    FieldErrors::any(errors).map_or(Ok(()), |errors| Err(Rejection::Invalid(errors)))
}
