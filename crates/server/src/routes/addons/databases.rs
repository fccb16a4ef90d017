//! The databases of an app: features and maintenance.

use std::collections::HashMap;

use annals_model::app::{
    AddFeature, ChooseMaintenanceWindow, MaintenanceMove, MaintenanceRecord, MaintenanceStatus,
    MoveMaintenance, PlanMaintenance, RemoveFeature, WINDOW_HOURS, find_addon, maintenance_window,
};
use annals_model::{App, Directory, EventId, PrivateState, Time};
use annals_service::{Access, Service};
use axum::extract::{Query, State};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, LastSegment, Paged, Readable, Segments, Selection, required};
use crate::routes::timelines::events::Meta;

pub(crate) fn api() -> Api {
    const ONE: &str = "/api/databases/{database}";
    const FEATURES: &str = "/api/databases/{database}/features";
    const MAINTENANCES: &str = "/api/databases/{database}/maintenance";
    let moves = |summary| action(summary).operator().body::<MoveMaintenanceBody>().ok::<MaintenanceAnswer>();
    Api::of("Databases")
        .get(ONE, show_database, op("Get a database").anybody_known().ok::<DatabaseAnswer>())
        .patch(
            ONE,
            update_database,
            action("Set the maintenance window of a database")
                .records(&["addon_updated"])
                .body::<MaintenanceWindowBody>()
                .example(json!({ "database": { "maintenance_window": { "weekday_utc": 2, "starting_hour_utc": 22 } } }))
                .ok::<DatabaseAnswer>(),
        )
        .post(
            FEATURES,
            add_database_feature,
            action("Enable a feature of a database")
                .records(&["database/add_feature"])
                .body::<FeatureBody>()
                .example(json!({ "feature": { "name": "publicly-available" } }))
                .ok::<FeatureView>(),
        )
        .delete(
            FEATURES,
            remove_database_feature,
            action("Disable a feature of a database, named in the query or in the body")
                .records(&["database/remove_feature"])
                .query("feature", "The feature's name.")
                .body::<RemoveFeatureBody>()
                .example(json!({ "feature": "force-ssl" }))
                .ok::<RemovedFeatureAnswer>(),
        )
        .get(
            MAINTENANCES,
            list_maintenances,
            op("List the maintenances of a database").paged().anybody_known().ok::<MaintenancesAnswer>(),
        )
        .post(
            MAINTENANCES,
            plan_maintenance,
            action("Plan a maintenance")
                .records(&["plan_database_maintenance"])
                .operator()
                .body::<PlanMaintenanceBody>()
                .example(json!({ "maintenance": { "type": "db-upgrade" } }))
                .created::<MaintenanceAnswer>(),
        )
        .get(
            "/api/databases/{database}/maintenance/{maintenance}",
            show_maintenance,
            op("Get a maintenance").anybody_known().ok::<MaintenanceAnswer>(),
        )
        .post(
            "/api/databases/{database}/maintenance/{maintenance}/start",
            start_maintenance,
            moves("Start a maintenance within its window").records(&["start_database_maintenance"]),
        )
        .post(
            "/api/databases/{database}/maintenance/{maintenance}/complete",
            complete_maintenance,
            moves("Complete a maintenance, or mark it as failed")
                .records(&["complete_database_maintenance", "addon_updated"]),
        )
        .post(
            "/api/databases/{database}/maintenance/{maintenance}/cancel",
            cancel_maintenance,
            moves("Cancel a maintenance").records(&["addon_updated"]),
        )
}

/// Shows a database.
async fn show_database(
    State(service): State<Service>,
    readable: Readable,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    Ok(ok(&DatabaseAnswer::new(&app, &*service.directory().await?, &id)?))
}

#[derive(Deserialize, JsonSchema)]
struct MaintenanceWindowBody {
    database: Option<MaintenanceWindowFields>,
}

#[derive(Deserialize, JsonSchema)]
struct MaintenanceWindowFields {
    maintenance_window: Option<WindowChoice>,
    /// Refused: annals takes no backups.
    periodic_backups_enabled: Option<bool>,
    /// Refused: annals takes no backups.
    periodic_backups_scheduled_at: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
struct WindowChoice {
    /// The day of the week, from 0 (Sunday) to 6.
    weekday_utc: Option<i64>,
    /// The hour, from 0 to 23.
    starting_hour_utc: Option<i64>,
}

/// Sets when maintenance may start.
async fn update_database(
    State(service): State<Service>,
    access: Authorized<ChooseMaintenanceWindow>,
    LastSegment(addon_id): LastSegment,
    body: JsonBody<MaintenanceWindowBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.database, "database")?;
    if fields.periodic_backups_enabled.is_some() || fields.periodic_backups_scheduled_at.is_some() {
        let message = "annals does not offer backups of databases; configure them on your platform";
        return Err(ApiError::NotOffered(message.to_owned()));
    }
    let WindowChoice { weekday_utc, starting_hour_utc } =
        required(fields.maintenance_window, "maintenance_window")?;
    let action = ChooseMaintenanceWindow { addon_id: addon_id.clone(), weekday_utc, starting_hour_utc };
    let app = access.act(action, &body.bytes).await?.app;
    Ok(ok(&DatabaseAnswer::new(&app, &*service.directory().await?, &addon_id)?))
}

