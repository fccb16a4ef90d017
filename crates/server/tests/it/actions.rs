//! Every event type of the contract by its own action: the exact event, who may cause it, and what is refused.

use std::fmt::Write as _;

use annals_server::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{OPERATOR, TestService};

/// The caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Owner,
    Collaborator,
    Limited,
    Stranger,
    Operator,
    Nobody,
}

/// Who may do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    Owner,
    Collaborators,
    /// And the operator too, who says something else with it.
    CollaboratorsAndOperator,
    Members,
    /// Whoever has an account: it is about themself.
    Anybody,
    Operator,
    /// Whoever: no credential is asked for, or another one.
    Whoever,
}

impl May {
    /// Who may not, and how they are told.
    fn refused(self) -> Vec<(Who, u16)> {
        let (missing, forbidden) = (404, 403);
        let mut refused = match self {
            Self::Owner => {
                vec![
                    (Who::Collaborator, forbidden),
                    (Who::Limited, forbidden),
                    (Who::Stranger, missing),
                    (Who::Operator, forbidden),
                ]
            }
            Self::Collaborators => {
                vec![(Who::Limited, forbidden), (Who::Stranger, missing), (Who::Operator, forbidden)]
            }
            Self::CollaboratorsAndOperator => vec![(Who::Limited, forbidden), (Who::Stranger, missing)],
            Self::Members => vec![(Who::Stranger, missing), (Who::Operator, forbidden)],
            Self::Anybody => vec![(Who::Operator, forbidden)],
            Self::Operator => vec![
                (Who::Owner, forbidden),
                (Who::Collaborator, forbidden),
                (Who::Limited, forbidden),
                (Who::Stranger, missing),
            ],
            Self::Whoever => return Vec::new(),
        };
        refused.push((Who::Nobody, 401));
        refused
    }

    fn example(self) -> Who {
        match self {
            Self::Operator => Who::Operator,
            Self::Whoever => Who::Nobody,
            _ => Who::Owner,
        }
    }
}

/// A request. Braces in its path and its body stand for identifiers of the world.
#[derive(Clone)]
struct Call {
    method: &'static str,
    path: &'static str,
    head: String,
    body: String,
}

fn call(method: &'static str, path: &'static str, body: &str) -> Call {
    Call { method, path, head: String::new(), body: body.to_owned() }
}

/// What causes events of one type.
struct Row {
    event_type: &'static str,
    may: May,
    /// What comes before it, besides what the world has.
    before: Vec<(Who, Call)>,
    /// How much time passes until it is asked for.
    hours: u64,
    call: Call,
    status: u16,
    /// Bodies that are refused, and the first field that is named; without one the body is malformed.
    invalid: Vec<(&'static str, &'static str)>,
}

impl Row {
    fn new(event_type: &'static str, may: May, call: Call, status: u16) -> Self {
        Self { event_type, may, before: Vec::new(), hours: 1, call, status, invalid: Vec::new() }
    }

    fn after(mut self, who: Who, call: Call) -> Self {
        self.before.push((who, call));
        self
    }

    fn later(mut self, hours: u64) -> Self {
        self.hours = hours;
        self
    }

    fn but_not(mut self, invalid: &[(&'static str, &'static str)]) -> Self {
        self.invalid = invalid.to_vec();
        self
    }
}

