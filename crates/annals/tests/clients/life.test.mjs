// The life of an app, with the official JavaScript client where it has the call, and otherwise with the exact requests of the
// official command line: status, top-level keys, headers.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import scalingo from "scalingo";
import { must, operator, register, send, typesOf, url } from "./platform.mjs";

const { clientFromToken } = scalingo;
const app = "life-app";
const P = `/v1/apps/${app}`;
let jane;
let sam;
let client;

const clientOf = ({ token }) => clientFromToken(token, { apiUrl: `${url}`, authApiUrl: url });

/// Sends a request as the Go clients do: with a question mark at the end and a content type on everything.
async function go(method, path, body, { status = 200, who = jane } = {}) {
  const headers = { "user-agent": "Scalingo CLI v1.48.0", "content-type": "application/json", "accept-encoding": "gzip" };
  const asked = body === undefined && !path.includes("?") ? `${path}?` : path;
  const answer = await send(method, asked, { ...who, headers, body });
  assert.equal(answer.status, status, `${method} ${path}: ${answer.raw}`);
  return answer;
}
const keys = (answer) => Object.keys(answer.json);

before(async () => {
  jane = await register("life-jane", { password: "correct horse battery" });
  sam = await register("life-sam");
  client = await clientOf(jane);
});

test("signing in with a password, and the first requests of every command", async () => {
  const signedIn = await send("POST", "/v1/tokens", { basic: "life-jane:correct horse battery", body: { token: { name: "Scalingo CLI - host" } } });
  assert.equal(signedIn.status, 201);
  const secret = signedIn.json.token.token;
  const exchanged = await send("POST", "/v1/tokens/exchange", { basic: `:${secret}`, body: {} });
  assert.equal(exchanged.status, 200);
  const parts = exchanged.json.token.split(".").map((part) => Buffer.from(part, "base64url").toString());
  assert.ok(JSON.parse(parts[0]).alg);
  assert.equal(typeof JSON.parse(parts[1]).exp, "number");
  const bearer = { token: exchanged.json.token };
  const self = await go("GET", "/v1/users/self", undefined, { who: bearer });
  assert.equal(self.json.user.username, "life-jane");
  assert.equal(self.json.user.flags.admin, undefined);
  assert.ok((await go("GET", "/v1/regions", undefined, { who: bearer })).json.regions.length > 0);
});

test("the app is created and listed, with no other top-level key", async () => {
  const created = await client.Apps.create({ name: app });
  assert.equal(created.name, app);
  for (const [path, only] of [["/v1/apps", "apps"], [P, "app"], ["/v1/features/stacks", "stacks"], ["/v1/event_types", "event_types"], ["/v1/features/container_sizes", "container_sizes"]]) {
    assert.deepEqual(keys(await go("GET", path)), [only]);
  }
  const { stacks } = (await go("GET", "/v1/features/stacks")).json;
  assert.ok(stacks.every(({ deprecated_at }) => deprecated_at === null || /^\d{4}-\d\d-\d\d$/.test(deprecated_at)));
});

test("the app is scaled before its first deployment, then deployed, scaled and restarted", async () => {
  const early = await go("POST", `${P}/scale`, { containers: [{ id: "", app_id: "", name: "web", amount: 1, command: "", size: "" }] });
  assert.equal(early.headers.get("location"), null);
  const deployment = await go("POST", `${P}/deployments`, { deployment: { git_ref: null, source_url: "https://example.com/a.tar.gz" } }, { status: 201 });
  assert.equal(deployment.json.deployment.status, "success");
  const listed = await go("GET", `${P}/deployments?page=1&per_page=20`);
  assert.equal(listed.json.deployments[0].pusher.username, "life-jane");
  const { links, id } = listed.json.deployments[0];
  assert.deepEqual(keys(await go("GET", `${P}/deployments/${id}`)), ["deployment"]);
  const output = await fetch(links.output, { headers: { authorization: `Bearer ${jane.token}` } });
  assert.ok((await output.text()).includes(id));
  const js = await client.Deployments.create(app, { git_ref: "main", source_url: "https://example.com/b.tar.gz" });
  assert.equal((await client.Deployments.find(app, js.id)).git_ref, "main");

  assert.deepEqual((await go("GET", `${P}/autoscalers`)).json, { autoscalers: [] });
  const scaled = await go("POST", `${P}/scale`, { containers: [{ name: "web", amount: 2, size: "M" }] }, { status: 202 });
  const operation = new URL(scaled.headers.get("location")).pathname;
  assert.equal((await go("GET", operation)).json.operation.status, "done");
  assert.equal((await client.Containers.processes(app)).length, 2);
  const restarted = await go("POST", `${P}/restart`, { scope: [] }, { status: 202 });
  assert.equal(restarted.raw, "");
  const byClient = await client.Containers.restart(app, ["web"]);
  assert.ok(byClient.operation ?? byClient);
  // Terraform sends null, Ruby no body.
  await go("POST", `${P}/restart`, "null", { status: 202 });
  await go("POST", `${P}/restart`, "", { status: 202 });
  await go("DELETE", `${P}/caches/deployment`, undefined, { status: 204 });
});

