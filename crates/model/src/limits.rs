//! Limits shared by several rules or crates. A limit that only one rule uses is defined beside that rule.

use std::ops::RangeInclusive;

/// The longest app name, username or email address in a report. They are limited because they are keys of lookups.
pub const NAME_BYTES_MAX: usize = 320;

/// The length of an app's name, in characters.
pub const APP_NAME_CHARS: RangeInclusive<usize> = 6..=48;

/// The longest username that can be registered.
pub const USERNAME_BYTES_MAX: usize = 64;

/// The longest email address, by RFC 5321.
pub const EMAIL_BYTES_MAX: usize = 254;

/// The longest name of a variable, in characters.
pub const VARIABLE_NAME_MAX: usize = 64;

/// The longest line of free text, in characters.
pub const TEXT_CHARS_MAX: usize = 255;

/// The longest name of an API token, in characters.
pub const TOKEN_NAME_MAX: usize = 128;

/// The most API tokens of a user.
pub const TOKENS_MAX: usize = 1_000;
