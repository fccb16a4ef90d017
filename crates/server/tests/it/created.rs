//! A response names what its own request created, however many others create the same kind of thing at the same time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use annals_model::RandomIds;
use annals_server::Config;
use annals_testing::{TestDatabase, TestStore};
use futures_util::future::{FutureExt, join};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, OPERATOR, TestService, clock_at_noon, request};

/// How many things of a kind are created at once, and in how many apps and accounts: an app may run ten one-offs.
const CREATED: usize = 300;
const PLACES: usize = 30;
const PER_PLACE: usize = CREATED / PLACES;

/// What is created first: the apps, pull requests and vouchers that [`OTHERS`] need.
///
/// A kind has two lines. The first is the request: caller, method, path, body. The second has these columns, each with
/// JSON pointers:
///
/// 1. the created thing in the response;
/// 2. the identifier in the thing;
/// 3. a mark by which the thing is recognised, as `pointer=value`;
/// 4. the path to GET afterwards;
/// 5. the thing in that response, or the list that has it (`?` and a pointer, if entries have the identifier elsewhere);
/// 6. if the list has events instead of things: the mark in the event.
///
/// `-` leaves a column empty. `{n}` is the number of a thing, `{k}` its number within its app or account.
const FIRST: &str = r#"
owner POST /v1/apps {"app":{"name":"made-{n}"}}
    /app /id /name=made-{n} /v1/apps/{id} /app
operator POST /v1/apps/{app}/scm_repo_link/pulls {"pull":{"number":1{n},"title":"Pull-{n}","html_url":"https://github.com/a/b/pull/1{n}","source_repo_name":"a/b"}}
    /pull /number /title=Pull-{n} /v1/apps/{app}/scm_repo_link/pulls/{id} /pull
operator POST /v1/operator/vouchers {"voucher":{"code":"GIFT-{n}","amount":1{n}.5}}
    /voucher /code /amount=1{n}.5 /v1/operator/vouchers /vouchers
"#;

/// The kinds whose identifier cannot be derived from the request.
const ASSIGNED: &str = r#"
owner POST /v1/apps/{app}/addons {"addon":{"addon_provider_id":"db","plan_id":"plan-{k}"}}
    /addon /id /plan/id=plan-{k} /v1/apps/{app}/addons/{id} /addon
owner POST /v1/apps/{app}/run {"command":"detached-{n}","detached":true}
    /container /id /command=detached-{n} /v1/apps/{app}/ps /containers
owner POST /v1/apps/{app}/deployments {"deployment":{"source_url":"https://example.com/{n}.tar.gz","git_ref":"archive-{n}"}}
    /deployment /id /git_ref=archive-{n} /v1/apps/{app}/deployments/{id} /deployment
owner POST /v1/apps/{app}/scm_repo_link/manual_deploy {"branch":"branch-{n}"}
    /deployment /id /git_ref=branch-{n} /v1/apps/{app}/deployments/{id} /deployment
operator POST /v1/apps/{app}/deployments {"deployment":{"status":"success","git_ref":"import-{n}"}}
    /deployment /id /git_ref=import-{n} /v1/apps/{app}/deployments/{id} /deployment
operator POST /api/databases/{addon}/maintenance {"maintenance":{"type":"kind-{n}"}}
    /maintenance /id /type=kind-{n} /api/databases/{addon}/maintenance/{id} /maintenance
owner POST /v1/scm_integrations {"scm_integration":{"scm_type":"github-enterprise","url":"https://git{n}.example","access_token":"t"}}
    /scm_integration /id /url=https://git{n}.example /v1/scm_integrations/{id} /scm_integration
owner POST /v1/account/billing/payment_methods {"payment_method":{"payment_method_type":"sepa","company":"company-{n}"}}
    /payment_method /id /company=company-{n} /v1/account/billing/payment_methods /payment_methods
"#;

const OTHERS: &str = r#"
owner POST /v1/apps/{app}/child_apps {"app":{"name":"child-{n}"}}
    /app /id /name=child-{n} /v1/apps/{id} /app
owner POST /v1/apps/{app}/scm_repo_link/manual_review_app {"pull_request_id":"1{n}"}
    /review_app /app_id /pull_request/title=Pull-{n} /v1/apps/{app}/scm_repo_link/review_apps /review_apps