test("one-off containers", async () => {
  const run = await go("POST", `${P}/run`, { command: "bin/console", env: { TERM: "xterm", CLIENT_OS: "linux" }, detached: true, has_uploads: false });
  assert.ok(run.json.container.label.startsWith("one-off-"));
  const attached = await go("POST", `${P}/run`, { command: "bash", env: {} });
  const operation = await go("GET", new URL(attached.json.operation_url).pathname);
  assert.equal(operation.json.operation.status, "error");
  const container = await client.Containers.run(app, { command: "ls", detached: true });
  await client.Containers.stop(app, container.id);
  const entries = [{ time: "2026-11-01T12:00:00Z", content: "hello", type: "output" }];
  await must(200, "PATCH", `${P}/audit_logs/${container.id}`, { ...operator, body: { entries, finished: true } });
  assert.equal((await go("GET", `${P}/audit_logs/${container.id}`)).json[0].content, "hello");
});

test("variables", async () => {
  await go("PUT", `${P}/variables`, { variables: [{ id: "", name: "A", value: "1" }, { id: "", name: "B", value: "$A" }] });
  const { variables } = (await go("GET", `${P}/variables?aliases=true`)).json;
  assert.deepEqual(variables.map(({ name, value }) => [name, value]), [["A", "1"], ["B", "1"]]);
  await go("DELETE", `${P}/variables/${variables[1].id}`, undefined, { status: 204 });
  await client.Environment.create(app, { name: "C", value: "3" });
});

test("domains", async () => {
  const domain = await client.Domains.create(app, { name: "life.example.com" });
  await client.Domains.update(app, domain.id, { canonical: true });
  await go("PATCH", `${P}/domains/${domain.id}`, { domain: { tlscert: "", tlskey: "" } });
  assert.equal((await go("GET", `${P}/domains`)).json.domains[0].tlskey, null);
  await client.Domains.destroy(app, domain.id);
});

test("collaborators", async () => {
  const invited = await go("POST", `${P}/collaborators`, { collaborator: { email: "life-sam@example.com", is_limited: false } }, { status: 201 });
  assert.equal(Array.isArray(invited.json.collaborator), false);
  const { id, invitation_link } = invited.json.collaborator;
  const samsClient = await clientOf(sam);
  const token = new URL(invitation_link).searchParams.get("token");
  await samsClient.Collaborators.inviteAccept(token);
  assert.equal((await samsClient.Apps.find(app)).name, app);
  const again = await send("GET", `/v1/apps/collaboration?token=${token}`, sam);
  assert.equal(again.status, 400);
  assert.equal(again.json.type, "already-collaborator");
  assert.equal((await send("HEAD", `/v1/apps/collaboration?token=${token}`, sam)).status, 405);
  await go("PATCH", `${P}/collaborators/${id}`, { collaborator: { is_limited: true } });
  const { variables } = (await go("GET", `${P}/variables?aliases=false`, undefined, { who: sam })).json;
  assert.ok(variables.every(({ value }) => value === null));
  const { events } = (await go("GET", `${P}/events?page=1&per_page=100`, undefined, { who: sam })).json;
  assert.ok(!JSON.stringify(events).includes('"value":"1"'));
  await client.Collaborators.update(app, id, { is_limited: false });
});

