// A site in front of whatever makes a `Response` of a `Request`: Next, Hono and others.

import { AuthError } from "../errors.js";
import type { Site } from "./site.js";
import type { Visit } from "./visit.js";
import { setVisit } from "./visits.js";
import { type Fields, type SiteRequest, type SiteResponse, FORM_BYTES_MAX, fieldsOf, formLength } from "./web.js";

export type Program<R extends Request> = (request: R, visit: Visit) => Response | Promise<Response>;

/**
 * Goes around a program. `peer` tells the address at the other end of the connection, which a `Request` does not know;
 * what a header says of it is only to be trusted from a proxy of one's own.
 */
export function around<R extends Request>(
  site: Site,
  program: Program<R>,
  peer: (request: R) => string,
): (request: R) => Promise<Response> {
  return async (request) => {
    const { visit, response } = await site.handle(await requestOf(request, peer(request)));
    setVisit(request, visit);
    const answer = response ? responseOf(site, request, response) : await answerOf(site, program, request, visit);
    return withCookies(answer, visit);
  };
}

async function answerOf<R extends Request>(site: Site, program: Program<R>, request: R, visit: Visit): Promise<Response> {
  try {
    return await program(request, visit);
  } catch (error) {
    if (error instanceof AuthError) {
      return responseOf(site, request, site.failed(visit, error));
    }
    throw error;
  }
}

async function requestOf(request: Request, peer: string): Promise<SiteRequest> {
  const url = new URL(request.url);
  const header = (name: string): string | undefined => request.headers.get(name) ?? undefined;
  const isForm = formLength(header) !== null;
  return {
    method: request.method,
    path: url.pathname,
    query: fieldsOf(url.search),
    search: url.search,
    header,
    peer,
    form: isForm ? await formOf(request.clone()) : new Map(),
  };
}

/** Reads a form as far as it may be long, whatever its length is said to be. */
async function formOf(request: Request): Promise<Fields> {
  const parts: Uint8Array[] = [];
  let received = 0;
  const reader = request.body?.getReader();
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    received += part.value.length;
    if (received > FORM_BYTES_MAX) {
      await reader?.cancel();
      return new Map();
    }
    parts.push(part.value);
  }
  return fieldsOf(Buffer.concat(parts).toString("utf8"));
}

function responseOf(site: Site, request: Request, { status, headers, body }: SiteResponse): Response {
  const { origin } = new URL(request.url);
  // Next takes only whole addresses.
  const whole = headers.map(([name, value]): [string, string] => [
    name,
    name === "Location" ? site.address(value, origin) : value,
  ]);
  return new Response(request.method === "HEAD" ? null : body, { status, headers: whole });
}

function withCookies(response: Response, visit: Visit): Response {
  if (!visit.setCookies.length) {
    return response;
  }
  // The headers of some responses cannot be changed.
  const changed = new Response(response.body, response);
  visit.setCookies.forEach((cookie) => changed.headers.append("Set-Cookie", cookie));
  return changed;
}
