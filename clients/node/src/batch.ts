// Several requests in one message.

import { BadAnswer, Unavailable } from "./errors.js";
import type { About, Answer, Call } from "./record.js";
import type { BatchAnswer, BatchRequests, PartAnswer } from "./types.js";
import { ofStatus, read } from "./wire.js";

/** What several calls came to. */
export class Batch {
  readonly #asked: readonly Call<Answer>[];
  readonly #answers: readonly PartAnswer[];

  constructor(asked: readonly Call<Answer>[], answer: BatchAnswer) {
    // The answers stand in the order of the calls.
    if (answer.answers.some((part, place) => part.request !== asked[place]?.request)) {
      throw new BadAnswer("these are the answers to other requests");
    }
    this.#asked = asked;
    this.#answers = answer.answers;
  }

  /** The answer to a call; throws why there is none. */
  get<A extends Answer>(call: Call<A>): A {
    const place = this.#asked.indexOf(call as Call<Answer>);
    if (place < 0) {
      throw new RangeError("this call is not part of the batch");
    }
    const part = this.#answers[place];
    if (!part) {
      throw new Unavailable("this was not asked, since one before it was not done", false);
    }
    if (part.status !== 200) {
      throw ofStatus(call.request, part.status, part.retryAfter);
    }
    const { success, response, messages, failureReason } = part;
    return read(call, { success, response, messages, failure_reason: failureReason });
  }
}

/** What is sent for these calls. */
export function partsOf(asked: readonly Call<Answer>[], about: About): BatchRequests[] {
  return asked.map((call) => ({ request: call.request, body: call.body(about) }));
}
