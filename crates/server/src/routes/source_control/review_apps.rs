//! Review apps, and the pull requests they belong to.

use annals_model::app::{PullChange, PullRequest, review_apps};
use annals_model::{App, AppId, EventId, Person, PrivateState, ResourceId, Time};
use annals_service::{Service, Visibility};
use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::ok;
use crate::api::{Api, action, op};
use crate::error::ApiError;
use crate::extract::{
    AnyCollaborator, Authorized, JsonBody, LastSegment, Readable, Segments, TheOperator, required,
};

pub(crate) fn api() -> Api {
    const PULLS: &str = "/v1/apps/{app}/scm_repo_link/pulls";
    Api::of("Source control")
        .get(
            "/v1/apps/{app}/scm_repo_link/review_apps",
            list_review_apps,
            op("List the review apps of an app").anybody_known().ok::<ReviewAppsAnswer>(),
        )
        .post(
            "/v1/apps/{app}/scm_repo_link/manual_review_app",
            create_review_app,
            action("Create the review app of a pull request")
                .records(&["create_review_app", "new_app"])
                .body::<CreateReviewAppBody>()
                .example(json!({ "pull_request_id": 43 }))
                .ok::<ReviewAppAnswer>(),
        )
        .get(
            PULLS,
            list_pull_requests,
            op("List the known open pull requests").anybody_known().ok::<PullRequestsAnswer>(),
        )
        .post(
            PULLS,
            report_pull_request,
            action("Report a pull request that no webhook reports")
                .records(&["create_review_app", "new_app", "destroy_review_app"])
                .operator()
                .body::<ReportPullRequestBody>()
                .example(json!({ "pull": {
                    "number": 44,
                    "title": "Search by author",
                    "state": "open",
                    "html_url": "https://github.com/jane/my-app/pull/44",
                    "source_repo_name": "jane/my-app",
                    "source_repo_html_url": "https://github.com/jane/my-app",
                } }))
                .ok::<PullRequestAnswer>(),
        )
        .get(
            "/v1/apps/{app}/scm_repo_link/pulls/{pull}",
            show_pull_request,
            op("Get a pull request").anybody_known().ok::<PullRequestAnswer>(),
        )
        .post(
            "/v1/apps/{app}/scm_repo_link/pulls/{pull}/close",
            close_pull_request,
            action("Report that a pull request was closed")
                .records(&["destroy_review_app"])
                .operator()
                .ok::<PullRequestAnswer>(),
        )
}

/// Lists the review apps of an app.
async fn list_review_apps(State(service): State<Service>, readable: Readable) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let private = service.private_state(access.app.id).await?;
    let mut review_apps = Vec::new();
    for name in access.app.review_apps.keys() {
        let view = ReviewAppView::new(&service, &access.app, &private, name, access.visibility());
        review_apps.push(view.await?);
    }
    Ok(ok(&ReviewAppsAnswer { review_apps }))
}

#[derive(Deserialize, JsonSchema)]
struct CreateReviewAppBody {
    pull_request_id: Option<Number>,
}

/// Clients send a string; Scalingo's documentation has a number.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be a whole number")]
enum Number {
    Number(u64),
    Text(String),
}

/// Creates a review app on request.
async fn create_review_app(
    State(service): State<Service>,
    access: Authorized<AnyCollaborator>,
    body: JsonBody<CreateReviewAppBody>,
) -> Result<Response, ApiError> {
    let number = match required(body.value.pull_request_id, "pull_request_id")? {
        Number::Number(number) => number,
        Number::Text(text) => {
            text.parse().map_err(|_| ApiError::invalid("pull_request_id", "must be a number"))?
        }
    };
    let request = access.acting.request(&body.bytes);
    let outcome = service.create_review_app(request, access.app.id, number).await?;
    let (app, private, name) = (&outcome.app, &outcome.private, &outcome.created);
    let review_app = ReviewAppView::new(&service, app, private, name, Visibility::ALL).await?;
    Ok(ok(&ReviewAppAnswer { review_app }))
}

/// Lists the known open pull requests.
async fn list_pull_requests(
    State(service): State<Service>,
    readable: Readable,
) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let private = service.private_state(access.app.id).await?;
    let open = private.pull_requests.values().filter(|pull| pull.closed_at.is_none());
    let pulls = open.map(|pull| PullRequestView::new(pull, access.visibility())).collect();
    Ok(ok(&PullRequestsAnswer { pulls }))
}

