// The client.

import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";

import { Batch, partsOf } from "./batch.js";
import * as calls from "./calls.js";
import { AuthError } from "./errors.js";
import { Connections } from "./http.js";
import { KeyRing } from "./keys.js";
import { Requests } from "./methods.js";
import type { About, Answer, Call } from "./record.js";
import { Exchange, POLICY, type Policy, pause, read } from "./wire.js";

export interface ClientOptions {
  /** How patient it is, where that is not as usual. */
  policy?: Partial<Policy>;
  /** Certificates and the like, where the server is at `https://`. */
  tls?: ConnectionOptions;
}

/**
 * Connections to one server.
 *
 * Ask through `at(address, userAgent)`, which names the end user on whose behalf it is; through `itself` for what the
 * program does of its own accord.
 */
export class Client {
  readonly keys: KeyRing;
  readonly policy: Policy;
  readonly itself: Caller;
  readonly #connections: Connections;

  constructor(url: string, keys: KeyRing | string, options: ClientOptions = {}) {
    this.keys = typeof keys === "string" ? new KeyRing(keys) : keys;
    this.policy = { ...POLICY, ...options.policy };
    this.#connections = new Connections(url, this.policy, options.tls ?? {});
    this.itself = this.at("127.0.0.1", "");
  }

  /** Asks on behalf of the end user at this address, with this browser. */
  at(address: string, userAgent: string): Caller {
    return new Caller(this, address, userAgent);
  }

  /** Closes the connections. */
  close(): void {
    this.#connections.close();
  }

  /** Sends a message as often as it may be sent, and returns the opened answer. */
  async exchange(exchange: Exchange): Promise<Record<string, unknown>> {
    let tried = 0;
    for (;;) {
      try {
        const reply = await this.#connections.send(exchange.sealed());
        if (!exchange.nextKey(reply)) {
          return exchange.answer(reply);
        }
      } catch (error) {
        tried += 1;
        const seconds = error instanceof AuthError ? pause(this.policy, error, exchange.onlyReads, tried) : null;
        if (seconds === null) {
          throw error;
        }
        await sleep(seconds * 1000);
      }
    }
  }
}

/** Asks on behalf of one end user. Cheap to make: one for each request that the site gets. */
export class Caller extends Requests {
  readonly client: Client;
  readonly address: string;
  readonly #about: About;

  constructor(client: Client, address: string, userAgent: string) {
    super();
    this.client = client;
    this.address = address;
    this.#about = { ip_address: address, user_agent: userAgent };
  }

  override async ask<A extends Answer>(call: Call<A>): Promise<A> {
    return read(call, await this.client.exchange(this.#exchange(call)));
  }

  /** Asks up to 16 calls in one message, each as if it had come alone. */
  async together(asked: readonly Call<Answer>[], options: { stopOnFailure?: boolean } = {}): Promise<Batch> {
    const requests = partsOf(asked, this.#about);
    const call = calls.batch({ requests, stopOnFailure: options.stopOnFailure });
    const exchange = this.#exchange(call);
    exchange.onlyReads = asked.every((one) => one.onlyReads);
    return new Batch(asked, read(call, await this.client.exchange(exchange)));
  }

  #exchange(call: Call<Answer>): Exchange {
    return new Exchange(call, this.client.keys, this.address, this.#about);
  }
}
