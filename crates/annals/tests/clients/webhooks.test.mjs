// The forges' own payloads, against a running annals.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import examples from "@octokit/webhooks-examples" with { type: "json" };
import { must, operator, register, send, typesOf } from "./platform.mjs";

/// Reads a payload as if it were of the linked repository.
const read = (name) => {
  const payload = JSON.parse(readFileSync(new URL(name, import.meta.url)));
  payload.project.path_with_namespace = "Codertocat/Hello-World";
  return payload;
};
const of = (name, action) => {
  const found = examples.find((entry) => entry.name === name).examples;
  return structuredClone(found.find((payload) => action === undefined || payload.action === action));
};
let jane;

before(async () => {
  jane = await register("hook-jane");
  for (const scm_type of ["github", "gitlab"]) {
    await must(201, "POST", "/v1/scm_integrations", { ...jane, body: { scm_integration: { scm_type, access_token: "t" } } });
  }
});

/// Creates an app linked to a repository, and returns functions that send its forge's webhooks.
async function linked(name, forge, settings = {}) {
  await must(201, "POST", "/v1/apps", { ...jane, body: { app: { name } } });
  const source = `https://${forge}.com/Codertocat/Hello-World`;
  const scm_repo_link = {
    source, auth_integration_uuid: forge, branch: "main", auto_deploy_enabled: true,
    deploy_review_apps_enabled: true, delete_on_close_enabled: true, hours_before_delete_on_close: 0, ...settings,
  };
  await must(201, "POST", `/v1/apps/${name}/scm_repo_link`, { ...jane, body: { scm_repo_link } });
  const { hook } = await must(200, "GET", `/v1/apps/${name}/scm_repo_link/hook`, jane);
  const path = new URL(hook.url).pathname;
  const github = (event, payload, delivery = randomUUID(), secret = hook.secret) => {
    const body = JSON.stringify(payload);
    const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
    return send("POST", path, {
      body,
      headers: {
        "content-type": "application/json", "x-github-event": event, "x-github-delivery": delivery,
        "x-hub-signature-256": signature,
      },
    });
  };
  const gitlab = (payload, delivery = randomUUID(), token = hook.secret) => send("POST", path, {
    body: payload,
    headers: { "x-gitlab-event": "Push Hook", "x-gitlab-token": token, "idempotency-key": delivery },
  });
  return { github, gitlab, path, secret: hook.secret };
}

async function recorded(answer) {
  assert.equal(answer.status, 200, answer.raw);
  return answer.json.recorded;
}

test("every payload that GitHub publishes is accepted, and a repeated delivery records nothing", async () => {
  const { github } = await linked("all-payloads", "github");
  let count = 0;
  for (const { name, examples: payloads } of examples) {
    for (const payload of payloads) {
      const delivery = randomUUID();
      assert.equal((await github(name, payload, delivery)).status, 200, name);
      assert.deepEqual(await recorded(await github(name, payload, delivery)), [], name);
      count += 1;
    }
  }
  assert.ok(count > 300);
});

test("a push to the linked branch deploys the app, once", async () => {
  const { github, path, secret } = await linked("pushed-app", "github");
  const push = of("push");
  push.ref = "refs/heads/main";
  push.after = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
  push.deleted = false;
  push.commits = [...Array(12).keys()].map((n) => ({
    id: `${n}`.padStart(40, "0"), message: `Change ${n}\n\nBecause.`, url: "https://github.com/x", author: { name: "Coder" },
  }));
  const delivery = randomUUID();
  assert.deepEqual(await recorded(await github("push", push, delivery)), ["deployment"]);
  const repeat = await github("push", push, delivery);
  assert.deepEqual(repeat.json, { recorded: [], reason: "the delivery was received before" });
  assert.deepEqual(await recorded(await github("push", push)), [], "a commit is deployed once");
  for (const ref of ["refs/heads/other", "refs/tags/main", "refs/heads/main/2"]) {
    assert.deepEqual(await recorded(await github("push", { ...push, ref, after: "a".repeat(40) })), []);
  }
  const deletion = { ...push, after: "0".repeat(40), deleted: true, head_commit: null, commits: [] };
  assert.deepEqual(await recorded(await github("push", deletion)), []);

  const { events } = await must(200, "GET", "/v1/apps/pushed-app/events?per_page=1", jane);
  const { user, type_data } = events[0];
  assert.equal(user.username, "hook-jane", "the actor is the user who linked the repository");
  assert.equal(type_data.git_ref, push.after);
  assert.equal(type_data.git_ref_url, `https://github.com/Codertocat/Hello-World/commit/${push.after}`);
  assert.equal(type_data.last_commits.commits.length, 10);
  assert.equal(type_data.last_commits.remaining, 2);
  assert.equal(type_data.last_commits.commits[0].message, "Change 11");

  // GitHub sends a form unless its user chose JSON.
  const form = new URLSearchParams({ payload: JSON.stringify({ ...push, after: "b".repeat(40) }) }).toString();
  const signature = `sha256=${createHmac("sha256", secret).update(form).digest("hex")}`;
  const answer = await send("POST", path, {
    body: form,
    headers: {
      "content-type": "application/x-www-form-urlencoded", "x-github-event": "push", "x-hub-signature-256": signature,
    },
  });
  assert.deepEqual(await recorded(answer), ["deployment"]);
});

