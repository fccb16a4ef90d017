//! Backups: the whole store as one stream, for the operator.

use annals_service::Service;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header;
use tokio::sync::mpsc;

use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::Operator;

const BACKUP_TYPE: &str = "application/octet-stream";
/// The number of pieces that wait for a client slower than the disk.
const WAITING_MAX: usize = 4;

pub(crate) fn api() -> Api {
    Api::of("Platform").get(
        "/v1/operator/backup",
        download_backup,
        op("Download a snapshot of the whole store, to be restored with `annals restore`")
            .operator()
            .bytes(BACKUP_TYPE),
    )
}

/// Streams the store as it is now.
async fn download_backup(State(service): State<Service>, _: Operator) -> Result<Response, ApiError> {
    let pieces = service.backup().ok_or_else(|| {
        ApiError::Conflict("this store is a PostgreSQL database: back it up with pg_dump".to_owned())
    })?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    // Reading the whole store takes long and would block the threads that serve requests.
    tokio::task::spawn_blocking(move || {
        for piece in pieces {
            let piece = piece.map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a backup failed while it was read"
                );
                std::io::Error::other("the rest of the store could not be read")
            });
            let is_last = piece.is_err();
            if sender.blocking_send(piece).is_err() || is_last {
                break;
            }
        }
    });
    let body = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    Ok(([(header::CONTENT_TYPE, BACKUP_TYPE)], Body::from_stream(body)).into_response())
}
