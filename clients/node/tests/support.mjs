// What the tests share: the vectors, a server that says what it is told to, and a real one.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync, unlinkSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

// The folder clients of the repository, the built server, and a Python with a mail server.
const { CLIENTS, AUTHNZERVER, MAIL_PYTHON } = process.env;

export const VECTORS = JSON.parse(readFileSync(join(CLIENTS, "vectors.json"), "utf8"));

/** Answers over HTTP as it is told to, the last reply again and again; counts what it was asked. */
export class Scripted {
  static async start(...replies) {
    const scripted = new Scripted();
    scripted.asked = 0;
    scripted.connections = 0;
    scripted.replies = replies;
    scripted.sockets = new Set();
    scripted.server = net.createServer((socket) => scripted.talk(socket)).listen(0, "127.0.0.1");
    await once(scripted.server, "listening");
    scripted.url = `http://127.0.0.1:${scripted.server.address().port}`;
    return scripted;
  }

  talk(socket) {
    this.connections += 1;
    this.sockets.add(socket);
    let received = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      received += data.toString("latin1");
      for (;;) {
        const end = received.indexOf("\r\n\r\n");
        const length = Number(/content-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0);
        if (end < 0 || received.length < end + 4 + length) {
          return;
        }
        this.last = received.slice(end + 4, end + 4 + length);
        received = received.slice(end + 4 + length);
        const reply = this.replies[Math.min(this.asked, this.replies.length - 1)];
        this.asked += 1;
        const bytes = typeof reply === "function" ? reply(this.last, socket) : written(reply);
        if (bytes !== undefined) {
          socket.write(bytes);
        }
        if (reply.cut !== undefined) {
          socket.end();
        }
      }
    });
  }

  close() {
    this.server.close();
    for (const socket of this.sockets) {
      socket.destroy();
    }
  }
}

export function written(reply) {
  const [letter, times] = reply.repeat ?? [reply.body, 1];
  const body = Buffer.from(letter.repeat(times));
  const headers = { ...reply.headers, "Content-Length": reply.claimed ?? body.length };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${reply.status} Words\r\n${lines.join("")}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body.subarray(0, reply.cut)]);
}

/** A real server, with a mail server. */
export class Real {
  /** With settings of the server's, such as `{ CODES: "typed" }`. */
  static async start(settings = {}) {
    const real = new Real();
    real.process = spawn(MAIL_PYTHON, ["-B", join(CLIENTS, "tests", "server.py"), AUTHNZERVER], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...settings },
    });
    real.lines = createInterface(real.process.stdout)[Symbol.asyncIterator]();
    Object.assign(real, await real.said());
    return real;
  }

  async said() {
    const line = await this.lines.next();
    if (line.done) {
      throw new Error("there is no server to test against");
    }
    return JSON.parse(line.value);
  }

  async tell(words) {
    this.process.stdin.write(`${words}\n`);
    await this.said();
  }

  async close() {
    const ended = once(this.process, "exit");
    this.process.stdin.end();
    await ended;
  }

  /** The newest code that was emailed to an address; waits until there is one, and forgets it. */
  async code(address) {
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline) {
      for (const name of readdirSync(this.emails).filter((name) => name.endsWith(".eml")).sort().reverse()) {
        const text = readFileSync(join(this.emails, name), "utf8").replaceAll("=\r\n", "").replaceAll("=3D", "=");
        const found = /[?&]code=([A-Za-z0-9_-]+)|^([A-Z0-9]{4}-[A-Z0-9]{4})\s*$/m.exec(text);
        if (found && new RegExp(`^To:.*${address}`, "im").test(text)) {
          unlinkSync(join(this.emails, name));
          return found[1] ?? found[2];
        }
      }
      await sleep(20);
    }
    throw new Error(`no email came to ${address}`);
  }
}
