//! Commands that act on accounts.

use std::sync::Arc;

use annals_model::account::AccountAction;
use annals_model::{Account, Person, Rejection, TypeData, UserId};
use annals_store::CommandError;
use serde::{Deserialize, Serialize};

use super::Request;
use crate::transaction::{RecordedEvent, Transaction, unassigned};
use crate::{Error, Service};

/// The outcome of an action on an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountOutcome<C = ()> {
    /// The account after the action.
    pub account: Arc<Account>,
    /// The recorded events; empty if nothing changed.
    pub recorded: Vec<RecordedEvent>,
    /// What the action created.
    pub created: C,
}

impl Service {
    /// Acts on the caller's account.
    ///
    /// # Errors
    ///
    /// Fails if the caller is the operator, if the rules reject the action, or if the store fails.
    pub async fn act_on_own_account<A: AccountAction + 'static>(
        &self,
        request: Request,
        action: A,
    ) -> Result<AccountOutcome<A::Created>, Error> {
        let user = request.actor.as_ref().map(|actor| actor.id).ok_or(Error::NeedsUser)?;
        self.act_on_account(request, user, action).await
    }

    /// Acts on a user's account.
    ///
    /// # Errors
    ///
    /// Fails if there is no such user, if the rules reject the action, or if the store fails.
    pub async fn act_on_account<A: AccountAction + 'static>(
        &self,
        request: Request,
        user: UserId,
        action: A,
    ) -> Result<AccountOutcome<A::Created>, Error> {
        self.commit_once(request.caller(), request.idempotency(), move |transaction| {
            let (recorded, created) = act_on(transaction, &request.refreshed(transaction)?, user, &action)?;
            let outcome = AccountOutcome { account: present(transaction, user)?, recorded, created };
            if request.dry_run {
                transaction.discard();
            }
            Ok(outcome)
        })
        .await
    }
}

/// Acts on an account as a part of a command. Returns the recorded events, and what the action created.
pub(super) fn act_on<A: AccountAction>(
    transaction: &mut Transaction<'_>,
    request: &Request,
    user: UserId,
    action: &A,
) -> Result<(Vec<RecordedEvent>, A::Created), CommandError> {
    let account = present(transaction, user)?;
    let mut private = transaction.account_private(user)?;
    let context = transaction.context(request.remote_ip, Some(&account.person), None);
    let decided = action.decide(&account, &mut private, &context);
    let decision = transaction.decided(decided)?;
    transaction.put_account_private(user, private)?;
    Ok((record_all(transaction, &account.person, decision.events)?, decision.created))
}

/// Records events of an account, with its user as the actor.
pub(super) fn record_all(
    transaction: &mut Transaction<'_>,
    person: &Person,
    events: Vec<TypeData>,
) -> Result<Vec<RecordedEvent>, CommandError> {
    events.into_iter().map(|data| transaction.record(unassigned(Some(person), None, data))).collect()
}

pub(super) fn present(transaction: &Transaction<'_>, user: UserId) -> Result<Arc<Account>, CommandError> {
    transaction.account(user)?.ok_or_else(|| Rejection::NotFound("user").into())
}