test("a database with features, drains and maintenance", async () => {
  const { plans } = (await go("GET", "/v1/addon_providers/postgresql/plans?show_all=false")).json;
  const added = await go("POST", `${P}/addons`, { addon: { addon_provider_id: "postgresql", plan_id: plans[0].id, options: null } }, { status: 201 });
  assert.ok(added.json.variables.includes("DATABASE_URL"));
  const { id } = added.json.addon;
  assert.equal((await client.Addons.update(app, id, { plan_id: plans[1].id })).plan.name, plans[1].name);
  assert.ok((await client.Addons.for(app)).every(({ addon_provider, plan }) => addon_provider && plan));
  assert.ok((await client.Addons.listProviders()).length > 0);
  assert.ok((await client.Addons.listCategories()).length > 0);

  const { token } = (await go("POST", `${P}/addons/${id}/token`, {})).json.addon;
  const D = `/api/databases/${id}`;
  const database = { who: { token } };
  assert.equal((await go("GET", D, undefined, database)).json.database.type_name, "postgresql");
  const enabled = await go("POST", `${D}/features`, { feature: { name: "force-ssl", status: "" } }, database);
  assert.equal(enabled.json.status, "ACTIVATED");
  const disabled = await go("DELETE", `${D}/features?feature=force-ssl`, undefined, database);
  assert.ok(disabled.json.message);
  await go("GET", P, undefined, { ...database, status: 401 });
  await go("PATCH", D, { database: { maintenance_window: { weekday_utc: 3, starting_hour_utc: 4 } } }, database);

  const planned = await must(201, "POST", `${D}/maintenance`, { ...operator, body: { maintenance: { type: "db-upgrade" } } });
  const shown = await go("GET", `${D}/maintenance/${planned.maintenance.id}`, undefined, database);
  assert.equal(shown.json.status, "scheduled");
  assert.equal(shown.json.maintenance.status, "scheduled");
  const list = await go("GET", `${D}/maintenance?page=1&per_page=20`, undefined, database);
  assert.equal(list.json.meta.pagination.total_count, 1);

  const drain = { type: "syslog", url: "", port: "514", host: "logs.example.com", token: "", drain_region: "" };
  const onApp = await go("POST", `${P}/log_drains`, { drain }, { status: 201 });
  await go("POST", `${P}/addons/${id}/log_drains`, { drain }, { status: 201 });
  const drainUrl = encodeURIComponent(onApp.json.drain.url);
  await go("DELETE", `${P}/log_drains?url=${drainUrl}`, undefined, { status: 204 });
  await go("DELETE", `${P}/addons/${id}/log_drains?url=${drainUrl}`, undefined, { status: 204 });
  await client.Addons.destroy(app, id);
});

test("adding an add-on restarts the app", async () => {
  const directory = await must(200, "GET", "/v1/addon_providers");
  const cache = {
    id: "cache", name: "Cache", plans: [{ id: "cache-free", name: "free", display_name: "Free" }],
    variables: [{ name: "CACHE_URL", value: "cache://{resource_id}" }], password: "manifest secret",
  };
  const addon_providers = [...directory.addon_providers.map(({ id, name, plans }) => ({ id, name, plans, is_database: id !== "mailbox" })), cache];
  await must(200, "PUT", "/v1/addon_providers", { ...operator, body: { addon_providers } });
  const { addon } = (await go("POST", `${P}/addons`, { addon: { addon_provider_id: "cache", plan_id: "cache-free" } }, { status: 201 })).json;
  const asProvider = { basic: "cache:manifest secret" };
  const { apps } = await must(200, "GET", "/v1/provider/apps", asProvider);
  assert.deepEqual(apps.map(({ app_id }) => app_id), [addon.id]);
  await must(200, "PATCH", `/v1/provider/apps/${apps[0].app_id}`, { ...asProvider, body: { config: { CACHE_URL: "cache://moved" } } });
  await must(422, "PATCH", `/v1/provider/apps/${apps[0].app_id}`, { ...asProvider, body: { config: { A: "2" } } });
  await must(401, "GET", "/v1/provider/apps", { basic: "cache:wrong" });
  const { events } = (await go("GET", `${P}/events?page=1&per_page=2`)).json;
  assert.deepEqual(events.map(({ type }) => type), ["restart", "edit_variable"]);
  assert.equal(events[0].type_data.addon_name, "Cache");
  assert.equal(events[0].type_data.scope, null);
  assert.ok(events.every((event) => !("user" in event)));
});

test("the linked repository", async () => {
  await client.SCMIntegrations.create({ scm_type: "github", access_token: "t" });
  assert.equal((await go("GET", "/v1/scm_integrations/github")).json.scm_integration.scm_type, "github");
  await go("GET", `${P}/scm_repo_link`, undefined, { status: 404 });
  const { id } = (await client.SCMIntegrations.all())[0];
  const link = { source: "https://github.com/jane/life", auth_integration_uuid: id, branch: "main" };
  const made = await go("POST", `${P}/scm_repo_link`, { scm_repo_link: link }, { status: 201 });
  assert.equal(Array.isArray(made.json.scm_repo_link), false);
  await go("PATCH", `${P}/scm_repo_link`, { scm_repo_link: { auto_deploy_enabled: true } });
  assert.equal((await client.SCMRepoLinks.find(app)).owner, "jane");
  assert.ok((await client.SCMRepoLinks.manualDeploy(app, "main")).id);
  const pull = { id: 1, number: 42, title: "T", html_url: "https://github.com/jane/life/pull/42", source_repo_name: "jane/life", head: "f".repeat(40) };
  await must(200, "POST", `${P}/scm_repo_link/pulls`, { ...operator, body: { pull } });
  assert.equal((await go("GET", `${P}/scm_repo_link/pulls/42`)).json.pull.number, 42);
  await go("POST", `${P}/scm_repo_link/manual_review_app`, { pull_request_id: "42" });
  const { review_apps } = (await go("GET", `${P}/scm_repo_link/review_apps`)).json;
  assert.ok(review_apps[0].pull_request && review_apps[0].last_deployment);
  await go("GET", `/v1/apps/${review_apps[0].app_id}`);
  await go("DELETE", `${P}/scm_repo_link`, undefined, { status: 204 });
});