#[derive(Deserialize, JsonSchema)]
struct FeatureBody {
    feature: Option<FeatureFields>,
}

#[derive(Deserialize, JsonSchema)]
struct FeatureFields {
    name: Option<String>,
}

/// Enables a feature of a database.
async fn add_database_feature(
    access: Authorized<AddFeature>,
    Segments([addon_id]): Segments<1>,
    body: JsonBody<FeatureBody>,
) -> Result<Response, ApiError> {
    let name = required(required(body.value.feature, "feature")?.name, "feature")?;
    access.act(AddFeature { addon_id, feature: name.clone() }, &body.bytes).await?;
    let message = format!("The feature {name} is active.");
    Ok(ok(&FeatureView { name, status: "ACTIVATED", message }))
}

#[derive(Deserialize, JsonSchema)]
struct RemoveFeatureBody {
    feature: Option<String>,
}

/// Disables a feature of a database. Clients expect a body, so the response is not 204.
async fn remove_database_feature(
    access: Authorized<RemoveFeature>,
    Segments([addon_id]): Segments<1>,
    Query(mut query): Query<HashMap<String, String>>,
    body: JsonBody<RemoveFeatureBody>,
) -> Result<Response, ApiError> {
    let feature = required(query.remove("feature").or(body.value.feature), "feature")?;
    let message = format!("The feature {feature} is no longer active.");
    access.act(RemoveFeature { addon_id, feature }, &body.bytes).await?;
    Ok(ok(&RemovedFeatureAnswer { message }))
}

/// Lists the maintenances of a database, newest first.
async fn list_maintenances(
    State(service): State<Service>,
    readable: Readable,
    Segments([addon_id]): Segments<1>,
    selection: Selection,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    find_addon(&app, &addon_id).map_err(|_| ApiError::NotFound("database"))?;
    let private = service.private_state(app.id).await?;
    let of_database: Vec<_> = private
        .maintenances
        .iter()
        .filter(|record| record.addon_id == addon_id)
        .map(MaintenanceView::new)
        .collect();
    let Paged { items, pagination } = selection.page_of(of_database);
    Ok(ok(&MaintenancesAnswer { maintenance: items, meta: Meta { pagination } }))
}

/// Shows a maintenance.
async fn show_maintenance(
    State(service): State<Service>,
    readable: Readable,
    Segments([addon_id, id]): Segments<2>,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    Ok(ok(&MaintenanceAnswer::new(&*service.private_state(app.id).await?, &addon_id, parse_id(&id)?)?))
}

#[derive(Deserialize, JsonSchema)]
struct PlanMaintenanceBody {
    maintenance: Option<PlanMaintenanceFields>,
}

#[derive(Deserialize, JsonSchema)]
struct PlanMaintenanceFields {
    /// What will be done, as in `db-upgrade`.
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Plans a maintenance for the next window.
async fn plan_maintenance(
    access: Authorized<PlanMaintenance>,
    Segments([addon_id]): Segments<1>,
    body: JsonBody<PlanMaintenanceBody>,
) -> Result<Response, ApiError> {
    let kind = required(required(body.value.maintenance, "maintenance")?.kind, "type")?;
    let action = PlanMaintenance { addon_id: addon_id.clone(), maintenance_type: kind };
    let outcome = access.act(action, &body.bytes).await?;
    let id = outcome.created;
    Ok(created(&MaintenanceAnswer::new(&outcome.private, &addon_id, id)?))
}

#[derive(Deserialize, JsonSchema)]
struct MoveMaintenanceBody {
    /// The result: `done` or `failed`.
    status: Option<String>,
}

/// Starts a maintenance.
async fn start_maintenance(
    access: Authorized<MoveMaintenance>,
    Segments(path): Segments<2>,
    body: JsonBody<MoveMaintenanceBody>,
) -> Result<Response, ApiError> {
    move_on(access, path, MaintenanceMove::Start, &body.bytes).await
}

/// Completes a maintenance, or marks it as failed.
async fn complete_maintenance(
    access: Authorized<MoveMaintenance>,
    Segments(path): Segments<2>,
    body: JsonBody<MoveMaintenanceBody>,
) -> Result<Response, ApiError> {
    let to = match body.value.status.as_deref() {
        None | Some("done" | "") => MaintenanceMove::Complete,
        Some("failed") => MaintenanceMove::Fail,
        Some(_) => return Err(ApiError::invalid("status", "must be done or failed")),
    };
    move_on(access, path, to, &body.bytes).await
}

/// Cancels a maintenance.
async fn cancel_maintenance(
    access: Authorized<MoveMaintenance>,
    Segments(path): Segments<2>,
    body: JsonBody<MoveMaintenanceBody>,
) -> Result<Response, ApiError> {
    move_on(access, path, MaintenanceMove::Cancel, &body.bytes).await
}

/// Changes the status of a maintenance.
async fn move_on(
    access: Authorized<MoveMaintenance>,
    [addon_id, id]: [String; 2],
    to: MaintenanceMove,
    body: &[u8],
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let private = access.act(MoveMaintenance { addon_id: addon_id.clone(), id, to }, body).await?.private;
    Ok(ok(&MaintenanceAnswer::new(&private, &addon_id, id)?))
}

fn parse_id(text: &str) -> Result<EventId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("maintenance"))
}

