// What can come instead of an answer. Catch `AuthError` for all of it.
//
// No error shows a parameter, a key or an answer: they may hold passwords and tokens.

/** The request has no answer that can be used. */
export class AuthError extends Error {
  constructor(why: string) {
    super(why);
    this.name = new.target.name;
  }
}

/** The server says no. */
export class Refused extends AuthError {
  readonly request: string;
  /** Why, for this program and not for the end user; null where there is nothing to tell. */
  readonly reason: string | null;
  /** What may be shown to the end user. */
  readonly messages: readonly string[];
  /** Seconds until the next attempt at this password or code is looked at, where there were failed ones. */
  readonly retryAfter: number | null;
  readonly #response: Record<string, unknown>;

  constructor(request: string, response: Record<string, unknown>, reason: string | null, messages: readonly string[]) {
    super(`${request} was refused: ${reason ?? "no reason given"}`);
    this.request = request;
    this.reason = reason;
    this.messages = messages;
    this.retryAfter = Number.isSafeInteger(response["retry_after"]) ? (response["retry_after"] as number) : null;
    this.#response = response;
  }

  /** The answer's own keys. */
  get response(): Record<string, unknown> {
    return this.#response;
  }

  /** Whether parameters are missing or of a wrong type: a mistake of this program. */
  get isInvalid(): boolean {
    return this.reason === "invalid request parameters";
  }
}

/** The end user asks too often. Nothing was done. */
export class OverLimit extends AuthError {
  readonly retryAfter: number;

  constructor(retryAfter: number) {
    super(`over a rate limit for ${retryAfter} seconds`);
    this.retryAfter = retryAfter;
  }
}

/** There is no answer for now, which is never a verdict: let nobody in, and tell nobody that they may not. */
export class Unavailable extends AuthError {
  /** Whether the request may have been carried out all the same. */
  readonly maybeDone: boolean;
  readonly retryAfter: number | null;

  constructor(why: string, maybeDone: boolean, retryAfter: number | null = null) {
    super(why);
    this.maybeDone = maybeDone;
    this.retryAfter = retryAfter;
  }
}

/** What came back is not the answer to this request, or was not made by who has the key. */
export class BadAnswer extends Unavailable {
  constructor(why: string) {
    super(why, true);
  }
}

/** This program and the server do not fit together; nothing was done. A person has to look at it. */
export class Misconfigured extends AuthError {}

/** The server has none of our keys. */
export class BadKey extends Misconfigured {
  constructor() {
    super("the server has another key: compare this program's key with the server's");
  }
}

/** The key may not ask this request. */
export class NotAllowed extends Misconfigured {
  constructor(request: string) {
    super(`the key may not ask ${request}: see \`authnzerver secret list\``);
  }
}
