// Requests to a running annals.
import assert from "node:assert/strict";

export const url = process.env.ANNALS_URL;

/// Sends a request unchanged, and returns status, headers and body.
export async function send(method, path, { token, headers = {}, body, basic } = {}) {
  const authorization = basic
    ? { authorization: `Basic ${Buffer.from(basic).toString("base64")}` }
    : token ? { authorization: `Bearer ${token}` } : {};
  const text = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const answer = await fetch(`${url}${path}`, {
    method, headers: { ...authorization, ...headers }, body: text, redirect: "manual",
  });
  const raw = await answer.text();
  const isJson = (answer.headers.get("content-type") ?? "").startsWith("application/json");
  return { status: answer.status, headers: answer.headers, raw, json: isJson && raw ? JSON.parse(raw) : undefined };
}

/// Sends a request that must get that status.
export async function must(status, method, path, options) {
  const answer = await send(method, path, options);
  assert.equal(answer.status, status, `${method} ${path}: ${answer.raw}`);
  return answer.json;
}

export const operator = { token: process.env.ANNALS_OPERATOR_TOKEN };

/// Registers a user, and returns their credential.
export async function register(username, more = {}) {
  const user = { username, email: `${username}@example.com`, ...more };
  const { token } = await must(201, "POST", "/v1/users", { ...operator, body: { user } });
  return { token: token.token };
}

/// Returns the event types in an app's timeline, oldest first.
export async function typesOf(app, who) {
  const { events } = await must(200, "GET", `/v1/apps/${app}/events?per_page=100`, who);
  return events.map(({ type }) => type).reverse();
}
