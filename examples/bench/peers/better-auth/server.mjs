// better-auth on SQLite, as a peer for the benchmark: makes a user and so many sessions, writes cookies of some of them to a file,
// one a line, and then serves. Every check of a session reads the database, as ours does.
//
//     node server.mjs DATABASE SESSIONS COOKIES COOKIES-FILE PORT

import { createHmac, randomBytes } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";

const [file, sessions, cookies, cookiesFile, port] = process.argv.slice(2);
const secret = randomBytes(32).toString("hex");
const database = new Database(file);
database.pragma("journal_mode = WAL");
const auth = betterAuth({
  database,
  secret,
  baseURL: `http://localhost:${port}`,
  emailAndPassword: { enabled: true },
  session: { cookieCache: { enabled: false } },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
const migrations = await getMigrations(auth.options);
await migrations.runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { email: "bench@example.org", name: "A Person", password: randomBytes(16).toString("hex") },
});

// The row that its own sign-up has made, once for each session, so that only what differs is made here.
const example = database.prepare("SELECT * FROM session WHERE userId = ?").get(user.id);
const columns = Object.keys(example);
const insert = database.prepare(
  `INSERT INTO session (${columns.map((column) => `"${column}"`)}) VALUES (${columns.map((column) => `@${column}`)})`,
);
const newToken = () => randomBytes(24).toString("base64url");
const step = Math.max(1, Math.ceil(sessions / cookies));
const signed = [];
const { authCookies } = await auth.$context;
database.transaction(() => {
  for (let number = 0; number < sessions; number++) {
    const token = newToken();
    insert.run({ ...example, id: newToken(), token, ipAddress: "127.0.0.1", userAgent: "bench" });
    if (number % step === 0) {
      const signature = createHmac("sha256", secret).update(token).digest("base64");
      signed.push(`${authCookies.sessionToken.name}=${encodeURIComponent(`${token}.${signature}`)}`);
    }
  }
})();
writeFileSync(`${cookiesFile}.new`, signed.join("\n"));
renameSync(`${cookiesFile}.new`, cookiesFile);
createServer(toNodeHandler(auth)).listen(Number(port), "127.0.0.1");
