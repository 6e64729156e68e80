// The JavaScript of docs/guide.md, put together and used by people.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { Real } from "./support.mjs";

const ORIGIN = "https://notes.example";
const PASSWORD = "quiet-lanterns-over-9-hills";
const root = join(process.env.CLIENTS, "..");
const guide = readFileSync(join(root, "docs", "guide.md"), "utf8");
const blocks = [...guide.matchAll(/^```js\n(.*?)^```$/gms)];
let server, child, port, key;

/** A port that nobody listens on. */
async function freePort() {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  return port;
}

/** The guide's program, with something more in it before what is told last. */
function programOn(port, more) {
  let code = blocks.map(([, block]) => block).join("\n");
  const last = "app.use(errors(site));";
  const real = {
    "http://127.0.0.1:13431": server.url,
    "run/.authnzerver-secret-key": key,
    "listen(3000": `listen(${port}`,
    [last]: more + last,
  };
  for (const [shown, other] of Object.entries(real)) {
    assert.ok(code.includes(shown), shown);
    code = code.replaceAll(shown, () => other);
  }
  return code;
}

before(async () => {
  process.env.POLICY = join(root, "examples", "site", "policy.json");
  server = await Real.start();
  key = join(mkdtempSync(join(tmpdir(), "guide-")), "key");
  writeFileSync(key, server.key);
  port = await freePort();
  const more = `
    app.get("/pretty", async (req, res) => {
      const header = (name) => (name === "accept-language" ? "de-AT" : undefined);
      const asked = { method: "GET", path: "/login", query: new Map(), form: new Map(), header, peer: "127.0.0.1" };
      res.send((await pretty.handle(asked)).response.body);
    });
    app.get("/own", (req, res) => {
      Object.assign(NOTES.get(1), { owner: Number(req.query.owner), sharedWith: [Number(req.query.with)] });
      res.end();
    });
    app.get("/behind", (req, res) => void res.send(behind.clientAddress({ peer: "127.0.0.1", header: () => "203.0.113.5" })));
  `;
  const path = new URL("guide-program.mjs", import.meta.url);
  writeFileSync(path, programOn(port, more));
  child = spawn(process.execPath, [path.pathname], { stdio: ["ignore", "inherit", "inherit"] });
});
after(async () => {
  child.kill();
  await server.close();
});

/** Somebody with a browser. */
class Person {
  cookies = new Map();
  port = port;

  async get(path, headers = {}) {
    return this.ask(path, { headers });
  }

  async post(path, form, page) {
    const csrf = /name="csrf" value="([^"]+)"/.exec((await this.get(page)).text)[1];
    return this.ask(path, { method: "POST", body: new URLSearchParams({ ...form, csrf }), headers: { origin: ORIGIN } });
  }

  async ask(path, init) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...init.headers, ...(cookie ? { cookie } : {}) };
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { ...init, headers, redirect: "manual" });
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      set.includes("Max-Age=0") ? this.cookies.delete(name) : this.cookies.set(name, value);
    }
    return { status: answer.status, text: await answer.text() };
  }

  async joins(name) {
    const email = `${name}@example.org`;
    await this.post("/signup", { full_name: name, email, new_password: PASSWORD }, "/signup");
    const code = await server.code(email);
    assert.equal((await this.post("/verify", { code }, `/verify?code=${code}`)).status, 303);
    assert.equal((await this.post("/login", { email, password: PASSWORD }, "/login")).status, 303);
    return Number((await this.get("/")).text.split(" ")[1]);
  }
}

