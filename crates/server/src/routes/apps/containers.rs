//! The formation of an app: how many containers of each type it has.

use annals_model::app::{Scale, ScaledType};
use annals_model::{App, AppId, ResourceId};
use annals_service::{Access, Service};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{json_response, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, Readable, required};
use crate::routes::apps::restarts::locate_operation;

pub(crate) fn api() -> Api {
    Api::of("Containers")
        .get(
            "/v1/apps/{app}/containers",
            list_container_types,
            op("Get the formation: the container types of an app with their counts")
                .anybody_known()
                .ok::<ContainerTypesAnswer>(),
        )
        .post(
            "/v1/apps/{app}/scale",
            scale_app,
            action("Change the formation")
                .records(&["scale"])
                .body::<ScaleAppBody>()
                .example(json!({ "containers": [{ "name": "web", "amount": 3, "size": "L" }] }))
                .ok::<ContainerTypesAnswer>()
                .answers::<ContainerTypesAnswer>(StatusCode::ACCEPTED)
                .with_location(),
        )
        .get(
            "/v1/apps/{app}/autoscalers",
            list_autoscalers,
            op("List the autoscalers of an app: always none").anybody_known().ok::<AutoscalersAnswer>(),
        )
}

#[derive(Deserialize, JsonSchema)]
struct ScaleAppBody {
    containers: Option<Vec<ScaleAppFields>>,
}

#[derive(Deserialize, JsonSchema)]
struct ScaleAppFields {
    name: Option<String>,
    amount: Option<i64>,
    size: Option<String>,
}

/// Changes the number or the size of containers of some types.
async fn scale_app(
    State(service): State<Service>,
    access: Authorized<Scale>,
    body: JsonBody<ScaleAppBody>,
) -> Result<Response, ApiError> {
    let containers = required(body.value.containers, "containers")?
        .into_iter()
        .enumerate()
        .map(|(index, fields)| {
            Ok(ScaledType {
                name: required(fields.name, &format!("containers[{index}].name"))?,
                amount: required(fields.amount, &format!("containers[{index}].amount"))?,
                // Clients send an empty size to keep the current one.
                size: fields.size.filter(|size| !size.is_empty()),
            })
        })
        .collect::<Result<_, ApiError>>()?;
    let outcome = access.act(Scale { containers }, &body.bytes).await?;
    let answer = ContainerTypesAnswer::new(&outcome.app);
    // Without a change, or before the first deployment, no container starts or stops: there is no operation to follow.
    if outcome.app.last_deployment.is_none() || outcome.recorded("scale").is_none() {
        return Ok(ok(&answer));
    }
    let mut response = json_response(StatusCode::ACCEPTED, &answer);
    locate_operation(&service, outcome.app.id, outcome.recorded("scale"), &mut response);
    Ok(response)
}

/// Lists the container types with their amounts and sizes.
async fn list_container_types(readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    Ok(ok(&ContainerTypesAnswer::new(&app)))
}

/// Lists the autoscalers, of which there are none. The official CLI reads the list before it scales.
async fn list_autoscalers(readable: Readable) -> Result<Response, ApiError> {
    readable.live()?;
    Ok(ok(&AutoscalersAnswer { autoscalers: Vec::new() }))
}

#[derive(Serialize, JsonSchema)]
struct ContainerTypesAnswer {
    containers: Vec<ContainerTypeView>,
}

#[derive(Serialize, JsonSchema)]
struct ContainerTypeView {
    id: ResourceId,
    app_id: AppId,
    name: String,
    amount: u32,
    size: String,
    command: String,
}

#[derive(Serialize, JsonSchema)]
struct AutoscalersAnswer {
    autoscalers: Vec<String>,
}

impl ContainerTypesAnswer {
    fn new(app: &App) -> Self {
        let containers = app.formation.iter().map(|(name, container)| ContainerTypeView {
            id: ResourceId::derived(app.id, "container_type", name),
            app_id: app.id,
            name: name.clone(),
            amount: container.amount,
            size: container.size.clone(),
            command: String::new(),
        });
        Self { containers: containers.collect() }
    }
}
