// Where a program finds what the site knows about a request.

import type { Visit } from "./visit.js";

const VISITS = new WeakMap<object, Visit>();

/** The visit of a request that the site has let through. */
export function visitOf(request: object): Visit {
  const visit = VISITS.get(request);
  if (!visit) {
    throw new Error("the site has not seen this request: put it in front of the program");
  }
  return visit;
}

export function setVisit(request: object, visit: Visit): void {
  VISITS.set(request, visit);
}