test("the program of the guide", async () => {
  const visitor = new Person();
  let home;
  for (let tried = 0; !home && tried < 200; tried += 1) {
    home = await visitor.get("/").catch(() => sleep(50));
  }
  assert.equal(home.text, "anonymous null");
  for (const path of ["/notes/new", "/desk", "/write", "/accounts", "/history"]) {
    assert.equal((await visitor.get(path)).status, 303, path);
  }
  assert.equal((await visitor.get("/notes/1")).status, 404);
  assert.equal((await visitor.get("/api/me")).status, 401);
  assert.equal((await visitor.post("/cart", { item: "tea" }, "/login")).status, 200);
  assert.equal((await visitor.post("/cart", { item: "cups" }, "/login")).status, 200);
  assert.equal((await visitor.get("/cart")).text, "tea cups");

  const ann = new Person();
  const number = await ann.joins("ann");
  assert.equal((await ann.post("/notes/new", { title: "Plans" }, "/notes/new")).text, "Plans");
  assert.equal((await ann.get("/write")).status, 200);
  assert.equal((await ann.get("/desk")).status, 403);
  assert.equal((await ann.get("/accounts")).status, 403);
  const ben = new Person();
  await visitor.get(`/own?owner=${number}&with=${await ben.joins("ben")}`);
  assert.equal((await ann.get("/notes/1")).status, 200);
  assert.equal((await ben.get("/notes/1")).text, "A walk along the river.");
  assert.equal((await visitor.get("/notes/1")).status, 404);
  assert.equal((await ann.get("/history")).text, "1 sessions, login.succeeded");
  const [key] = /azk_[A-Za-z0-9_]+/.exec((await ann.post("/keys", { name: "x", scopes: "view:note" }, "/keys")).text);
  assert.equal((await visitor.get("/api/me", { authorization: `Bearer ${key}` })).text, String(number));

  // A login by email, to which what was noted comes along.
  await visitor.post("/login-link", { email: "ann@example.org" }, "/login-link");
  const code = await server.code("ann@example.org");
  assert.equal((await visitor.post("/login-link", { code }, `/login-link?code=${code}`)).status, 303);
  assert.equal((await visitor.get("/")).text, `authenticated ${number}`);
  assert.equal((await visitor.get("/cart")).text, "tea cups");

  const admin = new Person();
  assert.equal((await admin.post("/login", server.admin, "/login")).status, 303);
  assert.equal((await admin.get("/accounts")).status, 200);
  assert.equal((await admin.get("/desk")).status, 200);
  assert.match((await visitor.get("/pretty")).text, /<html lang="de">.*<h1>Anmelden<\/h1>.*E-Mail-Adresse/);
  assert.match((await fetch(`http://127.0.0.1:${port}/`)).headers.get("content-security-policy"), /default-src 'none'/);
  assert.equal((await visitor.get("/behind")).text, "203.0.113.5");

  await server.tell("stop");
  const { status, text } = await new Person().get("/notes/1");
  await server.tell("start");
  assert.equal(status, 503);
  assert.match(text, /Please try again soon/);
});

test("in two processes, by the very command that the guide shows", { skip: !process.env.PM2 }, async () => {
  const [, command] = /^\| pm2 \| `([^`]+)`/m.exec(guide);
  const [program, ...words] = command.split(" ");
  assert.ok(words.join(" ").endsWith("app.mjs -i 2"), command);
  // Inside of where the packages are found.
  const folder = join(dirname(new URL(import.meta.url).pathname), "pm2");
  mkdirSync(folder);
  const person = new Person();
  person.port = await freePort();
  const more = 'app.get("/process", loginRequired(site), (req, res) => void res.send(String(process.pid)));\n';
  writeFileSync(join(folder, "app.mjs"), programOn(person.port, more));
  const PATH = [dirname(process.env.PM2), dirname(process.execPath), process.env.PATH].join(delimiter);
  const pm2 = (...given) =>
    promisify(execFile)(program, given, { cwd: folder, env: { ...process.env, PM2_HOME: join(folder, "home"), PATH } });
  try {
    await pm2(...words);
    for (let tried = 0; !(await person.get("/").catch(() => sleep(50))); tried += 1) {
      assert.ok(tried < 600, "nobody listens");
    }
    assert.equal((await person.post("/login", server.admin, "/login")).status, 303);
    const stranger = new Person();
    stranger.port = person.port;
    assert.equal((await stranger.get("/process")).status, 303);
    // Each process knows who it is, whichever the login came to.
    const seen = new Set();
    for (let tried = 0; seen.size < 2 && tried < 100; tried += 1) {
      // At once, for one connection stays with one process.
      for (const { status, text } of await Promise.all(Array.from({ length: 8 }, () => person.get("/process")))) {
        assert.equal(status, 200);
        seen.add(text);
      }
    }
    assert.equal(seen.size, 2);
  } finally {
    await pm2("kill");
  }
});
