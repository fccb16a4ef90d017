//! Accounts: who a user is, whether they may sign in, and what belongs to them.
//!
//! Each resource has a file with its actions and their decisions. [`Account::apply`] applies the events.

mod billing;
mod integrations;
mod keys;
mod registration;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::action::{Context, Decision};
use crate::catalogue::{AccountChanges, Billing, BillingProfile, Sessions, TypeData};
use crate::{Event, EventId, Integration, Person, Rejection, Secret, Time, UserId};

pub use billing::{AddCredit, AddPaymentMethod, AddVoucher, Voucher};
pub use integrations::{Connect, Disconnect};
pub use keys::{AddKey, DeleteKey, key_id};
pub use registration::{check_registration, check_token_name};
pub use sessions::{
    FAILED_LOGINS_MAX, FailLogin, MailedToken, RequestReset, RequestUnlock, Reset, SignIn, Unlock,
    user_of_token,
};

/// The most payment methods that the state keeps. The events of older ones remain in the timeline.
const REMEMBERED: usize = 100;

/// The public state of an account: the result of applying the events of its timeline, and the user who registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The user.
    #[serde(flatten)]
    pub person: Person,
    /// When it was registered. If only reports name the user: when the first of them did.
    pub created_at: Time,
    /// The number of failed sign-ins since the last successful one, without those while it was locked.
    #[serde(default)]
    pub failed_logins: u32,
    /// Whether it is locked.
    #[serde(default)]
    pub locked: bool,
    /// The total credit added, in hundredths of the currency.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credit_cents: u64,
    /// The last payment methods, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payment_methods: Vec<PaymentMethod>,
    /// The codes of the used vouchers. An account can use each only once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub vouchers: BTreeSet<String>,
    /// The public keys, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Key>,
    /// The connected forge accounts, by identifier.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub integrations: BTreeMap<String, Integration>,
}

/// A payment method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// The identifier, which is that of the event that added it.
    pub id: EventId,
    /// When it was added.
    pub created_at: Time,
    /// The details.
    #[serde(flatten)]
    pub profile: BillingProfile,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its fingerprint.
    pub fingerprint: String,
    /// When it was added.
    pub created_at: Time,
}

/// The state of an account that its events do not contain, mostly secrets. It is bounded, because it is stored and read
/// as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountPrivateState {
    /// The public keys themselves, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// The access tokens of forge accounts, by integration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub forge_tokens: BTreeMap<String, Secret>,
    /// The mailed tokens for a password reset that were not used, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resets: Vec<MailedToken>,
    /// The mailed tokens for unlocking the account that were not used, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlocks: Vec<MailedToken>,
    /// The number of API tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// The number of attempts to sign in since the account was locked.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused_logins: u64,
}

/// A request that changes an account.
pub trait AccountAction: Send + Sync {
    /// What the action creates and the response names; `()` if the response names nothing.
    type Created: Clone + Serialize + DeserializeOwned + Send + 'static;

    /// Decides the action: returns its events and what it creates, and changes the private state.
    ///
    /// # Errors
    ///
    /// Fails if the action is refused. The caller then discards the changed private state.
    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<Self::Created>, Rejection>;
}

impl Account {
    /// Returns the state of an account that an event names for the first time.
    pub fn first_seen(person: &Person, at: Time) -> Self {
        Self {
            person: person.clone(),
            created_at: at,
            failed_logins: 0,
            locked: false,
            credit_cents: 0,
            payment_methods: Vec::new(),
            vouchers: BTreeSet::new(),
            keys: BTreeMap::new(),
            integrations: BTreeMap::new(),
        }
    }

    /// Returns the state that results from a user's whole timeline; `None` if there are no events.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut state: Option<Arc<Self>> = None;
        for event in events {
            let user = event.user.as_ref()?;
            let state = state.get_or_insert_with(|| Arc::new(Self::first_seen(user, event.created_at)));
            Self::apply(state, event);
        }
        state.map(Arc::unwrap_or_clone)
    }

    /// Applies an event of the account. If that changes nothing, the state keeps its allocation.
    pub fn apply(state: &mut Arc<Self>, event: &Event) {
        if let Some(user) = &event.user
            && *user != state.person
        {
            let person = state.person.after(user);
            if person != state.person {
                Arc::make_mut(state).person = person;
            }
        }
        match &event.data {
            TypeData::Sessions(data) => apply_session(state, data),
            TypeData::Billing(data) => apply_billing(Arc::make_mut(state), data, event),
            TypeData::AccountChanges(data) => match data {
                AccountChanges::NewKey(data) | AccountChanges::EditKey(data) => {
                    let key = Key { fingerprint: data.fingerprint.clone(), created_at: event.created_at };
                    Arc::make_mut(state).keys.insert(data.name.clone(), key);
                }
                AccountChanges::DeleteKey(data) => _ = Arc::make_mut(state).keys.remove(&data.name),
                AccountChanges::NewIntegration(data) => {
                    let integration = Integration::connected(data, event.created_at);
                    Arc::make_mut(state).integrations.insert(integration.id.clone(), integration);
                }
                AccountChanges::DeleteIntegration(data) => {
                    Arc::make_mut(state).integrations.remove(&data.integration_id);
                }
                AccountChanges::NewUser(_)
                | AccountChanges::NewToken(_)
                | AccountChanges::RegenerateToken(_)
                | AccountChanges::DeleteToken(_)
                | AccountChanges::AuthorizeGithub(_)
                | AccountChanges::RevokeGithub(_)
                | AccountChanges::TfaEnabled(_)
                | AccountChanges::TfaDisabled(_) => {}
            },
            _ => {}
        }
    }

    /// Returns the user's identifier.
    pub fn id(&self) -> UserId {
        self.person.id
    }
}

fn apply_session(state: &mut Arc<Account>, data: &Sessions) {
    match data {
        Sessions::LoginFailure(_) => {
            let account = Arc::make_mut(state);
            account.failed_logins = account.failed_logins.saturating_add(1);
        }
        Sessions::LoginSuccess(_) if state.failed_logins > 0 => Arc::make_mut(state).failed_logins = 0,
        Sessions::LoginLock(_) => Arc::make_mut(state).locked = true,
        Sessions::LoginUnlockSuccess(_) => {
            let account = Arc::make_mut(state);
            (account.locked, account.failed_logins) = (false, 0);
        }
        Sessions::LoginSuccess(_) | Sessions::PasswordResetQuery(_) | Sessions::PasswordResetSuccess(_) => {}
    }
}

fn apply_billing(account: &mut Account, data: &Billing, event: &Event) {
    match data {
        Billing::AddCredit(data) => {
            let cents = (data.amount() * 100.0).round();
            // A report may contain any number, but credit is never negative.
            account.credit_cents = account.credit_cents.saturating_add(cents.max(0.0) as u64);
        }
        Billing::AddPaymentMethod(data) => {
            let profile = data.billing_profile.clone().unwrap_or_default();
            let (id, created_at) = (event.id, event.created_at);
            account.payment_methods.push(PaymentMethod { id, created_at, profile });
            let surplus = account.payment_methods.len().saturating_sub(REMEMBERED);
            account.payment_methods.drain(..surplus);
        }
        Billing::AddVoucher(data) => {
            account.vouchers.insert(data.code.clone());
        }
        Billing::PaymentAttempt(_) => {}
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde calls it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
