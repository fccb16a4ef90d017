//! The formation of an app.

use annals_model::App;
use annals_model::app::{Scale, ScaledType};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::access::{Access, Readable};
use crate::answer::ok;
use crate::body::{JsonBody, required};
use crate::error::ApiError;

#[derive(Deserialize)]
pub(crate) struct ScaleBody {
    containers: Option<Vec<ScaleFields>>,
}

#[derive(Deserialize)]
struct ScaleFields {
    name: Option<String>,
    amount: Option<i64>,
    size: Option<String>,
}

/// Changes how many containers of some types there are. It is done when it is answered, so there is no operation to
/// follow.
pub(crate) async fn scale_app(
    access: Access<Scale>,
    body: JsonBody<ScaleBody>,
) -> Result<Response, ApiError> {
    let containers = required(body.value.containers, "containers")?
        .into_iter()
        .map(|fields| {
            Ok(ScaledType {
                name: required(fields.name, "name")?,
                amount: required(fields.amount, "amount")?,
                // Clients send an empty size for one that stays.
                size: fields.size.filter(|size| !size.is_empty()),
            })
        })
        .collect::<Result<_, ApiError>>()?;
    let outcome = access.act(Scale { containers }, &body.bytes).await?;
    Ok(ok(&view(&outcome.app)))
}

/// The formation.
pub(crate) async fn list_containers(readable: Readable) -> Result<Response, ApiError> {
    let Readable { app, .. } = readable.live()?;
    Ok(ok(&view(&app)))
}

/// What scales the app by itself: nothing does, which the official CLI asks before it scales.
pub(crate) async fn list_autoscalers(readable: Readable) -> Result<Response, ApiError> {
    readable.live()?;
    Ok(ok(&json!({ "autoscalers": [] })))
}

fn view(app: &App) -> Value {
    let containers: Vec<_> = app
        .formation
        .iter()
        .map(|(name, container)| {
            let digest = Sha256::new().chain_update(app.id.as_bytes()).chain_update(name).finalize();
            json!({
                "id": hex::encode(&digest[..12]),
                "app_id": app.id,
                "name": name,
                "amount": container.amount,
                "size": container.size,
                "command": "",
            })
        })
        .collect();
    json!({ "containers": containers })
}
