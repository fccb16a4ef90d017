//! One-off commands (one-offs): commands that run in a container of their own.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{App, AppAction, CONTAINER_SIZES, PrivateState, push_bounded};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations};
use crate::{EventId, Rejection, Role, Time};

/// The longest command, in bytes.
const COMMAND_BYTES_MAX: usize = 4_096;
/// The most one-offs of an app that run at a time.
const RUNNING_MAX: usize = 10;
/// After this time a one-off counts as ended, even if nobody reported its end.
const RUNNING_MILLIS_MAX: u64 = 24 * 60 * 60 * 1000;
/// The most one-offs kept per app.
const REMEMBERED: usize = 30;
/// The largest audit log, in bytes.
const AUDIT_LOG_BYTES_MAX: usize = 64 << 10;

/// A one-off command in the private state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneOff {
    /// The identifier of the one-off and of its audit log.
    pub id: EventId,
    /// The command line.
    pub command: String,
    /// The size of its container.
    pub size: String,
    /// Whether it runs without an attached terminal.
    pub detached: bool,
    /// When it was started.
    pub created_at: Time,
    /// When it ended; `None` if it has not.
    pub ended_at: Option<Time>,
    /// Its audit log.
    pub audit_log: Vec<AuditLogEntry>,
}

/// An entry of a one-off's audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLogEntry {
    /// When it was written.
    pub time: Time,
    /// What was written.
    pub content: String,
    /// Whether it is input or output.
    #[serde(rename = "type")]
    pub kind: String,
}

impl OneOff {
    fn is_running(&self, now: Time) -> bool {
        self.ended_at.is_none() && self.created_at.plus_millis(RUNNING_MILLIS_MAX) > now
    }
}

/// Runs a one-off command. Creates its identifier. The command's environment is not stored.
#[derive(Debug, Clone)]
pub struct Run {
    /// The command line.
    pub command: String,
    /// The size of its container; `None` for the default.
    pub size: Option<String>,
    /// Whether to run it without an attached terminal.
    pub detached: bool,
}

impl AppAction for Run {
    const ROLE: Role = Role::Collaborator;
    type Created = EventId;

    fn decide(
        &self,
        _app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<EventId>, Rejection> {
        if self.command.trim().is_empty() {
            // The official CLI sends the command of a container type in place of one that its user did not name.
            let message = "is missing; annals does not know the commands of container types";
            return Err(Rejection::invalid("command", message));
        }
        if self.command.len() > COMMAND_BYTES_MAX {
            let message = format!("must not be longer than {COMMAND_BYTES_MAX} bytes");
            return Err(Rejection::invalid("command", message));
        }
        if self.size.as_deref().is_some_and(|size| !CONTAINER_SIZES.contains(&size)) {
            let message = format!("must be one of {}", CONTAINER_SIZES.join(", "));
            return Err(Rejection::invalid("size", message));
        }
        if private.one_offs.iter().filter(|one_off| one_off.is_running(context.now)).count() >= RUNNING_MAX {
            return Err(Rejection::invalid(
                "app",
                format!("limit of running one-off containers reached ({RUNNING_MAX})"),
            ));
        }
        let id = context.ids.event_id(context.now);
        // No terminal can be attached here, so an attached one-off has ended. So has a detached one if nothing runs it.
        let has_ended = !self.detached || context.lookups.rules().instant_builder;
        let one_off = OneOff {
            id,
            command: self.command.clone(),
            size: self.size.clone().unwrap_or_else(|| "M".to_owned()),
            detached: self.detached,
            created_at: context.now,
            ended_at: has_ended.then_some(context.now),
            audit_log: Vec::new(),
        };
        push_bounded(&mut Arc::make_mut(private).one_offs, one_off, REMEMBERED);
        let (command, audit_log_id) = (self.command.clone(), Some(id.to_string()));
        let run = catalogue::Run { command, audit_log_id, audit_log_size: None, detached: self.detached };
        Ok(Decision::creating(id, AppOperations::Run(run)))
    }
}

/// Stops a one-off command.
#[derive(Debug, Clone)]
pub struct StopOneOff {
    /// The one-off's identifier.
    pub id: EventId,
}

impl AppAction for StopOneOff {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        _app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        find(private, self.id)?.ended_at.get_or_insert(context.now);
        Ok(Decision::none())
    }
}

/// Appends to the audit log of a one-off command, on behalf of its runner.
#[derive(Debug, Clone)]
pub struct WriteAuditLog {
    /// The one-off's identifier.
    pub id: EventId,
    /// The new entries.
    pub entries: Vec<AuditLogEntry>,
    /// Whether the one-off has ended.
    pub finished: bool,
}

impl AppAction for WriteAuditLog {
    const ROLE: Role = Role::Operator;
    type Created = ();

    fn decide(
        &self,
        _app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let one_off = find(private, self.id)?;
        let bytes = |entries: &[AuditLogEntry]| -> usize {
            entries.iter().map(|entry| entry.content.len() + entry.kind.len() + 40).sum()
        };
        if bytes(&one_off.audit_log) + bytes(&self.entries) > AUDIT_LOG_BYTES_MAX {
            let message = format!("must not have more than {AUDIT_LOG_BYTES_MAX} bytes in total");
            return Err(Rejection::invalid("entries", message));
        }
        one_off.audit_log.extend(self.entries.iter().cloned());
        if self.finished {
            one_off.ended_at.get_or_insert(context.now);
        }
        Ok(Decision::none())
    }
}

fn find(private: &mut Arc<PrivateState>, id: EventId) -> Result<&mut OneOff, Rejection> {
    let index = private.one_offs.iter().position(|one_off| one_off.id == id);
    let index = index.ok_or(Rejection::NotFound("container"))?;
    Ok(&mut Arc::make_mut(private).one_offs[index])
}
