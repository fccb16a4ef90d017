//! The description of the API as a document and as a page, and the page for new passwords. They load nothing from
//! elsewhere.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};

use crate::answer::json_bytes;
use crate::api::{Api, op};
use crate::error::ApiError;
use crate::state::AppState;

pub(crate) fn api() -> Api {
    Api::of("Platform")
        .get(
            "/openapi.json",
            show_openapi_document,
            op("Get this document").open().ok::<serde_json::Map<String, serde_json::Value>>(),
        )
        .get("/docs", show_docs_page, op("Read this document as a page").open().text("text/html"))
        .get("/docs.css", show_docs_style, op("Get the style of the pages").open().text("text/css"))
        .get(
            "/users/{forge}/link",
            show_forge_page,
            op("Open the page on connecting a Git hosting service, to which the official CLI leads")
                .open()
                .text("text/html"),
        )
        .get(
            "/password",
            show_password_page,
            op("Open the page to set a new password, to which mailed links lead").open().text("text/html"),
        )
        .get(
            "/password.js",
            show_password_script,
            op("Get the script of the password page").open().text("text/javascript"),
        )
}

/// Serves the OpenAPI document.
async fn show_openapi_document(State(state): State<AppState>) -> Result<Response, ApiError> {
    let documents = state.documents.get().ok_or(ApiError::Internal)?;
    Ok(json_bytes(StatusCode::OK, documents.openapi.clone().into()))
}

/// Serves the page that shows the document.
async fn show_docs_page(State(state): State<AppState>) -> Result<Response, ApiError> {
    let documents = state.documents.get().ok_or(ApiError::Internal)?;
    Ok(page(documents.page.clone()))
}

/// Serves the style of the pages.
async fn show_docs_style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../pages/docs.css"))
        .into_response()
}

/// Serves the page on connecting a forge.
async fn show_forge_page() -> Response {
    page(include_str!("../../pages/forge.html").to_owned())
}

/// Serves the form for a new password.
async fn show_password_page() -> Response {
    page(include_str!("../../pages/password.html").to_owned())
}

/// Serves the script of the form.
async fn show_password_script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../../pages/password.js"))
        .into_response()
}

fn page(html: String) -> Response {
    // A page may only load what is served here.
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";
    ([(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "no-referrer")], Html(html))
        .into_response()
}
