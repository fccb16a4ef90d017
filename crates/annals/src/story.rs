//! Three days on the demo's platform. Users, a forge (a Git hosting service), an add-on provider and the operator send
//! ordinary API requests; only the clock is set back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_model::Time;
use annals_server::Peer;
use annals_service::{Clock, SystemClock};
use anyhow::{Context, ensure};
use axum::Router;
use hmac::{Hmac, KeyInit, Mac};
use http::request::Builder;
use http::{Method, Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

pub(crate) const APP: &str = "/v1/apps/book-shop";
const REPOSITORY: &str = "https://github.com/jane/book-shop";
const PASSWORD: &str = "a long enough password";
const PROVIDER_PASSWORD: &str = "the provider's password";
const MINUTE_MILLIS: u64 = 60 * 1000;

/// The system's clock, set back.
#[derive(Clone, Default)]
pub(crate) struct StoryClock {
    behind_millis: Arc<AtomicU64>,
}

impl StoryClock {
    fn set(&self, hours_ago: f64) {
        let minutes = (hours_ago * 60.0) as u64;
        self.behind_millis.store(minutes * MINUTE_MILLIS, Ordering::Relaxed);
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Time {
        SystemClock.now().minus_millis(self.behind_millis.load(Ordering::Relaxed))
    }
}

/// The platform of the story.
pub(crate) struct DemoPlatform {
    pub(crate) router: Router,
    pub(crate) clock: StoryClock,
    pub(crate) operator_token: String,
}

impl DemoPlatform {
    /// Sends the requests of three days. Returns the API token of Jane, who owns the app.
    ///
    /// # Errors
    ///
    /// If a request fails.
    pub(crate) async fn run_story(&self) -> anyhow::Result<String> {
        let at = |hours_ago: f64| self.clock.set(hours_ago);
        at(72.0);
        self.offer_addons().await?;
        let jane = self.register("jane").await?;
        let sam = self.register("sam").await?;
        self.sign_in("jane", "a mistyped password").await.ok();
        self.sign_in("jane", PASSWORD).await?;

        at(71.5);
        self.post(&jane, "/v1/apps", json!({ "app": { "name": "book-shop" } })).await?;
        let github = json!({ "scm_integration": { "scm_type": "github", "access_token": "a token of GitHub", "username": "jane" } });
        self.post(&jane, "/v1/scm_integrations", github).await?;
        let link = json!({ "scm_repo_link": {
            "source": REPOSITORY, "auth_integration_uuid": "github", "branch": "main", "auto_deploy_enabled": true,
            "deploy_review_apps_enabled": true, "delete_on_close_enabled": true,
        } });
        self.post(&jane, &format!("{APP}/scm_repo_link"), link).await?;
        let hook = self.get(&jane, &format!("{APP}/scm_repo_link/hook")).await?;
        let secret = hook["hook"]["secret"].as_str().context("the link has no webhook secret")?.to_owned();

        at(70.0);
        let addon =
            json!({ "addon": { "addon_provider_id": "postgresql", "plan_id": "postgresql-starter-512" } });
        let addon = self.post(&jane, &format!("{APP}/addons"), addon).await?;
        let addon = addon["addon"]["id"].as_str().context("the add-on has no identifier")?.to_owned();
        let failed =
            json!({ "deployment": { "status": "build-error", "git_ref": commit(1), "duration": 18 } });
        self.post(&self.operator_token, &format!("{APP}/deployments"), failed).await?;
        at(69.6);
        self.push(&secret, 2, "Name the right Ruby version").await?;

        at(69.0);
        let formation = json!({ "containers": [{ "name": "web", "amount": 1, "size": "M" }, { "name": "worker", "amount": 1, "size": "S" }] });
        self.post(&jane, &format!("{APP}/scale"), formation).await?;
        let domain = json!({ "domain": { "name": "books.example.com", "canonical": true } });
        self.post(&jane, &format!("{APP}/domains"), domain).await?;
        self.send(Method::PUT, &jane, APP, &json!({ "force_https": true })).await?;

        at(50.0);
        let invited = json!({ "collaborator": { "email": "sam@example.com", "is_limited": false } });
        let invited = self.post(&jane, &format!("{APP}/collaborators"), invited).await?;
        at(47.0);
        let link =
            invited["collaborator"]["invitation_link"].as_str().context("the invitation has no link")?;
        let path = link
            .find("/v1/")
            .map(|start| &link[start..])
            .context("the invitation link is not a link of the API")?;
        self.get(&sam, path).await?;

        at(30.0);
        self.pull_request(&secret, "opened", 3).await?;
        at(28.0);
        self.pull_request(&secret, "synchronize", 4).await?;
        at(26.2);
        self.pull_request(&secret, "closed", 4).await?;
        at(26.1);
        self.push(&secret, 5, "Search by author").await?;
        self.post(
            &sam,
            &format!("{APP}/run"),
            json!({ "command": "bin/rails db:migrate", "detached": true }),
        )
        .await?;

        at(20.0);
        self.restart_by_addon(&addon).await?;
        at(9.0);
        self.sign_in("jane", PASSWORD).await?;
        let plan = json!({ "addon": { "plan_id": "postgresql-business-1024" } });
        self.send(Method::PATCH, &jane, &format!("{APP}/addons/{addon}"), &plan).await?;
        self.post(
            &jane,
            &format!("/api/databases/{addon}/features"),
            json!({ "feature": { "name": "force-ssl" } }),
        )
        .await?;
        let maintenance = json!({ "maintenance": { "type": "db-upgrade" } });
        self.post(&self.operator_token, &format!("/api/databases/{addon}/maintenance"), maintenance).await?;

        at(0.0);
        let variables = json!({ "variables": [{ "name": "RAILS_ENV", "value": "production" }, { "name": "CACHE", "value": "on" }] });
        self.send(Method::PUT, &jane, &format!("{APP}/variables"), &variables).await?;
        self.post(
            &jane,
            &format!("{APP}/variables"),
            json!({ "variable": { "name": "CACHE", "value": "off" } }),
        )
        .await?;
        let larger = json!({ "containers": [{ "name": "web", "amount": 3, "size": "L" }] });
        self.post(&jane, &format!("{APP}/scale"), larger).await?;
        self.post(&jane, "/v1/apps", json!({ "app": { "name": "book-blog" } })).await?;
        Ok(jane)
    }

    async fn register(&self, name: &str) -> anyhow::Result<String> {
        let user = json!({ "user": { "username": name, "email": format!("{name}@example.com"), "password": PASSWORD } });
        let registered = self.post(&self.operator_token, "/v1/users", user).await?;
        Ok(registered["token"]["token"].as_str().context("the registration returned no token")?.to_owned())
    }

    async fn sign_in(&self, name: &str, password: &str) -> anyhow::Result<Value> {
        let body = json!({ "token": { "name": "laptop" } });
        self.call(basic(Request::post("/v1/tokens"), name, password), body.to_string()).await
    }

    /// Gives the PostgreSQL provider a password, so that it can send requests.
    async fn offer_addons(&self) -> anyhow::Result<()> {
        let mut directory = serde_json::to_value(annals_model::Directory::default())?;
        let providers =
            directory["addon_providers"].as_array_mut().context("there are no add-on providers")?;
        for provider in providers.iter_mut().filter(|provider| provider["id"] == "postgresql") {
            provider["password"] = PROVIDER_PASSWORD.into();
        }
        self.send(Method::PUT, &self.operator_token, "/v1/addon_providers", &directory).await?;
        Ok(())
    }

    /// Sends what a provider sends after it moved a database: the new address, with which the app restarts.
    async fn restart_by_addon(&self, addon: &str) -> anyhow::Result<()> {
        let request =
            basic(Request::patch(format!("/v1/provider/apps/{addon}")), "postgresql", PROVIDER_PASSWORD);
        let config = json!({ "config": { "SCALINGO_POSTGRESQL_URL": "postgres://book_shop@10.0.0.7:5432/book_shop" } });
        self.call(request, config.to_string()).await?;
        Ok(())
    }

    async fn push(&self, secret: &str, number: u32, message: &str) -> anyhow::Result<()> {
        let url = format!("{REPOSITORY}/commit/{}", commit(number));
        let commits =
            json!([{ "id": commit(number), "message": message, "url": url, "author": { "name": "Sam" } }]);
        self.hook(
            secret,
            "push",
            json!({
                "ref": "refs/heads/main", "after": commit(number), "commits": commits, "repository": repository(),
            }),
        )
        .await
    }

    async fn pull_request(&self, secret: &str, action: &str, head: u32) -> anyhow::Result<()> {
        let repository = repository();
        let payload = json!({
            "action": action,
            "repository": repository,
            "pull_request": {
                "id": 7007, "number": 7, "title": "Search by author", "html_url": format!("{REPOSITORY}/pull/7"),
                "head": { "ref": "search-by-author", "sha": commit(head), "repo": repository },
                "base": { "ref": "main", "sha": commit(2), "repo": repository },
            },
        });
        self.hook(secret, "pull_request", payload).await
    }

    /// Sends a webhook, as GitHub does.
    async fn hook(&self, secret: &str, event: &str, payload: Value) -> anyhow::Result<()> {
        let body = payload.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = Request::post(format!("{APP}/scm_repo_link/hook"))
            .header("x-github-event", event)
            .header("x-hub-signature-256", signature);
        self.call(request, body).await?;
        Ok(())
    }

    async fn get(&self, token: &str, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, token, path, &json!({})).await
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(Method::POST, token, path, &body).await
    }

    async fn send(&self, method: Method, token: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = Request::builder().method(method).uri(path);
        self.call(request.header(header::AUTHORIZATION, format!("Bearer {token}")), body.to_string()).await
    }

    async fn call(&self, request: Builder, body: String) -> anyhow::Result<Value> {
        let peer = Peer(([192, 0, 2, 17], 4711).into());
        let request = request.extension(peer).body(axum::body::Body::from(body))?;
        let path = request.uri().path().to_owned();
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&bytes));
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

fn basic(request: Builder, name: &str, password: &str) -> Builder {
    use base64::Engine as _;
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    request.header(header::AUTHORIZATION, format!("Basic {credentials}"))
}

/// Returns the linked repository, as GitHub describes it.
fn repository() -> Value {
    json!({ "id": 1, "full_name": "jane/book-shop", "html_url": REPOSITORY })
}

/// Returns the hash of a made-up commit.
fn commit(number: u32) -> String {
    hex::encode(&Sha256::digest(number.to_string())[..20])
}
