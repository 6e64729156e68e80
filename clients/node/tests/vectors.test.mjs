// The vectors that all clients pass.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { mock, test } from "node:test";
import { inspect } from "node:util";

import * as auth from "authnzerver-client";
import { Scripted, VECTORS } from "./support.mjs";

const ERRORS = {
  "refused": auth.Refused,
  "bad answer": auth.BadAnswer,
  "unavailable": auth.Unavailable,
  "over limit": auth.OverLimit,
  "bad key": auth.BadKey,
  "not allowed": auth.NotAllowed,
  "misconfigured": auth.Misconfigured,
};
const VISITOR = { userId: null, expires: 1, extraInfoJson: null };

/** Runs something while a function of node:crypto gives this. */
async function withRandom(name, value, run) {
  const mocked = mock.method(crypto, name, () => value);
  syncBuiltinESMExports();
  try {
    return await run();
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
}

function camel(name) {
  return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

test("keys are read as the server reads them", () => {
  for (const { text, keys } of VECTORS.written_keys.good) {
    assert.equal(new auth.KeyRing(text).length, keys, text);
  }
  for (const text of VECTORS.written_keys.bad) {
    assert.throws(() => new auth.KeyRing(text), Error, text);
  }
});

test("messages are sealed and opened", async () => {
  for (const { key, plain, time, iv, sealed } of VECTORS.sealing) {
    const ring = new auth.KeyRing(key);
    const now = mock.method(Date, "now", () => time * 1000);
    assert.equal(await withRandom("randomBytes", Buffer.from(iv, "hex"), () => ring.seal(plain)), sealed);
    now.mock.restore();
    assert.equal(ring.open(sealed), plain);
    assert.equal(ring.open(ring.seal(plain)), plain);
  }
});

test("tokens are those of Fernet's specification", async () => {
  const { key, valid, invalid } = VECTORS.fernet;
  const ring = new auth.KeyRing(key);
  const base64 = (text) => Buffer.from(text).toString("base64");
  assert.equal(ring.open(base64(valid.token)), valid.plain);
  const now = mock.method(Date, "now", () => valid.time * 1000);
  const made = await withRandom("randomBytes", Buffer.from(valid.iv, "hex"), () => ring.seal(valid.plain));
  now.mock.restore();
  assert.equal(made, base64(valid.token));
  for (const { name, token } of invalid) {
    assert.equal(ring.open(base64(token)), null, name);
  }
});

for (const { name, reply, expected } of VECTORS.replies) {
  test(`this reply means what stands beside it: ${name}`, async () => {
    const server = await Scripted.start(reply);
    const policy = { tries: 1, answerBytesMax: VECTORS.answer_bytes_max };
    const client = new auth.Client(server.url, VECTORS.keys.join(), { policy });
    try {
      await withRandom("randomUUID", VECTORS.reqid, () => means(expected, client.at("192.0.2.7", "Browser/1.0")));
    } finally {
      client.close();
      server.close();
    }
  });
}

async function means(expected, caller) {
  if (expected.answer) {
    const { messages, ...answer } = await caller.sessionNew(VISITOR);
    assert.deepEqual(messages, expected.messages);
    const { session_token: sessionToken, expires } = expected.answer;
    assert.deepEqual(answer, { sessionToken, expires: new Date(`${expires}Z`) });
    return;
  }
  const error = await caller.sessionNew(VISITOR).then(() => null, (error) => error);
  assert.equal(error?.constructor, ERRORS[expected.error], inspect(error));
  for (const [name, value] of Object.entries(expected)) {
    if (name !== "error") {
      assert.deepEqual(error[camel(name)], value, name);
    }
  }
}

for (const { name, first, request, again } of VECTORS.retries) {
  test(`only what may be is asked again: ${name}`, async () => {
    const server = await Scripted.start(first, { status: 500, headers: {}, body: "" });
    const client = new auth.Client(server.url, VECTORS.keys.join(), { policy: { tries: 2 } });
    const caller = client.at("192.0.2.7", "Browser/1.0");
    const asked = request === "read" ? caller.sessionExists({ sessionToken: "t" }) : caller.sessionNew(VISITOR);
    await assert.rejects(asked, auth.AuthError);
    assert.equal(server.asked > 1, again);
    client.close();
    server.close();
  });
}

test("an error shows no parameter, and neither does a call, a ring or a client", async () => {
  const server = await Scripted.start({ status: 500, headers: {}, body: "" });
  const client = new auth.Client(server.url, VECTORS.keys[0]);
  const given = { email: "a@example.org", password: "the-password" };
  const error = await client.at("192.0.2.7", "B").login(given).then(() => null, (error) => error);
  const refused = new auth.Refused("login", { token: "the-password" }, null, []);
  const shown = inspect([error, refused, auth.calls.login(given), client, client.itself], { depth: 20, showHidden: true });
  assert.doesNotMatch(shown, /the-password/);
  assert.doesNotMatch(shown, new RegExp(`${VECTORS.keys[0].slice(0, 20)}|00 01 02 03 04`));
  client.close();
  server.close();
});