test("a pull request gets a review app, which is deployed, destroyed and created again with it", async () => {
  const { github } = await linked("reviewed-app", "github");
  const opened = of("pull_request", "opened");
  const number = opened.number;
  const review = `reviewed-app-pr${number}`;
  assert.deepEqual(await recorded(await github("pull_request", opened)), ["create_review_app", "new_app", "deployment"]);
  assert.deepEqual(await recorded(await github("pull_request", opened)), [], "a repeated webhook creates no second review app");
  const { review_apps } = await must(200, "GET", "/v1/apps/reviewed-app/scm_repo_link/review_apps", jane);
  assert.equal(review_apps.length, 1);
  assert.equal(review_apps[0].app_name, review);
  assert.equal(review_apps[0].pull_request.branch_name, opened.pull_request.head.ref);
  assert.equal(review_apps[0].last_deployment.git_ref, opened.pull_request.head.sha);
  const { app } = await must(200, "GET", `/v1/apps/${review}`, jane);
  assert.equal(app.parent_app_name, "reviewed-app");

  const synchronised = of("pull_request", "opened");
  synchronised.action = "synchronize";
  synchronised.pull_request.head.sha = "c".repeat(40);
  assert.deepEqual(await recorded(await github("pull_request", synchronised)), ["deployment"]);

  const closed = structuredClone(synchronised);
  closed.action = "closed";
  closed.pull_request.merged = true;
  assert.deepEqual(await recorded(await github("pull_request", closed)), ["delete_app", "destroy_review_app"]);
  assert.deepEqual(await recorded(await github("pull_request", closed)), []);
  await must(404, "GET", `/v1/apps/${review}`, jane);

  const reopened = structuredClone(synchronised);
  reopened.action = "reopened";
  const again = await recorded(await github("pull_request", reopened));
  assert.deepEqual(again, ["create_review_app", "new_app", "deployment"]);
  assert.deepEqual(await typesOf("reviewed-app", jane), [
    "new_app", "link_scm", "create_review_app", "destroy_review_app", "create_review_app",
  ]);
});

test("a fork gets a review app only if the link allows it", async () => {
  const fromFork = of("pull_request", "opened");
  fromFork.pull_request.head.repo = { id: 1, full_name: "stranger/Hello-World", html_url: "https://github.com/stranger/Hello-World" };
  const fromDeletedFork = structuredClone(fromFork);
  fromDeletedFork.pull_request.head.repo = null;
  const strict = await linked("strict-app", "github");
  assert.deepEqual(await recorded(await strict.github("pull_request", fromFork)), []);
  assert.deepEqual(await recorded(await strict.github("pull_request", fromDeletedFork)), []);
  const open = await linked("open-app", "github", { automatic_creation_from_forks_allowed: true });
  assert.deepEqual((await recorded(await open.github("pull_request", fromFork)))[0], "create_review_app");
  const { events } = await must(200, "GET", "/v1/apps/open-app/events?per_page=1", jane);
  assert.equal(events[0].type_data.pr_comes_from_a_fork, true);
  assert.equal(events[0].type_data.source_repo_name, "stranger/Hello-World");
  // It can still be created by hand.
  await must(200, "POST", "/v1/apps/strict-app/scm_repo_link/manual_review_app", {
    ...jane, body: { pull_request_id: String(fromFork.number) },
  });
});

