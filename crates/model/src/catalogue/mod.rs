//! The single definition of every event type.
//!
//! Each file (or folder) here defines one group of types: the shapes of `type_data`, and a table with one row per type.
//! A row has the type's name, display name and scope, when the event is recorded (the row's comment), and the sentence
//! that describes an event to users. Everything else derives from these rows: parsing and checking reports, JSON
//! Schema, `GET /v1/event_types` and `docs/events.md`. Each shape is followed by the classes of its fields, which
//! decide who may read them.
//!
//! To add a type, add a row, and a shape if none fits. The *contract* is the documentation of Scalingo's Events API. A type
//! that the contract does not name is a *further* type: its row is marked `further` after the scope. A row without the
//! mark belongs to the contract.
//!
//! Where the contract contradicts itself (`hostname` or `name`, `amount` or `value`), an event has both fields, and a
//! report needs only one of them.

mod access;
mod account;
mod addons;
mod app_operations;
mod backups;
mod billing;
mod collaborators;
mod databases;
mod document;
mod domains;
mod lenient;
mod log_drains;
mod monitoring;
mod notifiers;
mod projects;
mod sessions;
mod source_control;
mod variables;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::value::RawValue;

use crate::Person;
use crate::field_class::{Classed, Classes, Field, classes};

pub use access::{Access, Consent, HdsContact};
pub use account::{
    AccountChanges, AuthorizeGithub, DeleteKey, GithubUser, IntegrationData, IntegrationEvent, NewKey,
    NewUser, RevokeGithub, TfaDisabled, TfaEnabled, TokenEvent,
};
pub use addons::{
    Addon, AddonUpdated, Addons, EndedMaintenance, MaintenanceEnd, MaintenanceWindow, NewAddon, SuspendAddon,
    UpgradeAddon,
};
pub use app_operations::{
    AppOperations, CommitList, Crash, DeleteApp, Deployment, DeploymentStatus, DeploymentType, EditApp,
    NewApp, RenameApp, Restart, RestartReason, Run, Scale, StackChanged, StartRegionMigration, StopApp,
    TransferApp, UpdateAppProject,
};
pub use backups::{Backup, BackupMethod, Backups, ContinuousBackup};
pub use billing::{AddCredit, AddPaymentMethod, AddVoucher, Billing, BillingProfile, Card, PaymentAttempt};
pub use collaborators::{
    AcceptCollaborator, Accepted, ChangeCollaboratorRole, Collaborators, DeleteCollaborator, Invited,
    Inviter, NewCollaborator, Removed, RoleHolder,
};
pub use databases::{Databases, Feature, Maintenance, UpgradeDatabase};
pub use document::events_document;
pub use domains::{DeleteDomain, Domains, EditDomain, NewDomain};
pub use log_drains::{AddonLogDrain, LogDrain, LogDrains};
pub use monitoring::{Alert, Autoscaler, Monitoring, NewAlert, Watched};
pub use notifiers::{Notifier, Notifiers};
pub use projects::{DeleteProject, EditProject, EditedValue, NewProject, ProjectInvitation, Projects};
pub use sessions::{RemoteAct, Sessions};
pub use source_control::{
    LinkGithub, RenameReviewApp, ReviewApp, ScmLink, SourceControl, UnlinkGithub, UnlinkScm,
};
pub use variables::{ChangedVariable, EditVariable, EditVariables, Variable, VariableEvent, Variables};

/// One event type: its row in the catalogue, and what derives from its shape.
pub struct EventType {
    /// The name in an event's `type`.
    pub name: &'static str,
    /// The display name.
    pub display_name: &'static str,
    /// One sentence on when it is recorded.
    pub when: &'static str,
    /// The category under which clients list it.
    pub category: Category,
    /// The kind of timeline it belongs to.
    pub scope: Scope,
    /// Whether the Events API's contract names it.
    pub origin: Origin,
    /// The fields of `type_data`, with their classes.
    pub fields: &'static [Field],
    /// The classes of all these fields. If none of them is hidden from a reader, the stored bytes are served unchanged.
    pub classes: Classes,
    /// The JSON Schema of `type_data`.
    pub schema: fn() -> schemars::Schema,
    parse: fn(&str) -> Result<TypeData, serde_json::Error>,
    parse_naming_the_field: fn(&str) -> Result<TypeData, serde_path_to_error::Error<serde_json::Error>>,
}

impl PartialEq for EventType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The timelines an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The app's, and the actor's if there is one.
    App,
    /// Only the account's.
    Account,
    /// Only the account's. The event names a project.
    Project,
}

