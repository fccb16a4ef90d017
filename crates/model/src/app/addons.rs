//! The add-ons of an app, and the variables they add. Behind each add-on is a *resource* of its provider, such as a
//! database. The provider's identifier of that resource is the key of the add-on.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::maintenances;
use super::restart::restarted;
use super::variables::{check_total, check_values, set_one};
use super::{App, AppAction, NewValue, PrivateState};
use crate::action::{Context, Decision};
use crate::catalogue::{
    self, Addons, MaintenanceWindow, SuspendAddon, TypeData, VariableEvent, Variables, is_false,
};
use crate::directory::{Directory, Plan, Provider};
use crate::id::derived_uuid;
use crate::{AppId, Event, FieldErrors, IdSource, Rejection, Role, Time};

/// The most add-ons of one app.
const ADDONS_MAX: usize = 50;

/// An add-on of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Addon {
    /// The provider's short name.
    pub provider: String,
    /// The name of its plan.
    pub plan: String,
    /// When it was added.
    pub created_at: Time,
    /// The identifier by which events of its features, log drains and maintenances name it; `None` if it is only derived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addon_uuid: Option<String>,
    /// Whether the platform suspended it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspended: bool,
    /// The names of the variables it added that still exist.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub variables: BTreeSet<String>,
    /// Its enabled features, if it is a database.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub features: BTreeSet<String>,
    /// Where its logs are sent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub log_drains: BTreeSet<String>,
    /// Its maintenance window; `None` if none was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<MaintenanceWindow>,
}

impl Addon {
    /// Returns the provider's display name, or its short name if the directory does not contain the provider.
    pub fn display_name<'a>(&'a self, directory: &'a Directory) -> &'a str {
        directory.provider(&self.provider).map_or(&self.provider, |provider| &provider.name)
    }
}

/// Returns the identifier of an app's add-on: `ad-` and a UUID, derived like a [`ResourceId`](crate::ResourceId).
pub fn addon_id(app: AppId, resource_id: &str) -> String {
    format!("ad-{}", derived_uuid(app.as_bytes(), "addon", resource_id))
}

/// Returns the identifier by which events name an add-on: the one in the event that added it, or else the derived one.
pub(super) fn uuid_in_events(app: AppId, resource_id: &str, addon: &Addon) -> String {
    addon.addon_uuid.clone().unwrap_or_else(|| addon_id(app, resource_id))
}

/// Returns the add-on that an event means by an identifier.
pub(super) fn meant_by<'a>(app: &'a mut App, addon_uuid: &str) -> Option<&'a mut Addon> {
    let id = app.id;
    let found = app.addons.iter().find(|(key, addon)| uuid_in_events(id, key, addon) == addon_uuid);
    let resource_id = found?.0.clone();
    app.addons.get_mut(&resource_id)
}

/// Returns whether a text has the form of an add-on's identifier.
pub fn is_addon_id(text: &str) -> bool {
    text.strip_prefix("ad-").is_some_and(|uuid| Uuid::parse_str(uuid).is_ok())
}

/// Returns the add-on with this identifier, and the provider's identifier of its resource.
///
/// # Errors
///
/// Fails if the app has no such add-on.
pub fn find<'a>(app: &'a App, id: &str) -> Result<(&'a String, &'a Addon), Rejection> {
    let found = app.addons.iter().find(|(resource_id, _)| addon_id(app.id, resource_id) == id);
    found.ok_or(Rejection::NotFound("addon"))
}

/// Adds an add-on. Creates its identifier.
#[derive(Debug, Clone)]
pub struct AddAddon {
    /// The provider's short name.
    pub provider_id: String,
    /// The plan's identifier.
    pub plan_id: String,
}

