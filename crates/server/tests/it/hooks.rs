//! Webhooks of forges with their own headers and payloads. The payloads are those of the forges' documentation, shortened.

use annals_server::Config;
use axum::body::Body;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Answer, TestService};

/// An app that is linked to a repository, and the address and the secret of its webhooks.
struct Linked {
    service: TestService,
    jane: String,
    path: String,
    secret: String,
}

impl Linked {
    async fn to(forge: &str, source: &str, config: Config) -> Self {
        let mut service = TestService::start_with(config).await;
        let jane = service.register("jane", None).await;
        service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
        let connected = json!({ "scm_integration": {
            "scm_type": forge, "url": "https://git.example.com", "access_token": "t",
        } });
        service.post("/v1/scm_integrations", &jane, &connected.to_string()).await;
        let link = json!({ "scm_repo_link": {
            "source": source, "auth_integration_uuid": forge, "branch": "main", "auto_deploy_enabled": true,
            "deploy_review_apps_enabled": true, "hours_before_delete_on_close": 0,
        } });
        let linked = service.post("/v1/apps/my-app/scm_repo_link", &jane, &link.to_string()).await;
        assert_eq!(linked.status, StatusCode::CREATED, "{}", linked.text());
        let hook = service.get("/v1/apps/my-app/scm_repo_link/hook", &jane).await.json()["hook"].clone();
        let path = hook["url"].as_str().unwrap().rsplit_once("8080").unwrap().1.to_owned();
        let secret = hook["secret"].as_str().unwrap().to_owned();
        Self { service, jane, path, secret }
    }

    /// Sends a webhook with these headers, in which `SIGNATURE` stands for that of the body.
    async fn send(&self, headers: &[(&str, &str)], payload: &Value) -> Answer {
        let body = payload.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let mut request = Request::post(&self.path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value.replace("SIGNATURE", &signature));
        }
        self.service.send(request.body(Body::from(body)).unwrap()).await
    }

    /// Does the same, and returns the types of the recorded events.
    async fn recorded(&self, headers: &[(&str, &str)], payload: &Value) -> Vec<String> {
        let answer = self.send(headers, payload).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        serde_json::from_value(answer.json()["recorded"].clone()).unwrap()
    }
}

const CREATED: [&str; 3] = ["create_review_app", "new_app", "deployment"];

fn instant() -> Config {
    Config { instant_builder: true, ..Config::default() }
}

fn github_push() -> Value {
    json!({
        "ref": "refs/heads/main", "after": "1481a2de7b2a7d02428ad93446ab166be7793fbb",
        "repository": { "id": 35129377, "full_name": "jane/hello", "html_url": "https://git.example.com/jane/hello" },
        "commits": [{ "id": "1481a2de7b2a7d02428ad93446ab166be7793fbb", "message": "Update README", "url": null }],
    })
}

#[tokio::test]
async fn gitea_and_forgejo_sign_by_their_own_headers() {
    for forge in ["gitea", "forgejo"] {
        let linked = Linked::to("github-enterprise", "https://git.example.com/jane/hello", instant()).await;
        let [event, signature, delivery] =
            ["event", "signature", "delivery"].map(|header| format!("x-{forge}-{header}"));
        let headers = [(&*event, "push"), (&*delivery, "f6266f16-1bf3-46a5"), (&*signature, "SIGNATURE")];
        assert_eq!(linked.recorded(&headers, &github_push()).await, ["deployment"], "{forge}");
        // The delivery is known, so a repeat records nothing.
        let repeat = linked.send(&headers, &github_push()).await.json();
        assert_eq!(repeat, json!({ "recorded": [], "reason": "the delivery was received before" }));
        let unsigned = linked.send(&headers[..2], &github_push()).await;
        assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED, "{forge}");
    }
}

fn bitbucket_repository() -> Value {
    json!({
        "type": "repository", "full_name": "jane/hello", "uuid": "{673a6070-3421-46c9-9d48-90745f7bfe8e}",
        "links": { "html": { "href": "https://bitbucket.org/jane/hello" } },
    })
}

fn bitbucket_pull(title: &str, hash: &str, draft: bool) -> Value {
    let side = |branch: &str| json!({ "branch": { "name": branch }, "commit": { "hash": hash }, "repository": bitbucket_repository() });
    json!({
        "repository": bitbucket_repository(),
        "pullrequest": {
            "id": 7, "title": title, "state": "OPEN", "draft": draft, "source": side("topic"),
            "destination": side("main"),
            "links": { "html": { "href": "https://bitbucket.org/jane/hello/pull-requests/7" } },
        },
    })
}

