// Following deployments as official clients do, against a running annals.
import assert from "node:assert/strict";
import { test } from "node:test";
import scalingo from "scalingo";
import { must, operator, register, send, url } from "./platform.mjs";

const { Client, clientFromToken } = scalingo;

/// Collects what a listener is told, and waits for what satisfies a condition.
function collect(listener) {
  const told = [];
  let changed = () => {};
  const add = (kind) => (data) => {
    told.push({ kind, ...data });
    changed();
  };
  listener.onNew(add("new"));
  listener.onStatus(add("status"));
  listener.onLog(add("log"));
  listener.onClose(({ code, reason }) => add("close")({ code, reason }));
  const until = async (condition) => {
    while (!told.some(condition)) {
      await new Promise((resolve) => { changed = resolve; });
    }
    return told;
  };
  return { told, until };
}

async function withApp(name) {
  const jane = await register(`${name}-jane`);
  await must(201, "POST", "/v1/apps", { ...jane, body: { app: { name } } });
  const client = await clientFromToken(jane.token, { apiUrl: url, authApiUrl: url });
  return { jane, client };
}

async function deploy(name, jane) {
  const body = { deployment: { source_url: "https://example.com/app.tar.gz", git_ref: "v1" } };
  const { deployment } = await must(201, "POST", `/v1/apps/${name}/deployments`, { ...jane, body });
  return { id: deployment.id, path: `/v1/apps/${name}/deployments/${deployment.id}` };
}

const status = (path, status) => must(200, "PATCH", path, { ...operator, body: { deployment: { status } } });
const append = (path, text, headers = {}) => send("POST", `${path}/output`, {
  ...operator, body: text, headers: { "content-type": "text/plain", ...headers },
});

test("a client follows a deployment from before it began to its end", { timeout: 20_000 }, async () => {
  const { jane, client } = await withApp("followed-app");
  const listener = await client.Apps.deploymentListener("followed-app");
  const { until } = collect(listener);
  await new Promise((resolve) => listener.onOpen(resolve));
  const { id, path } = await deploy("followed-app", jane);
  await until(({ kind }) => kind === "new");
  await status(path, "building");
  assert.equal((await append(path, "-----> Node.js app detected\n")).status, 204);
  await until(({ kind }) => kind === "log");
  // The same key appends once.
  for (let time = 0; time < 2; time += 1) {
    assert.equal((await append(path, "Build complete\n", { "idempotency-key": "part-2" })).status, 204);
  }
  await status(path, "success");
  const told = await until(({ status: now }) => now === "success");
  listener.close();
  assert.equal(told[0].deployment.id, id);
  assert.equal(told[0].deployment.pusher.username, "followed-app-jane");
  assert.ok(told.every((message) => message.id === id));
  const of = (wanted, field) => told.filter(({ kind }) => kind === wanted).map((message) => message[field]);
  assert.deepEqual(of("log", "content"), ["-----> Node.js app detected\n", "Build complete\n"]);
  const statuses = of("status", "status");
  assert.equal(statuses[0], "queued");
  assert.equal(statuses.at(-1), "success");
  const output = await send("GET", `${path}/output`, jane);
  assert.equal(output.raw, "-----> Node.js app detected\nBuild complete\n");
});

test("a client that comes just after the end is told of all of it", { timeout: 20_000 }, async () => {
  const { jane, client } = await withApp("ended-app");
  const { path } = await deploy("ended-app", jane);
  await append(path, "broken\n");
  await status(path, "build-error");
  const listener = await client.Apps.deploymentListener("ended-app");
  const told = await collect(listener).until(({ kind }) => kind === "status");
  listener.close();
  assert.deepEqual(told.map(({ kind }) => kind), ["new", "log", "status"]);
  assert.equal(told[2].status, "build-error");
});

test("a stream is refused to those who may not see the app", { timeout: 20_000 }, async () => {
  const { jane, client } = await withApp("private-app");
  const joe = await register("private-joe");
  const own = await client.Apps.deploymentListener("private-app");
  const refused = async (token) => {
    const other = new Client(token, { apiUrl: url, authApiUrl: url });
    const told = await collect(new own.constructor(other, own.url)).until(({ kind }) => kind === "close");
    return told.map(({ code, reason }) => [code, reason]);
  };
  assert.deepEqual(await refused("not a token"), [[1008, "the token is not valid"]]);
  assert.deepEqual(await refused(joe.token), [[1008, "the app was not found"]]);
  own.close();
  // A client that is no WebSocket is told so.
  const plain = await send("GET", "/v1/apps/private-app/deployments/stream", jane);
  assert.deepEqual([plain.status, plain.json.error], [400, "connect with a WebSocket"]);
});

test("the output of a deployment is the builder's alone, and bounded", { timeout: 20_000 }, async () => {
  const { jane } = await withApp("chatty-app");
  const { path } = await deploy("chatty-app", jane);
  const forbidden = await send("POST", `${path}/output`, { ...jane, body: "x", headers: { "content-type": "text/plain" } });
  assert.equal(forbidden.status, 403);
  assert.equal((await append(path.replace(/.$/, (last) => (last === "0" ? "1" : "0")), "x")).status, 404);
  assert.equal((await append(path, "x".repeat((64 << 10) + 1))).status, 413);
  for (let part = 0; part < 16; part += 1) {
    assert.equal((await append(path, "x".repeat(64 << 10))).status, 204);
  }
  const full = await append(path, "x");
  assert.equal(full.status, 422);
  assert.deepEqual(full.json.errors, { output: ["must not have more than 1048576 bytes or 10000 parts in total"] });
  assert.equal((await send("GET", `${path}/output`, jane)).raw.length, 1 << 20);
});

test("an uploaded archive is deployed, and the builder downloads it", { timeout: 20_000 }, async () => {
  const { jane } = await withApp("archive-app");
  const { source } = await must(201, "POST", "/v1/sources", { ...jane, body: {} });
  const archive = Buffer.alloc(3 << 20, "archive");
  const put = await fetch(source.upload_url, { method: "PUT", body: archive, headers: { "content-type": "application/x-gzip" } });
  assert.deepEqual([put.status, await put.json()], [200, { uploaded: 3 << 20 }]);
  const body = { deployment: { source_url: source.download_url } };
  const { deployment } = await must(201, "POST", "/v1/apps/archive-app/deployments", { ...jane, body });
  const seen = await must(200, "GET", `/v1/apps/archive-app/deployments/${deployment.id}`, operator);
  assert.equal(seen.deployment.source_url, source.download_url);
  const downloaded = await fetch(seen.deployment.source_url);
  assert.equal(downloaded.headers.get("content-type"), "application/gzip");
  assert.ok(archive.equals(Buffer.from(await downloaded.arrayBuffer())));
});
