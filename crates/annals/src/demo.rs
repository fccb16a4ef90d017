//! `annals demo`: the product on a throw-away store.
//!
//! The timeline is made as a platform's would be: what is past is reported, what is new is done through the API. Both
//! go through the same router that is then served.

use std::net::SocketAddr;
use std::sync::Arc;

use annals_model::{RandomIds, Time};
use annals_server::{Config, Metrics, Service, router};
use annals_store::{Clock, SystemClock};
use anyhow::{Context, ensure};
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::output::say;
use crate::serve::stop_signal;
use crate::store::Location;

const APP_ID: &str = "5343eccd646173000a140000";
const JANE_ID: &str = "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac";
const HOUR_MILLIS: u64 = 60 * 60 * 1000;

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen. If somebody listens there already, any free port is taken instead.
    #[arg(long, env = "ANNALS_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let directory = tempfile::tempdir()?;
    let metrics = Metrics::default();
    let store = Location::Directory(directory.path().join("store")).open(&metrics)?;
    let listener = match TcpListener::bind(options.listen).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((options.listen.ip(), 0)).await?,
    };
    let url = format!("http://{}", listener.local_addr()?);
    let config = Config { public_url: url.clone(), ..Config::default() };
    let connections_max = config.connections_max;
    let clock = Arc::new(SystemClock);
    let (service, operator_token) =
        Service::start(Arc::new(store), clock, Arc::new(RandomIds::default()), config, metrics).await?;
    let operator_token = operator_token.context("a new store makes its operator token")?;

    let platform = Platform { router: router(service.clone()), operator_token };
    let jane_token = platform.live().await?;
    introduce(&url, &jane_token, &platform.operator_token);
    let background = tokio::spawn(annals_server::work(service.clone()));
    annals_server::run(listener, platform.router, connections_max, stop).await?;
    background.abort();
    service.close().await?;
    Ok(())
}

fn introduce(url: &str, token: &str, operator_token: &str) {
    say(&format!(
        "annals {} demo on {url} (a throw-away store; stop with Ctrl-C)

  Jane's API token   {token}
  operator token     {operator_token}

Try, in another terminal:

  # the timeline of Jane's app, newest first
  curl -s -H 'Authorization: Bearer {token}' '{url}/v1/apps/book-shop/events?per_page=5'

  # do something, and see its event appear
  curl -s -H 'Authorization: Bearer {token}' -d '{{\"containers\":[{{\"name\":\"web\",\"amount\":4}}]}}' {url}/v1/apps/book-shop/scale

  # everything Jane did, on all her apps
  curl -s -H 'Authorization: Bearer {token}' '{url}/v1/events?from=72'
",
        env!("CARGO_PKG_VERSION")
    ));
}

/// The platform whose people and apps these are.
struct Platform {
    router: axum::Router,
    operator_token: String,
}

impl Platform {
    /// Lets three days pass, and gives the token of Jane, who lived them.
    async fn live(&self) -> anyhow::Result<String> {
        let jane = json!({ "user": { "id": JANE_ID, "username": "jane", "email": "jane@example.com" } });
        let registered = self.call(Method::POST, "/v1/users", &self.operator_token, &jane).await?;
        let token =
            registered["token"]["token"].as_str().context("a registration answers with a token")?.to_owned();
        let reported = json!({ "events": history(SystemClock.now()) });
        self.call(Method::POST, "/v1/events", &self.operator_token, &reported).await?;
        for (method, path, body) in today() {
            self.call(method, path, &token, &body).await?;
        }
        Ok(token)
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(axum::body::Body::from(body.to_string()))?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&bytes));
        if status == StatusCode::NO_CONTENT { Ok(Value::Null) } else { Ok(serde_json::from_slice(&bytes)?) }
    }
}

