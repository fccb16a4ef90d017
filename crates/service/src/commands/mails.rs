//! Mails that commands queue in the outbox.
//!
//! A mail is queued in the commit that stores its token, so there is never one without the other.

use annals_model::{Person, UserId};
use annals_store::{Error, Mail, Store, TypedRows as _, key};

use crate::transaction::Transaction;

/// The most mails that wait for one user. A further mail replaces the oldest.
const WAITING_MAX: usize = 20;
/// How long a mail waits: as long as its token is valid.
const WAITING_MS: u64 = 6 * 60 * 60 * 1000;

/// Queues a mail with a token to a user, and removes the given surplus mails.
pub(super) type PutMail = fn(&mut Transaction<'_>, &Person, &str, &[key::Mail]) -> Result<(), Error>;

/// Returns the waiting mails of a user that have to be removed to make room for a further one.
pub(super) async fn surplus(store: &dyn Store, user: UserId) -> Result<Vec<key::Mail>, Error> {
    let waiting = store.list(key::Mail::to(user), WAITING_MAX + 1).await?;
    let surplus = (waiting.len() + 1).saturating_sub(WAITING_MAX);
    Ok(waiting.into_iter().take(surplus).map(|(key, _)| key).collect())
}

/// Queues the password-reset mail.
pub(super) fn put_reset(
    transaction: &mut Transaction<'_>,
    to: &Person,
    token: &str,
    surplus: &[key::Mail],
) -> Result<(), Error> {
    let (username, public_url) = (&to.username, transaction.public_url());
    let text = format!(
        "Someone, probably you, requested a new password for the account {username}.\n\n\
         Set it here within six hours:\n\n  {public_url}/password?reset_password_token={token}\n\n\
         This ends every sign-in with the old password: the API tokens that it gave no longer work. Tokens that you made by \
         hand go on working unless you choose otherwise.\n\n\
         If it was not you, ignore this mail.\n"
    );
    put(transaction, to, "Set a new password", text, surplus);
    Ok(())
}

/// Queues the mail to unlock an account.
pub(super) fn put_unlock(
    transaction: &mut Transaction<'_>,
    to: &Person,
    token: &str,
    surplus: &[key::Mail],
) -> Result<(), Error> {
    let (username, public_url) = (&to.username, transaction.public_url());
    let since = match transaction.account_private(to.id)?.refused_logins {
        0 => String::new(),
        1 => " There was 1 more attempt since.".to_owned(),
        more => format!(" There were {more} more attempts since."),
    };
    let text = format!(
        "The account {username} is locked because ten attempts to sign in failed.{since}\n\n\
         Unlock it here within six hours:\n\n  {public_url}/v1/users/unlock?unlock_token={token}\n\n\
         If these attempts were not yours, choose a longer password.\n"
    );
    put(transaction, to, "Your account is locked", text, surplus);
    Ok(())
}

fn put(transaction: &mut Transaction<'_>, to: &Person, subject: &str, text: String, surplus: &[key::Mail]) {
    for key in surplus {
        transaction.remove(key.clone());
    }
    let now = transaction.now();
    let mail = Mail {
        id: transaction.ids().event_id(now),
        to: to.email.clone(),
        subject: subject.to_owned(),
        text,
        created_at: now,
        expires_at: now.plus_millis(WAITING_MS),
    };
    transaction.put(key::Mail(to.id, mail.id), mail.into());
}
