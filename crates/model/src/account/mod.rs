//! An account: who somebody is, whether they may sign in, and what is theirs.
//!
//! One file per resource, each with its actions and what each decides. [`Account::apply`] says what their events change.

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
    FAILED_LOGINS_MAX, FailLogin, LOCKED, MailedToken, RequestReset, RequestUnlock, Reset, SignIn, Unlock,
    user_of_token,
};

/// How many payment methods are remembered besides their events.
const REMEMBERED: usize = 100;

/// The public state of an account: what folding its timeline gives, and who it was registered as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Who it is.
    #[serde(flatten)]
    pub person: Person,
    /// When it was registered or, where that was by a report, first reported.
    pub created_at: Time,
    /// How many attempts to sign in have failed since the last that did not.
    #[serde(default)]
    pub failed_logins: u32,
    /// Whether it is locked.
    #[serde(default)]
    pub locked: bool,
    /// The credit that was added, in hundredths.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credit_cents: u64,
    /// The last payment methods, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payment_methods: Vec<PaymentMethod>,
    /// The codes of the vouchers, none of which is good twice.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub vouchers: BTreeSet<String>,
    /// The public keys, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Key>,
    /// The accounts at forges, by identifier.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub integrations: BTreeMap<String, Integration>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// Identifies it: as the event that added it.
    pub id: EventId,
    /// When it was added.
    pub created_at: Time,
    /// What is known of it.
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

/// What is known of an account that its events do not say: secrets, mostly. Kept and read as a whole, hence bounded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountPrivateState {
    /// The public keys themselves, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// What forges take for proof, by integration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub forge_tokens: BTreeMap<String, Secret>,
    /// What a new password may be set with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<MailedToken>,
    /// What the account may be unlocked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock: Option<MailedToken>,
}

/// A request that changes an account.
pub trait AccountAction: Send + Sync {
    /// What it makes, by which its answer names it; `()` where nothing needs naming.
    type Created: Clone + Serialize + DeserializeOwned + Send + 'static;

    /// What happens if this is done now: its events, what it makes and what becomes of the private state, or why it is
    /// refused.
    fn decide(
        &self,
        account: &Account,
        private: &mut Arc<AccountPrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<Self::Created>, Rejection>;
}

impl Account {
    /// An account that an event names for the first time, at that moment.
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

    /// The state after these events, which are a user's timeline from its beginning; `None` if there are none.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Self> {
        let mut state: Option<Arc<Self>> = None;
        for event in events {
            let user = event.user.as_ref()?;
            let state = state.get_or_insert_with(|| Arc::new(Self::first_seen(user, event.created_at)));
            Self::apply(state, event);
        }
        state.map(Arc::unwrap_or_clone)
    }

    /// Changes the state as that event, which is the account's own, says. What it leaves alone keeps its allocation.
    pub fn apply(state: &mut Arc<Self>, event: &Event) {
        if let Some(user) = &event.user
            && *user != state.person
        {
            Arc::make_mut(state).person = user.clone();
        }
        match &event.data {
            TypeData::Sessions(data) => apply_session(state, data),
            TypeData::Billing(data) => apply_billing(Arc::make_mut(state), data, event),
            TypeData::AccountChanges(data) => match data {
                AccountChanges::NewKey(data) => {
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
                | AccountChanges::DeleteToken(_) => {}
            },
            _ => {}
        }
    }

    /// The user's identifier.
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
            let cents = (data.amount.unwrap_or_default() * 100.0).round();
            // What a report says may be anything; no credit is below nothing.
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
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde calls it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
