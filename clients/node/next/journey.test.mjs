// The README's example for Next in a program of Next's own, which was built and is served as in earnest.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const { CLIENTS } = process.env;
const { Real } = await import(join(CLIENTS, "node", "tests", "support.mjs"));
const readme = readFileSync(join(CLIENTS, "node", "README.md"), "utf8");
const [, example] = /```js\n((?:(?!```).)*next\/server.*?)```/s.exec(readme);
const options = { env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" }, detached: true };
let server, next, origin;

before(async () => {
  server = await Real.start();
  writeFileSync("key", server.key);
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  origin = `http://127.0.0.1:${port}`;
  const replaced = {
    "http://127.0.0.1:13431": server.url,
    "run/.authnzerver-secret-key": join(process.cwd(), "key"),
    "https://example.org": origin,
    "export const proxy": 'site.guard("/staff", { roles: ["superuser"] });\nexport const proxy',
  };
  let code = example;
  for (const [shown, other] of Object.entries(replaced)) {
    assert.ok(code.includes(shown), shown);
    code = code.replace(shown, other);
  }
  writeFileSync("proxy.js", code);
  await promisify(execFile)("node_modules/.bin/next", ["build"], options);
  next = spawn("node_modules/.bin/next", ["start", "-p", port, "-H", "127.0.0.1"], { ...options, stdio: "ignore" });
  for (let tried = 0; !(await fetch(`${origin}/login`).catch(() => sleep(50))); tried += 1) {
    assert.ok(tried < 600, "nobody listens");
  }
});
after(async () => {
  if (next) {
    process.kill(-next.pid);
  }
  await server.close();
});

/** Somebody with a browser. */
class Person {
  cookies = new Map();

  async ask(path, { headers = {}, ...init } = {}) {
    const cookie = [...this.cookies].map((pair) => pair.join("=")).join("; ");
    const answer = await fetch(origin + path, { redirect: "manual", ...init, headers: { cookie, ...headers } });
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      set.includes("Max-Age=0") ? this.cookies.delete(name) : this.cookies.set(name, value);
    }
    // Next leaves the origin out where it is its own.
    const location = answer.headers.get("location")?.replace(origin, "");
    return { status: answer.status, location, text: await answer.text() };
  }

  async post(path, form, from = origin) {
    const csrf = /name="csrf" value="([^"]+)"/.exec((await this.ask(path)).text)[1];
    return this.ask(path, { method: "POST", body: new URLSearchParams({ ...form, csrf }), headers: { origin: from } });
  }
}

test("a site under Next", async () => {
  const person = new Person();
  assert.match((await person.ask("/", { headers: { "x-user-id": "1" } })).text, /user:nobody/);
  const redirected = await person.ask("/staff?a=1&a=2");
  assert.deepEqual([redirected.status, redirected.location], [303, "/login?next=/staff%3Fa%3D1%26a%3D2"]);
  for (const [path, headers] of [
    ["/Staff", {}],
    ["/%73taff", {}],
    ["/x/../staff", {}],
    ["/staff?_rsc=1", { RSC: "1" }],
    ["/staff", { RSC: "1", "next-router-prefetch": "1" }],
    ["/staff.rsc", {}],
    ["/staff.segments/_tree.segment.rsc", {}],
    ["/_next/data/x/staff.json", {}],
    ["/staff", { "x-middleware-subrequest": "proxy:proxy:proxy:proxy:proxy" }],
    ["/staff", { "x-middleware-subrequest": "src/proxy:src/proxy:src/proxy:src/proxy:src/proxy" }],
  ]) {
    const { status, text } = await person.ask(path, { headers });
    assert.ok(status >= 300 && !text.includes("for staff alone"), `${path}: ${status}`);
  }
  assert.equal((await person.post("/login", server.admin, "https://elsewhere.example")).status, 403);
  const next = "/staff?a=1&a=2";
  const loggedIn = await person.post("/login", { ...server.admin, next });
  assert.deepEqual([loggedIn.status, loggedIn.location], [303, next]);
  assert.match((await person.ask("/", { headers: { "x-user-id": "7" } })).text, /user:1</);
  assert.match((await person.ask(next)).text, /for staff alone/);
  assert.match((await person.ask("/sessions")).text, /this device/);
  assert.equal((await person.post("/logout", {})).status, 303);
  assert.equal((await person.ask("/staff")).status, 303);
});
