// A message to the server and what its answer means. It neither sends nor waits.

import { randomUUID } from "node:crypto";

import {
  AuthError,
  BadAnswer,
  BadKey,
  Misconfigured,
  NotAllowed,
  OverLimit,
  Refused,
  Unavailable,
} from "./errors.js";
import type { KeyRing } from "./keys.js";
import { type About, type Answer, type Call, Unfit } from "./record.js";

/** What a server says at most about when to try again. */
const RETRY_AFTER_MAX = 3600;

/** What came over HTTP. */
export interface Reply {
  readonly status: number;
  readonly retryAfter: string;
  readonly body: string;
}

/** One request on its way: sealed with the first key, and with the next where the server does not know that one. */
export class Exchange {
  readonly request: string;
  onlyReads: boolean;
  readonly #keys: KeyRing;
  readonly #reqid = randomUUID();
  readonly #plain: string;
  #place = 0;

  constructor(call: Call<Answer>, keys: KeyRing, client: string, about: About) {
    this.request = call.request;
    this.onlyReads = call.onlyReads;
    this.#keys = keys;
    const message = { request: call.request, body: call.body(about), reqid: this.#reqid, client_ipaddr: client };
    this.#plain = JSON.stringify(message, finite);
  }

  /** What to send. */
  sealed(): string {
    return this.#keys.seal(this.#plain, this.#place);
  }

  /** Whether to send it once more, sealed with another key. A message that the server cannot open does nothing. */
  nextKey(reply: Reply): boolean {
    if (reply.status !== 401 || this.#place + 1 === this.#keys.length) {
      return false;
    }
    this.#place += 1;
    return true;
  }

  /** The opened answer to this very request; throws what came instead. */
  answer(reply: Reply): Record<string, unknown> {
    if (reply.status !== 200) {
      throw ofStatus(this.request, reply.status, retryAfter(reply.retryAfter));
    }
    const plain = this.#keys.open(reply.body);
    if (plain === null) {
      throw new BadAnswer("the answer is not sealed with our key");
    }
    let answer: unknown;
    try {
      answer = JSON.parse(plain);
    } catch {
      throw new BadAnswer("the answer is not JSON");
    }
    if (typeof answer !== "object" || answer === null || !("reqid" in answer) || answer.reqid !== this.#reqid) {
      throw new BadAnswer("this is the answer to another request");
    }
    return answer as Record<string, unknown>;
  }
}

/** JSON has no such numbers; they would turn into null unseen. */
function finite(_: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError("a number that is none cannot be sent");
  }
  return value;
}

/** What a request came to; throws why it was not done. */
export function read<A extends Answer>(call: Call<A>, answer: Readonly<Record<string, unknown>>): A {
  const { success, response, messages, failure_reason: reason } = answer;
  if (!Array.isArray(messages) || !messages.every((message) => typeof message === "string")) {
    throw new BadAnswer("the answer's messages are not texts");
  }
  if (success === true) {
    try {
      return call.read(response, messages);
    } catch (error) {
      throw error instanceof Unfit ? new BadAnswer(error.message) : error;
    }
  }
  if (success !== false) {
    throw new BadAnswer("the answer does not say whether it was done");
  }
  const isObject = typeof response === "object" && response !== null && !Array.isArray(response);
  const keys = isObject ? (response as Record<string, unknown>) : {};
  throw new Refused(call.request, keys, typeof reason === "string" ? reason : null, messages);
}

/** What a status other than 200 means. */
export function ofStatus(request: string, status: number, wait: number | null): AuthError {
  switch (status) {
    case 401:
      return new BadKey();
    case 403:
      return new NotAllowed(request);
    case 429:
      return new OverLimit(wait ?? 1);
    case 404:
    case 405:
      return new Misconfigured("no authnzerver is at this address, or it does not allow this host name");
    case 400:
    case 411:
    case 413:
      return new Misconfigured(`the server does not take ${request} as it was sent (HTTP ${status})`);
    default:
      return new Unavailable(`the server answers HTTP ${status}`, true, wait);
  }
}

/** The seconds that `Retry-After` names. */
function retryAfter(text: string): number | null {
  return /^\d+$/.test(text.trim()) ? Math.min(Number(text.trim().slice(0, 9)), RETRY_AFTER_MAX) : null;
}

/** How patient a client is. */
export interface Policy {
  /** For a connection, TLS included. */
  readonly connectSeconds: number;
  /** For a request and its whole answer. After failed logins, answers come up to 40 seconds later. */
  readonly answerSeconds: number;
  /** How often a request is sent at most. Only one that cannot have been done yet, or only reads, is sent again. */
  readonly tries: number;
  /** The longest pause before the next try, whatever `Retry-After` says; beyond that the error comes at once. */
  readonly waitSecondsMax: number;
  /** The longest answer that is read. */
  readonly answerBytesMax: number;
  /** For how long an idle connection is kept. The server closes them after 75 seconds. */
  readonly idleSecondsMax: number;
  /** How many idle connections are kept. */
  readonly idleMax: number;
  /** How many connections there are at most; whoever comes then waits for one. */
  readonly connectionsMax: number;
}

export const POLICY: Policy = {
  connectSeconds: 3,
  answerSeconds: 75,
  tries: 3,
  waitSecondsMax: 2,
  answerBytesMax: 32 << 20,
  idleSecondsMax: 60,
  idleMax: 16,
  connectionsMax: 256,
};

/** How many seconds to wait before another try; null if there is to be none. */
export function pause(policy: Policy, error: AuthError, onlyReads: boolean, tried: number): number | null {
  if (tried >= policy.tries) {
    return null;
  }
  if (error instanceof OverLimit) {
    return error.retryAfter <= policy.waitSecondsMax ? error.retryAfter : null;
  }
  // A wrong answer does not get better, and whoever forges them would like us to ask again.
  if (!(error instanceof Unavailable) || error instanceof BadAnswer) {
    return null;
  }
  if (error.maybeDone && !onlyReads) {
    return null;
  }
  if (error.retryAfter !== null) {
    return error.retryAfter <= policy.waitSecondsMax ? error.retryAfter : null;
  }
  return Math.min(0.05 * 4 ** (tried - 1), policy.waitSecondsMax);
}