/// Where an event type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The Events API's contract.
    Contract,
    /// A further type: the contract does not name it, but Scalingo's clients know it.
    Further,
}

/// A heading under which clients list event types. The first ones have the names and the order that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, and `describe` has the display names")]
pub enum Category {
    AppOperations,
    Addons,
    Collaborators,
    Domains,
    Notifiers,
    Variables,
    SourceControl,
    LogDrains,
    Databases,
    Access,
    Billing,
    Sessions,
    Account,
    Monitoring,
    Projects,
}

impl Category {
    /// Every category, in listing order.
    pub const ALL: &[Self] = &[
        Self::AppOperations,
        Self::Addons,
        Self::Collaborators,
        Self::Domains,
        Self::Notifiers,
        Self::Variables,
        Self::SourceControl,
        Self::LogDrains,
        Self::Databases,
        Self::Access,
        Self::Billing,
        Self::Sessions,
        Self::Account,
        Self::Monitoring,
        Self::Projects,
    ];

    /// Returns the name, the display name and the position in the list. Clients know positions 1 to 7.
    pub const fn describe(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::AppOperations => ("app_operations", "App operations", 1),
            Self::Addons => ("addons", "Addons", 2),
            Self::Collaborators => ("collaborators", "Collaborators", 3),
            Self::Domains => ("domains", "Domains", 4),
            Self::Notifiers => ("notifiers", "Notifiers", 5),
            Self::Variables => ("variables", "Environment variables", 6),
            Self::SourceControl => ("github", "Source control", 7),
            Self::LogDrains => ("log_drains", "Log drains", 8),
            Self::Databases => ("databases", "Databases", 9),
            Self::Access => ("access", "Data access and contacts", 10),
            Self::Billing => ("billing", "Billing", 11),
            Self::Sessions => ("sessions", "Sign-in and password", 12),
            Self::Account => ("account", "Account, tokens and keys", 13),
            Self::Monitoring => ("monitoring", "Alerts and autoscalers", 14),
            Self::Projects => ("projects", "Projects", 15),
        }
    }
}

