use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, event_types};
use crate::field_class::classes;
use crate::public_url::public_url;

/// Nothing beyond the event itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {}
classes!(NewUser {});

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenEvent {
    /// What its user calls it.
    pub token_name: String,
    /// Identifies it.
    pub token_id: String,
}
classes!(TokenEvent { token_name: Public, token_id: Public });

/// A public key that came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What its user calls it.
    pub name: String,
    /// Its fingerprint, as OpenSSH writes it.
    pub fingerprint: String,
}
classes!(NewKey { name: Public, fingerprint: Public });

/// A public key that went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteKey {
    /// What its user called it.
    pub name: String,
}
classes!(DeleteKey { name: Public });

/// An account at a forge that came or went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationEvent {
    /// Identifies the integration.
    pub integration_id: String,
    /// The kind of forge: `github`, `gitlab-self-hosted`, …
    pub integration_type: String,
    /// The account there.
    pub data: IntegrationData,
}
classes!(IntegrationEvent { integration_id: Public, integration_type: Public, data: { IntegrationData } });

/// An account at a forge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationData {
    /// The name of the account, where it is known.
    #[serde(default)]
    pub login: String,
    /// A picture, where there is one.
    #[serde(default)]
    pub avatar_url: String,
    /// The root of the forge.
    pub url: String,
}
classes!(IntegrationData { login: Public, avatar_url: Url, url: Url });

event_types! {
    /// What happens to an account and has no type in the contract.
    AccountChanges, Account;

    /// When an account is registered.
    NewUser(NewUser) = "new_user", "Account registered", Account, further: |_| "joined";
    /// When an API token is created.
    NewToken(TokenEvent) = "new_token", "API token created", Account, further:
        |data| format!("created API token {}", data.token_name);
    /// When an API token gets another secret.
    RegenerateToken(TokenEvent) = "regenerate_token", "API token renewed", Account, further:
        |data| format!("renewed API token {}", data.token_name);
    /// When an API token is revoked.
    DeleteToken(TokenEvent) = "delete_token", "API token revoked", Account, further:
        |data| format!("revoked API token {}", data.token_name);
    /// When a public key is added.
    NewKey(NewKey) = "new_key", "Public key added", Account, further: |data| format!("added public key {}", data.name);
    /// When a public key is removed.
    DeleteKey(DeleteKey) = "delete_key", "Public key removed", Account, further:
        |data| format!("removed public key {}", data.name);
    /// When an account at a forge is connected.
    NewIntegration(IntegrationEvent) = "new_integration", "Forge connected", Account, further:
        |data| format!("connected {}", forge(data));
    /// When an account at a forge is disconnected.
    DeleteIntegration(IntegrationEvent) = "delete_integration", "Forge disconnected", Account, further:
        |data| format!("disconnected {}", forge(data));
}

impl Shape for NewUser {}
impl Shape for TokenEvent {}
impl Shape for NewKey {}
impl Shape for DeleteKey {}
impl Shape for IntegrationEvent {}

/// The forge as everybody may read it.
fn forge(data: &IntegrationEvent) -> String {
    public_url(&data.data.url).unwrap_or_else(|| data.integration_type.clone())
}