/// Shows a pull request.
async fn show_pull_request(
    State(service): State<Service>,
    readable: Readable,
    LastSegment(number): LastSegment,
) -> Result<Response, ApiError> {
    let access = readable.live()?;
    let private = service.private_state(access.app.id).await?;
    Ok(ok(&PullRequestAnswer::new(&private, parse_number(&number)?, access.visibility())?))
}

#[derive(Deserialize, JsonSchema)]
struct ReportPullRequestBody {
    pull: Option<ReportPullRequestFields>,
}

#[derive(Deserialize, JsonSchema)]
struct ReportPullRequestFields {
    id: Option<u64>,
    number: Option<u64>,
    title: Option<String>,
    html_url: Option<String>,
    source_repo_name: Option<String>,
    source_repo_html_url: Option<String>,
    opened_from_a_forked_repo: Option<bool>,
    branch_name: Option<String>,
    base_branch_name: Option<String>,
    /// The latest commit.
    head: Option<String>,
    /// `open` or `closed`.
    state: Option<String>,
}

/// Records what the operator reports about a pull request.
async fn report_pull_request(
    State(service): State<Service>,
    access: Authorized<TheOperator>,
    body: JsonBody<ReportPullRequestBody>,
) -> Result<Response, ApiError> {
    let fields = required(body.value.pull, "pull")?;
    let now = service.now();
    let number = required(fields.number, "number")?;
    let change = match fields.state.as_deref() {
        None | Some("open" | "opened" | "") => PullChange::Opened,
        Some("closed" | "merged") => PullChange::Closed,
        Some(_) => return Err(ApiError::invalid("state", "must be open or closed")),
    };
    let received = PullRequest {
        id: fields.id.unwrap_or(number),
        number,
        title: required(fields.title, "title")?,
        html_url: required(fields.html_url, "html_url")?,
        source_repo_name: required(fields.source_repo_name, "source_repo_name")?,
        source_repo_url: fields.source_repo_html_url.unwrap_or_default(),
        comes_from_a_fork: fields.opened_from_a_forked_repo.unwrap_or(false),
        branch: fields.branch_name.unwrap_or_default(),
        base_branch: fields.base_branch_name.unwrap_or_default(),
        head: fields.head.unwrap_or_default(),
        opened_at: now,
        closed_at: None,
        active_at: now,
        delete_at: None,
    };
    let request = access.acting.request(&body.bytes);
    let outcome = service.pull_request_received(request, access.app.id, received, change, None).await?;
    Ok(ok(&PullRequestAnswer::new(&outcome.private, number, Visibility::ALL)?))
}

/// Records that a pull request is closed.
async fn close_pull_request(
    State(service): State<Service>,
    access: Authorized<TheOperator>,
    Segments([_, number]): Segments<2>,
) -> Result<Response, ApiError> {
    let number = parse_number(&number)?;
    let outcome = service.close_pull_request(access.acting.request(b""), access.app.id, number).await?;
    Ok(ok(&PullRequestAnswer::new(&outcome.private, number, Visibility::ALL)?))
}

fn parse_number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("pull_request"))
}

#[derive(Serialize, JsonSchema)]
struct PullRequestsAnswer {
    pulls: Vec<PullRequestView>,
}

#[derive(Serialize, JsonSchema)]
struct PullRequestAnswer {
    pull: PullRequestView,
}

impl PullRequestAnswer {
    fn new(private: &PrivateState, number: u64, visibility: Visibility) -> Result<Self, ApiError> {
        let pull = private.pull_requests.get(&number).ok_or(ApiError::NotFound("pull_request"))?;
        Ok(Self { pull: PullRequestView::new(pull, visibility) })
    }
}

#[derive(Serialize, JsonSchema)]
struct PullRequestView {
    id: u64,
    number: u64,
    title: String,
    html_url: String,
    source_repo_name: String,
    source_repo_html_url: String,
    opened_from_a_forked_repo: bool,
    branch_name: String,
    state: &'static str,
}