impl AppAction for AddAddon {
    const ROLE: Role = Role::Collaborator;
    type Created = String;

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision<String>, Rejection> {
        let provider = context.lookups.directory().provider(&self.provider_id);
        let provider = provider.ok_or(Rejection::NotFound("addon_provider"))?;
        let plan = choose_plan(provider, &self.plan_id)?;
        if app.addons.len() >= ADDONS_MAX {
            return Err(Rejection::invalid("addon", format!("limit reached ({ADDONS_MAX})")));
        }
        let resource_id = new_resource_id(app, context.ids);
        let password = hex::encode(context.ids.secret());
        let brought: Vec<NewValue> = provider
            .variables
            .iter()
            // An existing variable of that name stays, because a user chose its value.
            .filter(|variable| !app.variables.contains_key(&variable.name))
            .map(|variable| NewValue {
                name: variable.name.clone(),
                value: variable.value.replace("{resource_id}", &resource_id).replace("{password}", &password),
            })
            .collect();
        check_total(app, brought.iter().map(|variable| (&variable.name, &variable.value)))?;
        let created = addon_id(app.id, &resource_id);
        let added = catalogue::NewAddon {
            addon_provider_name: provider.id.clone(),
            plan_name: plan.name.clone(),
            resource_id: resource_id.clone(),
            addon_uuid: Some(created.clone()),
        };
        let mut events = vec![Addons::NewAddon(added).into()];
        events.extend(brought.into_iter().map(|NewValue { name, value }| {
            let (addon_name, resource_id) = (Some(provider.name.clone()), Some(resource_id.clone()));
            Variables::NewVariable(VariableEvent { name, value, addon_name, resource_id }).into()
        }));
        Ok(Decision { events, created })
    }
}

/// Moves an add-on to another plan of its provider.
#[derive(Debug, Clone)]
pub struct UpgradeAddon {
    /// The add-on's identifier.
    pub id: String,
    /// The plan's identifier.
    pub plan_id: String,
}

impl AppAction for UpgradeAddon {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (resource_id, addon) = find(app, &self.id)?;
        let provider = context.lookups.directory().provider(&addon.provider);
        let plan = choose_plan(provider.ok_or(Rejection::NotFound("addon_provider"))?, &self.plan_id)?;
        if plan.name == addon.plan {
            return Ok(Decision::none());
        }
        let upgraded = catalogue::UpgradeAddon {
            addon_provider_name: addon.provider.clone(),
            old_plan_name: addon.plan.clone(),
            new_plan_name: plan.name.clone(),
            resource_id: resource_id.clone(),
        };
        Ok(Decision::of(Addons::UpgradeAddon(upgraded)))
    }
}

/// Removes an add-on, the variables it added and its planned maintenances.
#[derive(Debug, Clone)]
pub struct DeleteAddon {
    /// The add-on's identifier.
    pub id: String,
}

impl AppAction for DeleteAddon {
    const ROLE: Role = Role::Collaborator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (resource_id, addon) = find(app, &self.id)?;
        maintenances::end_with_addon(private, &self.id, context.now);
        let taken = addon.variables.iter().filter_map(|name| Some((name, app.variables.get(name)?)));
        let mut events: Vec<TypeData> = taken
            .map(|(name, value)| {
                let addon_name = Some(addon.display_name(context.lookups.directory()).to_owned());
                let (name, value, resource_id) = (name.clone(), value.clone(), Some(resource_id.clone()));
                Variables::DeleteVariable(VariableEvent { name, value, addon_name, resource_id }).into()
            })
            .collect();
        events.push(
            Addons::DeleteAddon(catalogue::Addon {
                addon_provider_name: addon.provider.clone(),
                plan_name: addon.plan.clone(),
                resource_id: resource_id.clone(),
            })
            .into(),
        );
        Ok(events.into())
    }
}

/// Changes variables of an add-on on behalf of its provider, and restarts the app if it was deployed.
#[derive(Debug, Clone)]
pub struct ConfigureAddon {
    /// The add-on's identifier.
    pub id: String,
    /// The variables with their new values.
    pub config: Vec<NewValue>,
}

impl AppAction for ConfigureAddon {
    const ROLE: Role = Role::Operator;
    type Created = ();

