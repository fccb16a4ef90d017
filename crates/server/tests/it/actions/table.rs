//! The table: for each event type of the contract, the request that records it, who may send it, and which bodies are
//! refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Owner,
    Collaborator,
    Limited,
    Stranger,
    Operator,
    Nobody,
}

/// Who may do an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    Owner,
    Collaborators,
    /// The operator as well, with another body.
    CollaboratorsAndOperator,
    Members,
    /// Every user: the action concerns their own account.
    Anybody,
    Operator,
    /// Everybody: the request needs no credential, or one in its body.
    Whoever,
}

impl May {
    /// Returns who may not, and the status that they get.
    pub(super) fn refused(self) -> Vec<(Who, u16)> {
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

    /// Returns the caller who does it here.
    pub(super) fn example(self) -> Who {
        match self {
            Self::Operator => Who::Operator,
            Self::Whoever => Who::Nobody,
            _ => Who::Owner,
        }
    }
}

/// A request. Names in braces in its path and body stand for identifiers of the world.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) head: String,
    pub(super) body: String,
}

pub(super) fn call(method: &'static str, path: &'static str, body: &str) -> Call {
    Call { method, path, head: String::new(), body: body.to_owned() }
}

/// The action that records events of one type.
pub(super) struct Row {
    pub(super) event_type: &'static str,
    pub(super) may: May,
    /// What is done first, on top of what the world has.
    pub(super) before: Vec<(Who, Call)>,
    /// How many hours pass before the action; 0 waits for the maintenance window.
    pub(super) hours: u64,
    pub(super) call: Call,
    pub(super) status: u16,
    /// Bodies that are refused, and the first field that the error names; no field if the body is malformed.
    pub(super) invalid: Vec<(&'static str, &'static str)>,
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

pub(super) const PASSWORD: &str = "correct horse battery";

fn sign_in(password: &str) -> Call {
    let body = r#"{"token":{"name":"laptop"}}"#;
    Call { head: basic("jane", password), ..call("POST", "/v1/tokens", body) }
}

/// Returns a row for each event type of the contract.
#[rustfmt::skip]
pub(super) fn table() -> Vec<Row> {
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
            .but_not(&[("{}", "containers"), (r#"{"containers":[{"name":"web","amount":11}]}"#, "container-web-amount"), (r#"{"containers":[{"name":"web","amount":1,"size":"huge"}]}"#, "container-web-size"), (r#"{"containers":[{"name":"web"}]}"#, "containers[0].amount")]),
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
        row("accept_collaborator", Anybody, call("GET", "/v1/apps/collaboration?token={invitation}", ""), 200)
            .after(Who::Owner, call("POST", "/v1/apps/my-app/collaborators", r#"{"collaborator":{"email":"sam@example.com"}}"#)),
        row("delete_collaborator", Collaborators, call("DELETE", "/v1/apps/my-app/collaborators/{colin}", ""), 204),
        row("new_variable", Collaborators, call("POST", "/v1/apps/my-app/variables", r#"{"variable":{"name":"B","value":"two"}}"#), 201)
            .but_not(&[("{}", "variable"), (r#"{"variable":{"name":"9","value":"x"}}"#, "name"), (r#"{"variable":{"name":"B","value":""}}"#, "value"), (r#"{"variable":{"name":"B-C","value":"x"}}"#, "name")]),
        row("edit_variable", Collaborators, call("PATCH", "/v1/apps/my-app/variables/{variable}", r#"{"variable":{"value":"another"}}"#), 200)
            .but_not(&[("{}", "variable"), (r#"{"variable":{"value":""}}"#, "value")]),
        row("edit_variables", Collaborators, call("PUT", "/v1/apps/my-app/variables", r#"{"variables":[{"id":"","name":"A","value":"another"},{"name":"B","value":"two"}]}"#), 200)
            .but_not(&[(r#"{"variables":[{"name":"B","value":"1"},{"name":"","value":"1"}]}"#, "name")]),
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
        failures(row("login_lock", Whoever, sign_in("wrong password"), 401), 9),
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
        // The database's maintenance window is on the evening of the third day.
        row("start_database_maintenance", May::Operator, start(), 200).after(Who::Operator, plan()).later(0),
        row("complete_database_maintenance", May::Operator, call("POST", "/api/databases/{addon}/maintenance/{maintenance}/complete", r#"{"status":"done"}"#), 200)
            .after(Who::Operator, plan())
            .after(Who::Operator, start())
            .but_not(&[(r#"{"status":"perhaps"}"#, "status")]),
    ]
}