impl PullRequestView {
    fn new(pull: &PullRequest, visibility: Visibility) -> Self {
        let seen = |url: &str| visibility.url(url).unwrap_or_default();
        Self {
            id: pull.id,
            number: pull.number,
            title: pull.title.clone(),
            html_url: seen(&pull.html_url),
            source_repo_name: pull.source_repo_name.clone(),
            source_repo_html_url: seen(&pull.source_repo_url),
            opened_from_a_forked_repo: pull.comes_from_a_fork,
            branch_name: pull.branch.clone(),
            state: if pull.closed_at.is_some() { "closed" } else { "open" },
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct ReviewAppsAnswer {
    review_apps: Vec<ReviewAppView>,
}

#[derive(Serialize, JsonSchema)]
struct ReviewAppAnswer {
    review_app: ReviewAppView,
}

#[derive(Serialize, JsonSchema)]
struct ReviewAppView {
    id: ResourceId,
    repo_link_id: Option<EventId>,
    app_id: Option<AppId>,
    app_name: String,
    parent_app_id: AppId,
    parent_app_name: String,
    created_at: Time,
    stale_deletion_date: Option<Time>,
    on_close_deletion_date: Option<Time>,
    pull_request: PullOfReviewApp,
    last_deployment: DeploymentOfReviewApp,
}

#[derive(Serialize, JsonSchema)]
struct PullOfReviewApp {
    number: u64,
    branch_name: String,
    source_repo_name: String,
    source_repo_url: String,
    title: String,
    url: String,
    html_url: String,
    #[serde(rename = "ref")]
    git_ref: String,
    base_ref: String,
    created_at: Time,
    closed_at: Option<Time>,
}

#[derive(Serialize, JsonSchema)]
struct DeploymentOfReviewApp {
    id: Option<EventId>,
    created_at: Time,
    status: annals_model::app::Progress,
    git_ref: Option<String>,
    scm_link: Option<String>,
    pusher: Option<Person>,
}

impl ReviewAppView {
    async fn new(
        service: &Service,
        app: &App,
        private: &PrivateState,
        name: &str,
        visibility: Visibility,
    ) -> Result<Self, ApiError> {
        let review_app = app.review_apps.get(name).ok_or(ApiError::NotFound("app"))?;
        let seen = |url: &str| visibility.url(url).unwrap_or_default();
        let pull = private.pull_requests.get(&review_app.pr_number);
        let of_child = match review_app.app_id {
            Some(child) => service.private_state(child).await?,
            None => Default::default(),
        };
        let last = of_child.deployments.last();
        let app_name = match review_app.app_id {
            Some(child) => service.app(child).await?.map(|child| child.name.clone()),
            None => None,
        };
        let delete_at = pull.and_then(|pull| pull.delete_at);
        let is_closed = pull.is_some_and(|pull| pull.closed_at.is_some());
        let queued = annals_model::app::Progress::UnderWay(annals_model::app::Stage::Queued);
        Ok(Self {
            id: review_apps::review_app_id(app.id, name),
            repo_link_id: app.scm_link.as_ref().map(|link| link.id),
            app_id: review_app.app_id,
            app_name: app_name.unwrap_or_else(|| name.to_owned()),
            parent_app_id: app.id,
            parent_app_name: app.name.clone(),
            created_at: review_app.created_at,
            stale_deletion_date: delete_at.filter(|_| !is_closed),
            on_close_deletion_date: delete_at.filter(|_| is_closed),
            pull_request: PullOfReviewApp {
                number: review_app.pr_number,
                branch_name: pull.map(|pull| pull.branch.clone()).unwrap_or_default(),
                source_repo_name: review_app.source_repo_name.clone(),
                source_repo_url: seen(&review_app.source_repo_url),
                title: review_app.pr_name.clone(),
                url: seen(&review_app.pr_url),
                html_url: seen(&review_app.pr_url),
                git_ref: pull.map(|pull| pull.head.clone()).unwrap_or_default(),
                base_ref: pull.map(|pull| pull.base_branch.clone()).unwrap_or_default(),
                created_at: pull.map_or(review_app.created_at, |pull| pull.opened_at),
                closed_at: pull.and_then(|pull| pull.closed_at),
            },
            last_deployment: DeploymentOfReviewApp {
                id: last.map(|deployment| deployment.id),
                created_at: last.map_or(review_app.created_at, |deployment| deployment.created_at),
                status: last.map_or(queued, |deployment| deployment.status),
                git_ref: last.and_then(|deployment| deployment.git_ref.clone()),
                scm_link: None,
                pusher: last.map(|deployment| deployment.pusher.clone()),
            },
        })
    }
}
