// The official JavaScript client, as published in its registry, against a running annals.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import scalingo from "scalingo";

const { Client, clientFromToken } = scalingo;
const url = process.env.ANNALS_URL;
const examplesPath = new URL("../../../../docs/examples.ndjson", import.meta.url);
const examples = readFileSync(examplesPath, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const johnsApp = "5343eccd646173000a140000";
const john = examples[0].user;
let client;

async function operator(path, body, contentType = "application/json") {
  const headers = { authorization: `Bearer ${process.env.ANNALS_OPERATOR_TOKEN}`, "content-type": contentType };
  const answer = await fetch(`${url}${path}`, { method: "POST", headers, body });
  assert.equal(answer.status, 201, await answer.clone().text());
  return answer.json();
}

before(async () => {
  const registered = await operator("/v1/users", JSON.stringify({ user: john }));
  const reported = await operator("/v1/events", readFileSync(examplesPath), "application/x-ndjson");
  assert.deepEqual(reported, { accepted: examples.length });
  client = await clientFromToken(registered.token.token, { apiUrl: url, authApiUrl: url });
});

test("the token was exchanged and belongs to its user", async () => {
  const self = await client.Users.self();
  assert.equal(self.username, john.username);
  assert.equal(self.id, john.id);
  const tokens = await client.Tokens.all();
  assert.equal(tokens.length, 1);
  assert.ok(tokens[0].last_used_at);
});

test("the timeline of an app is as it was reported", async () => {
  const expected = examples.filter((event) => event.app_id === johnsApp).reverse();
  const { events, meta } = await client.Events.for(johnsApp, { per_page: 100 });
  assert.deepEqual(events, expected);
  assert.deepEqual(meta.pagination, { current_page: 1, next_page: null, prev_page: null, total_pages: 1, total_count: expected.length });
});

test("the user's timeline pages through to its end", async () => {
  const expected = examples.filter((event) => event.user?.id === john.id).reverse();
  const read = [];
  let page = 1;
  while (page !== null) {
    const { events, meta } = await client.Events.all({ page, per_page: 10 });
    read.push(...events);
    page = meta.pagination.next_page;
  }
  assert.deepEqual(read, expected);
});

test("one event, event types and categories", async () => {
  const wanted = examples[7];
  assert.deepEqual(await client.Events.find(johnsApp, wanted.id), wanted);
  const types = await client.Events.listEventTypes();
  for (const { type } of examples) {
    assert.ok(types.some(({ name }) => name === type), type);
  }
  const categories = await client.Events.listEventCategories();
  assert.ok(types.every((type) => categories.some(({ id }) => id === type.category_id)));
});

test("an app is created, scaled, configured, renamed and deleted, and its timeline has every event", async () => {
  const dry = await client.Apps.create({ name: "dry-app", dry_run: true });
  assert.equal(dry.name, "dry-app");
  const app = await client.Apps.create({ name: "client-app" });
  assert.equal((await client.Apps.find("client-app")).id, app.id);
  await client.Containers.scale(app.id, [{ name: "web", amount: 2, size: "M" }]);
  assert.equal((await client.Containers.for(app.id))[0].amount, 2);
  const variable = await client.Environment.create(app.id, { name: "A", value: "1" });
  assert.equal((await client.Environment.update(app.id, variable.id, "2")).value, "2");
  await client.Environment.bulkUpdate(app.id, [{ name: "B", value: "3" }]);
  assert.equal((await client.Environment.for(app.id)).length, 2);
  await client.Environment.bulkDestroy(app.id, [variable.id]);
  assert.equal((await client.Apps.rename(app.id, "client-app", "renamed-app")).name, "renamed-app");
  const names = (await client.Apps.all()).map(({ name }) => name);
  assert.ok(names.includes("renamed-app") && !names.includes("dry-app"));
  await client.Apps.destroy(app.id, "renamed-app");
  const { events } = await client.Events.for(app.id);
  assert.deepEqual(
    events.map(({ type }) => type).reverse(),
    ["new_app", "scale", "new_variable", "edit_variable", "edit_variables", "edit_variables", "rename_app", "delete_app"],
  );
});

test("tokens are created, renewed and revoked", async () => {
  const made = await client.Tokens.create("laptop");
  const renewed = await client.Tokens.renew(made.id);
  assert.notEqual(renewed.token, made.token);
  const other = await clientFromToken(renewed.token, { apiUrl: url, authApiUrl: url });
  assert.equal((await other.Users.self()).id, john.id);
  await client.Tokens.destroy(made.id);
  await assert.rejects(other.Users.self(), (error) => error.status === 401);
});

test("errors are read as errors", async () => {
  await assert.rejects(client.Apps.find("no-such-app"), (error) => {
    assert.equal(error.status, 404);
    assert.deepEqual(error.data, { resource: "app", error: "not found" });
    return true;
  });
  await assert.rejects(client.Apps.create({ name: "x" }), (error) => {
    assert.equal(error.status, 422);
    assert.deepEqual(Object.keys(error.data.errors), ["name"]);
    return true;
  });
  const nobody = new Client("nonsense", { apiUrl: url, authApiUrl: url });
  await assert.rejects(nobody.Events.all(), (error) => error.status === 401);
});
