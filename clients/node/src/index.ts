// A client of authnzerver. `calls` are requests as values; `authnzerver-client/site` gives a site its accounts.

export { Batch } from "./batch.js";
export * as calls from "./calls.js";
export { Caller, Client, type ClientOptions } from "./client.js";
export {
  AuthError,
  BadAnswer,
  BadKey,
  Misconfigured,
  NotAllowed,
  OverLimit,
  Refused,
  Unavailable,
} from "./errors.js";
export { KeyRing } from "./keys.js";
export { type Answer, Call } from "./record.js";
export type * as types from "./types.js";
export type { Policy } from "./wire.js";
