// A conversation with a real server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { BadKey, Client, KeyRing, OverLimit, Refused, Unavailable, calls } from "authnzerver-client";
import { Real, VECTORS } from "./support.mjs";

const PASSWORD = "quiet-lanterns-over-9-hills";
const NEW_KEY = VECTORS.keys[1];
const VISITOR = { userId: null, expires: 1, extraInfoJson: null };
const clients = [];
let server;

before(async () => {
  server = await Real.start();
});
after(async () => {
  clients.forEach((client) => client.close());
  await server.close();
});

function clientWith(keys, policy) {
  clients.push(new Client(server.url, keys, { policy }));
  return clients.at(-1);
}

test("a conversation", async () => {
  const site = clientWith(server.key, { tries: 1 }).at("192.0.2.0", "Browser/1.0");
  const email = "alice@example.org";
  const link = { link: "https://site.example/verify", siteName: "A site" };
  assert.equal((await site.signupStart({ fullName: "Alice", email, password: PASSWORD, ...link })).next, "link");
  const verified = await site.signupFinish({ code: await server.code(email) });
  assert.deepEqual([verified.next, verified.user.email, verified.sessionToken], ["login", email, null]);

  const visitor = (await site.sessionNew({ ...VISITOR, extraInfoJson: { seen: 1 } })).sessionToken;
  const login = await site.login({ email, password: PASSWORD, sessionToken: visitor });
  assert.ok(login.expires > new Date());
  await assert.rejects(site.sessionExists({ sessionToken: visitor }), Refused);

  const who = calls.sessionInfo({ sessionToken: login.sessionToken });
  const may = calls.userCheckAccess({
    userId: login.user.userId,
    userRole: login.user.userRole,
    action: "delete",
    targetName: "user",
    targetOwner: 1,
    targetVisibility: "private",
    targetSharedwith: null,
  });
  const both = await site.together([who, may]);
  assert.equal(both.get(who).sessionInfo.userRole, "authenticated");
  assert.throws(() => both.get(may), Refused);
  const stopped = await site.together([may, who], { stopOnFailure: true });
  assert.throws(() => stopped.get(who), Unavailable);

  const own = { sessionToken: login.sessionToken };
  const key = await site.apikeyIssue({ ...own, name: "mine", scopes: ["view:dataset"] });
  const checked = await site.apikeyCheck({ apikey: key.apikey, action: "view", targetName: "dataset" });
  assert.deepEqual([checked.userId, checked.permitted], [login.user.userId, true]);
  await assert.rejects(site.apikeyCheck({ apikey: key.apikey, action: "delete", targetName: "dataset" }), Refused);
  assert.deepEqual((await site.apikeyList(own)).apikeys.map((one) => one.name), ["mine"]);

  const limited = await (async () => {
    for (let tried = 0; tried < 20; tried += 1) {
      await site.resetStart({ email: "nobody@example.org", ...link });
    }
  })().catch((error) => error);
  assert.ok(limited instanceof OverLimit && limited.retryAfter > 0);

  const refused = await site.login({ email, password: "wrong" }).catch((error) => error);
  assert.equal(refused.reason, "user does not exist or password doesn't match");
  assert.ok(refused.retryAfter > 0);

  const unfit = await site.sessionExists({ sessionToken: 5 }).catch((error) => error);
  assert.ok(unfit.isInvalid);
});

test("a vector is opened by the server", async () => {
  const sealed = VECTORS.sealing.at(-1).sealed;
  const reply = await fetch(server.url, { method: "POST", body: sealed });
  const answer = JSON.parse(new KeyRing(VECTORS.keys[0]).open(await reply.text()));
  assert.deepEqual([answer.success, answer.reqid], [false, VECTORS.reqid]);
});

test("a key is changed without a pause", async () => {
  const rings = [server.key, `${NEW_KEY},${server.key}`, NEW_KEY];
  const [old, both, latest] = rings.map((keys) => clientWith(keys).at("192.0.2.9", "Browser/1.0"));
  await both.sessionNew(VISITOR);
  await assert.rejects(latest.sessionNew(VISITOR), BadKey);
  await server.tell(`add ${NEW_KEY}`);
  for (const one of [old, both, latest]) {
    await one.sessionNew(VISITOR);
  }
  await server.tell(`only ${NEW_KEY}`);
  await both.sessionNew(VISITOR);
  await latest.sessionNew(VISITOR);
  await assert.rejects(old.sessionNew(VISITOR), BadKey);
  await server.tell(`only ${server.key}`);
});

test("a stopped server is unavailable, and comes back", async () => {
  const site = clientWith(server.key).at("192.0.2.10", "Browser/1.0");
  const { sessionToken } = await site.sessionNew(VISITOR);
  await server.tell("stop");
  const unavailable = await site.sessionExists({ sessionToken }).catch((error) => error);
  assert.ok(unavailable instanceof Unavailable);
  assert.equal(unavailable.maybeDone, false);
  await server.tell("start");
  // The kept connection has died meanwhile; nobody notices.
  await site.sessionNew(VISITOR);
  assert.equal((await site.sessionExists({ sessionToken })).sessionInfo.userId, 2);
});

test("many at once share few connections", async () => {
  const site = clientWith(server.key, { connectionsMax: 2 }).at("192.0.2.11", "Browser/1.0");
  const { sessionToken } = await site.sessionNew(VISITOR);
  const answers = await Promise.all(Array.from({ length: 50 }, () => site.sessionExists({ sessionToken })));
  assert.ok(answers.every((answer) => answer.sessionInfo.sessionToken === sessionToken));
});
