//! Reports: events that happened elsewhere.

use annals_model::report::Location;
use annals_model::{Event, EventId, Rejection, Report, Time};
use annals_store::{Caller, CommandError};

use super::Idempotency;
use crate::transaction::{Transaction, unassigned};
use crate::{Error, Service};

/// A report whose event is encoded in advance, except identifier and time, which may be assigned only when it is recorded.
struct Prepared {
    location: Location,
    id: Option<EventId>,
    created_at: Option<Time>,
    event: Event,
    tail: Vec<u8>,
}

impl Service {
    /// Records all reported events in this order, or none of them. Returns their number.
    ///
    /// # Errors
    ///
    /// Fails if an event is rejected; the error names it as the request has it. Fails if the idempotency key was used for another request, or
    /// if the store fails.
    pub async fn report(
        &self,
        reports: Vec<Report>,
        idempotency: Option<Idempotency>,
    ) -> Result<usize, Error> {
        let mut prepared: Vec<_> = reports.into_iter().map(prepare).collect();
        self.commit_once(Caller::Operator, idempotency, move |transaction| record(transaction, &mut prepared))
            .await
    }

    /// Checks these events as [`Service::report`] does, and records none. Returns how many it would record.
    ///
    /// # Errors
    ///
    /// Fails as [`Service::report`] would.
    pub async fn check_reports(&self, reports: Vec<Report>) -> Result<usize, Error> {
        let mut prepared: Vec<_> = reports.into_iter().map(prepare).collect();
        self.commit(move |transaction| {
            let accepted = record(transaction, &mut prepared)?;
            transaction.discard();
            Ok(accepted)
        })
        .await
    }
}

fn record(transaction: &mut Transaction<'_>, prepared: &mut [Prepared]) -> Result<usize, CommandError> {
    for Prepared { location, id, created_at, event, tail } in prepared.iter_mut() {
        let recorded = transaction.record_written(event, tail, *id, *created_at);
        recorded.map_err(|error| match error {
            CommandError::Rejected(Rejection::Invalid(errors)) => {
                Rejection::Invalid(errors.within(&location.to_string())).into()
            }
            error => error,
        })?;
    }
    Ok(prepared.len())
}

fn prepare(report: Report) -> Prepared {
    let Report { location, id, created_at, user, app, project, data } = report;
    let event = Event { project, ..unassigned(user.as_ref(), app, data) };
    let mut tail = Vec::with_capacity(512);
    event.write_tail_to(&mut tail);
    Prepared { location, id, created_at, event, tail }
}