/// Defines one group from its rows: an enum with one variant per event type, and the [`EventType`] of each.
///
/// The header is the group's name and its category. `$shape` is the type of `type_data` and implements [`Shape`].
macro_rules! event_types {
    (
        $(#[doc = $group_doc:literal])+
        $group:ident, $category:ident;
        $(
            $(#[doc = $when:literal])+
            $variant:ident($shape:ty) = $name:literal, $display_name:literal, $scope:ident $(, $further:ident)?: |$data:pat_param| $sentence:expr;
        )+
    ) => {
        $(#[doc = $group_doc])+
        #[derive(Debug, Clone, PartialEq)]
        pub enum $group {
            $( $(#[doc = $when])+ $variant($shape), )+
        }

        impl $group {
            pub(super) const TYPES: &[crate::catalogue::EventType] = &[$(
                crate::catalogue::EventType {
                    name: $name,
                    display_name: $display_name,
                    when: concat!($($when),+),
                    category: crate::catalogue::Category::$category,
                    scope: crate::catalogue::Scope::$scope,
                    origin: crate::catalogue::event_types!(@origin $($further)?),
                    fields: <$shape as crate::field_class::Classed>::FIELDS,
                    classes: crate::field_class::Classes::of_fields(<$shape as crate::field_class::Classed>::FIELDS),
                    schema: || schemars::schema_for!($shape),
                    parse: |json| {
                        serde_json::from_str(json).map(|data| crate::catalogue::TypeData::$group($group::$variant(data)))
                    },
                    parse_naming_the_field: |json| {
                        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
                            .map(|data| crate::catalogue::TypeData::$group($group::$variant(data)))
                    },
                },
            )+];

            pub(super) fn index(&self) -> usize {
                // The variants are in row order, so their numbers are the indices of the rows.
                #[allow(clippy::enum_variant_names, reason = "the rows are named as their event types are")]
                enum Row { $($variant),+ }
                match self { $( Self::$variant(_) => Row::$variant as usize, )+ }
            }

            pub(super) fn write_to(&self, out: &mut Vec<u8>) {
                match self { $( Self::$variant(data) => crate::json::write_json(data, out), )+ }
            }

            pub(super) fn complete(&mut self) -> Result<(), crate::FieldErrors> {
                match self { $( Self::$variant(data) => crate::catalogue::Shape::complete(data), )+ }
            }

            pub(super) fn sentence(&self) -> String {
                match self { $( Self::$variant($data) => $sentence.into(), )+ }
            }
        }

        impl From<$group> for crate::catalogue::TypeData {
            fn from(data: $group) -> Self {
                Self::$group(data)
            }
        }
    };
    (@origin) => { crate::catalogue::Origin::Contract };
    (@origin further) => { crate::catalogue::Origin::Further };
}
pub(super) use event_types;

/// A shape of `type_data`, each of whose fields has a class.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a shape of `type_data`",
    note = "write `impl Shape for {Self} {{}}`, with `complete` if its fields depend on each other"
)]
pub(super) trait Shape: Classed {
    /// Fills in fields that follow from others, and refuses fields that contradict each other.
    fn complete(&mut self) -> Result<(), crate::FieldErrors> {
        Ok(())
    }
}

classes!(Person { username: Public, email: Public, id: Public });

/// Defines the enum over all groups and the list of all types.
macro_rules! groups {
    ($($group:ident),+) => {
        /// What happened: an event's `type` and its `type_data`.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each group documents itself")]
        pub enum TypeData {
            $( $group($group), )+
        }

        static ALL: LazyLock<Vec<&'static EventType>> =
            LazyLock::new(|| [$($group::TYPES),+].into_iter().flatten().collect());

        impl TypeData {
            /// Returns the catalogue's description of this type.
            pub fn event_type(&self) -> &'static EventType {
                match self { $( Self::$group(data) => &$group::TYPES[data.index()], )+ }
            }

            /// Appends `type_data` as canonical JSON.
            pub fn write_to(&self, out: &mut Vec<u8>) {
                match self { $( Self::$group(data) => data.write_to(out), )+ }
            }

            /// Returns a sentence for users: `scaled web 1 → 2, worker 0 → 1`. It contains only public fields,
            /// because everyone who sees the event sees it.
            pub fn sentence(&self) -> String {
                match self { $( Self::$group(data) => data.sentence(), )+ }
            }

            fn complete(&mut self) -> Result<(), crate::FieldErrors> {
                match self { $( Self::$group(data) => data.complete(), )+ }
            }
        }
    };
}
groups!(
    AppOperations,
    Addons,
    Collaborators,
    Domains,
    Notifiers,
    Variables,
    SourceControl,
    LogDrains,
    Databases,
    Backups,
    Access,
    Billing,
    Sessions,
    AccountChanges,
    Monitoring,
    Projects
);

/// Returns every event type, in the order in which `GET /v1/event_types` lists them.
pub fn all() -> &'static [&'static EventType] {
    &ALL
}

/// Returns the event types that the Events API's contract names.
pub fn contract_types() -> impl Iterator<Item = &'static EventType> {
    all().iter().copied().filter(|event_type| event_type.origin == Origin::Contract)
}

/// Returns the event type with this name.
pub fn find(name: &str) -> Option<&'static EventType> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static EventType>> =
        LazyLock::new(|| all().iter().map(|event_type| (event_type.name, *event_type)).collect());
    BY_NAME.get(name).copied()
}

impl EventType {
    /// Parses `type_data` of this type.
    ///
    /// # Errors
    ///
    /// Returns the invalid fields of `type_data`, named like `containers.web`; an empty name stands for `type_data`
    /// itself.
    pub fn parse(&self, json: &RawValue) -> Result<TypeData, crate::FieldErrors> {
        // Tracking the field's path costs time, so it is done only after the fast parse has failed.
        let mut data = (self.parse)(json.get()).or_else(|_| {
            (self.parse_naming_the_field)(json.get()).map_err(|error| {
                let path = error.path().to_string();
                let field = if path == "." { String::new() } else { path };
                crate::FieldErrors::one(field, crate::json::plain_message(error.inner()))
            })
        })?;
        data.complete()?;
        Ok(data)
    }
}

/// Refuses a name that is longer than a report may contain.
pub(crate) fn check_length(field: &str, name: &str) -> Result<(), crate::FieldErrors> {
    use crate::limits::NAME_BYTES_MAX;
    if name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(crate::FieldErrors::one(field, format!("must not be longer than {NAME_BYTES_MAX} bytes")))
}

/// Returns whether a field is omitted from JSON because it is false.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "this is how serde calls it")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

/// Joins names for a sentence: `a, b and 3 more`.
fn join_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let hidden = names.len().saturating_sub(SHOWN);
    let shown: Vec<_> = names.take(SHOWN).collect();
    match (shown.is_empty(), hidden) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, hidden) => format!("{} and {hidden} more", shown.join(", ")),
    }
}
