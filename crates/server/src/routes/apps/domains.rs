//! The domains of an app.

use std::collections::BTreeMap;

use annals_model::app::{
    AddDomain, Certificate, CertificateChange, DeleteDomain, Domain, EditDomain, domain_id,
};
use annals_model::{App, AppId, PrivateState, ResourceId, Secret, Time};
use annals_service::{Access, Service};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{created, ok};
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{Authorized, JsonBody, LastSegment, Readable, required};
use crate::limits::PEM_BYTES_MAX;

pub(crate) fn api() -> Api {
    const ALL: &str = "/v1/apps/{app}/domains";
    const ONE: &str = "/v1/apps/{app}/domains/{domain}";
    Api::of("Domains")
        .get(ALL, list_domains, op("List the domains of an app").anybody_known().ok::<DomainsAnswer>())
        .post(
            ALL,
            add_domain,
            action("Add a domain to an app")
                .records(&["new_domain"])
                .body::<AddDomainBody>()
                .example(json!({ "domain": { "name": "shop.example.com" } }))
                .created::<DomainAnswer>(),
        )
        .get(ONE, show_domain, op("Get a domain").anybody_known().ok::<DomainAnswer>())
        .patch(
            ONE,
            update_domain,
            action("Change a domain or its certificate")
                .records(&["edit_domain"])
                .body::<UpdateDomainBody>()
                .example(json!({ "domain": { "canonical": true } }))
                .ok::<DomainAnswer>(),
        )
        .delete(ONE, delete_domain, action("Remove a domain").records(&["delete_domain"]).no_content())
}

/// Lists the domains by name.
async fn list_domains(State(service): State<Service>, readable: Readable) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    let private = service.private_state(app.id).await?;
    let domains = app.domains.iter().map(|(name, domain)| DomainView::new(&app, &private, name, domain));
    Ok(ok(&DomainsAnswer { domains: domains.collect() }))
}

/// Shows a domain.
async fn show_domain(
    State(service): State<Service>,
    readable: Readable,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    let Access { app, .. } = readable.live()?;
    let private = service.private_state(app.id).await?;
    Ok(ok(&DomainAnswer::new(&app, &private, parse_id(&id)?)?))
}

#[derive(Deserialize, JsonSchema)]
struct AddDomainBody {
    domain: Option<AddDomainFields>,
}

#[derive(Deserialize, JsonSchema)]
struct AddDomainFields {
    name: Option<String>,
    /// A certificate chain in PEM.
    tlscert: Option<String>,
    /// The certificate's private key in PEM. No response contains it.
    tlskey: Option<String>,
    canonical: Option<bool>,
    letsencrypt_enabled: Option<bool>,
}

/// Adds a domain.
async fn add_domain(
    access: Authorized<AddDomain>,
    body: JsonBody<AddDomainBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.domain, "domain")?;
    let certificate = match certificate(fields.tlscert, fields.tlskey)? {
        CertificateChange::Set(certificate) => Some(certificate),
        CertificateChange::Keep | CertificateChange::Remove => None,
    };
    let name = fields.name.unwrap_or_default();
    let action = AddDomain {
        name: name.clone(),
        certificate,
        canonical: fields.canonical.unwrap_or(false),
        letsencrypt_enabled: fields.letsencrypt_enabled.unwrap_or(true),
    };
    let outcome = access.act(action, &body.bytes).await?;
    let id = domain_id(outcome.app.id, &name);
    Ok(created(&DomainAnswer::new(&outcome.app, &outcome.private, id)?))
}

#[derive(Deserialize, JsonSchema)]
struct UpdateDomainBody {
    domain: Option<UpdateDomainFields>,
}

#[derive(Deserialize, JsonSchema)]
struct UpdateDomainFields {
    /// A certificate chain in PEM; empty to remove the current one.
    tlscert: Option<String>,
    /// The certificate's private key in PEM; empty to remove the current one.
    tlskey: Option<String>,
    canonical: Option<bool>,
    letsencrypt_enabled: Option<bool>,
}

/// Changes a domain.
async fn update_domain(
    access: Authorized<EditDomain>,
    LastSegment(id): LastSegment,
    body: JsonBody<UpdateDomainBody>,
) -> Result<Response, ApiError> {
    let id = parse_id(&id)?;
    let fields = required(body.value.domain, "domain")?;
    let certificate = certificate(fields.tlscert, fields.tlskey)?;
    let UpdateDomainFields { canonical, letsencrypt_enabled, .. } = fields;
    let outcome =
        access.act(EditDomain { id, certificate, canonical, letsencrypt_enabled }, &body.bytes).await?;
    Ok(ok(&DomainAnswer::new(&outcome.app, &outcome.private, id)?))
}