/// What happened before annals was there, as the platform reports it.
fn history(now: Time) -> Vec<Value> {
    let jane = json!({ "username": "jane", "email": "jane@example.com", "id": JANE_ID });
    let sam = json!({ "username": "sam", "email": "sam@example.com", "id": "us-51e6bc62-6edf-40bb-b000-000000000001" });
    let on_app = |hours_ago: u64, user: &Value, event_type: &str, data: Value| {
        json!({
            "created_at": now.minus_millis(hours_ago * HOUR_MILLIS), "user": user,
            "app_id": APP_ID, "app_name": "book-shop", "type": event_type, "type_data": data,
        })
    };
    let on_account = |hours_ago: u64, event_type: &str, data: Value| {
        json!({
            "created_at": now.minus_millis(hours_ago * HOUR_MILLIS), "user": jane,
            "type": event_type, "type_data": data,
        })
    };
    let by_addon = |hours_ago: u64, name: &str| {
        json!({
            "created_at": now.minus_millis(hours_ago * HOUR_MILLIS), "app_id": APP_ID, "app_name": "book-shop",
            "type": "restart", "type_data": { "addon_name": name },
        })
    };
    let deployed = |hours_ago: u64, user: &Value, git_ref: &str, status: &str, duration: u64| {
        let data = json!({
            "deployment_id": format!("6905be{git_ref}"), "pusher": user["username"], "git_ref": git_ref,
            "git_ref_url": format!("https://github.com/jane/book-shop/commit/{git_ref}"), "status": status,
            "duration": duration, "stack": "scalingo-22",
            "finished_at": now.minus_millis(hours_ago * HOUR_MILLIS),
        });
        on_app(hours_ago, user, "deployment", data)
    };
    let source = "https://github.com/jane/book-shop";
    let invited = json!({ "collaborator": { "email": "sam@example.com" } });
    let accepted = json!({ "collaborator": {
        "id": sam["id"], "email": "sam@example.com", "username": "sam",
        "inviter": { "email": "jane@example.com", "username": "jane" },
    } });
    let linked = json!({
        "repo_name": "jane/book-shop", "linker_username": "jane", "source": source, "branch": "main",
        "auto_deploy": true, "auto_deploy_review_apps": true, "delete_on_close": true, "delete_stale": false,
        "hours_before_delete_on_close": 0, "hours_before_delete_stale": 0, "creation_from_forks_allowed": false,
    });
    let review = json!({
        "review_app_name": "book-shop-pr7", "source_repo_name": "jane/book-shop", "source_repo_url": source,
        "pr_name": "Search by author", "pr_number": 7, "pr_url": format!("{source}/pull/7"),
        "pr_comes_from_a_fork": false,
    });
    let postgresql = json!({ "addon_provider_name": "postgresql", "plan_name": "starter-512", "resource_id": "book_shop_4724" });
    let larger = json!({
        "addon_provider_name": "postgresql", "old_plan_name": "starter-512", "new_plan_name": "business-1024",
        "resource_id": "book_shop_4724",
    });
    vec![
        on_account(72, "login_success", json!({ "remote_ip": "192.0.2.17" })),
        on_app(71, &jane, "new_app", json!({})),
        on_app(71, &jane, "link_scm", linked),
        on_app(70, &jane, "new_addon", postgresql),
        deployed(69, &jane, "4f1d9a02", "build-error", 18),
        deployed(68, &jane, "9be3c1d7", "success", 74),
        on_app(
            67,
            &jane,
            "scale",
            json!({
                "previous_containers": { "web": 1 }, "containers": { "web": 1, "worker": 1 },
                "previous_sizes": { "web": "M" }, "sizes": { "web": "M", "worker": "S" },
            }),
        ),
        on_app(52, &jane, "new_domain", json!({ "hostname": "books.example.com", "ssl": false })),
        on_app(50, &jane, "new_collaborator", invited),
        on_app(47, &sam, "accept_collaborator", accepted),
        on_app(30, &sam, "create_review_app", review.clone()),
        deployed(26, &sam, "c07a55e1", "success", 61),
        on_app(26, &sam, "destroy_review_app", review),
        on_app(25, &sam, "run", json!({ "command": "bin/rails db:migrate", "detached": false })),
        by_addon(20, "PostgreSQL"),
        on_account(9, "login_success", json!({ "remote_ip": "192.0.2.17" })),
        on_app(9, &jane, "upgrade_addon", larger),
        on_app(8, &jane, "restart", json!({ "scope": ["web"] })),
    ]
}

/// What Jane does now, through the API.
fn today() -> Vec<(Method, &'static str, Value)> {
    vec![
        (
            Method::PUT,
            "/v1/apps/book-shop/variables",
            json!({ "variables": [{ "name": "RAILS_ENV", "value": "production" }, { "name": "CACHE", "value": "on" }] }),
        ),
        (
            Method::POST,
            "/v1/apps/book-shop/variables",
            json!({ "variable": { "name": "CACHE", "value": "off" } }),
        ),
        (
            Method::POST,
            "/v1/apps/book-shop/scale",
            json!({ "containers": [{ "name": "web", "amount": 3, "size": "L" }] }),
        ),
        (Method::POST, "/v1/apps", json!({ "app": { "name": "book-blog" } })),
    ]
}
