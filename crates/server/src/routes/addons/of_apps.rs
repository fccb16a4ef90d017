//! The add-ons of an app, and their providers.

use std::collections::HashMap;

use annals_model::app::{AddAddon, Addon, DeleteAddon, UpgradeAddon, addon_id, find_addon};
use annals_model::directory::{Plan, Provider};
use annals_model::{App, AppId, Directory, Time};
use annals_service::{Access, Service};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{
    Acting, AnyCollaborator, Authorized, JsonBody, LastSegment, Operator, Readable, Segments, given, required,
};

pub(crate) fn api() -> Api {
    const ALL: &str = "/v1/apps/{app}/addons";
    const ONE: &str = "/v1/apps/{app}/addons/{addon}";
    Api::of("Add-ons")
        .get(
            "/v1/addon_providers",
            list_addon_providers,
            op("List the add-ons on offer")
                .query("category_id", "Lists only the add-ons of this category.")
                .open()
                .ok::<AddonProvidersAnswer>(),
        )
        .put(
            "/v1/addon_providers",
            set_addon_providers,
            op("Replace the add-ons on offer").operator().body::<Directory>().ok::<AddonProvidersAnswer>(),
        )
        .get(
            "/v1/addon_categories",
            list_addon_categories,
            op("List the categories of add-ons").open().ok::<AddonCategoriesAnswer>(),
        )
        .get(
            "/v1/addon_providers/{provider}/plans",
            list_addon_plans,
            op("List the plans of an add-on")
                .query("show_all", "Lists disabled plans too if `true`.")
                .open()
                .ok::<AddonPlansAnswer>(),
        )
        .get(ALL, list_addons, op("List the add-ons of an app").anybody_known().ok::<AddonsAnswer>())
        .post(
            ALL,
            add_addon,
            action("Add an add-on to an app")
                .records(&["new_addon", "new_variable"])
                .body::<AddAddonBody>()
                .example(json!({ "addon": { "addon_provider_id": "redis", "plan_id": "redis-sandbox" } }))
                .created::<AddonAnswer>(),
        )
        .get(ONE, show_addon, op("Get an add-on").anybody_known().ok::<AddonAnswer>())
        .patch(
            ONE,
            upgrade_addon,
            action("Change the plan of an add-on")
                .records(&["upgrade_addon"])
                .body::<UpgradeAddonBody>()
                .example(json!({ "addon": { "plan_id": "redis-business-1024" } }))
                .ok::<AddonAnswer>(),
        )
        .delete(
            ONE,
            delete_addon,
            action("Remove an add-on").records(&["delete_addon", "delete_variable"]).no_content(),
        )
        .post(
            "/v1/apps/{app}/addons/{addon}/token",
            create_addon_token,
            op("Create a token for one database, valid for an hour").ok::<AddonTokenAnswer>(),
        )
}

/// Lists the add-on providers. If the query names a category, lists those of the category.
async fn list_addon_providers(
    State(service): State<Service>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    let directory = service.directory().await?;
    let mut answer = AddonProvidersAnswer::new(&directory);
    if let Some(category) = query.get("category_id") {
        answer.addon_providers.retain(|provider| provider.category.id == *category);
    }
    Ok(ok(&answer))
}

/// Replaces the add-on providers. The add-ons that apps already have stay as they are.
async fn set_addon_providers(
    State(service): State<Service>,
    _: Operator,
    body: JsonBody<Directory>,
) -> Result<Response, ApiError> {
    service.set_directory(body.value.clone()).await?;
    Ok(ok(&AddonProvidersAnswer::new(&body.value)))
}

/// Lists the categories of add-ons.
async fn list_addon_categories(State(service): State<Service>) -> Result<Response, ApiError> {
    let directory = service.directory().await?;
    let mut addon_categories: Vec<AddonCategoryView> = Vec::new();
    for provider in &directory.addon_providers {
        let category = AddonCategoryView::new(provider);
        if !addon_categories.iter().any(|known| known.id == category.id) {
            addon_categories.push(category);
        }
    }
    Ok(ok(&AddonCategoriesAnswer { addon_categories }))
}