owner POST /v1/apps/made-{n}/scm_repo_link {"scm_repo_link":{"source":"https://github.com/jane/repo-{n}","auth_integration_uuid":"github"}}
    /scm_repo_link /id /repo=repo-{n} /v1/apps/made-{n}/scm_repo_link /scm_repo_link
owner POST /v1/apps/made-{n}/run {"command":"attached-{n}"}
    - /operation /container/command=attached-{n} /v1/apps/made-{n}/events/{id} /event /type_data/command
owner POST /v1/apps/{app}/restart {"scope":["type{k}"]}
    - /operation - /v1/apps/{app}/events/{id} /event /type_data/scope/0=type{k}
owner POST /v1/apps/{app}/scale {"containers":[{"name":"web","amount":{k}}]}
    - /operation - /v1/apps/{app}/events/{id} /event /type_data/containers/web={k}
owner POST /v1/apps/{app}/variables {"variable":{"name":"ONE_{n}","value":"one-{n}"}}
    /variable /id /value=one-{n} /v1/apps/{app}/variables /variables
owner PUT /v1/apps/{app}/variables {"variables":[{"name":"MANY_{n}","value":"many-{n}"}]}
    /variables/0 /id /value=many-{n} /v1/apps/{app}/variables /variables
owner POST /v1/apps/{app}/domains {"domain":{"name":"d{n}.example.com"}}
    /domain /id /name=d{n}.example.com /v1/apps/{app}/domains/{id} /domain
owner POST /v1/apps/{app}/collaborators {"collaborator":{"email":"guest-{n}@example.com"}}
    /collaborator /id /email=guest-{n}@example.com /v1/apps/{app}/collaborators /collaborators
owner POST /v1/apps/{app}/log_drains {"drain":{"type":"syslog","host":"app{n}.example","port":"514"}}
    /drain /url /url=syslog://app{n}.example:514 /v1/apps/{app}/log_drains /drains
owner POST /v1/apps/{app}/addons/{addon}/log_drains {"drain":{"type":"syslog","host":"db{n}.example","port":"514"}}
    /drain /url /url=syslog://db{n}.example:514 /v1/apps/{app}/addons/{addon}/log_drains /drains
owner POST /v1/tokens {"token":{"name":"token-{n}"}}
    /token /id /name=token-{n} /v1/tokens /tokens
