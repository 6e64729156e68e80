// A site, from sign-up to API keys, as a browser sees it, in each framework.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Client, KeyRing, Refused } from "authnzerver-client";
import { Site } from "authnzerver-client/site";
import { KINDS } from "./programs.mjs";
import { Real, Scripted } from "./support.mjs";

const PASSWORD = "quiet-lanterns-over-9-hills";
const OTHER_PASSWORD = "seven-harbours-and-1-bridge";
const ORIGIN = "https://site.example";

let server;
before(async () => {
  server = await Real.start();
});
after(() => server.close());

/** Keeps cookies as a browser does, and sends what a browser sends. */
class Browser {
  constructor(port, address) {
    Object.assign(this, { port, address, cookies: new Map(), csrf: "" });
  }

  get(path, headers = {}) {
    return this.request("GET", path, null, headers);
  }

  post(path, form, { csrf = this.csrf, ...headers } = {}) {
    const sent = new URLSearchParams(csrf === null ? form : { ...form, csrf });
    return this.request("POST", path, String(sent), { origin: ORIGIN, "sec-fetch-site": "same-origin", ...headers });
  }

  async request(method, path, body, given) {
    const headers = { "x-real-ip": this.address, "user-agent": "Browser/1.0", ...given };
    headers.cookie = [...this.cookies].map((pair) => pair.join("=")).join("; ");
    if (body !== null) {
      headers["content-type"] = "application/x-www-form-urlencoded";
      headers["content-length"] = Buffer.byteLength(body);
    }
    for (const name of Object.keys(headers).filter((name) => headers[name] === null)) {
      delete headers[name];
    }
    const { response, text } = await new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(30_000);
      const asked = http.request({ port: this.port, host: "127.0.0.1", method, path, headers, signal }, (response) => {
        let text = "";
        response.on("data", (part) => (text += part)).on("end", () => resolve({ response, text }));
      });
      asked.on("error", reject).end(body ?? undefined);
    });
    this.setCookies = response.headers["set-cookie"] ?? [];
    for (const cookie of this.setCookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      cookie.includes("Max-Age=0") ? this.cookies.delete(name) : this.cookies.set(name, value);
    }
    // Some say the whole address; of ours, and of no other.
    this.location = response.headers.location?.replace(/^https:\/\/site\.example(?=\/)/, "");
    this.csrf = /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? /[\w-]{16}\.[0-9a-f]{64}/.exec(text)?.[0] ?? this.csrf;
    return { status: response.statusCode, text, headers: response.headers };
  }
}

const GERMAN = JSON.parse(readFileSync(join(process.env.CLIENTS, "..", "examples", "site", "texts", "de.json"), "utf8"));

function built(client) {
  const site = new Site("A site", [ORIGIN], client, {
    proxies: ["127.0.0.1"],
    log: () => {},
    loginLink: true,
    keepDays: 20,
    texts: { de: GERMAN },
    static: ["/static"],
  });
  site.guard("/admin", { roles: ["staff", "superuser"] });
  site.guard("/new", { may: ["create", "dataset"] });
  site.guard("/users", { may: ["create", "user"] });
  site.guard("/api", { key: ["view", "dataset"] });
  site.guard("/api/admin", { roles: ["superuser"] });
  return site;
}

/** Where nobody is led, however browsers read it. */
const HOSTILE = [
  ...["//elsewhere.example", "///elsewhere.example", "https://elsewhere.example", "https:elsewhere.example", "//", ""],
  ...["/\\elsewhere.example", "\\\\elsewhere.example", "/\t/elsewhere.example", "/\n/elsewhere.example", "/a\r\nX: elsewhere"],
  ...["\t//elsewhere.example", " //elsewhere.example", "/\0/elsewhere.example", "/\u007f/elsewhere.example"],
  ...["/\u2028/elsewhere.example", "\u{ff0f}\u{ff0f}elsewhere.example", "javascript:elsewhere", "elsewhere.example"],
];

