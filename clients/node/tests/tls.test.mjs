// A server that speaks TLS, with a certificate of an authority of one's own.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client, Unavailable } from "authnzerver-client";
import { Real } from "./support.mjs";

const folder = mkdtempSync(join(tmpdir(), "tls-"));
let server;
before(async () => {
  execFileSync(process.env.MAIL_PYTHON, ["-B", join(process.env.CLIENTS, "tests", "certificates.py"), folder]);
  server = await Real.start({ CERTIFICATE: join(folder, "server.pem") });
});
after(() => server.close());

async function asked(url, tls) {
  const client = new Client(url, server.key, { policy: { tries: 1 }, tls });
  const ask = () => client.at("192.0.2.70", "").sessionNew({ userId: null, expires: 1, extraInfoJson: null });
  try {
    return [await ask(), await ask()];
  } finally {
    client.close();
  }
}

const trusting = (name) => ({ ca: readFileSync(join(folder, `${name}.pem`)) });

test("who vouches for the server is asked about", async () => {
  const [first, second] = await asked(server.url, trusting("authority"));
  assert.notEqual(first.sessionToken, second.sessionToken);
});

test("nobody else is told anything", async () => {
  const byName = server.url.replace("127.0.0.1", "localhost");
  for (const [url, tls] of [
    [server.url, {}],
    [server.url, trusting("stranger")],
    [byName, trusting("authority")],
  ]) {
    const error = await asked(url, tls).then(() => assert.fail("it was told"), (error) => error);
    assert.deepEqual([error.constructor, error.maybeDone], [Unavailable, false]);
    assert.match(error.message, /CERT|ISSUER|SELF_SIGNED|ALTNAME|VERIFY/, error.message);
  }
});
