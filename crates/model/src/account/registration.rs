//! The names of users and of their tokens.

use crate::limits::{TOKEN_NAME_MAX, USERNAME_BYTES_MAX};
use crate::names::{is_email, is_username};
use crate::person::PLATFORM_USERNAME;
use crate::{FieldErrors, Rejection};

/// Checks the username and the email address of a new user.
///
/// # Errors
///
/// Fails if either is invalid.
pub fn check_registration(username: &str, email: &str) -> Result<(), Rejection> {
    let errors = [
        (!is_username(username)).then(|| {
            let message =
                format!("must be 1 to {USERNAME_BYTES_MAX} letters, digits, hyphens, underscores and dots");
            ("username".to_owned(), message)
        }),
        username
            .eq_ignore_ascii_case(PLATFORM_USERNAME)
            .then(|| ("username".to_owned(), "is the name of the platform itself".to_owned())),
        (!is_email(email)).then(|| ("email".to_owned(), "must be an email address".to_owned())),
    ];
    FieldErrors::any(errors.into_iter().flatten()).map_or(Ok(()), |errors| Err(Rejection::Invalid(errors)))
}

/// Checks the name of an API token.
///
/// # Errors
///
/// Fails if the name is empty or too long.
pub fn check_token_name(name: &str) -> Result<(), Rejection> {
    if (1..=TOKEN_NAME_MAX).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(Rejection::invalid("name", format!("must have 1 to {TOKEN_NAME_MAX} characters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_registration_name_the_field() {
        let refused =
            |username: &str, email: &str| check_registration(username, email).map_err(|e| e.to_string());
        assert_eq!(refused("jane.doe-1_2", "jane@example.com"), Ok(()));
        let username = "username must be 1 to 64 letters, digits, hyphens, underscores and dots";
        for bad in ["", "jane doe", "jané", &"j".repeat(65)] {
            assert_eq!(refused(bad, "jane@example.com"), Err(username.to_owned()), "{bad}");
        }
        assert_eq!(
            refused("Platform", "jane@example.com"),
            Err("username is the name of the platform itself".to_owned())
        );
        for bad in ["", "jane", "@example.com", "jane@", "a@b@c", "jane @example.com"] {
            assert_eq!(refused("jane", bad), Err("email must be an email address".to_owned()), "{bad}");
        }
    }
}