test("a webhook without the signature of the link's secret is refused", async () => {
  const { github, gitlab, path } = await linked("guarded-app", "github");
  const push = { ...of("push"), ref: "refs/heads/main", after: "d".repeat(40) };
  assert.equal((await github("push", push, randomUUID(), "another secret")).status, 401);
  assert.equal((await gitlab(push, randomUUID(), "another secret")).status, 401);
  assert.equal((await send("POST", path, { body: push, headers: { "x-github-event": "push" } })).status, 401);
  assert.equal((await send("POST", path, { body: push, ...jane })).status, 400);
  assert.equal((await send("POST", path.replace(/[0-9a-f]{24}/, "0".repeat(24)), { headers: { "x-github-event": "push" } })).status, 401);
  assert.equal((await github("push", { ref: 1 })).status, 400);
  assert.deepEqual(await typesOf("guarded-app", jane), ["new_app", "link_scm"]);
  await must(204, "DELETE", "/v1/apps/guarded-app/scm_repo_link", jane);
  assert.equal((await github("push", push)).status, 401, "an unlinked app receives no webhooks");
});

test("GitLab's pushes and merge requests have the same effects", async () => {
  const { gitlab } = await linked("gitlab-app", "gitlab", { branch: "master" });
  const push = read("gitlab-push.json");
  const delivery = randomUUID();
  assert.deepEqual(await recorded(await gitlab(push, delivery)), ["deployment"]);
  assert.deepEqual(await recorded(await gitlab(push, delivery)), [], "a repeat records nothing");
  assert.deepEqual(await recorded(await gitlab(push)), []);
  const { events } = await must(200, "GET", "/v1/apps/gitlab-app/events?per_page=1", jane);
  assert.equal(events[0].type_data.git_ref, push.checkout_sha);
  assert.equal(events[0].type_data.git_ref_url, `https://gitlab.com/Codertocat/Hello-World/-/commit/${push.checkout_sha}`);
  assert.equal(events[0].type_data.last_commits.remaining, push.total_commits_count - push.commits.length);

  const opened = read("gitlab-merge-request.json");
  const attributes = opened.object_attributes;
  assert.equal(attributes.action, "open");
  assert.deepEqual((await recorded(await gitlab(opened)))[0], "create_review_app");
  const changed = (more) => ({ ...opened, object_attributes: { ...attributes, ...more } });
  assert.deepEqual(await recorded(await gitlab(changed({ action: "update" }))), [], "a new title is not a new commit");
  const commit = { ...attributes.last_commit, id: "e".repeat(40) };
  const updated = changed({ action: "update", oldrev: attributes.last_commit.id, last_commit: commit });
  assert.deepEqual(await recorded(await gitlab(updated)), ["deployment"]);
  assert.deepEqual(await recorded(await gitlab(changed({ action: "approved" }))), []);
  assert.deepEqual(await recorded(await gitlab(changed({ action: "merge", state: "merged" }))), ["delete_app", "destroy_review_app"]);
  const fork = changed({ action: "open", iid: 77, source_project_id: 1, target_project_id: 2 });
  assert.deepEqual(await recorded(await gitlab(fork)), []);
  for (const kind of ["note", "pipeline", "tag_push", "issue"]) {
    assert.deepEqual(await recorded(await gitlab({ object_kind: kind })), []);
  }
});

test("a webhook of another repository records nothing, and one of the renamed repository counts", async () => {
  const { github } = await linked("one-repository", "github");
  const push = { ...of("push"), ref: "refs/heads/main", after: "1".repeat(40), deleted: false };
  const named = (full_name, id, more) => ({ ...push, ...more, repository: { ...push.repository, full_name, id } });
  const other = await github("push", named("stranger/hello-world", 7));
  assert.deepEqual(other.json, { recorded: [], reason: "the app is not linked to stranger/hello-world" });
  const pull = of("pull_request", "opened");
  const elsewhere = { ...pull, repository: { ...pull.repository, full_name: "stranger/hello-world", id: 7 } };
  assert.deepEqual(await recorded(await github("pull_request", elsewhere)), []);
  assert.deepEqual(await recorded(await github("push", named("codertocat/HELLO-world", 5))), ["deployment"], "case does not matter");
  assert.deepEqual(await recorded(await github("push", named("codertocat/renamed", 5, { after: "2".repeat(40) }))), ["deployment"]);
  assert.deepEqual(await typesOf("one-repository", jane), ["new_app", "link_scm", "deployment", "deployment"]);
});