    fn decide(
        &self,
        app: &App,
        _private: &mut Arc<PrivateState>,
        context: &Context<'_>,
    ) -> Result<Decision, Rejection> {
        let (resource_id, addon) = find(app, &self.id)?;
        let provider = context.lookups.directory().provider(&addon.provider);
        let provider = provider.ok_or(Rejection::NotFound("addon_provider"))?;
        // The provider must not change a variable of the same name that somebody else set.
        let is_declared = |name: &String| {
            addon.variables.contains(name)
                || (provider.variables.iter().any(|variable| variable.name == *name)
                    && !app.variables.contains_key(name))
        };
        let undeclared = self.config.iter().filter(|variable| !is_declared(&variable.name));
        let errors = undeclared.map(|variable| {
            (
                "config".to_owned(),
                format!("contains a variable that the provider does not declare: {:.64}", variable.name),
            )
        });
        if let Some(errors) = FieldErrors::any(errors) {
            return Err(Rejection::Invalid(errors));
        }
        check_values(&self.config)?;
        check_total(app, self.config.iter().map(|variable| (&variable.name, &variable.value)))?;
        let by_addon = Some((provider.name.as_str(), resource_id.as_str()));
        let mut events: Vec<_> = self
            .config
            .iter()
            .flat_map(|variable| set_one(app, &variable.name, &variable.value, by_addon))
            .collect();
        // What was never deployed does not run.
        if app.last_deployment.is_some() {
            events.push(restarted(None, &provider.name));
        }
        Ok(events.into())
    }
}

pub(super) fn apply(app: &mut App, data: &Addons, event: &Event) {
    match data {
        Addons::NewAddon(data) => {
            let addon = Addon {
                provider: data.addon_provider_name.clone(),
                plan: data.plan_name.clone(),
                created_at: event.created_at,
                addon_uuid: data.addon_uuid.clone(),
                suspended: false,
                variables: BTreeSet::new(),
                features: BTreeSet::new(),
                log_drains: BTreeSet::new(),
                maintenance_window: None,
            };
            app.addons.insert(data.resource_id.clone(), addon);
        }
        Addons::UpgradeAddon(data) => {
            if let Some(addon) = app.addons.get_mut(&data.resource_id) {
                addon.plan.clone_from(&data.new_plan_name);
            }
        }
        Addons::DeleteAddon(data) => {
            if let Some(addon) = app.addons.remove(&data.resource_id) {
                let addon_uuid = uuid_in_events(app.id, &data.resource_id, &addon);
                maintenances::apply_addon_removed(app, &addon_uuid);
            }
        }
        Addons::SuspendAddon(SuspendAddon { resource_id, .. }) => set_suspended(app, resource_id, true),
        Addons::ResumeAddon(catalogue::Addon { resource_id, .. }) => set_suspended(app, resource_id, false),
        Addons::AddonUpdated(data) => {
            if let Some(ended) = &data.ended_maintenance {
                app.maintenances.remove(&ended.maintenance_id);
            }
            if let (Some(addon), Some(window)) =
                (app.addons.get_mut(&data.addon_resource_id), data.maintenance_window)
            {
                addon.maintenance_window = Some(window);
            }
        }
    }
}

fn set_suspended(app: &mut App, resource_id: &str, suspended: bool) {
    if let Some(addon) = app.addons.get_mut(resource_id) {
        addon.suspended = suspended;
    }
}

fn choose_plan<'a>(provider: &'a Provider, id: &str) -> Result<&'a Plan, Rejection> {
    let plan = provider.plan(id).ok_or(Rejection::NotFound("plan"))?;
    if plan.disabled {
        return Err(Rejection::invalid("plan_id", "is no longer available"));
    }
    Ok(plan)
}

/// Returns an identifier for a new resource, like `my_app_4724`.
fn new_resource_id(app: &App, ids: &dyn IdSource) -> String {
    let stem = app.name.replace('-', "_");
    let [a, b, ..] = ids.secret();
    let start = u16::from_be_bytes([a, b]);
    (0..=u16::MAX)
        .map(|step| format!("{stem}_{}", 1000 + u32::from(start.wrapping_add(step)) % 9000))
        .find(|resource_id| !app.addons.contains_key(resource_id))
        .expect("an app has fewer add-ons than there are numbers")
}
