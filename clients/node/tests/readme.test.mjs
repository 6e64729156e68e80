// The README's examples, run as they stand there; only addresses are others.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Real } from "./support.mjs";

const examples = [...readFileSync(join(process.env.CLIENTS, "node", "README.md"), "utf8").matchAll(/```js\n(.*?)```/gs)];
const [first, second, express, next] = examples.map(([, code]) => code);
let server, key;

before(async () => {
  server = await Real.start();
  key = join(mkdtempSync(join(tmpdir(), "readme-")), "key");
  writeFileSync(key, server.key);
});
after(() => server.close());

/** Writes an example where it finds the installed package; gives its path. */
function written(name, code, replaced = {}) {
  const all = { "http://127.0.0.1:13431": server.url, "run/.authnzerver-secret-key": key, ...replaced };
  for (const [text, other] of Object.entries(all)) {
    assert.ok(code.includes(text), text);
    code = code.replaceAll(text, other);
  }
  const path = new URL(`example-${name}.mjs`, import.meta.url);
  writeFileSync(path, code);
  return path;
}

function run(path) {
  return spawn(process.execPath, [path.pathname], { stdio: ["ignore", "pipe", "inherit"] });
}

test("the first examples", async () => {
  const child = run(written("first", first + second));
  let said = "";
  child.stdout.on("data", (part) => (said += part));
  const [status] = await once(child, "exit");
  assert.equal(status, 0);
  assert.match(said, /do not fit together.*\n *true/s);
});

test("Express", async () => {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  const child = run(written("express", express, { 3000: String(port) }));
  try {
    let answer;
    for (let tried = 0; !answer && tried < 200; tried += 1) {
      answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => sleep(50));
    }
    assert.equal(await answer.text(), "Hello");
    const statusOf = async (path) => (await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual" })).status;
    assert.deepEqual(await Promise.all(["/login", "/staff", "/mine", "/api"].map(statusOf)), [200, 303, 303, 401]);
  } finally {
    child.kill();
  }
});

test("Next", async () => {
  const isInstalled = await import("next/server.js").then(() => true, () => false);
  const { proxy } = await import(written("next", next, isInstalled ? {} : { "next/server.js": "./next-server.mjs" }));
  const request = (path, headers = {}) => new Request(`https://example.org${path}`, { headers });
  const passed = await proxy(request("/", { "x-user-id": "1" }));
  assert.equal(passed.headers.get("x-middleware-next"), "1");
  assert.equal(passed.headers.get("x-middleware-request-x-user-id"), "");
  assert.match(await (await proxy(request("/login"))).text(), /name="csrf"/);
  const refused = await proxy(request("/sessions"));
  assert.equal(refused.headers.get("location"), "https://example.org/login?next=/sessions");
});
