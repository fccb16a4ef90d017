//! Mails that commands write.
//!
//! A mail is written in the same commit as the event that it tells of, so neither is there without the other.

use annals_model::{Person, UserId};
use annals_store::{Error, Mail, Store, TypedRows as _, key};

use crate::transaction::Transaction;

/// How many mails to one user wait at most; the oldest goes.
const WAITING_MAX: usize = 20;
/// How long a mail waits: until the tokens in it expire.
const WAITING_MS: u64 = 6 * 60 * 60 * 1000;

/// Writes a mail with a token to somebody, and removes these mails that have to go for it.
pub(super) type PutMail = fn(&mut Transaction<'_>, &Person, &str, &[key::Mail]);

/// The mails to that user that have to go when another one comes.
pub(super) async fn surplus(store: &dyn Store, user: UserId) -> Result<Vec<key::Mail>, Error> {
    let waiting = store.list(key::Mail::to(user), WAITING_MAX + 1).await?;
    let surplus = (waiting.len() + 1).saturating_sub(WAITING_MAX);
    Ok(waiting.into_iter().take(surplus).map(|(key, _)| key).collect())
}

/// Writes the mail that a new password is set with.
pub(super) fn put_reset(transaction: &mut Transaction<'_>, to: &Person, token: &str, surplus: &[key::Mail]) {
    let (username, public_url) = (&to.username, transaction.public_url());
    let text = format!(
        "Somebody, probably you, asked for a new password for {username}.\n\n\
         Set it here, within six hours:\n\n  {public_url}/password?reset_password_token={token}\n\n\
         If it was not you, nothing needs to be done.\n"
    );
    put(transaction, to, "Your new password", text, surplus);
}

/// Writes the mail that an account is unlocked with.
pub(super) fn put_unlock(transaction: &mut Transaction<'_>, to: &Person, token: &str, surplus: &[key::Mail]) {
    let (username, public_url) = (&to.username, transaction.public_url());
    let text = format!(
        "The account {username} is locked, since somebody failed to sign in ten times.\n\n\
         Unlock it here, within six hours:\n\n  {public_url}/v1/users/unlock?unlock_token={token}\n\n\
         If it was not you who failed to sign in, choose a longer password.\n"
    );
    put(transaction, to, "Your account is locked", text, surplus);
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
