//! Users: registration, sign-in, API tokens, keys and billing.

use crate::api::Api;

pub(crate) mod billing;
pub(crate) mod keys;
pub(crate) mod passwords;
pub(crate) mod tokens;
pub(crate) mod users;

pub(crate) fn api() -> Api {
    users::api().and(tokens::api()).and(passwords::api()).and(keys::api()).and(billing::api())
}