#[derive(Serialize, JsonSchema)]
struct DatabaseAnswer {
    database: DatabaseView,
}

#[derive(Serialize, JsonSchema)]
struct DatabaseView {
    id: String,
    created_at: Time,
    resource_id: String,
    app_name: String,
    encryption_at_rest: bool,
    features: Vec<ActiveFeature>,
    plan: String,
    status: &'static str,
    type_id: String,
    type_name: String,
    version_id: &'static str,
    next_version_id: Option<String>,
    readable_version: &'static str,
    instances: Vec<String>,
    hostname: String,
    cluster: bool,
    periodic_backups_enabled: bool,
    periodic_backups_scheduled_at: Vec<u8>,
    maintenance_window: WindowView,
}

#[derive(Serialize, JsonSchema)]
struct ActiveFeature {
    name: String,
    status: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct WindowView {
    weekday_utc: u8,
    starting_hour_utc: u8,
    duration_in_hour: u32,
}

impl DatabaseAnswer {
    fn new(app: &App, directory: &Directory, id: &str) -> Result<Self, ApiError> {
        let (resource_id, addon) = find_addon(app, id).map_err(|_| ApiError::NotFound("database"))?;
        let provider = directory.provider(&addon.provider).filter(|provider| provider.is_database);
        let provider = provider.ok_or(ApiError::NotFound("database"))?;
        let window = maintenance_window(app.id, resource_id, addon);
        let features =
            addon.features.iter().map(|name| ActiveFeature { name: name.clone(), status: "ACTIVATED" });
        let database = DatabaseView {
            id: id.to_owned(),
            created_at: addon.created_at,
            resource_id: resource_id.clone(),
            app_name: app.name.clone(),
            encryption_at_rest: false,
            features: features.collect(),
            plan: addon.plan.clone(),
            status: "running",
            type_id: provider.internal_id().to_string(),
            type_name: provider.id.clone(),
            version_id: "",
            next_version_id: None,
            readable_version: "",
            instances: Vec::new(),
            hostname: String::new(),
            cluster: false,
            periodic_backups_enabled: false,
            periodic_backups_scheduled_at: Vec::new(),
            maintenance_window: WindowView {
                weekday_utc: window.weekday_utc,
                starting_hour_utc: window.starting_hour_utc,
                duration_in_hour: WINDOW_HOURS,
            },
        };
        Ok(Self { database })
    }
}

#[derive(Serialize, JsonSchema)]
struct FeatureView {
    name: String,
    status: &'static str,
    message: String,
}

#[derive(Serialize, JsonSchema)]
struct RemovedFeatureAnswer {
    message: String,
}

#[derive(Serialize, JsonSchema)]
struct MaintenancesAnswer {
    maintenance: Vec<MaintenanceView>,
    meta: Meta,
}

/// A maintenance twice: flat, as clients expect it, and nested, as Scalingo's documentation has it.
#[derive(Serialize, JsonSchema)]
struct MaintenanceAnswer {
    #[serde(flatten)]
    flat: MaintenanceView,
    maintenance: MaintenanceView,
}

impl MaintenanceAnswer {
    fn new(private: &PrivateState, addon_id: &str, id: EventId) -> Result<Self, ApiError> {
        let found = private.maintenances.iter().find(|record| record.id == id && record.addon_id == addon_id);
        let view = MaintenanceView::new(found.ok_or(ApiError::NotFound("maintenance"))?);
        Ok(Self { flat: view.clone(), maintenance: view })
    }
}

#[derive(Clone, Serialize, JsonSchema)]
struct MaintenanceView {
    id: EventId,
    database_id: String,
    #[serde(rename = "type")]
    kind: String,
    status: MaintenanceStatus,
    /// When its window starts.
    planned_for: Time,
    started_at: Option<Time>,
    ended_at: Option<Time>,
}

impl MaintenanceView {
    fn new(record: &MaintenanceRecord) -> Self {
        Self {
            id: record.id,
            database_id: record.addon_id.clone(),
            kind: record.maintenance_type.clone(),
            status: record.status,
            planned_for: record.window,
            started_at: record.started_at,
            ended_at: record.ended_at,
        }
    }
}