/// Removes a domain.
async fn delete_domain(
    access: Authorized<DeleteDomain>,
    LastSegment(id): LastSegment,
) -> Result<Response, ApiError> {
    access.act(DeleteDomain { id: parse_id(&id)? }, b"").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse_id(text: &str) -> Result<ResourceId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("domain"))
}

/// Reads the change of a certificate: two empty parts remove it, two parts with content replace it.
fn certificate(cert: Option<String>, key: Option<String>) -> Result<CertificateChange, ApiError> {
    let (cert, key) = match (cert, key) {
        (None, None) => return Ok(CertificateChange::Keep),
        (Some(cert), Some(key)) if cert.is_empty() && key.is_empty() => return Ok(CertificateChange::Remove),
        (Some(cert), Some(key)) => (cert, key),
        (Some(cert), None) if cert.is_empty() => return Ok(CertificateChange::Remove),
        (Some(_), None) => return Err(ApiError::invalid("tlskey", "is missing")),
        (None, Some(_)) => return Err(ApiError::invalid("tlscert", "is missing")),
    };
    if cert.len() + key.len() > PEM_BYTES_MAX {
        let message = format!("must not be longer than {PEM_BYTES_MAX} bytes together with tlskey");
        return Err(ApiError::invalid("tlscert", &message));
    }
    let bad_certificate = || ApiError::invalid("tlscert", "must be a certificate in PEM");
    let bad_key =
        || ApiError::invalid("tlskey", "must be an unencrypted RSA, P-256, P-384 or Ed25519 key in PEM");
    // Responses contain this field, so it must not contain a key.
    if cert.contains("PRIVATE KEY") {
        return Err(ApiError::invalid("tlscert", "must contain certificates only; put the key into tlskey"));
    }
    let der = CertificateDer::from_pem_slice(cert.as_bytes()).map_err(|_| bad_certificate())?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| bad_certificate())?;
    let signing = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| bad_key())?;
    let signing = any_supported_type(&signing).map_err(|_| bad_key())?;
    if signing.public_key().is_none_or(|public_key| *public_key != *parsed.public_key().raw) {
        return Err(ApiError::invalid("tlskey", "is not the key of the certificate in tlscert"));
    }
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default();
    let valid_until = Time::from_millis(seconds.saturating_mul(1000));
    Ok(CertificateChange::Set(Certificate { certificate: cert, private_key: Secret(key), valid_until }))
}

/// Returns the subject of a certificate in PEM, as in `CN=example.com`.
fn subject(certificate: &str) -> Option<String> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    Some(parsed.subject().to_string())
}

#[derive(Serialize, JsonSchema)]
struct DomainsAnswer {
    domains: Vec<DomainView>,
}

#[derive(Serialize, JsonSchema)]
struct DomainAnswer {
    domain: DomainView,
}

impl DomainAnswer {
    fn new(app: &App, private: &PrivateState, id: ResourceId) -> Result<Self, ApiError> {
        let found = app.domains.iter().find(|(name, _)| domain_id(app.id, name) == id);
        let (name, domain) = found.ok_or(ApiError::NotFound("domain"))?;
        Ok(Self { domain: DomainView::new(app, private, name, domain) })
    }
}

#[derive(Serialize, JsonSchema)]
struct DomainView {
    id: ResourceId,
    app_id: AppId,
    name: String,
    created_at: Time,
    ssl: bool,
    ssl_status: Option<&'static str>,
    /// The subject of the certificate. Clients show it in a table.
    tlscert: Option<String>,
    /// Always null: no response contains a key.
    tlskey: Option<String>,
    validity: Option<Time>,
    letsencrypt: bool,
    letsencrypt_enabled: bool,
    letsencrypt_status: &'static str,
    canonical: bool,
    acme_dns_fqdn: Option<String>,
    acme_dns_value: Option<String>,
    acme_dns_error: BTreeMap<String, String>,
    acme_challenge_error: Option<String>,
}

impl DomainView {
    fn new(app: &App, private: &PrivateState, name: &str, domain: &Domain) -> Self {
        let certificate = private.certificates.get(name);
        Self {
            id: domain_id(app.id, name),
            app_id: app.id,
            name: name.to_owned(),
            created_at: domain.created_at,
            ssl: domain.ssl,
            ssl_status: domain.ssl.then_some("success"),
            tlscert: certificate.and_then(|certificate| subject(&certificate.certificate)),
            tlskey: None,
            validity: certificate.map(|certificate| certificate.valid_until),
            letsencrypt: false,
            letsencrypt_enabled: domain.letsencrypt_enabled,
            letsencrypt_status: "new",
            canonical: domain.canonical,
            acme_dns_fqdn: None,
            acme_dns_value: None,
            acme_dns_error: BTreeMap::new(),
            acme_challenge_error: None,
        }
    }
}
