//! Bounds that more than one rule has, in the model or outside it. A bound of a single rule stands beside that rule.

use std::ops::RangeInclusive;

/// The longest name of an app or a user, and the longest email address, that a report may give: things are looked up by
/// them.
pub const NAME_BYTES_MAX: usize = 320;

/// The shortest and the longest name that an app may be given, in characters.
pub const APP_NAME_CHARS: RangeInclusive<usize> = 6..=48;

/// The longest username that may be registered.
pub const USERNAME_BYTES_MAX: usize = 64;

/// The longest email address, by RFC 5321.
pub const EMAIL_BYTES_MAX: usize = 254;

/// The longest name of a variable, in characters.
pub const VARIABLE_NAME_MAX: usize = 64;

/// The longest line of text that people fill in, in characters.
pub const TEXT_CHARS_MAX: usize = 255;

/// The longest name of an API token, in characters.
pub const TOKEN_NAME_MAX: usize = 128;

/// The most API tokens of a user.
pub const TOKENS_MAX: usize = 1_000;
