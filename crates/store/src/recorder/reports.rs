//! Reports of what happened elsewhere.

use annals_model::report::within;
use annals_model::{Event, EventId, Rejection, Report, Time};

use crate::contract::{CommandError, CommitError};
use crate::rows::Caller;

use super::{Idempotency, Recorder};

/// A report with all of its bytes written that do not depend on when it is recorded.
struct Prepared {
    id: Option<EventId>,
    created_at: Option<Time>,
    event: Event,
    tail: Vec<u8>,
}

impl Recorder {
    /// Records all of these events, in this order, or none. Gives how many.
    pub async fn report(
        &self,
        reports: Vec<Report>,
        idempotency: Option<Idempotency>,
    ) -> Result<usize, CommitError> {
        let mut prepared: Vec<_> = reports.into_iter().map(prepare).collect();
        self.commit_once(Caller::Operator, idempotency, move |draft| {
            for (index, Prepared { id, created_at, event, tail }) in prepared.iter_mut().enumerate() {
                draft.record_written(event, tail, *id, *created_at).map_err(|refusal| match refusal {
                    CommandError::Rejected(Rejection::Invalid(errors)) => CommandError::Rejected(
                        Rejection::Invalid(within(&format!("events[{index}]"), &errors)),
                    ),
                    refusal => refusal,
                })?;
            }
            Ok(prepared.len())
        })
        .await
    }
}

fn prepare(report: Report) -> Prepared {
    let Report { id, created_at, user, app, data } = report;
    let unplaced = EventId::from_bytes([0; EventId::BYTES]);
    let event = Event { id: unplaced, created_at: Time::EPOCH, user, app, data };
    let mut tail = Vec::with_capacity(512);
    event.write_tail_to(&mut tail);
    Prepared { id, created_at, event, tail }
}
