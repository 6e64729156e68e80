// Carries sealed messages over HTTP, on connections that are kept.

import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";

import { type AuthError, BadAnswer, Unavailable } from "./errors.js";
import type { Policy, Reply } from "./wire.js";

const HEAD_BYTES_MAX = 16 << 10;

/** Connections to one server. */
export class Connections {
  readonly #policy: Policy;
  readonly #agent: http.Agent;
  readonly #isTls: boolean;
  readonly #target: http.RequestOptions;

  constructor(url: string, policy: Policy, tls: ConnectionOptions) {
    const address = addressOf(url);
    this.#policy = policy;
    this.#isTls = address.protocol === "https:";
    const options: https.AgentOptions = {
      keepAlive: true,
      maxFreeSockets: policy.idleMax,
      maxSockets: policy.connectionsMax,
      timeout: policy.idleSecondsMax * 1000,
    };
    this.#agent = this.#isTls ? new https.Agent({ ...options, ...tls }) : new http.Agent(options);
    this.#target = {
      agent: this.#agent,
      // An IPv6 address stands in brackets there.
      host: address.hostname.replace(/^\[|\]$/g, ""),
      port: address.port || (this.#isTls ? 443 : 80),
      path: "/",
      method: "POST",
      maxHeaderSize: HEAD_BYTES_MAX,
    };
  }

  /** Sends a message and receives what comes back. */
  send(message: string): Promise<Reply> {
    return new Promise((resolve, reject) => new Sending(this.#policy, resolve, reject).start(this.#open(message), message));
  }

  #open(message: string): http.ClientRequest {
    const headers = { "Content-Type": "text/plain", "Content-Length": Buffer.byteLength(message) };
    return (this.#isTls ? https : http).request({ ...this.#target, headers });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A message on its way. */
class Sending {
  readonly #policy: Policy;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: AuthError) => void;
  #connectTimer: NodeJS.Timeout | undefined;
  #answerTimer: NodeJS.Timeout | undefined;
  #isConnected = false;

  constructor(policy: Policy, resolve: (reply: Reply) => void, reject: (error: AuthError) => void) {
    this.#policy = policy;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(request: http.ClientRequest, message: string): void {
    const fail = (error: AuthError): void => {
      this.#stopTimers();
      // The first of them counts.
      this.#reject(error);
      request.destroy();
    };
    const tooLong = (): void => fail(this.#broken("it took too long"));
    this.#answerTimer = setTimeout(tooLong, this.#policy.answerSeconds * 1000);
    request.on("socket", (socket) => this.#watch(socket, request, tooLong));
    request.on("response", (response) => this.#receive(response, fail));
    request.on("error", (error: NodeJS.ErrnoException) => {
      // The parser's own errors: what came is no HTTP.
      const isGarbled = error.code?.startsWith("HPE_") ?? false;
      fail(isGarbled ? new BadAnswer("no HTTP answer") : this.#broken(why(error)));
    });
    request.on("close", () => fail(this.#broken("the server closed the connection without an answer")));
    request.end(message);
  }

  #watch(socket: Socket, request: http.ClientRequest, tooLong: () => void): void {
    if (request.reusedSocket || !socket.connecting) {
      this.#isConnected = true;
      return;
    }
    this.#connectTimer = setTimeout(tooLong, this.#policy.connectSeconds * 1000);
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
      clearTimeout(this.#connectTimer);
      this.#isConnected = true;
    });
  }

  #receive(response: http.IncomingMessage, fail: (error: AuthError) => void): void {
    const refused = headProblem(response, this.#policy.answerBytesMax);
    if (refused) {
      fail(new BadAnswer(refused));
      return;
    }
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.on("error", (error) => fail(this.#broken(why(error))));
    response.on("end", () => {
      this.#stopTimers();
      this.#resolve({
        status: response.statusCode ?? 0,
        retryAfter: response.headers["retry-after"] ?? "",
        body: Buffer.concat(parts).toString("latin1"),
      });
    });
  }

  #broken(why: string): Unavailable {
    return this.#isConnected
      ? new Unavailable(`no answer: ${why}`, true)
      : new Unavailable(`the server cannot be reached: ${why}`, false);
  }

  #stopTimers(): void {
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#answerTimer);
  }
}

/** A body without a length, or with too great a one, is refused. */
function headProblem(response: http.IncomingMessage, bytesMax: number): string | null {
  const length = response.headers["content-length"] ?? "";
  if (response.headers["transfer-encoding"] !== undefined || !/^\d{1,15}$/.test(length)) {
    return "an answer without a length";
  }
  return Number(length) > bytesMax ? "the answer is too long" : null;
}

function addressOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !["http:", "https:"].includes(url.protocol) || !url.hostname || url.pathname !== "/") {
    throw new Error("the server's address is http://HOST:PORT or https://HOST:PORT");
  }
  if (url.search || url.hash || url.username || url.password) {
    throw new Error("the server's address has nothing behind its port");
  }
  return url;
}

function why(error: NodeJS.ErrnoException): string {
  return error.code ?? "the connection failed";
}
