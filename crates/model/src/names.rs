//! The form of names.

use crate::limits::{EMAIL_BYTES_MAX, USERNAME_BYTES_MAX, VARIABLE_NAME_MAX};

/// Returns whether a text can be a username.
pub(crate) fn is_username(name: &str) -> bool {
    (1..=USERNAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Returns whether a text can be an email address.
pub(crate) fn is_email(text: &str) -> bool {
    text.len() <= EMAIL_BYTES_MAX
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
        && !text.chars().any(|character| character.is_whitespace() || character.is_control())
}

/// Returns whether a text can be the name of a variable.
pub(crate) fn is_variable_name(name: &str) -> bool {
    name.len() <= VARIABLE_NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
