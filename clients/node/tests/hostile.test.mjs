// What a hostile or broken server, or whoever sits in between, can send.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { BadAnswer, Client, KeyRing, Unavailable } from "authnzerver-client";
import { Scripted, VECTORS } from "./support.mjs";

const RING = new KeyRing(VECTORS.keys[0]);
const closing = [];
afterEach(() => closing.splice(0).forEach((one) => one.close()));

async function against(reply, policy = {}, scheme = "http") {
  const server = await Scripted.start(reply);
  const url = server.url.replace("http", scheme);
  const client = new Client(url, VECTORS.keys[0], { policy: { tries: 1, answerSeconds: 20, ...policy } });
  closing.push(client, server);
  return { server, client, site: client.at("192.0.2.7", "Browser/1.0") };
}

const write = (site) => site.sessionNew({ userId: null, expires: 1, extraInfoJson: null });
const failure = (asked) => asked.then(() => assert.fail("there was an answer"), (error) => error);

/** The answer to a sealed request. */
function answering(sealed) {
  const { reqid } = JSON.parse(RING.open(sealed));
  const response = { session_token: "t".repeat(43), expires: "2027-01-31T12:00:00" };
  return RING.seal(JSON.stringify({ success: true, response, messages: [], reqid }));
}

const over = (body, head = "") => `HTTP/1.1 200 OK\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}`;

for (const [name, reply] of Object.entries({
  "words": () => "hello\r\n\r\n",
  "bytes": () => Buffer.from(Array.from({ length: 4096 }, (_, place) => (place * 7919) % 256)),
  "another protocol": () => "SSH-2.0-OpenSSH_9.2\r\n",
  "chunks": (sealed) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${answering(sealed).length.toString(16)}\r\n`,
  "two lengths": (sealed) => over(answering(sealed), "Content-Length: 3\r\n"),
  "a length that is none": () => "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
  "a head without an end": () => `HTTP/1.1 200 OK\r\n${"X-A: b\r\n".repeat(1 << 16)}`,
  "a header without an end": () => `HTTP/1.1 200 OK\r\nX-A: ${"b".repeat(1 << 20)}`,
  "no length": (_, socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nAAAA"),
})) {
  test(`garbage is no answer: ${name}`, async () => {
    const { site } = await against((sealed, socket) => {
      const bytes = reply(sealed, socket);
      return bytes === socket ? undefined : bytes;
    });
    assert.ok((await failure(write(site))) instanceof BadAnswer);
  });
}

test("another protocol instead of an answer is none", async () => {
  const { site } = await against(() => "HTTP/1.1 101 Words\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
  assert.equal((await failure(write(site))).maybeDone, true);
});

test("whoever is silent, or talks without an end, is left", async () => {
  const drip = (_, socket) => {
    const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write("A")), 20);
    return "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
  };
  const notYet = (_, socket) => {
    const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write("HTTP/1.1 100 Go\r\n\r\n")), 20);
  };
  for (const slow of [() => undefined, drip, notYet]) {
    const { site } = await against(slow, { answerSeconds: 0.3 });
    const error = await failure(write(site));
    assert.deepEqual([error.constructor, error.maybeDone], [Unavailable, true]);
  }
});

test("a connection that does not come about has done nothing", async () => {
  // It waits for a greeting that never comes.
  const policy = { connectSeconds: 0.3, answerSeconds: 600, tries: 2 };
  const { server, site } = await against(() => undefined, policy, "https");
  const error = await failure(write(site));
  assert.deepEqual([error.constructor, error.maybeDone], [Unavailable, false]);
  assert.equal(server.connections, 2, "so a write is tried again");
});

test("whoever waits for a free connection has done nothing", async () => {
  const { server, client, site } = await against(() => undefined, { connectionsMax: 1 });
  const first = failure(write(site));
  client.policy.answerSeconds = 0.3;
  assert.equal((await failure(write(site))).maybeDone, false);
  assert.equal(server.asked, 1);
  client.close();
  assert.equal((await first).maybeDone, true);
});

test("an answer of before is not taken again, nor is our own message", async () => {
  let kept;
  const { site } = await against((sealed) => over((kept ??= answering(sealed))));
  assert.equal((await write(site)).sessionToken, "t".repeat(43));
  assert.ok((await failure(write(site))) instanceof BadAnswer);
  const mirror = await against((sealed) => over(sealed));
  assert.ok((await failure(write(mirror.site))) instanceof BadAnswer);
});

test("what comes behind an answer is not the answer to the next request", async () => {
  const { site } = await against((sealed) => over(answering(sealed)) + over("AAAA"));
  for (let asked = 0; asked < 3; asked += 1) {
    const error = await write(site).then(() => null, (error) => error);
    assert.ok(error === null || error instanceof Unavailable, String(error));
  }
});

test("a changed answer is not opened", async () => {
  const flipped = (sealed) => {
    const token = Buffer.from(Buffer.from(answering(sealed), "base64").toString(), "base64url");
    token[token.length - 40] ^= 1;
    return Buffer.from(token.toString("base64url").padEnd(Math.ceil((token.length * 4) / 3 / 4) * 4, "=")).toString("base64");
  };
  const { site } = await against((sealed) => over(flipped(sealed)));
  assert.ok((await failure(write(site))) instanceof BadAnswer);
});

test("an answer is read up to its bound, and connections are used again", async () => {
  const { server, site } = await against((sealed) => over(answering(sealed)), { answerBytesMax: 4096 });
  for (let asked = 0; asked < 3; asked += 1) {
    await write(site);
  }
  assert.equal(server.connections, 1);
  const flood = await against(() => `HTTP/1.1 200 OK\r\nContent-Length: 4097\r\n\r\n${"A".repeat(4097)}`, {
    answerBytesMax: 4096,
  });
  assert.match((await failure(write(flood.site))).message, /too long/);
});
