//! One-off commands.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{App, AppAction, CONTAINER_SIZES, PrivateState, push_bounded};
use crate::action::{Context, Decision};
use crate::catalogue::{self, AppOperations};
use crate::{EventId, Rejection, Role, Time};

/// The longest command, in bytes.
const COMMAND_BYTES_MAX: usize = 4_096;
/// The most one-offs of an app at a time.
const RUNNING_MAX: usize = 10;
/// A one-off of which nobody says that it ended is taken for ended after this time.
const RUNNING_MILLIS_MAX: u64 = 24 * 60 * 60 * 1000;
/// How many one-offs are remembered.
const REMEMBERED: usize = 30;
/// How much of an audit log is kept, in bytes.
const AUDIT_LOG_BYTES_MAX: usize = 64 << 10;

/// A one-off command that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneOff {
    /// Identifies it, and its audit log.
    pub id: EventId,
    /// The command line.
    pub command: String,
    /// The size of its container.
    pub size: String,
    /// Whether it runs without a terminal attached.
    pub detached: bool,
    /// When it was started.
    pub created_at: Time,
    /// When it ended, if it did.
    pub ended_at: Option<Time>,
    /// What was written during it.
    pub audit_log: Vec<AuditLogEntry>,
}

/// A line of an audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLogEntry {
    /// When it was written.
    pub time: Time,
    /// What was written.
    pub content: String,
    /// Whether it went in or came out.
    #[serde(rename = "type")]
    pub kind: String,
}

impl OneOff {
    fn is_running(&self, now: Time) -> bool {
        self.ended_at.is_none() && self.created_at.plus_millis(RUNNING_MILLIS_MAX) > now
    }
}

/// Runs a command in a container of its own. Its environment is not remembered. Says its
/// identifier.
#[derive(Debug, Clone)]
pub struct Run {
    /// The command line.
    pub command: String,
    /// The size of its container, unless the usual one.
    pub size: Option<String>,
    /// Whether without a terminal attached.
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
            return Err(Rejection::invalid("command", "is missing"));
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
            return Err(Rejection::invalid("app", format!("has {RUNNING_MAX} one-off containers running")));
        }
        let id = context.ids.event_id(context.now);
        // Nothing here attaches a terminal, and where there is nothing that runs it, it has ended.
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

/// Ends a one-off command.
#[derive(Debug, Clone)]
pub struct StopOneOff {
    /// Which.
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

/// Writes to the audit log of a one-off command, for its runner.
#[derive(Debug, Clone)]
pub struct WriteAuditLog {
    /// Which one-off.
    pub id: EventId,
    /// What was written since the last time.
    pub entries: Vec<AuditLogEntry>,
    /// Whether it has ended.
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
            let message = format!("must not have more than {AUDIT_LOG_BYTES_MAX} bytes together");
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
