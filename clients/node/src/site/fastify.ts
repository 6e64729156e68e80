// A site under Fastify, of which it needs no types: only what is used here.

import type { IncomingMessage, ServerResponse } from "node:http";

import { AuthError } from "../errors.js";
import { letThrough } from "./node.js";
import type { Site, Wanted } from "./site.js";
import { setVisit, visitOf } from "./visits.js";
import type { SiteResponse } from "./web.js";

interface Request {
  readonly raw: IncomingMessage;
}

interface Reply {
  readonly raw: ServerResponse;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
}

export type Hook = (request: Request, reply: Reply) => Promise<unknown>;

/** Goes in front of everything else: `app.addHook("onRequest", hook(site))`. Programs then find `visitOf(request)`. */
export function hook(site: Site): Hook {
  return async (request, reply) => {
    const response = await letThrough(site, request.raw, reply.raw);
    setVisit(request, visitOf(request.raw));
    return response ? sent(reply, response) : undefined;
  };
}

/** For a route, as its `preHandler`: shows it only to whoever is logged in, and is what is wanted. */
export function loginRequired(site: Site, wanted: Wanted = {}): Hook {
  return async (request, reply) => {
    const response = await site.require(visitOf(request), wanted);
    return response ? sent(reply, response) : undefined;
  };
}

/** What the program's own questions to the server had no answer to: `app.setErrorHandler(errors(site))`. */
export function errors(site: Site): (error: unknown, request: Request, reply: Reply) => Reply {
  return (error, request, reply) => {
    if (!(error instanceof AuthError)) {
      throw error;
    }
    return sent(reply, site.failed(visitOf(request), error));
  };
}

function sent(reply: Reply, response: SiteResponse): Reply {
  reply.code(response.status);
  response.headers.forEach(([name, value]) => reply.header(name, value));
  reply.send(response.body);
  return reply;
}