let number = 0;
for (const [kind, start] of Object.entries(KINDS)) {
  describe(kind, () => {
    let client, listener, email, address;
    before(async () => {
      client = new Client(server.url, server.key, { policy: { tries: 1 } });
      listener = await start(built(client));
    });
    after(() => {
      listener.close();
      client.close();
    });

    const browserOf = () => new Browser(listener.port, address);

    async function signedUp() {
      number += 1;
      email = `user${number}@example.org`;
      address = `198.51.100.${number}`;
      const browser = browserOf();
      await browser.get("/signup");
      const asked = await browser.post("/signup", { full_name: "Al & Co", email, new_password: PASSWORD });
      assert.equal(asked.status, 200, asked.text);
      const code = await server.code(email);
      await browser.get(`/verify?code=${code}`);
      assert.equal((await browser.post("/verify", { code })).status, 303);
      assert.equal(browser.location, "/login?said=verified");
      return browser;
    }

    async function loggedIn() {
      const browser = await signedUp();
      await browser.get("/login");
      assert.equal((await browser.post("/login", { email, password: PASSWORD })).status, 303);
      return browser;
    }

    async function admin() {
      const browser = browserOf();
      await browser.get("/login");
      assert.equal((await browser.post("/login", server.admin)).status, 303);
      return browser;
    }

    test("from sign-up to keys", async () => {
      const browser = await signedUp();
      assert.ok(!browser.cookies.has("__Host-session"));
      assert.equal((await browser.get("/sessions")).status, 303);
      assert.equal(browser.location, "/login?next=/sessions");
      await browser.get(browser.location);
      const beforeLogin = browser.csrf;
      const given = { email, password: PASSWORD, next: "/sessions", remember: "1" };
      assert.equal((await browser.post("/login", given)).status, 303);
      assert.equal(browser.location, "/sessions");
      assert.ok(!browser.cookies.has("__Host-visitor"));
      const cookie = browser.setCookies.find((one) => one.startsWith("__Host-session="));
      assert.match(cookie, /^__Host-session=[\w-]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
      // The token of before the login is bound to no session.
      assert.equal((await browser.post("/logout", {}, { csrf: beforeLogin })).status, 403);

      const page = await browser.get("/sessions");
      assert.match(page.text, /\(this device\)/);
      assert.match(page.text, new RegExp(address.replaceAll(".", "\\.")));
      assert.doesNotMatch(page.text, /End all others/, "there are none");
      assert.equal(page.headers["cache-control"], "no-store");
      await browser.get("/password");
      const change = { password: "wrong", new_password: OTHER_PASSWORD };
      assert.equal((await browser.post("/password", change)).status, 422);

      await browser.get("/keys");
      const made = await browser.post("/keys", { name: "mine", scopes: "view:dataset" });
      const [key] = /azk_[A-Za-z0-9_-]+/.exec(made.text);
      const api = browserOf();
      assert.equal((await api.get("/api")).status, 401);
      assert.equal((await api.get("/api", { authorization: "Bearer azk_no_key" })).status, 401);
      const authorization = `Bearer ${key}`;
      assert.match((await api.get("/api/x", { authorization })).text, /^hello null \d+ /);
      // Who comes with a key and a cookie is the key's owner, and is logged in nowhere.
      assert.match((await browser.get("/api", { authorization })).text, /^hello null \d+ {} /);
      // A key is nobody who is logged in.
      assert.equal((await api.get("/api/admin", { authorization })).status, 403);
      // No browser sends a key by itself, so nobody forges it.
      const forged = { csrf: null, origin: null, "sec-fetch-site": "cross-site", authorization };
      assert.equal((await api.post("/api", {}, forged)).status, 200);

      await browser.get("/logout");
      const token = browser.cookies.get("__Host-session");
      assert.equal((await browser.post("/logout", {})).status, 303);
      assert.ok(!browser.cookies.has("__Host-session"));
      browser.cookies.set("__Host-session", token);
      assert.equal((await browser.get("/sessions")).status, 303);
    });

    test("sessions and keys are ended", async () => {
      const browser = await loggedIn();
      const other = browserOf();
      await other.get("/login");
      await other.post("/login", { email, password: PASSWORD });
      await browser.get("/sessions");
      assert.equal((await browser.post("/sessions", { others: "1" })).status, 303);
      assert.equal((await other.get("/sessions")).status, 303);
      await browser.get("/keys");
      const made = await browser.post("/keys", { name: "mine", scopes: "view:dataset" });
      assert.match(made.text, /shown this once.*<code>azk_.*<strong>mine<\/strong>.*until \d{4}-\d\d-\d\d/s);
      const [, id] = /name="key_id" value="([^"]+)"/.exec((await browser.get("/keys")).text);
      assert.equal((await browser.post("/keys", { key_id: id })).status, 303);
      assert.doesNotMatch((await browser.get("/keys")).text, /mine/);
      await browser.get("/password");
      const change = { password: PASSWORD, new_password: OTHER_PASSWORD };
      const changed = await browser.post("/password", change);
      assert.equal(changed.status, 303, changed.text);
      const [, session] = /name="session_id" value="([^"]+)"/.exec((await browser.get("/sessions")).text);
      assert.equal((await browser.post("/sessions", { session_id: session })).status, 303);
      assert.equal((await browser.get("/sessions")).status, 303);
    });

    test("a forgotten password ends sessions", async () => {
      const thief = await loggedIn();
      const owner = browserOf();
      await owner.get("/forgot");
      assert.equal((await owner.post("/forgot", { email })).status, 200);
      const code = await server.code(email);
      await owner.get(`/reset?code=${code}`);
      assert.equal((await owner.post("/reset", { code, new_password: "short" })).status, 422);
      assert.equal((await owner.post("/reset", { code, new_password: OTHER_PASSWORD })).status, 303);
      assert.equal((await thief.get("/sessions")).status, 303);
    });

    test("forged forms are refused", async () => {
      const browser = await loggedIn();
      await browser.get("/logout");
      for (const path of ["/logout", "/anything-of-the-program"]) {
        for (const forged of [
          { csrf: null },
          { csrf: "x.y" },
          { csrf: `${"A".repeat(16)}.${"0".repeat(64)}` },
          { origin: "https://elsewhere.example" },
          { origin: "null" },
          { "sec-fetch-site": "cross-site" },
          { "sec-fetch-site": "same-site" },
        ]) {
          assert.equal((await browser.post(path, {}, forged)).status, 403, JSON.stringify(forged));
        }
        for (const method of ["DELETE", "PUT", "PATCH", "PROPFIND"]) {
          assert.equal((await browser.request(method, path, null, {})).status, 403, method);
        }
      }
      const stranger = browserOf();
      await stranger.get("/login");
      assert.equal((await browser.post("/logout", {}, { csrf: stranger.csrf })).status, 403);
      await stranger.post("/login", server.admin);
      await stranger.get("/logout");
      assert.equal((await browser.post("/logout", {}, { csrf: stranger.csrf })).status, 403);
      // A cookie that somebody else has set beside ours.
      const own = browser.cookies.get("__Host-session");
      browser.cookies.set("__Host-session", `${own}; __Host-session=${stranger.cookies.get("__Host-session")}`);
      assert.equal((await browser.post("/logout", {})).status, 403);
      browser.cookies.set("__Host-session", own);

      const { status, text } = await browser.post("/anything-of-the-program", { a: "b" });
      assert.equal(status, 200);
      assert.ok(text.endsWith(` a=b&csrf=${browser.csrf}`) || text.includes(" a=b&csrf="), "the program has the form");
      const headed = { csrf: null, "x-csrf-token": browser.csrf };
      assert.equal((await browser.post("/anything-of-the-program", {}, headed)).status, 200);
    });

    test("a session that somebody else has chosen is not the user's", async () => {
      const browser = await signedUp();
      const chosen = (await client.itself.sessionNew({ userId: null, expires: 1, extraInfoJson: null })).sessionToken;
      browser.cookies.set("__Host-session", chosen);
      await browser.get("/login");
      assert.equal((await browser.post("/login", { email, password: PASSWORD })).status, 303);
      assert.notEqual(browser.cookies.get("__Host-session"), chosen);
      const thief = browserOf();
      thief.cookies.set("__Host-session", chosen);
      assert.equal((await thief.get("/sessions")).status, 303);
    });

    test("a visitor has a session once something is stored, and a login takes it over", async () => {
      const visitor = await signedUp();
      await visitor.get("/forget");
      await visitor.get("/");
      assert.deepEqual([...visitor.cookies.keys()].sort(), ["__Host-visitor", "own"]);
      const before = visitor.csrf;
      assert.match((await visitor.get("/store")).text, /^hello null null {"seen":1} /);
      const session = visitor.cookies.get("__Host-session");
      assert.match(visitor.setCookies.join(), /__Host-session=[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax(,|$)/);
      // Forms of before are still theirs.
      assert.match((await visitor.post("/", {}, { csrf: before })).text, /{"seen":1}/);
      await visitor.get("/store");
      assert.equal(visitor.cookies.get("__Host-session"), session);
      assert.equal((await visitor.get("/keys")).status, 303);
      await visitor.get("/login");
      await visitor.post("/login", { email, password: PASSWORD });
      assert.notEqual(visitor.cookies.get("__Host-session"), session);
      assert.match((await visitor.get("/")).text, /^hello \d+ null {"remember":false,"seen":1} /);
      const stale = browserOf();
      stale.cookies.set("__Host-session", session);
      assert.match((await stale.get("/")).text, /^hello null null {} /, "the visitor's session has ended");
      assert.match((await visitor.get("/forget")).text, /^hello \d+ null {"remember":false} /);
      assert.match((await visitor.get("/")).text, /{"remember":false}/);
      // What one user stored is not the next one's.
      await visitor.get("/store");
      await visitor.get("/login");
      await visitor.post("/login", server.admin);
      assert.match((await visitor.get("/")).text, /^hello 1 null {"remember":false} /);
    });

    test("remembered sessions last from the last visit", async () => {
      await signedUp();
      for (const remember of [true, false]) {
        const browser = browserOf();
        await browser.get("/login");
        await browser.post("/login", { email, password: PASSWORD, ...(remember ? { remember: "1" } : {}) });
        await browser.get("/static/style.css");
        assert.doesNotMatch(browser.setCookies.join(), /session/, "it has just begun");
        await browser.get("/");
        assert.doesNotMatch(browser.setCookies.join(), /session/, "it has just begun");
        // As it is some days later.
        const sessionToken = browser.cookies.get("__Host-session");
        const { userId } = (await client.itself.sessionInfo({ sessionToken })).sessionInfo;
        const asked = { userId, expires: 10, extraInfoJson: { remember } };
        const later = (await client.at("192.0.2.9", "").sessionNew(asked)).sessionToken;
        browser.cookies.set("__Host-session", later);
        await browser.get("/");
        const [, age = 0] = /__Host-session=[^;]+;.*Max-Age=(\d+)/.exec(browser.setCookies.join("\n")) ?? [];
        assert.equal(Number(age) > 19 * 86400, remember);
        const { expires } = (await client.itself.sessionInfo({ sessionToken: later })).sessionInfo;
        assert.equal(expires > Date.now() + 19 * 86_400_000, remember);
      }
    });

    test("a login by email", async () => {
      const browser = await signedUp();
      assert.match((await browser.get("/login")).text, /href="\/login-link">Log in by e-mail/);
      await browser.get("/login-link");
      assert.equal((await browser.post("/login-link", { email })).status, 200);
      const code = await server.code(email);
      assert.equal((await browser.get(`/login-link?code=${code}`)).status, 200);
      assert.equal((await browser.get("/sessions")).status, 303, "nothing happens by looking");
      await browser.get(`/login-link?code=${code}`);
      assert.equal((await browser.post("/login-link", { code: "wrong" })).status, 422);
      assert.equal((await browser.post("/login-link", { code })).status, 303);
      assert.equal((await browser.get("/sessions")).status, 200);
    });

    test("an address is changed and changed back", async () => {
      const browser = await loggedIn();
      const other = `new-${email}`;
      await browser.get("/email");
      const same = await browser.post("/email", { email });
      assert.equal(same.status, 422);
      assert.match(same.text, /class="error" role="alert"/);
      assert.equal((await browser.post("/email", { email: other })).status, 200);
      const [code, undo] = [await server.code(other), await server.code(email)];
      assert.equal((await browser.get(`/new-address?code=${code}`)).status, 200);
      const stranger = browserOf();
      assert.equal((await stranger.get(`/new-address?code=${code}`)).status, 303);
      assert.equal(stranger.location, `/login?next=/new-address%3Fcode%3D${code}`);
      // Whoever logs in then has the code again.
      const next = /name="next" value="([^"]+)"/.exec((await stranger.get(stranger.location)).text)[1];
      await stranger.post("/login", { email, password: PASSWORD, next });
      assert.match((await stranger.get(stranger.location)).text, new RegExp(`name="code" value="${code}"`));
      assert.equal((await browser.post("/new-address", { code })).status, 303);
      assert.equal(browser.location, "/sessions?said=email");
      assert.match((await browser.get("/sessions?said=email")).text, /Your e-mail address is changed\./);
      assert.match((await browser.get("/email")).text, new RegExp(other));
      await stranger.get(`/old-address?code=${undo}`);
      assert.equal((await stranger.post("/old-address", { code: undo })).status, 303);
      assert.equal(stranger.location, "/forgot?said=undone");
      assert.equal((await browser.get("/email")).status, 303, "all sessions have ended");
    });

    test("pages are in the visitor's language, keep what was typed, and show no texts but ours", async () => {
      await signedUp();
      const browser = browserOf();
      const german = { "accept-language": "fr, en;q=0.5, de-CH;q=0.8" };
      const { text, headers } = await browser.get("/login", german);
      assert.match(text, /<html lang="de">.*<h1>Anmelden<\/h1>.*>E-Mail-Adresse<\/label>.*>Anmelden<\/button>/s);
      // With no-referrer, browsers send `Origin: null` with the site's own forms.
      assert.equal(headers["referrer-policy"], "same-origin");
      assert.match(headers["content-security-policy"], /frame-ancestors 'none'/);
      const wrong = await browser.post("/login", { email, password: "wrong" }, german);
      assert.equal(wrong.status, 422);
      assert.match(wrong.text, /role="alert">E-Mail-Adresse und Passwort passen nicht.*role="alert">Der nächste Versuch/s);
      assert.match(wrong.text, new RegExp(`value="${email}"`));
      assert.doesNotMatch(wrong.text, /value="wrong"/);
      await browser.get("/store");
      await browser.get("/login");
      assert.equal((await browser.post("/login", { email, password: "wrong" })).status, 422);
      assert.ok(!browser.cookies.has("__Host-session"), "the visitor's session may have ended with it");
      assert.match((await browser.get("/admin", german)).headers.location, /next=\/admin$/);
      assert.match((await browser.post("/x", {}, { csrf: null, ...german })).text, /Bitte gehen Sie zurück/);
      assert.match((await browser.get("/login", { "accept-language": "de;q=0, de-CH;q=x, *" })).text, /<html lang="en">/);
      assert.match((await browser.get("/login?said=verified")).text, /role="status">Your e-mail address is verified/);
      for (const trick of ["/login?said=%3Cb%3Ex", "/login?said=constructor", "/login?next=javascript:alert(1)", "/verify?code=%22%3E%3Cb%3Ex"]) {
        assert.doesNotMatch((await browser.get(trick)).text, /<b>x|javascript:|native code|role="status"/, trick);
      }
    });

    test("below what is static nobody is looked up, and no guard is got around", async () => {
      const browser = browserOf();
      browser.cookies.set("__Host-session", "ended");
      await browser.get("/static/style.css");
      assert.doesNotMatch(browser.setCookies.join(), /__Host-session=;/);
      assert.ok(browser.cookies.has("__Host-session"));
      await browser.get("/statics");
      assert.ok(!browser.cookies.has("__Host-session"));
      assert.equal((await browser.request("GET", "/static/../admin", null, {})).status, 303);
      assert.equal((await browser.request("GET", "/static/%2e%2e/admin", null, {})).status, 303);
      assert.equal((await browser.post("/static/x", {}, { csrf: null })).status, 403);
    });

    test("a question of the program's own is answered, or said to have no answer", async () => {
      const browser = browserOf();
      assert.equal((await browser.get("/may")).text, "true false true");
      await server.tell("stop");
      const { status, headers, text } = await browser.get("/may");
      await server.tell("start");
      assert.equal(status, 503, text);
      assert.ok(headers["retry-after"]);
      assert.match(text, /Please try again soon/);
    });

    test("guards let in only who may, however the path is written", async () => {
      const user = await loggedIn();
      const stranger = browserOf();
      const paths = ["/admin", "http://site.example/admin", "/admin/x", "/Admin", "//admin", "/%61dmin", "/admin%2fx", "/x/../admin", "/admin?a#b", "/admin;a"];
      for (const path of [...paths, "/new", "/users", "/keys", "/KEYS"]) {
        assert.equal((await stranger.get(path)).status, 303, path);
      }
      for (const path of paths) {
        assert.equal((await user.get(path)).status, 403, path);
      }
      for (let time = 0; time < 2; time += 1) {
        // First with what is asked after the session, then in one batch with it.
        assert.equal((await user.get("/new")).status, 200);
        assert.equal((await user.get("/users")).status, 403);
      }
      const superuser = await admin();
      assert.equal((await superuser.get("/admin")).status, 200);
      assert.equal((await user.get("/administrators")).status, 200);
      if (["Express", "Fastify"].includes(kind)) {
        assert.equal((await stranger.get("/staff-only")).status, 303);
        assert.equal((await user.get("/staff-only")).status, 403);
        assert.equal((await user.get("/rewritten")).status, kind === "Express" ? 403 : 200);
        assert.equal((await superuser.get("/staff-only")).text, "ok");
      }
    });

    test("a login leads back to all that was asked for, and nowhere else", async () => {
      const browser = await signedUp();
      const logIn = (next) => browser.post("/login", { email, password: PASSWORD, next });
      const stranger = browserOf();
      for (const path of ["/admin?a=1&a=2&b=%26%2F%5C#x", "/admin/%C3%A4%3F?q=%E2%82%AC+%25", "/admin?", "/admin?next=//elsewhere.example"]) {
        assert.equal((await stranger.get(path)).status, 303);
        const [, next] = /^\/login\?next=([^&#]*)$/.exec(stranger.location);
        const page = await stranger.get(stranger.location);
        const shown = /name="next" value="([^"]*)"/.exec(page.text)[1].replaceAll("&amp;", "&");
        assert.equal(shown, decodeURIComponent(next));
        assert.equal((await logIn(shown)).status, 303);
        assert.equal(browser.location, path.replace(/#.*|\?$/, ""));
        await browser.get("/login");
      }
      for (const path of ["//elsewhere.example/../admin?x", "/\\elsewhere.example/../admin", "http://elsewhere.example/admin"]) {
        await stranger.get(path);
        assert.match(stranger.location, /^\/login\?next=\/(admin)?$/);
        const shown = /name="next" value="([^"]*)"/.exec((await stranger.get(stranger.location)).text)[1];
        assert.match(shown, /^\/(admin)?$/, path);
      }
      for (const next of HOSTILE) {
        const { text } = await stranger.get(`/login?next=${encodeURIComponent(next)}`);
        assert.match(text, /name="next" value="\/"/, JSON.stringify(next));
      }
      const another = await signedUp();
      for (const next of HOSTILE.filter((_, place) => place % 2 === 0)) {
        await another.get("/login");
        assert.equal((await another.post("/login", { email, password: PASSWORD, next })).status, 303);
        assert.equal(another.location, "/", JSON.stringify(next));
      }
    });

    test("nobody is let in while the server is gone", async () => {
      const browser = await loggedIn();
      await server.tell("stop");
      for (const path of ["/sessions", "/new", "/api", "/"]) {
        const { status } = await browser.get(path, { authorization: "Bearer azk_x_y" });
        assert.equal(status, 503, path);
      }
      await server.tell("start");
      assert.equal((await browser.get("/sessions")).status, 200);
    });
  });
}

