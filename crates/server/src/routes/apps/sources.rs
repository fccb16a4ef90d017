//! Source archives: users upload them to deploy them, and builders download them.

use std::time::Instant;

use annals_service::{ArchiveId, NewArchive, Permission, Service};
use axum::body::{Body, HttpBody as _};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::header;
use http_body_util::BodyExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::answer::{created, ok};
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::extract::{LastSegment, User};
use crate::limits::{BODY_BYTES_PER_SECOND_MIN, BODY_GRACE, READ_BYTES, UPLOAD_PAUSE_MAX};

/// Where archives are uploaded and downloaded. An upload may take longer than other requests.
pub(crate) const UPLOAD_PATH: &str = "/v1/sources/{source}/archive";

pub(crate) fn api() -> Api {
    Api::of("Deployments")
        .post(
            "/v1/sources",
            create_source,
            op("Get the addresses to upload a source archive, and to deploy it").created::<SourceAnswer>(),
        )
        .put(
            UPLOAD_PATH,
            upload_source,
            op("Upload a source archive, to the address that `POST /v1/sources` gave")
                .open()
                .query("expires", "Until when the address is valid.")
                .query("proof", "The proof that annals made the address.")
                .raw_body("application/octet-stream")
                .ok::<UploadedAnswer>(),
        )
        .get(
            UPLOAD_PATH,
            download_source,
            op("Download a source archive, from the `source_url` of its deployment")
                .open()
                .query("expires", "Until when the address is valid.")
                .query("proof", "The proof that annals made the address.")
                .bytes("application/gzip"),
        )
}

#[derive(Serialize, JsonSchema)]
struct SourceAnswer {
    source: SourceView,
}

#[derive(Serialize, JsonSchema)]
struct SourceView {
    /// Where to `PUT` the archive, without a credential, within an hour.
    upload_url: String,
    /// The `source_url` of the deployment.
    download_url: String,
}

#[derive(Serialize, JsonSchema)]
struct UploadedAnswer {
    /// The length of the archive in bytes.
    uploaded: u64,
}

/// Makes the addresses of a new archive.
async fn create_source(State(service): State<Service>, User(user): User) -> Result<Response, ApiError> {
    let NewArchive { id, upload, download } = service.new_archive(user.id()).await?;
    let address = |Permission { expires, proof }| {
        format!("{}/v1/sources/{id}/archive?expires={expires}&proof={proof}", service.public_url())
    };
    let source = SourceView { upload_url: address(upload), download_url: address(download) };
    Ok(created(&SourceAnswer { source }))
}

#[derive(Deserialize)]
struct Permitted {
    expires: Option<String>,
    proof: Option<String>,
}

impl From<Permitted> for Permission {
    fn from(permitted: Permitted) -> Self {
        Self {
            expires: permitted.expires.and_then(|expires| expires.parse().ok()).unwrap_or_default(),
            proof: permitted.proof.unwrap_or_default(),
        }
    }
}

fn read_id(text: &str) -> Result<ArchiveId, ApiError> {
    ArchiveId::read(text).ok_or(ApiError::NotFound("source"))
}

/// Receives an archive. Answers once it is durable.
async fn upload_source(
    State(service): State<Service>,
    LastSegment(id): LastSegment,
    Query(permitted): Query<Permitted>,
    mut body: Body,
) -> Result<Response, ApiError> {
    let bytes_max = service.archive_bytes_max()?;
    let too_large = || ApiError::TooLarge(usize::try_from(bytes_max).unwrap_or(usize::MAX));
    let mut upload = service.begin_upload(&read_id(&id)?, &permitted.into()).await?;
    if body.size_hint().lower() > bytes_max {
        return Err(too_large());
    }
    let (began, mut uploaded) = (Instant::now(), 0_u64);
    loop {
        let frame = timeout(UPLOAD_PAUSE_MAX, body.frame()).await.map_err(|_| ApiError::TooSlow)?;
        let Some(frame) = frame else { break };
        let frame =
            frame.map_err(|_| ApiError::BadRequest("the archive ended before its length".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        uploaded += data.len() as u64;
        if uploaded > bytes_max {
            return Err(too_large());
        }
        let due = BODY_GRACE.as_secs() + uploaded / BODY_BYTES_PER_SECOND_MIN as u64;
        if began.elapsed().as_secs() > due {
            return Err(ApiError::TooSlow);
        }
        upload.write(&data).await?;
    }
    if uploaded == 0 {
        return Err(ApiError::invalid("archive", "must not be empty"));
    }
    upload.finish().await?;
    Ok(ok(&UploadedAnswer { uploaded }))
}

/// Sends an archive.
async fn download_source(
    State(service): State<Service>,
    LastSegment(id): LastSegment,
    Query(permitted): Query<Permitted>,
) -> Result<Response, ApiError> {
    let (file, length) = service.open_archive(&read_id(&id)?, &permitted.into()).await?;
    let parts = try_unfold(file, async |mut file| {
        let mut part = vec![0; READ_BYTES];
        let read = file.read(&mut part).await?;
        part.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(part), file)))
    });
    let headers =
        [(header::CONTENT_TYPE, "application/gzip".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    Ok((headers, Body::from_stream(parts)).into_response())
}