fn basic(name: &str, password: &str) -> String {
    format!("authorization: Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

const PASSWORD: &str = "correct horse battery";

fn sign_in(password: &str) -> Call {
    let body = r#"{"token":{"name":"laptop"}}"#;
    Call { head: basic("jane", password), ..call("POST", "/v1/tokens", body) }
}

fn table() -> Vec<Row> {
    use May::{Anybody, Collaborators, Members, Whoever};
    let row = Row::new;
    let failures = |mut row: Row, count: usize| {
        for _ in 0..count {
            row = row.after(Who::Nobody, sign_in("wrong password"));
        }
        row
    };
    let ask_for_reset = || call("POST", "/v1/users/password", r#"{"user":{"email":"jane@example.com"}}"#);
    let ask_for_unlock = || call("POST", "/v1/users/unlock", r#"{"user":{"email":"jane@example.com"}}"#);
    let link = r#"{"scm_repo_link":{"source":"https://github.com/jane/my-app","auth_integration_uuid":"github","branch":"main","auto_deploy_enabled":true,"deploy_review_apps_enabled":false,"delete_on_close_enabled":true,"hours_before_delete_on_close":2,"delete_stale_enabled":true,"hours_before_delete_stale":48,"automatic_creation_from_forks_allowed":false}}"#;
    let plan =
        || call("POST", "/api/databases/{addon}/maintenance", r#"{"maintenance":{"type":"db-upgrade"}}"#);
    let start = || call("POST", "/api/databases/{addon}/maintenance/{maintenance}/start", "");
    vec![
        row("new_app", Anybody, call("POST", "/v1/apps", r#"{"app":{"name":"another-app","git_source":"https://github.com/a/b"}}"#), 201)
            .but_not(&[("{}", "app"), (r#"{"app":{}}"#, "name"), (r#"{"app":{"name":"My App"}}"#, "name"), (r#"{"app":{"name":"my-app"}}"#, "name"), ("[]", ""), ("{", "")]),
        row("rename_app", May::Owner, call("POST", "/v1/apps/my-app/rename", r#"{"current_name":"my-app","new_name":"our-app"}"#), 200)
            .but_not(&[("{}", "current_name"), (r#"{"current_name":"other","new_name":"our-app"}"#, "current_name"), (r#"{"current_name":"my-app","new_name":"my-app"}"#, "name"), (r#"{"current_name":"my-app","new_name":"no"}"#, "name")]),
        row("transfer_app", May::Owner, call("PATCH", "/v1/apps/my-app", r#"{"app":{"owner":"colin@example.com"}}"#), 200)
            .but_not(&[("{}", "app"), (r#"{"app":{"owner":"sam@example.com"}}"#, "owner"), (r#"{"app":{"owner":"colin@example.com","force_https":true}}"#, "owner"), (r#"{"current_name":"other","app":{"owner":"colin@example.com"}}"#, "current_name")]),
        row("restart", Members, call("POST", "/v1/apps/my-app/restart", r#"{"scope":["web","worker-1"]}"#), 202)
            .but_not(&[(r#"{"scope":["nothing"]}"#, "scope"), (r#"{"scope":["web-9"]}"#, "scope"), (r#"{"scope":7}"#, "scope")]),
        row("scale", Collaborators, call("POST", "/v1/apps/my-app/scale", r#"{"containers":[{"name":"web","amount":3,"size":"L"}]}"#), 202)
            .but_not(&[("{}", "containers"), (r#"{"containers":[{"name":"web","amount":11}]}"#, "container-web-amount"), (r#"{"containers":[{"name":"web","amount":1,"size":"huge"}]}"#, "container-web-size"), (r#"{"containers":[{"name":"web"}]}"#, "amount")]),
        row("deployment", May::CollaboratorsAndOperator, call("POST", "/v1/apps/my-app/deployments", r#"{"deployment":{"git_ref":"v2","source_url":"https://example.com/app.tar.gz"}}"#), 201)
            .but_not(&[("{}", "deployment"), (r#"{"deployment":{"git_ref":"v2"}}"#, "source_url"), (r#"{"deployment":{"source_url":"ftp://x"}}"#, "source_url"), (r#"{"deployment":{"git_ref":"a b","source_url":"https://x"}}"#, "git_ref")]),
        row("run", Collaborators, call("POST", "/v1/apps/my-app/run", r#"{"command":"bin/console","env":{"TERM":"xterm"},"size":"S","detached":true}"#), 200)
            .but_not(&[("{}", "command"), (r#"{"command":" "}"#, "command"), (r#"{"command":"ls","size":"huge"}"#, "size")]),
        row("new_domain", Collaborators, call("POST", "/v1/apps/my-app/domains", r#"{"domain":{"name":"new.example.com"}}"#), 201)
            .but_not(&[("{}", "domain"), (r#"{"domain":{"name":""}}"#, "name"), (r#"{"domain":{"name":"www.example.com"}}"#, "name"), (r#"{"domain":{"name":"not a name"}}"#, "name"), (r#"{"domain":{"name":"a.io","tlscert":"x"}}"#, "tlskey"), (r#"{"domain":{"name":"a.io","tlscert":"x","tlskey":"y"}}"#, "tlscert")]),
        row("edit_domain", Collaborators, call("PATCH", "/v1/apps/my-app/domains/{domain}", r#"{"domain":{"canonical":true}}"#), 200)
            .but_not(&[("{}", "domain"), (r#"{"domain":{"tlskey":"x"}}"#, "tlscert"), (r#"{"domain":{"canonical":"yes"}}"#, "domain.canonical")]),
        row("delete_domain", Collaborators, call("DELETE", "/v1/apps/my-app/domains/{domain}", ""), 204),
        row("new_addon", Collaborators, call("POST", "/v1/apps/my-app/addons", r#"{"addon":{"addon_provider_id":"postgresql","plan_id":"postgresql-starter-512","options":null}}"#), 201)
            .but_not(&[("{}", ""), (r#"{"addon":{"addon_provider_id":"postgresql"}}"#, "")]),
        row("upgrade_addon", Collaborators, call("PATCH", "/v1/apps/my-app/addons/{addon}", r#"{"addon":{"plan_id":"redis-business-1024"}}"#), 200)
            .but_not(&[("{}", "")]),
        row("delete_addon", Collaborators, call("DELETE", "/v1/apps/my-app/addons/{addon}", ""), 204),
        row("database/add_feature", Collaborators, call("POST", "/api/databases/{addon}/features", r#"{"feature":{"name":"publicly-available","status":""}}"#), 200)
            .but_not(&[("{}", "feature"), (r#"{"feature":{"name":"no-such"}}"#, "feature")]),
        row("database/remove_feature", Collaborators, call("DELETE", "/api/databases/{addon}/features?feature=force-ssl", ""), 200),
        row("new_collaborator", Collaborators, call("POST", "/v1/apps/my-app/collaborators", r#"{"collaborator":{"email":"sam@example.com","is_limited":false}}"#), 201)
            .but_not(&[("{}", "collaborator"), (r#"{"collaborator":{}}"#, "email"), (r#"{"collaborator":{"email":"nobody"}}"#, "email"), (r#"{"collaborator":{"email":"Jane@Example.com"}}"#, "email"), (r#"{"collaborator":{"email":"colin@example.com"}}"#, "email"), (r#"{"collaborator":{"email":"pending@example.com"}}"#, "email")]),
        row("accept_collaborator", Anybody, call("GET", "/v1/apps/collaboration?token={invitation}", ""), 200),
        row("delete_collaborator", Collaborators, call("DELETE", "/v1/apps/my-app/collaborators/{colin}", ""), 204),
        row("new_variable", Collaborators, call("POST", "/v1/apps/my-app/variables", r#"{"variable":{"name":"B","value":"two"}}"#), 201)
            .but_not(&[("{}", "variable"), (r#"{"variable":{"name":"9","value":"x"}}"#, "name"), (r#"{"variable":{"name":"B","value":""}}"#, "value"), (r#"{"variable":{"name":"B-C","value":"x"}}"#, "name")]),
        row("edit_variable", Collaborators, call("PATCH", "/v1/apps/my-app/variables/{variable}", r#"{"variable":{"value":"another"}}"#), 200)
            .but_not(&[("{}", "variable"), (r#"{"variable":{"value":""}}"#, "value")]),
        row("edit_variables", Collaborators, call("PUT", "/v1/apps/my-app/variables", r#"{"variables":[{"id":"","name":"A","value":"another"},{"name":"B","value":"two"}]}"#), 200)
            .but_not(&[("{}", "variables"), (r#"{"variables":[]}"#, "variables"), (r#"{"variables":[{"name":"B","value":"1"},{"name":"","value":"1"}]}"#, "name")]),
        row("delete_variable", Collaborators, call("DELETE", "/v1/apps/my-app/variables/{variable}", ""), 204),
        row("add_credit", Anybody, call("POST", "/v1/account/billing/credits", r#"{"credit":{"payment_method":"paypal","amount":50}}"#), 201)
            .but_not(&[("{}", "credit"), (r#"{"credit":{"payment_method":"paypal","amount":4.99}}"#, "amount"), (r#"{"credit":{"payment_method":"paypal","amount":5.001}}"#, "amount"), (r#"{"credit":{"amount":5}}"#, "payment_method")]),
        row("add_payment_method", Anybody, call("POST", "/v1/account/billing/payment_methods", r#"{"payment_method":{"payment_method_type":"stripe","company":"ACME","vat_number":"FR123456","stripe":{"brand":"visa","last4":"4242","exp":"01/2030","number":"4242424242424242"}}}"#), 201)
            .but_not(&[("{}", "payment_method"), (r#"{"payment_method":{"payment_method_type":"stripe"}}"#, "stripe"), (r#"{"payment_method":{"payment_method_type":"stripe","stripe":{"brand":"visa","last4":"4242424242424242","exp":"01/2030"}}}"#, "stripe.last4"), (r#"{"payment_method":{"payment_method_type":"stripe","stripe":{"brand":"4242424242424242","last4":"4242","exp":"13/2030"}}}"#, "stripe.brand")]),
        row("add_voucher", Anybody, call("POST", "/v1/account/billing/vouchers", r#"{"voucher":{"code":"welcome-5"}}"#), 201)
            .after(Who::Operator, call("POST", "/v1/operator/vouchers", r#"{"voucher":{"code":"WELCOME-5","amount":5}}"#))
            .but_not(&[("{}", "voucher")]),
        row("new_log_drain", Collaborators, call("POST", "/v1/apps/my-app/log_drains", r#"{"drain":{"type":"syslog","url":"","port":"514","host":"logs.example.com","token":"t0k","drain_region":""}}"#), 201)
            .but_not(&[("{}", "drain"), (r#"{"drain":{"type":"pigeon"}}"#, "type"), (r#"{"drain":{"type":"papertrail","host":"logs.example.com","port":"1"}}"#, "url"), (r#"{"drain":{"type":"datadog"}}"#, "drain_region")]),
        row("delete_log_drain", Collaborators, call("DELETE", "/v1/apps/my-app/log_drains?url=tcp%2Btls://logs.example.com:1", ""), 204),
        row("new_addon_log_drain", Collaborators, call("POST", "/v1/apps/my-app/addons/{addon}/log_drains", r#"{"drain":{"type":"elk","url":"https://elk.example.com"}}"#), 201)
            .but_not(&[("{}", "drain"), (r#"{"drain":{"type":"elk"}}"#, "url")]),
        row("delete_addon_log_drain", Collaborators, call("DELETE", "/v1/apps/my-app/addons/{addon}/log_drains", r#"{"url":"tcp+tls://logs.example.com:2"}"#), 204),
        row("link_scm", Collaborators, call("POST", "/v1/apps/my-app/scm_repo_link", link), 201)
            .after(Who::Owner, call("DELETE", "/v1/apps/my-app/scm_repo_link", ""))
            .but_not(&[("{}", "scm_repo_link"), (r#"{"scm_repo_link":{"source":"https://github.com/a/b"}}"#, "auth_integration_uuid"), (r#"{"scm_repo_link":{"source":"https://github.com/a","auth_integration_uuid":"github"}}"#, "source"), (r#"{"scm_repo_link":{"source":"https://evil.example/a/b","auth_integration_uuid":"github"}}"#, "source"), (r#"{"scm_repo_link":{"source":"https://github.com/a/b","auth_integration_uuid":"gitlab"}}"#, "auth_integration_uuid")]),
        row("update_scm", Collaborators, call("PATCH", "/v1/apps/my-app/scm_repo_link", r#"{"scm_repo_link":{"auto_deploy_enabled":false,"hours_before_delete_stale":72}}"#), 200)
            .but_not(&[("{}", "scm_repo_link"), (r#"{"scm_repo_link":{"branch":"a b"}}"#, "branch"), (r#"{"scm_repo_link":{"hours_before_delete_stale":99999}}"#, "hours_before_delete_stale")]),
        row("unlink_scm", Collaborators, call("DELETE", "/v1/apps/my-app/scm_repo_link", ""), 204),
        row("create_review_app", Collaborators, call("POST", "/v1/apps/my-app/scm_repo_link/manual_review_app", r#"{"pull_request_id":"43"}"#), 200)
            .but_not(&[("{}", "pull_request_id"), (r#"{"pull_request_id":"x"}"#, "pull_request_id"), (r#"{"pull_request_id":42}"#, "pull_request_id")]),
        row("destroy_review_app", Members, call("DELETE", "/v1/apps/my-app-pr42?current_name=my-app-pr42", ""), 204),
        row("login_success", Whoever, sign_in(PASSWORD), 201),
        row("login_failure", Whoever, sign_in("wrong password"), 401),
        row("password_reset_query", Whoever, ask_for_reset(), 202).but_not(&[("{}", "user"), (r#"{"user":{}}"#, "email")]),
        row("password_reset_success", Whoever, call("PUT", "/v1/users/password", r#"{"user":{"reset_password_token":"{mailed}","password":"a better password","password_confirmation":"a better password"}}"#), 200)
            .after(Who::Nobody, ask_for_reset())
            .but_not(&[("{}", "user"), (r#"{"user":{"reset_password_token":"0","password":"a better password"}}"#, "reset_password_token"), (r#"{"user":{"reset_password_token":"{mailed}","password":"short"}}"#, "password"), (r#"{"user":{"reset_password_token":"{mailed}","password":"a better password","password_confirmation":"other"}}"#, "password_confirmation")]),
        failures(row("login_lock", Whoever, sign_in("wrong password"), 403), 9),
        failures(row("login_unlock_success", Whoever, call("GET", "/v1/users/unlock?unlock_token={mailed}", ""), 200), 10)
            .after(Who::Nobody, ask_for_unlock()),
        row("create_data_access_consent", Members, call("POST", "/v1/apps/my-app/data_access_consent", r#"{"data_access_consent":{"databases_until":"2026-11-10T12:00:00+01:00","containers_until":"2026-11-12T12:00:00Z"}}"#), 201)
            .but_not(&[("{}", "data_access_consent"), (r#"{"data_access_consent":{}}"#, "databases_until"), (r#"{"data_access_consent":{"databases_until":"2026-10-01T00:00:00Z"}}"#, "databases_until"), (r#"{"data_access_consent":{"containers_until":"2027-01-01T00:00:00Z"}}"#, "containers_until")]),
        row("edit_hds_contact", Collaborators, call("PUT", "/v1/apps/my-app/hds_contact", r#"{"hds_contact":{"name":"Jane Doe","email":"jane@example.com","phone_number":"+33 1 23","company":"ACME","address_line1":"1 Main Street","address_line2":"","address_city":"Paris","address_zip":"75001","address_country":"FR","notes":"mornings"}}"#), 200)
            .but_not(&[("{}", "hds_contact"), (r#"{"hds_contact":{"name":"Jane"}}"#, "email"), (r#"{"hds_contact":{"name":"Jane","email":"jane@example.com","address_country":"France"}}"#, "address_country")]),
        row("stack_changed", Collaborators, call("PATCH", "/v1/apps/my-app", r#"{"app":{"stack_id":"st-9d5bf098-01df-4194-8160-9779cfbc7122"}}"#), 200)
            .but_not(&[(r#"{"app":{"stack_id":"scalingo-18"}}"#, "stack_id"), (r#"{"app":{"stack_id":"scalingo-22","force_https":true}}"#, "app")]),
        row("plan_database_maintenance", May::Operator, plan(), 201)
            .but_not(&[("{}", "maintenance"), (r#"{"maintenance":{"type":"Upgrade!"}}"#, "type")]),
        // The window of the database is in the evening of the third day after.
        row("start_database_maintenance", May::Operator, start(), 200).after(Who::Operator, plan()).later(0),
        row("complete_database_maintenance", May::Operator, call("POST", "/api/databases/{addon}/maintenance/{maintenance}/complete", r#"{"status":"done"}"#), 200)
            .after(Who::Operator, plan())
            .after(Who::Operator, start())
            .but_not(&[(r#"{"status":"perhaps"}"#, "status")]),
    ]
}

/// Somebody's platform: an app that has something of everything, and people in every role.
struct World {
    service: TestService,
    tokens: Vec<(Who, String)>,
    /// The identifier of `my-app`, whatever it is called later.
    app: String,
}

impl World {
    async fn new() -> Self {
        let config = Config { instant_builder: true, attempts_per_minute: None, ..Config::default() };
        let mut service = TestService::start_with(config).await;
        let jane = json!({ "username": "jane", "email": "jane@example.com", "password": PASSWORD });
        let owner = service.register_as(jane).await;
        let mut tokens = vec![(Who::Owner, owner)];
        for (who, name) in [(Who::Collaborator, "colin"), (Who::Limited, "lily"), (Who::Stranger, "sam")] {
            tokens.push((who, service.register(name, None).await));
        }
        tokens.push((Who::Operator, OPERATOR.to_owned()));
        tokens.push((Who::Nobody, String::new()));
        let mut world = Self { service, tokens, app: String::new() };
        for (who, call) in [
            (Who::Owner, call("POST", "/v1/apps", r#"{"app":{"name":"my-app"}}"#)),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/scale",
                    r#"{"containers":[{"name":"web","amount":1},{"name":"worker","amount":2,"size":"S"}]}"#,
                ),
            ),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/deployments",
                    r#"{"deployment":{"source_url":"https://example.com/app.tar.gz"}}"#,
                ),
            ),
            (
                Who::Owner,
                call("POST", "/v1/apps/my-app/variables", r#"{"variable":{"name":"A","value":"one"}}"#),
            ),
            (Who::Owner, call("POST", "/v1/apps/my-app/domains", r#"{"domain":{"name":"www.example.com"}}"#)),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/addons",
                    r#"{"addon":{"addon_provider_id":"redis","plan_id":"redis-sandbox"}}"#,
                ),
            ),
            (
                Who::Owner,
                call("POST", "/api/databases/{addon}/features", r#"{"feature":{"name":"force-ssl"}}"#),
            ),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/log_drains",
                    r#"{"drain":{"type":"papertrail","host":"logs.example.com","port":"1"}}"#,
                ),
            ),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/addons/{addon}/log_drains",
                    r#"{"drain":{"type":"papertrail","host":"logs.example.com","port":"2"}}"#,
                ),
            ),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/scm_integrations",
                    r#"{"scm_integration":{"scm_type":"github","url":"","access_token":"ghp_secret"}}"#,
                ),
            ),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/scm_repo_link",
                    r#"{"scm_repo_link":{"source":"https://github.com/jane/my-app","auth_integration_uuid":"github","branch":"main","auto_deploy_enabled":true}}"#,
                ),
            ),
            (
                Who::Operator,
                call("POST", "/v1/apps/my-app/scm_repo_link/pulls", &pull(42, "Search by author")),
            ),
            (Who::Operator, call("POST", "/v1/apps/my-app/scm_repo_link/pulls", &pull(43, "Sort by title"))),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/scm_repo_link/manual_review_app",
                    r#"{"pull_request_id":"42"}"#,
                ),
            ),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/collaborators",
                    r#"{"collaborator":{"email":"colin@example.com","is_limited":false}}"#,
                ),
            ),
            (Who::Collaborator, call("GET", "/v1/apps/collaboration?token={invitation}", "")),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/collaborators",
                    r#"{"collaborator":{"email":"lily@example.com","is_limited":true}}"#,
                ),
            ),
            (Who::Limited, call("GET", "/v1/apps/collaboration?token={invitation}", "")),
            (
                Who::Owner,
                call(
                    "POST",
                    "/v1/apps/my-app/collaborators",
                    r#"{"collaborator":{"email":"pending@example.com"}}"#,
                ),
            ),
        ] {
            world.must(who, &call).await;
        }
        let app = world.get(Who::Owner, "/v1/apps/my-app").await;
        world.app = app["app"]["id"].as_str().unwrap().to_owned();
        world
    }

    fn token(&self, who: Who) -> String {
        self.tokens.iter().find(|(other, _)| *other == who).map(|(_, token)| token.clone()).unwrap()
    }

    async fn ask(&mut self, who: Who, call: &Call) -> (StatusCode, Value) {
        let (path, body) = (self.filled(call.path).await, self.filled(&call.body).await);
        let token = self.token(who);
        // A credential in the head of the request is another one.
        let token = if call.head.is_empty() { token.as_str() } else { "" };
        let answer = self.service.play(call.method, &path, token, &call.head, &body).await;
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, body)
    }

    async fn must(&mut self, who: Who, call: &Call) {
        let (status, body) = self.ask(who, call).await;
        let is_right = status.is_success() || call.path == "/v1/tokens";
        assert!(is_right, "{} {}: {status} {body}", call.method, call.path);
        self.service.clock.advance(1);
    }

    /// The text with the world's identifiers in it.
    async fn filled(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, path, field) in [
            ("{addon}", "/v1/apps/my-app/addons", "/addons/0/id"),
            ("{domain}", "/v1/apps/my-app/domains", "/domains/0/id"),
            ("{variable}", "/v1/apps/my-app/variables", "/variables/0/id"),
            ("{colin}", "/v1/apps/my-app/collaborators", "/collaborators/0/id"),
        ] {
            if text.contains(name) {
                let found = self.get(Who::Owner, path).await;
                text = text.replace(name, found.pointer(field).unwrap().as_str().unwrap());
            }
        }
        if text.contains("{invitation}") {
            let found = self.get(Who::Owner, "/v1/apps/my-app/collaborators").await;
            let links = found["collaborators"].as_array().unwrap().iter();
            let link = links
                .filter_map(|one| one["invitation_link"].as_str())
                .find(|link| !link.is_empty())
                .unwrap();
            text = text.replace("{invitation}", link.split_once("token=").unwrap().1);
        }
        if text.contains("{maintenance}") {
            let path = self.filled_addon("/api/databases/{addon}/maintenance").await;
            let found = self.get(Who::Owner, &path).await;
            text =
                text.replace("{maintenance}", found.pointer("/maintenance/0/id").unwrap().as_str().unwrap());
        }
        if text.contains("{mailed}") {
            let jane = self.get(Who::Owner, "/v1/users/self").await;
            let path = format!("/v1/operator/users/{}/outbox", jane["user"]["id"].as_str().unwrap());
            let found = self.get(Who::Operator, &path).await;
            let mail =
                found["mails"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap().to_owned();
            let token = mail.split_once("_token=").unwrap().1.split_whitespace().next().unwrap();
            text = text.replace("{mailed}", token);
        }
        text
    }

    async fn filled_addon(&mut self, path: &str) -> String {
        let found = self.get(Who::Owner, "/v1/apps/my-app/addons").await;
        path.replace("{addon}", found.pointer("/addons/0/id").unwrap().as_str().unwrap())
    }

    async fn get(&mut self, who: Who, path: &str) -> Value {
        let token = self.token(who);
        let answer = self.service.get(path, &token).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }

    /// Everything that could be seen to change.
    async fn all(&mut self) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in [
            "/v1/apps/my-app/events?per_page=100",
            "/v1/apps/my-app/state",
            "/v1/apps/my-app-pr42/state",
            "/v1/apps/my-app/collaborators",
            "/v1/apps/my-app/deployments",
            "/v1/apps/my-app/scm_repo_link/pulls",
        ] {
            seen.push(self.get(Who::Operator, path).await);
        }
        for who in [Who::Owner, Who::Collaborator, Who::Limited, Who::Stranger] {
            seen.push(self.get(who, "/v1/events?per_page=100").await);
        }
        seen
    }

    /// The events of all timelines, oldest first.
    async fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        for who in [Who::Owner, Who::Collaborator, Who::Limited, Who::Stranger] {
            let page = self.get(who, "/v1/events?per_page=100").await;
            events.extend(page["events"].as_array().unwrap().iter().cloned());
        }
        let path = format!("/v1/apps/{}/events?per_page=100", self.app);
        let page = self.get(Who::Operator, &path).await;
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        events.sort_by_key(|event| event["id"].as_str().unwrap().to_owned());
        events.dedup();
        events
    }
}

fn pull(number: u32, title: &str) -> String {
    json!({ "pull": {
        "id": 7000 + number, "number": number, "title": title,
        "html_url": format!("https://github.com/jane/my-app/pull/{number}"),
        "source_repo_name": "jane/my-app", "source_repo_html_url": "https://github.com/jane/my-app",
        "opened_from_a_forked_repo": false, "branch_name": "change", "head": format!("{number:040}"), "state": "open",
    } })
    .to_string()
}

#[tokio::test]
async fn every_type_of_the_contract_has_its_action_and_exactly_its_events() {
    let rows = table();
    let in_table: Vec<_> = rows.iter().map(|row| row.event_type).collect();
    let in_contract: Vec<_> = annals_model::catalogue::all()
        .iter()
        .filter(|event_type| event_type.origin == annals_model::catalogue::Origin::Contract)
        .map(|event_type| event_type.name)
        .collect();
    assert_eq!(in_table.len(), 46);
    assert!(in_contract.iter().all(|name| in_table.contains(name)));

    let mut transcript = String::new();
    for row in rows {
        let mut world = World::new().await;
        for (who, call) in &row.before {
            if call.path.ends_with("/start") {
                wait_for_window(&mut world).await;
            }
            world.must(*who, call).await;
        }
        match row.hours {
            0 => wait_for_window(&mut world).await,
            hours => world.service.clock.advance(hours * 3600),
        }
        let before = world.all().await;

        for (who, status) in row.may.refused() {
            let answer = world.ask(who, &row.call).await;
            // Who is asked for their own account is nobody's collaborator.
            assert_eq!(answer.0.as_u16(), status, "{} by {who:?}: {}", row.event_type, answer.1);
        }
        assert_eq!(world.all().await, before, "{}: somebody who may not changed something", row.event_type);

        for (body, field) in &row.invalid {
            let (status, answer) =
                world.ask(row.may.example(), &Call { body: (*body).to_owned(), ..row.call.clone() }).await;
            let expected =
                if field.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
            assert_eq!(status, expected, "{} {body}: {answer}", row.event_type);
            let named = answer["errors"].as_object().and_then(|errors| errors.keys().next().cloned());
            assert_eq!(named.as_deref().unwrap_or_default(), *field, "{} {body}: {answer}", row.event_type);
        }
        assert_eq!(world.all().await, before, "{}: a wrong body changed something", row.event_type);

        let asking = if row.event_type == "accept_collaborator" { Who::Stranger } else { row.may.example() };
        let known = world.events().await;
        let (status, answer) = world.ask(asking, &row.call).await;
        assert_eq!(status.as_u16(), row.status, "{}: {answer}", row.event_type);
        let new: Vec<_> = world.events().await.into_iter().filter(|event| !known.contains(event)).collect();
        assert!(new.iter().any(|event| event["type"] == row.event_type), "{}: {new:?}", row.event_type);
        _ = writeln!(transcript, "{} {}", row.call.method, row.call.path);
        for event in new {
            _ = writeln!(transcript, "{event}");
        }
        transcript.push('\n');
    }
    insta::assert_snapshot!(transcript);
}

/// Lets time pass until the window of the database's maintenance is open.
async fn wait_for_window(world: &mut World) {
    let path = world.filled_addon("/api/databases/{addon}/maintenance").await;
    let found = world.get(Who::Owner, &path).await;
    let planned_for = found.pointer("/maintenance/0/planned_for").unwrap().as_str().unwrap();
    let window: annals_model::Time = planned_for.parse().unwrap();
    let now = annals_service::Clock::now(&world.service.clock);
    world.service.clock.advance_millis(window.as_millis() - now.as_millis());
}
