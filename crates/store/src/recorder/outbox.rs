//! Mail that waits: to be sent, or to be read by the operator where nothing sends mail.
//!
//! A mail is written in the same commit as the event that it tells of, so neither is there without the other.

use annals_model::{EventId, Person, UserId};

use crate::contract::{CommitError, Error, Store};
use crate::rows::{Listing, Mail, Row, RowKey};

use super::Recorder;
use super::draft::Draft;

/// How many mails to one user wait at most; the oldest goes.
const WAITING_MAX: usize = 20;
/// How long a mail waits: as long as the tokens in it are worth something.
const WAITING_MILLIS: u64 = 6 * 60 * 60 * 1000;

impl Recorder {
    /// Removes a mail that was sent, or that is worth nothing any more.
    pub async fn mail_done(&self, user: UserId, id: EventId) -> Result<(), CommitError> {
        self.commit(move |draft| {
            draft.remove(RowKey::Mail(user, id));
            Ok(())
        })
        .await
    }
}

/// The mails to that user that have to go when another one comes.
pub(super) async fn surplus(store: &dyn Store, user: UserId) -> Result<Vec<RowKey>, Error> {
    let waiting = store.list(Listing::MailTo(user), WAITING_MAX + 1).await?;
    let surplus = (waiting.len() + 1).saturating_sub(WAITING_MAX);
    Ok(waiting.into_iter().take(surplus).map(|(key, _)| key).collect())
}

pub(super) fn put(draft: &mut Draft<'_>, to: &Person, subject: &str, text: String, surplus: &[RowKey]) {
    for key in surplus {
        draft.remove(key.clone());
    }
    let now = draft.now();
    let mail = Mail {
        id: draft.ids().event_id(now),
        to: to.email.clone(),
        subject: subject.to_owned(),
        text,
        created_at: now,
        expires_at: now.plus_millis(WAITING_MILLIS),
    };
    draft.put(RowKey::Mail(to.id, mail.id), Row::Mail(mail.into()));
}
