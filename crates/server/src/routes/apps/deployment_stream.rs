//! Following the deployments of an app over a WebSocket, as official clients do.
//!
//! The client first sends `{"type":"auth","data":{"token":"…"}}`. Then annals sends one message for each thing that happens:
//! `{"id":"…","type":"new","data":{"deployment":{…}}}`, `{"id":"…","type":"status","data":{"status":"building"}}`,
//! `{"id":"…","type":"log","data":{"content":"…"}}`, and `{"type":"ping"}` now and then.

use std::collections::HashMap;
use std::time::Duration;

use annals_model::app::{DeploymentRecord, Progress};
use annals_model::{App, EventId, PrivateState};
use annals_service::{Access, AppReference, Credential, OUTPUT_PARTS_READ};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::deployments::DeploymentAnswer;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::Segments;
use crate::limits::STREAM_PROOF_TIME_MAX;
use crate::listen::Counted;
use crate::state::AppState;
use crate::streams::OpenStream;

/// How often the deployments are looked at. Other processes may change them, and not every change is an event.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the other end is asked whether it is there, and whether it may still see the app.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Deployments that ended so recently are told of too: a client deploys first, and then opens the stream.
const RECENT: Duration = Duration::from_secs(60);
/// The longest message from a client.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

pub(crate) fn api() -> Api {
    Api::of("Deployments").get(
        "/v1/apps/{app}/deployments/stream",
        follow_deployments,
        op("Follow the deployments of an app over a WebSocket. The first message is \
            `{\"type\":\"auth\",\"data\":{\"token\":\"…\"}}`")
        .open()
        .switching_protocols(),
    )
}

/// Takes the connection over. The credential comes in the first message, because browsers cannot send it in a header.
async fn follow_deployments(
    State(state): State<AppState>,
    Segments([app]): Segments<1>,
    counted: Option<Extension<Counted>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| ApiError::BadRequest("connect with a WebSocket".to_owned()))?;
    let stream = state.streams.open()?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(async move |mut socket| {
        let _counted = counted;
        let (code, reason) = match follow(&state, &app, stream, &mut socket).await {
            Ended::Gone => return,
            Ended::Refused(reason) => (close_code::POLICY, reason),
            Ended::Failed => (close_code::AGAIN, "try again"),
        };
        _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
    }))
}

/// Why a stream ends.
enum Ended {
    /// The other end is gone.
    Gone,
    /// The other end may not see the app, or not any more.
    Refused(&'static str),
    /// The store cannot be read.
    Failed,
}

impl From<annals_service::Error> for Ended {
    fn from(error: annals_service::Error) -> Self {
        match ApiError::from(error) {
            ApiError::Unauthorized(_) => Self::Refused("the token is not valid"),
            ApiError::NotFound(_) | ApiError::Forbidden(_) => Self::Refused("the app was not found"),
            _ => Self::Failed,
        }
    }
}

async fn follow(state: &AppState, app: &str, mut stream: OpenStream, socket: &mut WebSocket) -> Ended {
    let token = match timeout(STREAM_PROOF_TIME_MAX, token(socket)).await {
        Ok(Ok(token)) => token,
        Ok(Err(ended)) => return ended,
        Err(_) => return Ended::Refused("the token is missing"),
    };
    match authorize(state, &token, app).await {
        Ok((_, Some(user))) if !stream.is_of(user) => Ended::Refused("too many streams are open"),
        Ok((access, _)) => tell(state, &token, access, socket).await.err().unwrap_or(Ended::Gone),
        Err(ended) => ended,
    }
}

/// Waits for the message with the token.
async fn token(socket: &mut WebSocket) -> Result<String, Ended> {
    #[derive(Deserialize)]
    struct Auth {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        token: String,
    }
    loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => {
                let auth = serde_json::from_str::<Auth>(&text);
                return auth.map(|auth| auth.data.token).map_err(|_| Ended::Refused("the token is missing"));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Ended::Gone),
            Some(Ok(_)) => {}
        }
    }
}

/// Returns what the holder of the token may see of the app.
async fn authorize(
    state: &AppState,
    token: &str,
    app: &str,
) -> Result<(Access, Option<annals_model::UserId>), Ended> {
    let credential = state.service.authenticate(token, None).await?;
    let access = state.service.authorize(&credential, AppReference::App(app)).await?.live()?;
    let user = match &credential {
        Credential::User(user) => Some(user.id()),
        Credential::Operator | Credential::Auditor => None,
    };
    Ok((access, user))
}

/// Tells of the app's deployments until the other end leaves or may not see them any more.
async fn tell(state: &AppState, token: &str, access: Access, socket: &mut WebSocket) -> Result<(), Ended> {
    let id = access.app.id.to_string();
    let mut app = access.app;
    let mut following = Following::default();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = Instant::now();
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                Some(Ok(_)) => continue,
            },
            _ = look.tick() => {}
        }
        if asked.elapsed() >= PING_EVERY {
            asked = Instant::now();
            app = authorize(state, token, &id).await?.0.app;
            send(socket, &json!({ "type": "ping" })).await?;
        }
        following.tell_more(state, &app, socket).await?;
    }
}

/// What was told of each deployment.
#[derive(Default)]
struct Following {
    /// The status that was told, and the number of parts of the output.
    deployments: HashMap<EventId, (Option<Progress>, u64)>,
    has_looked: bool,
}

impl Following {
    /// Tells of what is new since the last time.
    async fn tell_more(&mut self, state: &AppState, app: &App, socket: &mut WebSocket) -> Result<(), Ended> {
        let private = state.service.private_state(app.id).await?;
        let now = state.service.now();
        let is_of_interest = |record: &DeploymentRecord| {
            record.finished_at.is_none_or(|at| at.plus_millis(RECENT.as_millis() as u64) > now)
        };
        for record in &private.deployments {
            let is_known = self.deployments.contains_key(&record.id);
            if !is_known && !self.has_looked && !is_of_interest(record) {
                let output = state.service.output_length(app.id, record.id).await?;
                self.deployments.insert(record.id, (Some(record.status), output.parts));
            } else if !is_known || is_of_interest(record) {
                self.tell_of(state, app, &private, record, socket).await?;
            }
        }
        self.deployments.retain(|id, _| private.deployment(*id).is_some());
        self.has_looked = true;
        Ok(())
    }

    /// Tells of one deployment: that it is there, its output, and then its status. After the last status nobody listens.
    async fn tell_of(
        &mut self,
        state: &AppState,
        app: &App,
        private: &PrivateState,
        record: &DeploymentRecord,
        socket: &mut WebSocket,
    ) -> Result<(), Ended> {
        let id = record.id;
        if !self.deployments.contains_key(&id)
            && let Ok(answer) = DeploymentAnswer::new(&state.service, app, private, id)
        {
            send(socket, &json!({ "id": id, "type": "new", "data": answer })).await?;
        }
        let (status, parts) = self.deployments.entry(id).or_default();
        loop {
            let read = state.service.output(app.id, id, *parts).await?;
            for text in &read {
                send(socket, &json!({ "id": id, "type": "log", "data": { "content": &**text } })).await?;
            }
            *parts += read.len() as u64;
            if read.len() < OUTPUT_PARTS_READ {
                break;
            }
        }
        if *status != Some(record.status) {
            *status = Some(record.status);
            send(socket, &json!({ "id": id, "type": "status", "data": { "status": record.status } })).await?;
        }
        Ok(())
    }
}

async fn send(socket: &mut WebSocket, message: &Value) -> Result<(), Ended> {
    socket.send(Message::Text(message.to_string().into())).await.map_err(|_| Ended::Gone)
}