/// Lists the plans of an add-on provider: the enabled ones, or all with `show_all=true`.
async fn list_addon_plans(
    State(service): State<Service>,
    LastSegment(provider): LastSegment,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, ApiError> {
    let directory = service.directory().await?;
    let provider = directory.provider(&provider).ok_or(ApiError::NotFound("addon_provider"))?;
    let shows_all = query.get("show_all").is_some_and(|value| value == "true");
    let offered = provider.plans.iter().enumerate().filter(|(_, plan)| shows_all || !plan.disabled);
    Ok(ok(&AddonPlansAnswer {
        plans: offered.map(|(index, plan)| AddonPlanView::new(plan, index)).collect(),
    }))
}

/// Lists the add-ons of an app.
async fn list_addons(State(service): State<Service>, readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    let directory = service.directory().await?;
    let addons = app.addons.iter().map(|(id, addon)| AddonView::new(&app, &directory, id, addon));
    Ok(ok(&AddonsAnswer { addons: addons.collect() }))
}

/// Shows an add-on.
async fn show_addon(
    State(service): State<Service>,
    readable: Readable,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    Ok(ok(&AddonAnswer::new(&service, &app, &id, "").await?))
}

#[derive(Deserialize, JsonSchema)]
struct AddAddonBody {
    addon: Option<AddAddonFields>,
}

#[derive(Deserialize, JsonSchema)]
struct AddAddonFields {
    /// The provider's identifier, as in `postgresql`.
    addon_provider_id: Option<String>,
    /// The plan's identifier.
    plan_id: Option<String>,
}

/// Adds an add-on.
async fn add_addon(
    State(service): State<Service>,
    access: Authorized<AddAddon>,
    body: JsonBody<AddAddonBody>,
) -> Result<Response, ApiError> {
    let fields = needed(body.value.addon, "addon")?;
    let provider_id = needed(given(fields.addon_provider_id), "addon_provider_id")?;
    let plan_id = needed(given(fields.plan_id), "plan_id")?;
    let outcome = access.act(AddAddon { provider_id, plan_id }, &body.bytes).await?;
    let (app, id) = (&outcome.app, &outcome.created);
    Ok(created(&AddonAnswer::new(&service, app, id, "The add-on is provisioned.").await?))
}

#[derive(Deserialize, JsonSchema)]
struct UpgradeAddonBody {
    addon: Option<UpgradeAddonFields>,
}

#[derive(Deserialize, JsonSchema)]
struct UpgradeAddonFields {
    /// The plan's identifier.
    plan_id: Option<String>,
}

/// Changes an add-on's plan.
async fn upgrade_addon(
    State(service): State<Service>,
    access: Authorized<UpgradeAddon>,
    LastSegment(id): LastSegment,
    body: JsonBody<UpgradeAddonBody>,
) -> Result<Response, ApiError> {
    let plan_id = needed(given(needed(body.value.addon, "addon")?.plan_id), "plan_id")?;
    let app = access.act(UpgradeAddon { id: id.clone(), plan_id }, &body.bytes).await?.app;
    Ok(ok(&AddonAnswer::new(&service, &app, &id, "The plan is changed.").await?))
}

/// Removes an add-on.
async fn delete_addon(
    access: Authorized<DeleteAddon>,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    access.act(DeleteAddon { id }, b"").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Issues a bearer token that lets the caller access one database.
async fn create_addon_token(
    State(service): State<Service>,
    access: Authorized<AnyCollaborator>,
    Segments([_, id]): Segments<2>,
) -> Result<Response, ApiError> {
    find_addon(&access.app, &id)?;
    let acting: &Acting = &access.acting;
    let token = service.issue_for_database(acting.user()?, id.clone());
    Ok(ok(&AddonTokenAnswer { addon: AddonToken { id, token } }))
}

/// Returns a required field. Clients expect 400 here if it is missing, not 422.
fn needed<T>(field: Option<T>, name: &str) -> Result<T, ApiError> {
    required(field, name).map_err(|_| ApiError::BadRequest(format!("{name} is required")))
}

#[derive(Serialize, JsonSchema)]
struct AddonProvidersAnswer {
    addon_providers: Vec<AddonProviderView>,
}

impl AddonProvidersAnswer {
    fn new(directory: &Directory) -> Self {
        Self { addon_providers: directory.addon_providers.iter().map(AddonProviderView::new).collect() }
    }
}

#[derive(Serialize, JsonSchema)]
struct AddonProviderView {
    id: String,
    name: String,
    logo_url: &'static str,
    short_description: String,
    description: String,
    category: AddonCategoryView,
    provider_name: String,
    provider_url: &'static str,
    hds_available: bool,
    plans: Vec<AddonPlanView>,
}

impl AddonProviderView {
    fn new(provider: &Provider) -> Self {
        Self {
            id: provider.id.clone(),
            name: provider.name.clone(),
            logo_url: "",
            short_description: provider.short_description.clone(),
            description: provider.short_description.clone(),
            category: AddonCategoryView::new(provider),
            provider_name: provider.name.clone(),
            provider_url: "",
            hds_available: provider.is_database,
            plans: provider
                .plans
                .iter()
                .enumerate()
                .map(|(index, plan)| AddonPlanView::new(plan, index))
                .collect(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct AddonCategoriesAnswer {
    addon_categories: Vec<AddonCategoryView>,
}

#[derive(Serialize, JsonSchema)]
struct AddonCategoryView {
    id: String,
    name: String,
    description: String,
    position: u32,
}

impl AddonCategoryView {
    fn new(provider: &Provider) -> Self {
        let name = if provider.category.is_empty() { "Other" } else { provider.category.as_str() };
        Self { id: name.to_lowercase(), name: name.to_owned(), description: String::new(), position: 0 }
    }
}

#[derive(Serialize, JsonSchema)]
struct AddonPlansAnswer {
    plans: Vec<AddonPlanView>,
}

#[derive(Serialize, JsonSchema)]
struct AddonPlanView {
    id: String,
    name: String,
    display_name: String,
    price: f64,
    description: String,
    position: Option<usize>,
    on_demand: bool,
    disabled: bool,
    disabled_alternative_plan_id: Option<String>,
    sku: Option<String>,
}

impl AddonPlanView {
    fn new(plan: &Plan, index: usize) -> Self {
        Self {
            id: plan.id.clone(),
            name: plan.name.clone(),
            display_name: plan.display_name.clone(),
            price: plan.price,
            description: plan.description.clone(),
            position: Some(index),
            on_demand: false,
            disabled: plan.disabled,
            disabled_alternative_plan_id: None,
            sku: None,
        }
    }

    /// Creates the view of a plan that is no longer in the directory.
    fn unknown(name: &str) -> Self {
        let name = name.to_owned();
        let plan = Plan {
            id: name.clone(),
            display_name: name.clone(),
            name,
            price: 0.0,
            description: String::new(),
            disabled: true,
        };
        Self::new(&plan, 0)
    }
}

#[derive(Serialize, JsonSchema)]
struct AddonsAnswer {
    addons: Vec<AddonView>,
}

#[derive(Serialize, JsonSchema)]
struct AddonAnswer {
    addon: AddonView,
    message: String,
    variables: Vec<String>,
    vars: Vec<String>,
}

impl AddonAnswer {
    async fn new(service: &Service, app: &App, id: &str, message: &str) -> Result<Self, ApiError> {
        let directory = service.directory().await?;
        let (resource_id, addon) = find_addon(app, id)?;
        let mut view = AddonView::new(app, &directory, resource_id, addon);
        view.message = Some(message.to_owned());
        let (variables, vars) = (view.variables.clone(), view.variables.clone());
        Ok(Self { addon: view, message: message.to_owned(), variables, vars })
    }
}

#[derive(Serialize, JsonSchema)]
struct AddonView {
    id: String,
    app_id: AppId,
    resource_id: String,
    addon_provider: AddonProviderSummary,
    plan: AddonPlanView,
    provisioned_at: Time,
    deprovisioned_at: Option<Time>,
    status: &'static str,
    message: Option<String>,
    variables: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct AddonProviderSummary {
    id: String,
    name: String,
    logo_url: &'static str,
}

impl AddonView {
    fn new(app: &App, directory: &Directory, resource_id: &str, addon: &Addon) -> Self {
        let known = directory
            .provider(&addon.provider)
            .and_then(|provider| provider.plans.iter().enumerate().find(|(_, plan)| plan.name == addon.plan));
        Self {
            id: addon_id(app.id, resource_id),
            app_id: app.id,
            resource_id: resource_id.to_owned(),
            addon_provider: AddonProviderSummary {
                id: addon.provider.clone(),
                name: addon.display_name(directory).to_owned(),
                logo_url: "",
            },
            plan: known.map_or_else(
                || AddonPlanView::unknown(&addon.plan),
                |(index, plan)| AddonPlanView::new(plan, index),
            ),
            provisioned_at: addon.created_at,
            deprovisioned_at: None,
            status: if addon.suspended { "suspended" } else { "running" },
            message: None,
            variables: addon.variables.iter().cloned().collect(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct AddonTokenAnswer {
    addon: AddonToken,
}

#[derive(Serialize, JsonSchema)]
struct AddonToken {
    id: String,
    token: String,
}