owner POST /v1/keys {"key":{"name":"key-{n}","content":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA{n}"}}
    /key /id /name=key-{n} /v1/keys/{id} /key
owner POST /v1/account/billing/credits {"credit":{"payment_method":"paypal","amount":1{n}.5}}
    /credit /id /amount=1{n}.5 /v1/users/{user}/events?from=1 /events /type_data/amount
operator POST /v1/operator/users/{user}/credits {"credit":{"payment_method":"paypal","amount":2{n}.5}}
    /credit /id /amount=2{n}.5 /v1/users/{user}/events?from=1 /events /type_data/amount
owner POST /v1/account/billing/vouchers {"voucher":{"code":"GIFT-{n}"}}
    /voucher /code /code=GIFT-{n} /v1/users/{user}/events?from=1 /events?/type_data/code /type_data/code
operator POST /v1/users {"user":{"username":"user-{n}","email":"user-{n}@example.com"}}
    /user /id /username=user-{n} /v1/users/self /user
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_response_names_what_its_request_created_among_many_in_one_millisecond() {
    let test_store = TestStore::create().await;
    let world = World::over(vec![start(test_store, 0).await]).await;
    world.create(&[FIRST]).await;
    world.create(&[ASSIGNED, OTHERS]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_and_its_repeat_name_what_their_request_created_in_two_processes() {
    let database = TestDatabase::create().await;
    let same = TestStore::Database(TestDatabase { url: database.url.clone() });
    let processes = vec![start(TestStore::Database(database), 0).await, start(same, 2).await];
    World::over(processes).await.create(&[ASSIGNED]).await;
}

/// Starts a process whose clock stands still, that many seconds ahead. Its identifiers are random, as the program's are.
async fn start(test_store: TestStore, ahead: u64) -> TestService {
    let (store, clock) = (test_store.open().await, clock_at_noon());
    clock.advance(Duration::from_secs(ahead));
    TestService::start_as(test_store, store, Config::default(), clock, Arc::new(RandomIds::default())).await
}

/// The processes that serve one store, and the places in which things are created.
struct World {
    processes: Vec<TestService>,
    places: Vec<Place>,
}

/// An account with a deployed app that has a database and a linked repository.
struct Place {
    token: String,
    user: String,
    app: String,
    addon: String,
}

/// A kind of thing: two lines of a table.
struct Kind {
    request: [&'static str; 4],
    answer: Vec<&'static str>,
}

impl World {
    async fn over(mut processes: Vec<TestService>) -> Arc<Self> {
        let plans = (0..PER_PLACE).map(|k| format!("plan-{k}"));
        let plans: Vec<_> = plans.map(|id| json!({ "id": id, "name": id, "display_name": id })).collect();
        let variables = json!([{ "name": "DB_URL", "value": "db://u:{password}@{resource_id}.example" }]);
        let provider =
            json!({ "id": "db", "name": "DB", "is_database": true, "plans": plans, "variables": variables });
        let directory = json!({ "addon_providers": [provider] }).to_string();
        processes[0].play("PUT", "/v1/addon_providers", OPERATOR, "", &directory).await;
        let mut places = Vec::new();
        for index in 0..PLACES {
            places.push(Place::on(&mut processes[0], index).await);
        }
        Arc::new(Self { processes, places })
    }

    /// Creates things of all kinds at once, mixed.
    async fn create(self: &Arc<Self>, tables: &[&'static str]) {
        let kinds: Arc<[Kind]> = tables.iter().flat_map(|table| Kind::all(table)).collect();
        let mut tasks = JoinSet::new();
        for (n, index) in (0..CREATED).flat_map(|n| (0..kinds.len()).map(move |index| (n, index))) {
            let (world, kinds) = (Arc::clone(self), Arc::clone(&kinds));
            tasks.spawn(async move { (index, world.create_one(&kinds[index], n).await) });
        }
        let mut ids = HashSet::new();
        for (index, id) in tasks.join_all().await {
            assert!(ids.insert((index, id.clone())), "{:?}: {id} was assigned twice", kinds[index].request);
        }
    }

    /// Creates thing number n of a kind, reads it, and returns its identifier.
    async fn create_one(&self, kind: &Kind, n: usize) -> String {
        let test_store = &self.places[n / PER_PLACE];
        let process = |number: usize| &self.processes[number % self.processes.len()];
        let [caller, method, path, body] = kind.request.map(|text| test_store.fill(text, n));
        let token = if caller == "operator" { OPERATOR } else { &test_store.token };
        let ask = || {
            let mut request = request(method.parse().unwrap(), &path, token, body.clone());
            if self.processes.len() > 1 {
                request.headers_mut().insert("idempotency-key", format!("{path}#{n}").parse().unwrap());
            }
            request
        };
        let (first, repeat) = (process(n).send(ask()), process(n + 1).send(ask()));
        let (answer, repeat) = match n / 2 % 2 {
            _ if self.processes.len() == 1 => (first.await, None),
            0 => (first.await, Some(repeat.await)),
            // The repeat does not wait for the first response.
            _ => join(first, repeat.map(Some)).await,
        };
        let what = format!("{method} {path} {body}: {} {}", answer.status, answer.text());
        assert!(answer.status.is_success(), "{what}");
        if let Some(repeat) = repeat {
            assert_eq!((repeat.status, repeat.text()), (answer.status, answer.text()), "{what}");
        }

        let answer = with_operation(&answer);
        let [created, id_at, mark, show, found] = kind.answer[..5] else { panic!("{what}") };
        let (created, mark) = (at(&answer, created), test_store.fill(mark, n));
        let (mark_at, mark) = mark.split_once('=').unwrap_or_default();
        let id = text(at(created, id_at));
        assert!(mark_at.is_empty() || text(at(created, mark_at)) == mark, "{what}");

        let reader = answer.pointer("/token/token").map_or(token, |token| token.as_str().unwrap());
        let show = test_store.fill(show, n).replace("{id}", &id);
        let shown = process(n + 1).send(request(Method::GET, &show, reader, "")).await;
        let what = format!("{what}\n{show}: {} {}", shown.status, shown.text());
        assert_eq!(shown.status, StatusCode::OK, "{what}");
        let (found_at, id_at) = found.split_once('?').unwrap_or((found, id_at));
        let shown = shown.json();
        let found = match at(&shown, found_at) {
            Value::Array(entries) => {
                entries.iter().find(|entry| entry.pointer(id_at).map(text) == Some(id.clone()))
            }
            one => Some(one),
        };
        let found = found.unwrap_or_else(|| panic!("{what}"));
        match kind.answer.get(5).map(|event_mark| test_store.fill(event_mark, n)) {
            None => assert_eq!(lasting(created), lasting(found), "{what}"),
            Some(event_mark) => {
                let (mark_at, mark) = event_mark.split_once('=').unwrap_or((&event_mark, mark));
                assert_eq!(text(at(found, mark_at)), mark, "{what}");
            }
        }
        id
    }
}

impl Place {
    async fn on(service: &mut TestService, index: usize) -> Self {
        let app = format!("place-{index:02}");
        let token = service.register(&app, None).await;
        let user = text(at(&service.get("/v1/users/self", &token).await.json(), "/user/id"));
        let mut test_store = Self { token, user, app, addon: String::new() };
        let types = (0..PER_PLACE).map(|k| json!({ "name": format!("type{k}"), "amount": 1 }));
        let types: Vec<_> = types.chain([json!({ "name": "web", "amount": 10 })]).collect();
        for (path, body) in [
            ("/v1/apps", json!({ "app": { "name": test_store.app } })),
            (
                "/v1/scm_integrations",
                json!({ "scm_integration": { "scm_type": "github", "access_token": "t" } }),
            ),
            (
                "/v1/apps/{app}/scm_repo_link",
                json!({ "scm_repo_link": { "source": "https://github.com/a/b", "auth_integration_uuid": "github" } }),
            ),
            ("/v1/apps/{app}/scale", json!({ "containers": types })),
            ("/v1/apps/{app}/addons", json!({ "addon": { "addon_provider_id": "db", "plan_id": "plan-0" } })),
        ] {
            let answer = service.post(&test_store.fill(path, 0), &test_store.token, &body.to_string()).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.text());
            test_store.addon = text(&answer.json()["addon"]["id"]);
        }
        let deployment = r#"{"deployment":{"status":"success"}}"#;
        service.post(&test_store.fill("/v1/apps/{app}/deployments", 0), OPERATOR, deployment).await;
        test_store
    }

    fn fill(&self, text: &str, n: usize) -> String {
        text.replace("{n}", &format!("{n:03}"))
            .replace("{k}", &(n % PER_PLACE).to_string())
            .replace("{app}", &self.app)
            .replace("{user}", &self.user)
            .replace("{addon}", &self.addon)
    }
}

impl Kind {
    fn all(table: &'static str) -> Vec<Self> {
        let lines: Vec<_> = table.trim().lines().collect();
        let kinds = lines.chunks(2).map(|pair| Self {
            request: pair[0].splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap(),
            answer: pair[1].split_whitespace().map(|column| column.trim_matches('-')).collect(),
        });
        kinds.collect()
    }
}

/// Returns the body, with the identifier of the operation that the body or a header names.
fn with_operation(answer: &Answer) -> Value {
    let mut body = if answer.body.is_empty() { json!({}) } else { answer.json() };
    let url = answer.headers.get(header::LOCATION).map(|url| url.to_str().unwrap().to_owned());
    let url = url.or_else(|| body["operation_url"].as_str().map(str::to_owned));
    if let Some((_, id)) = url.as_deref().and_then(|url| url.rsplit_once("/operations/")) {
        body["operation"] = id.into();
    }
    body
}

/// Returns a thing without the fields that only the response to its creation has.
fn lasting(thing: &Value) -> Value {
    let mut thing = thing.as_object().unwrap().clone();
    thing.retain(|field, _| !matches!(field.as_str(), "message" | "token" | "last_used_at"));
    thing.into()
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