#[tokio::test]
async fn bitbucket_deploys_what_is_pushed_and_has_review_apps() {
    let mut linked = Linked::to("bitbucket", "https://bitbucket.org/jane/hello", instant()).await;
    let headers = |event| [("x-event-key", event), ("x-hub-signature", "sha256=SIGNATURE")];
    let hash = "709d658dc5b6d6afcd46049c2f332ee3f515a67d";
    let branch = |name: &str, hash: &str| {
        json!({
            "new": { "type": "branch", "name": name, "target": { "hash": hash } },
            "commits": [{
                "hash": hash, "message": "new commit message\n", "author": { "raw": "Jane Doe <jane@example.com>" },
                "links": { "html": { "href": format!("https://bitbucket.org/jane/hello/commits/{hash}") } },
            }],
        })
    };
    // One push may have several branches, and removed ones.
    let push = json!({
        "repository": bitbucket_repository(),
        "push": { "changes": [branch("topic", "1e65c05c1d5171631d92438a13901ca7dae9618c"), { "new": null }, branch("main", hash)] },
    });
    assert_eq!(linked.recorded(&headers("repo:push"), &push).await, ["deployment"]);
    let event = linked.service.get("/v1/apps/my-app/events?per_page=1", &linked.jane).await.json();
    let data = &event["events"][0]["type_data"];
    assert_eq!(data["git_ref"], hash);
    assert_eq!(data["git_ref_url"], format!("https://bitbucket.org/jane/hello/commits/{hash}"));
    assert_eq!(
        data["last_commits"]["commits"],
        json!([{
            "id": hash, "message": "new commit message", "author": "Jane Doe",
            "url": format!("https://bitbucket.org/jane/hello/commits/{hash}"),
        }])
    );
    let other = json!({
        "repository": bitbucket_repository(), "push": { "changes": [branch("topic", hash), { "new": null }] },
    });
    assert!(linked.recorded(&headers("repo:push"), &other).await.is_empty());

    let pull = |hash| bitbucket_pull("my title", hash, false);
    let first = "d3022fc0ca3d65c7f6654eea129d6bf0cf0ee08e";
    assert_eq!(linked.recorded(&headers("pullrequest:created"), &pull(first)).await, CREATED);
    let second = "ce5965ddd28914a9b5b0a3d3d9e3f1f5c0d0b8f0";
    assert_eq!(linked.recorded(&headers("pullrequest:updated"), &pull(second)).await, ["deployment"]);
    let review_app =
        linked.service.get("/v1/apps/my-app/scm_repo_link/review_apps", &linked.jane).await.json();
    assert_eq!(review_app["review_apps"][0]["last_deployment"]["git_ref"], second);
    assert!(linked.recorded(&headers("pullrequest:comment_created"), &json!({})).await.is_empty());
    let closed = linked.recorded(&headers("pullrequest:fulfilled"), &pull(second)).await;
    assert_eq!(closed, ["delete_app", "destroy_review_app"]);

    for (bad, status) in [
        (linked.send(&headers("repo:push"), &json!({ "push": {} })).await, StatusCode::BAD_REQUEST),
        (linked.send(&[("x-event-key", "repo:push")], &push).await, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(bad.status, status, "{}", bad.text());
    }
}

#[tokio::test]
async fn drafts_get_review_apps_unless_the_operator_turns_that_off() {
    let github = |action: &str, draft: bool| {
        let repository = github_push()["repository"].clone();
        let side = |branch: &str| json!({ "ref": branch, "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821", "repo": repository });
        json!({
            "action": action, "repository": repository,
            "pull_request": {
                "id": 279147437, "number": 2, "title": "Update README", "draft": draft,
                "html_url": "https://git.example.com/jane/hello/pull/2", "head": side("topic"), "base": side("main"),
            },
        })
    };
    let gitlab = |action: &str, draft: bool, changes: Value| {
        json!({
            "object_kind": "merge_request", "changes": changes,
            "project": { "id": 1, "web_url": "https://gitlab.example.com/jane/hello", "path_with_namespace": "jane/hello" },
            "object_attributes": {
                "id": 99, "iid": 2, "title": "MS-Viewport", "url": "https://gitlab.example.com/jane/hello/-/merge_requests/2",
                "draft": draft, "action": action, "source_branch": "topic", "target_branch": "main",
                "source_project_id": 1, "target_project_id": 1,
                "last_commit": { "id": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7" },
            },
        })
    };
    let by_github: &[_] = &[("x-github-event", "pull_request"), ("x-hub-signature-256", "sha256=SIGNATURE")];
    let without_drafts = || Config { draft_review_apps: false, ..instant() };

    let source = "https://git.example.com/jane/hello";
    let linked = Linked::to("github-enterprise", source, instant()).await;
    assert_eq!(linked.recorded(by_github, &github("opened", true)).await, CREATED);
    // It has one already.
    assert!(linked.recorded(by_github, &github("ready_for_review", false)).await.is_empty());

    let linked = Linked::to("github-enterprise", source, without_drafts()).await;
    for action in ["opened", "synchronize"] {
        assert!(linked.recorded(by_github, &github(action, true)).await.is_empty(), "{action}");
    }
    assert_eq!(linked.recorded(by_github, &github("ready_for_review", false)).await, CREATED);
    let closed = linked.recorded(by_github, &github("closed", true)).await;
    assert_eq!(closed, ["delete_app", "destroy_review_app"]);

    let linked =
        Linked::to("gitlab-self-hosted", "https://git.example.com/jane/hello", without_drafts()).await;
    let token = linked.secret.clone();
    let by_gitlab: &[_] = &[("x-gitlab-event", "Merge Request Hook"), ("x-gitlab-token", &token)];
    assert!(linked.recorded(by_gitlab, &gitlab("open", true, json!({}))).await.is_empty());
    let ready = gitlab("update", false, json!({ "draft": { "previous": true, "current": false } }));
    assert_eq!(linked.recorded(by_gitlab, &ready).await, CREATED);

    let linked = Linked::to("bitbucket", "https://bitbucket.org/jane/hello", without_drafts()).await;
    let by_bitbucket = |event| [("x-event-key", event), ("x-hub-signature", "sha256=SIGNATURE")];
    let hash = "d3022fc0ca3d65c7f6654eea129d6bf0cf0ee08e";
    let draft = bitbucket_pull("my title", hash, true);
    assert!(linked.recorded(&by_bitbucket("pullrequest:created"), &draft).await.is_empty());
    let ready = bitbucket_pull("my title", hash, false);
    assert_eq!(linked.recorded(&by_bitbucket("pullrequest:updated"), &ready).await, CREATED);
}
