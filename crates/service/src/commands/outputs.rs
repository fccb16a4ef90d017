//! The output of deployments, which their builder appends.

use std::sync::Arc;

use annals_model::{AppId, EventId, Rejection};
use annals_store::{Caller, CommandError, Output, key};

use super::Idempotency;
use crate::transaction::Transaction;
use crate::{Error, Service};

/// The longest output of a deployment, in bytes, and the most parts in which it may come. Who forgets a deployment removes
/// its output in one commit.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
const PARTS_MAX: u64 = 10_000;

impl Service {
    /// Appends to the output of a deployment, on behalf of its builder.
    ///
    /// # Errors
    ///
    /// Fails if there is no such deployment, if its output would become too long, if the idempotency key was used for another
    /// request, or if the store fails.
    pub async fn append_output(
        &self,
        app: AppId,
        deployment: EventId,
        text: String,
        idempotency: Option<Idempotency>,
    ) -> Result<(), Error> {
        let text = Arc::<str>::from(text);
        self.commit_once(Caller::Operator, idempotency, move |transaction| {
            append(transaction, app, deployment, &text)
        })
        .await
    }
}

fn append(
    transaction: &mut Transaction<'_>,
    app: AppId,
    deployment: EventId,
    text: &Arc<str>,
) -> Result<(), CommandError> {
    if transaction.private(app)?.deployment(deployment).is_none() {
        return Err(Rejection::NotFound("deployment").into());
    }
    let Output { parts, bytes } = transaction.get(key::Output(app, deployment))?.unwrap_or_default();
    let bytes = bytes + text.len() as u64;
    if bytes > OUTPUT_BYTES_MAX || parts >= PARTS_MAX {
        let message =
            format!("must not have more than {OUTPUT_BYTES_MAX} bytes or {PARTS_MAX} parts in total");
        return Err(Rejection::invalid("output", message).into());
    }
    if !text.is_empty() {
        transaction.put(key::OutputPart(app, deployment, parts), Arc::clone(text));
        transaction.put(key::Output(app, deployment), Output { parts: parts + 1, bytes });
    }
    Ok(())
}
