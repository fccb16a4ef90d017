//! Event types of accounts: registration, tokens, keys, connected Git accounts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::field_class::classes;
use crate::public_url::public_url;

/// Nothing: the event says it all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {}
classes!(NewUser {});

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenEvent {
    /// The name its user gave it.
    pub token_name: String,
    /// The token's identifier.
    pub token_id: String,
}
classes!(TokenEvent { token_name: Public, token_id: Public });

/// An added public key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The name its user gave it.
    pub name: String,
    /// Its fingerprint, in OpenSSH's form.
    pub fingerprint: String,
}
classes!(NewKey { name: Public, fingerprint: Public });

/// A removed public key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteKey {
    /// The name its user gave it.
    pub name: String,
}
classes!(DeleteKey { name: Public });

/// A connected or disconnected account at a forge (a Git hosting service, such as GitHub or GitLab).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationEvent {
    /// The integration's identifier.
    pub integration_id: String,
    /// The kind of Git hosting service: `github`, `gitlab-self-hosted`, …
    pub integration_type: String,
    /// The account at that service.
    pub data: IntegrationData,
}
classes!(IntegrationEvent { integration_id: Public, integration_type: Public, data: { IntegrationData } });

/// An account at a Git hosting service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationData {
    /// The username; empty if unknown.
    #[serde(default)]
    pub login: String,
    /// The URL of the account's picture; empty if there is none.
    #[serde(default)]
    pub avatar_url: String,
    /// The base URL of the service.
    pub url: String,
}
classes!(IntegrationData { login: Public, avatar_url: Url, url: Url });

/// A second factor for signing in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TfaEnabled {
    /// What provides it: `totp`, …
    #[serde(default)]
    pub provider: String,
}
classes!(TfaEnabled { provider: Public });

/// Nothing: the event says it all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TfaDisabled {}
classes!(TfaDisabled {});

/// A connected GitHub account, as platforms recorded it before there were integrations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizeGithub {
    /// The account.
    pub github_user: GithubUser,
}
classes!(AuthorizeGithub { github_user: { GithubUser } });

/// A GitHub account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubUser {
    /// The username.
    pub login: String,
    /// The URL of its picture; empty if there is none.
    #[serde(default)]
    pub avatar_url: String,
}
classes!(GithubUser { login: Public, avatar_url: Url });

/// Nothing: the event says it all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeGithub {}
classes!(RevokeGithub {});

event_types! {
    /// An account, its tokens, its public keys and its forge accounts.
    AccountChanges, Account;

    /// When an account is registered.
    NewUser(NewUser) = "new_user", "Account registered", Account, further: |_| "joined";
    /// When an API token is created.
    NewToken(TokenEvent) = "new_token", "API token created", Account, further:
        |data| format!("created API token {}", data.token_name);
    /// When an API token gets a new secret.
    RegenerateToken(TokenEvent) = "regenerate_token", "API token renewed", Account, further:
        |data| format!("renewed API token {}", data.token_name);
    /// When an API token is revoked.
    DeleteToken(TokenEvent) = "delete_token", "API token revoked", Account, further:
        |data| format!("revoked API token {}", data.token_name);
    /// When a public key is added.
    NewKey(NewKey) = "new_key", "Public key added", Account, further: |data| format!("added public key {}", data.name);
    /// When a public key is replaced under its name.
    EditKey(NewKey) = "edit_key", "Public key replaced", Account, further: |data| format!("replaced public key {}", data.name);
    /// When a public key is removed.
    DeleteKey(DeleteKey) = "delete_key", "Public key removed", Account, further:
        |data| format!("removed public key {}", data.name);
    /// When an account at a Git hosting service is connected.
    NewIntegration(IntegrationEvent) = "new_integration", "Forge connected", Account, further:
        |data| format!("connected {}", forge(data));
    /// When an account at a Git hosting service is disconnected.
    DeleteIntegration(IntegrationEvent) = "delete_integration", "Forge disconnected", Account, further:
        |data| format!("disconnected {}", forge(data));
    /// When a GitHub account was connected, before there were integrations.
    AuthorizeGithub(AuthorizeGithub) = "authorize_github", "GitHub authorized", Account, further:
        |data| format!("connected GitHub account {}", data.github_user.login);
    /// When a GitHub account was disconnected, before there were integrations.
    RevokeGithub(RevokeGithub) = "revoke_github", "GitHub revoked", Account, further: |_| "disconnected a GitHub account";
    /// When a second factor for signing in is enabled.
    TfaEnabled(TfaEnabled) = "tfa_enabled", "Two-factor authentication enabled", Account, further:
        |_| "enabled two-factor authentication";
    /// When the second factor for signing in is disabled.
    TfaDisabled(TfaDisabled) = "tfa_disabled", "Two-factor authentication disabled", Account, further:
        |_| "disabled two-factor authentication";
}

impl Shape for TfaEnabled {}
impl Shape for TfaDisabled {}
impl Shape for AuthorizeGithub {}
impl Shape for RevokeGithub {}

impl Shape for NewUser {}
impl Shape for TokenEvent {}
impl Shape for NewKey {}
impl Shape for DeleteKey {}
impl Shape for IntegrationEvent {}

/// Names the forge account by public fields only: `johndoe on https://github.com`
fn forge(data: &IntegrationEvent) -> String {
    let forge = public_url(&data.data.url).unwrap_or_else(|| data.integration_type.clone());
    match data.data.login.as_str() {
        "" => forge,
        login => format!("{login} on {forge}"),
    }
}
