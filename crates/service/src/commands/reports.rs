//! Reports: events that happened elsewhere.

use annals_model::report::Location;
use annals_model::{Event, EventId, Rejection, Report, Time};
use annals_store::{Caller, CommandError};
use serde::{Deserialize, Serialize};

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

/// What is done with reported events whose identifiers are recorded already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// All events are rejected.
    Refuse,
    /// They are left out.
    Skip,
}

/// What became of reported events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reported {
    /// How many were recorded.
    pub accepted: usize,
    /// How many were left out, since they are recorded already.
    pub skipped: usize,
}

impl Service {
    /// Records all reported events in this order, or none of them. Returns their number.
    ///
    /// # Errors
    ///
    /// Fails as [`Service::report_with`] does, and if an identifier is recorded already.
    pub async fn report(
        &self,
        reports: Vec<Report>,
        idempotency: Option<Idempotency>,
    ) -> Result<usize, Error> {
        Ok(self.report_with(reports, Repeats::Refuse, idempotency).await?.accepted)
    }

    /// Records all reported events in this order, or none of them.
    ///
    /// # Errors
    ///
    /// Fails if an event is rejected; the error names it as the request has it. Fails if the idempotency key was used for another
    /// request, or if the store fails.
    pub async fn report_with(
        &self,
        reports: Vec<Report>,
        repeats: Repeats,
        idempotency: Option<Idempotency>,
    ) -> Result<Reported, Error> {
        let mut prepared: Vec<_> = reports.into_iter().map(prepare).collect();
        self.commit_once(Caller::Operator, idempotency, move |transaction| {
            record(transaction, &mut prepared, repeats)
        })
        .await
    }

    /// Checks these events as [`Service::report_with`] does, and records none. Returns what it would do.
    ///
    /// # Errors
    ///
    /// Fails as [`Service::report_with`] would.
    pub async fn check_reports(&self, reports: Vec<Report>, repeats: Repeats) -> Result<Reported, Error> {
        let mut prepared: Vec<_> = reports.into_iter().map(prepare).collect();
        self.commit(move |transaction| {
            let reported = record(transaction, &mut prepared, repeats)?;
            transaction.discard();
            Ok(reported)
        })
        .await
    }
}

fn record(
    transaction: &mut Transaction<'_>,
    prepared: &mut [Prepared],
    repeats: Repeats,
) -> Result<Reported, CommandError> {
    let mut reported = Reported::default();
    for Prepared { location, id, created_at, event, tail } in prepared.iter_mut() {
        if let Some(id) = *id
            && repeats == Repeats::Skip
            && transaction.is_recorded(id, event)?
        {
            reported.skipped += 1;
            continue;
        }
        reported.accepted += 1;
        let recorded = transaction.record_written(event, tail, *id, *created_at);
        recorded.map_err(|error| match error {
            CommandError::Rejected(Rejection::Invalid(errors)) => {
                Rejection::Invalid(errors.within(&location.to_string())).into()
            }
            error => error,
        })?;
    }
    Ok(reported)
}

fn prepare(report: Report) -> Prepared {
    let Report { location, id, created_at, user, app, project, data } = report;
    let event = Event { project, ..unassigned(user.as_ref(), app, data) };
    let mut tail = Vec::with_capacity(512);
    event.write_tail_to(&mut tail);
    Prepared { location, id, created_at, event, tail }
}