test("on one's own machine, codes are typed and cookies go over HTTP", async () => {
  const typing = await Real.start({ CODES: "typed" });
  const client = new Client(typing.url, typing.key);
  const origin = "http://127.0.0.1:3000";
  const listener = await KINDS["node:http"](new Site("A site", [origin], client, { proxies: ["127.0.0.1"], loginLink: true }));
  try {
    const browser = new Browser(listener.port, "198.51.100.200");
    const email = "typist@example.org";
    const post = (path, form) => browser.post(path, form, { origin });
    await browser.get("/signup");
    const asked = await post("/signup", { full_name: "Al", email, new_password: PASSWORD });
    assert.match(asked.text, /Type the code.*action="\/verify".*value="typist@example.org".*Code from the e-mail/s);
    const code = await typing.code(email);
    assert.equal((await post("/verify", { email, code })).status, 303);
    await browser.get("/forgot");
    assert.match((await post("/forgot", { email })).text, /action="\/reset"/);
    const reset = { email, code: await typing.code(email), new_password: OTHER_PASSWORD };
    assert.equal((await post("/reset", reset)).status, 303);
    await browser.get("/login");
    assert.equal((await post("/login", { email, password: OTHER_PASSWORD })).status, 303);
    const cookie = browser.setCookies.find((one) => one.startsWith("insecure-session="));
    assert.match(cookie, /^insecure-session=[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/);
    assert.equal((await browser.get("/sessions")).status, 200);
    await browser.get("/email");
    const other = `new-${email}`;
    assert.match((await post("/email", { email: other })).text, /action="\/new-address".*one-time-code/s);
    const changed = await post("/new-address", { email: other, code: await typing.code(other) });
    assert.equal(changed.status, 303, changed.text);
    await browser.get("/login-link");
    assert.match((await post("/login-link", { email: other })).text, /action="\/login-link".*one-time-code.*Remember me/s);
    const old = browser.cookies.get("insecure-session");
    const typed = (await typing.code(other)).toLowerCase();
    assert.equal((await post("/login-link", { email: other, code: typed, remember: "1" })).status, 303);
    assert.notEqual(browser.cookies.get("insecure-session"), old);
    assert.match(browser.setCookies.join(), /Max-Age=\d/);
    await browser.get("/signup");
    await post("/signup", { full_name: "Al", email: "again@example.org", new_password: PASSWORD });
    await typing.code("again@example.org");
    const again = await post("/signup", { email: "again@example.org", resend: "1" });
    assert.match(again.text, /Look at your e-mail.*Send it again/s);
    await browser.get("/verify");
    const wrong = await post("/verify", { email, code: "AAAA-AAAA" });
    assert.equal(wrong.status, 422);
    assert.match(wrong.text, /value="typist@example.org".*Code from the e-mail/s);
  } finally {
    listener.close();
    client.close();
    await typing.close();
  }
});

test("a session that does not count before a second proof is ended", async () => {
  for (const secondFactorDue of [true, false]) {
    const client = new Client(server.url, server.key);
    let token;
    // No server says so yet.
    const login = async (caller, given) => {
      const answer = await caller.login(given);
      token = answer.sessionToken;
      return { ...answer, secondFactorDue };
    };
    const get = (caller, name) => (name === "login" ? (given) => login(caller, given) : caller[name].bind(caller));
    const at = (...end) => new Proxy(client.at(...end), { get });
    const site = new Site("A site", [ORIGIN], { keys: client.keys, at });
    const about = { path: "/login", query: new Map(), peer: "192.0.2.78" };
    const first = await site.handle({ ...about, method: "GET", header: () => undefined, form: new Map() });
    const [, cookie] = /^([^;]+)/.exec(first.visit.setCookies[0]);
    const form = new Map(Object.entries({ ...server.admin, csrf: first.visit.csrfToken }));
    const header = (name) => (name === "cookie" ? cookie : undefined);
    const { visit, response } = await site.handle({ ...about, method: "POST", header, form });
    assert.equal(response.status, secondFactorDue ? 403 : 303, response.body);
    assert.equal(visit.setCookies.some((one) => one.includes(token)), !secondFactorDue);
    const asked = client.itself.sessionExists({ sessionToken: token });
    await (secondFactorDue ? assert.rejects(asked, Refused) : asked);
    client.close();
  }
});

test("whoever logged in long ago is led to the login before they change their address", async () => {
  const client = new Client(server.url, server.key);
  const { sessionToken } = await client.at("192.0.2.79", "").login(server.admin);
  // As the server says it after some minutes.
  const stale = async () => {
    throw new Refused("email-change-start", {}, "the login is not fresh enough", ["Please log in once more."]);
  };
  const get = (caller, name) => (name === "emailChangeStart" ? stale : caller[name].bind(caller));
  const at = (...end) => new Proxy(client.at(...end), { get });
  const site = new Site("A site", [ORIGIN], { keys: client.keys, at });
  const header = (name) => (name === "cookie" ? `__Host-session=${sessionToken}` : undefined);
  const about = { path: "/email", query: new Map(), peer: "192.0.2.79", header };
  const { visit } = await site.handle({ ...about, method: "GET", form: new Map() });
  const form = new Map([["email", "new@example.org"], ["csrf", visit.csrfToken]]);
  const { response } = await site.handle({ ...about, method: "POST", form });
  assert.equal(response.status, 422);
  assert.match(response.body, /role="alert">Please log in once more.*href="\/login\?next=\/email"/s);
  client.close();
});

test("a part of a batch that the server did not look at is no verdict", async () => {
  const keys = new KeyRing("A".repeat(43));
  const part = { request: "session-info", status: 503, retry_after: 7, success: false, response: null, messages: [] };
  const scripted = await Scripted.start((sealed) => {
    const { reqid } = JSON.parse(keys.open(sealed));
    const response = { answers: [{ ...part, failure_reason: null }] };
    const body = keys.seal(JSON.stringify({ success: true, response, messages: [], reqid }));
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  });
  const client = new Client(scripted.url, keys);
  const site = new Site("A site", [ORIGIN], client, { log: () => {} });
  const header = (name) => (name === "cookie" ? "__Host-session=t" : undefined);
  const request = { method: "GET", path: "/", query: new Map(), header, peer: "192.0.2.1", form: new Map() };
  const { visit, response } = await site.handle(request);
  assert.equal(response.status, 503);
  assert.deepEqual(visit.setCookies, [], "nobody is logged out for that");
  client.close();
  scripted.close();
});

test("a session is prolonged once an hour, and only one that is to be remembered", async () => {
  const client = new Client(server.url, server.key);
  let touched = 0;
  const get = (caller, name) => {
    touched += name === "sessionTouch" ? 1 : 0;
    return caller[name].bind(caller);
  };
  const at = (...end) => new Proxy(client.at(...end), { get });
  const site = new Site("A site", [ORIGIN], { keys: client.keys, at }, { keepDays: 20 });
  const visits = async (expires, remember) => {
    const asked = { userId: 1, expires, extraInfoJson: { remember } };
    const { sessionToken } = await client.at("192.0.2.80", "").sessionNew(asked);
    const header = (name) => (name === "cookie" ? `__Host-session=${sessionToken}` : undefined);
    touched = 0;
    for (let time = 0; time < 2; time += 1) {
      await site.handle({ method: "GET", path: "/", query: new Map(), peer: "192.0.2.80", header, form: new Map() });
    }
    return touched;
  };
  assert.deepEqual([await visits(10, true), await visits(20, true), await visits(10, false), await visits(10, 1)], [1, 0, 0, 0]);
  client.close();
});

test("a page shows texts as texts", async () => {
  const client = new Client("http://127.0.0.1:1", new KeyRing("A".repeat(43)));
  const site = new Site("A site", [ORIGIN], client);
  const asked = { method: "GET", path: "/", query: new Map(), peer: "", header: () => undefined, form: new Map() };
  const { visit } = await site.handle(asked);
  const bad = `"><b>it's</b><script>`;
  const input = { name: bad, label: bad, kind: "text", value: bad, autocomplete: bad, hint: bad };
  const form = { button: bad, inputs: [input, { ...input, kind: "checkbox" }], action: bad };
  const links = [{ path: `/?a&${bad}`, text: bad }];
  const rows = [{ title: bad, details: [bad], form }];
  const page = { name: "x", title: bad, messages: [bad], forms: [form], rows, links, secret: bad };
  assert.doesNotMatch(site.show(visit, page).body, /<b>|<script>|"">/);
  client.close();
});

test("a page is drawn as by the other clients", async () => {
  const client = new Client("http://127.0.0.1:1", new KeyRing("A".repeat(43)));
  const { page, content } = JSON.parse(readFileSync(join(process.env.CLIENTS, "tests", "page.json"), "utf8"));
  let drawn;
  const site = new Site("A site", [ORIGIN], client, { render: (shown) => (drawn = shown.content.replaceAll(shown.csrf, "TOKEN")) });
  const asked = { method: "GET", path: "/", query: new Map(), peer: "", header: () => undefined, form: new Map() };
  site.show((await site.handle(asked)).visit, page);
  assert.equal(drawn, content);
  client.close();
});

test("what a site does not have is not there", async () => {
  const client = new Client("http://127.0.0.1:1", new KeyRing("A".repeat(43)));
  const site = new Site("A site", [ORIGIN], client, { texts: { de: {}, constructor: { "A site": "x" } } });
  const about = { method: "GET", query: new Map(), peer: "192.0.2.1", form: new Map() };
  for (const [path, languages, status, language] of [
    ["/login-link", "", 404, "en"],
    ["/login-link?code=x", "en;q=0.4, de;q=0.8", 404, "de"],
    ["/login", "__proto__, toString, constructor", 200, "constructor"],
  ]) {
    const [own, query] = path.split("?");
    const header = (name) => (name === "accept-language" ? languages : undefined);
    const asked = { ...about, path: own, query: new Map(new URLSearchParams(query)), header };
    const { visit, response } = await site.handle(asked);
    assert.deepEqual([response.status, visit.language], [status, language]);
    assert.equal(visit.text("constructor"), "constructor");
  }
  client.close();
});

test("only a proxy says whose request it is", () => {
  const client = new Client("http://127.0.0.1:1", new KeyRing("A".repeat(43)));
  const site = new Site("A site", [ORIGIN], client, { proxies: ["192.0.2.1"] });
  for (const [peer, told, seen] of [
    ["192.0.2.1", "203.0.113.5", "203.0.113.5"],
    ["::ffff:192.0.2.1", "203.0.113.5", "203.0.113.5"],
    ["192.0.2.2", "203.0.113.5", "192.0.2.2"],
    ["192.0.2.1", "no address", "192.0.2.1"],
    ["192.0.2.1", undefined, "192.0.2.1"],
  ]) {
    assert.equal(site.clientAddress({ peer, header: () => told }), seen);
  }
  for (const origin of ["https://site.example/path", "http://site.example", "http://localhost.example", "https://", ""]) {
    assert.throws(() => new Site("A site", [origin], client), Error, origin);
  }
  client.close();
});