test("a commit that asks for no build is not deployed, and any bytes may be in its message", async () => {
  const { github, path, secret } = await linked("skipped-app", "github");
  const push = { ...of("push"), ref: "refs/heads/main", after: "1".repeat(40), deleted: false };
  for (const message of ["Mend [skip ci]", "[ci skip] Mend"]) {
    const commits = [{ id: "1".repeat(40), message, url: "https://github.com/x", author: { name: "Coder" } }];
    const skipped = await github("push", { ...push, commits });
    assert.deepEqual(skipped.json, { recorded: [], reason: "the message of the last commit says [skip ci]" });
  }
  const pull = of("pull_request", "opened");
  pull.pull_request.title = "Draft [skip ci]";
  assert.deepEqual(await recorded(await github("pull_request", pull)), []);
  const text = JSON.stringify({ ...push, commits: [{ id: "1".repeat(40), message: "?", url: "u", author: { name: "Coder" } }] });
  const [front, back] = text.split('"?"');
  const body = Buffer.concat([Buffer.from(`${front}"half \\ud83d `), Buffer.from([0xff]), Buffer.from(` end"${back}`)]);
  const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const headers = { "content-type": "application/json", "x-github-event": "push", "x-hub-signature-256": signature };
  assert.deepEqual(await recorded(await send("POST", path, { body, headers })), ["deployment"]);
  const { events } = await must(200, "GET", "/v1/apps/skipped-app/events?per_page=1", jane);
  assert.equal(events[0].type_data.last_commits.commits[0].message, "half \ufffd \ufffd end");
});

test("Gitea and Forgejo send what GitHub does", async () => {
  const { github } = await linked("gitea-app", "github");
  const opened = of("pull_request", "opened");
  assert.deepEqual((await recorded(await github("pull_request", opened)))[0], "create_review_app");
  const synchronised = structuredClone(opened);
  synchronised.action = "synchronized";
  synchronised.pull_request.head.sha = "c".repeat(40);
  assert.deepEqual(await recorded(await github("pull_request", synchronised)), ["deployment"]);
});

test("two deliveries of one GitLab event are two, and a taken name of a review app is replaced", async () => {
  const { path, secret } = await linked("two-deliveries", "gitlab", { branch: "master" });
  const uuid = randomUUID();
  const gitlab = (body) => send("POST", path, {
    body, headers: { "x-gitlab-event": "Push Hook", "x-gitlab-token": secret, "x-gitlab-event-uuid": uuid },
  });
  const push = read("gitlab-push.json");
  assert.deepEqual(await recorded(await gitlab(push)), ["deployment"]);
  assert.deepEqual(await recorded(await gitlab({ ...push, after: "3".repeat(40), checkout_sha: "3".repeat(40) })), ["deployment"]);
  const opened = read("gitlab-merge-request.json");
  const taken = `two-deliveries-pr${opened.object_attributes.iid}`;
  await must(201, "POST", "/v1/apps", { ...jane, body: { app: { name: taken } } });
  assert.deepEqual((await recorded(await gitlab(opened)))[0], "create_review_app");
  await must(200, "GET", `/v1/apps/${taken}-2`, jane);
});

test("deleting an app deletes its review apps", async () => {
  const { github } = await linked("parent-app", "github");
  const opened = of("pull_request", "opened");
  await recorded(await github("pull_request", opened));
  const { app } = await must(200, "GET", `/v1/apps/parent-app-pr${opened.number}`, jane);
  await must(204, "DELETE", "/v1/apps/parent-app?current_name=parent-app", jane);
  await must(404, "GET", `/v1/apps/${app.id}`, jane);
  assert.deepEqual((await typesOf(app.id, operator)).at(-1), "delete_app");
});
