//! Event types of signing in and of passwords.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::field_class::classes;

/// The origin of a sign-in or a password request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteAct {
    /// The IP address of the request; null if there was no request.
    #[serde(default)]
    pub remote_ip: Option<IpAddr>,
}
classes!(RemoteAct { remote_ip: Public });

event_types! {
    /// Signing in, resetting a password, and unlocking an account.
    Sessions, Sessions;

    /// When a user signs in.
    LoginSuccess(RemoteAct) = "login_success", "Signed in", Account: |_| "signed in";
    /// When an attempt to sign in fails. Attempts while the account is locked are only counted.
    LoginFailure(RemoteAct) = "login_failure", "Sign-in failed", Account: |_| "failed to sign in";
    /// When a password reset is requested.
    PasswordResetQuery(RemoteAct) = "password_reset_query", "Password reset requested", Account:
        |_| "requested a password reset";
    /// When a new password is set.
    PasswordResetSuccess(RemoteAct) = "password_reset_success", "Password reset", Account: |_| "set a new password";
    /// When ten failed sign-ins in a row lock an account.
    LoginLock(RemoteAct) = "login_lock", "Account locked", Account: |_| "was locked out after ten failed attempts";
    /// When an account is unlocked.
    LoginUnlockSuccess(RemoteAct) = "login_unlock_success", "Account unlocked", Account: |_| "unlocked the account";
}

impl Shape for RemoteAct {}