test("settings, stack, contact and consent", async () => {
  for (const [setting, value] of [["force_https", true], ["sticky_session", true], ["router_logs", true]]) {
    assert.equal((await go("PUT", P, { [setting]: value })).json.app[setting], value);
  }
  const stacks = await client.Stacks.list();
  await go("PATCH", P, { app: { stack_id: stacks.find(({ name }) => name === "scalingo-22").id } });
  const until = new Date(Date.now() + 86_400_000).toISOString();
  await client.DataAccessConsent.create(app, { databases_until: until, containers_until: until });
  await client.HDSContacts.update(app, { name: "Jane", email: "jane@example.com", address_country: "FR" });
});

test("the app is renamed and transferred, and its timeline has every event", async () => {
  await go("POST", `${P}/rename`, { current_name: app, new_name: "lived-app" });
  await client.Apps.transfer("lived-app", "lived-app", "life-sam@example.com").catch(() =>
    go("PATCH", "/v1/apps/lived-app", { app: { owner: "life-sam@example.com" } }));
  const types = await typesOf("lived-app", sam);
  assert.equal(types[0], "new_app");
  assert.equal(types.at(-1), "transfer_app");
  const expected = [
    "accept_collaborator", "change_collaborator_role", "create_data_access_consent", "create_review_app",
    "database/add_feature", "database/remove_feature", "delete_addon", "delete_addon_log_drain", "delete_domain",
    "delete_log_drain", "delete_variable", "deployment", "edit_app", "edit_domain", "edit_hds_contact", "edit_variable",
    "edit_variables", "link_scm", "new_addon", "new_addon_log_drain", "new_app", "new_collaborator", "new_domain",
    "new_log_drain", "new_variable", "plan_database_maintenance", "addon_updated", "rename_app", "restart", "run", "scale",
    "stack_changed", "transfer_app", "unlink_scm", "update_scm", "upgrade_addon",
  ];
  assert.deepEqual([...new Set(types)].sort(), expected.sort());

  // The forms that the command line decodes: counts with sizes as text, full times, objects everywhere.
  const { events } = (await go("GET", "/v1/apps/lived-app/events?page=1&per_page=100", undefined, { who: sam })).json;
  for (const event of events) {
    assert.match(event.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(typeof event.type_data, "object");
  }
  const scale = events.find(({ type }) => type === "scale");
  assert.deepEqual(scale.type_data.containers, { web: "2:M" });
  const deployment = events.find(({ type }) => type === "deployment");
  assert.ok(Number.isInteger(deployment.type_data.duration));
  const { state } = await must(200, "GET", "/v1/apps/lived-app/state", sam);
  assert.equal(state.owner.username, "life-sam");
  assert.equal(state.stack, "scalingo-22");
});

test("errors have the form that the clients read", async () => {
  const missing = await go("GET", "/v1/apps/no-such-app", undefined, { status: 404 });
  assert.deepEqual(missing.json, { resource: "app", error: "not found" });
  const wrong = await go("POST", "/v1/apps", { app: { name: "x" } }, { status: 422 });
  assert.ok(Object.values(wrong.json.errors).every(Array.isArray));
  const required = await go("POST", "/v1/apps/lived-app/addons", { addon: { addon_provider_id: "redis" } }, { status: 400, who: sam });
  assert.deepEqual(required.json, { error: "plan_id is required" });
  for (const answer of [missing, wrong, required]) {
    assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
  }
});

test("billing", async () => {
  await go("POST", "/v1/account/billing/credits", { credit: { payment_method: "paypal", amount: 10.5 } }, { status: 201 });
  const stripe = { brand: "visa", last4: "4242", exp: "01/2030" };
  await go("POST", "/v1/account/billing/payment_methods", { payment_method: { payment_method_type: "stripe", company: "ACME", stripe } }, { status: 201 });
  const { events } = (await go("GET", "/v1/events?page=1&per_page=2")).json;
  assert.equal(events[0].type_data.company, "ACME");
  assert.equal(events[1].type_data.amount, 10.5);
});
