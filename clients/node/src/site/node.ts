// A site under Express, Connect and node:http itself.

import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from "node:http";

import { AuthError } from "../errors.js";
import type { Site, Wanted } from "./site.js";
import type { Visit } from "./visit.js";
import { setVisit, visitOf } from "./visits.js";
import { type Fields, type SiteRequest, type SiteResponse, fieldsOf, formLength } from "./web.js";

export type Next = (error?: unknown) => void;
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: Next) => void;
/** What frameworks add to a request. */
type Message = IncomingMessage & { originalUrl?: string; body?: unknown };

/** Goes in front of everything else: `app.use(middleware(site))`. Programs then find `visitOf(req)`. */
export function middleware(site: Site): Middleware {
  return (req, res, next) => {
    letThrough(site, req, res).then((response) => (response ? send(req, res, response) : next()), next);
  };
}

/** For a route, after `middleware`: shows it only to whoever is logged in, and is what is wanted. */
export function loginRequired(site: Site, wanted: Wanted = {}): Middleware {
  return (req, res, next) => {
    site.require(visitOf(req), wanted).then((response) => (response ? send(req, res, response) : next()), next);
  };
}

/** Goes last in Express and Connect: shows what the program's own questions to the server had no answer to. */
export function errors(site: Site): (error: unknown, req: IncomingMessage, res: ServerResponse, next: Next) => void {
  return (error, req, res, next) => {
    if (!(error instanceof AuthError) || res.headersSent) {
      return next(error);
    }
    send(req, res, site.failed(visitOf(req), error));
  };
}

/** Goes around the listener of a node:http server. */
export function around(
  site: Site,
  program: (req: IncomingMessage, res: ServerResponse) => unknown,
): (req: IncomingMessage, res: ServerResponse) => void {
  const [first, last] = [middleware(site), errors(site)];
  const run = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    try {
      await program(req, res);
    } catch (error) {
      last(error, req, res, (unknown) => {
        throw unknown;
      });
    }
  };
  return (req, res) => first(req, res, (error) => (error === undefined ? run(req, res) : res.destroy()));
}

/** Has the site look at a request; gives what to answer, or nothing if that is for the program to do. */
export async function letThrough(site: Site, req: IncomingMessage, res: ServerResponse): Promise<SiteResponse | null> {
  const { visit, response } = await site.handle(await requestOf(req));
  setVisit(req, visit);
  addCookies(res, visit);
  return response;
}

async function requestOf(req: Message): Promise<SiteRequest> {
  const header = (name: string): string | undefined => {
    const value = req.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  };
  const url = req.url ?? "/";
  const [path, query] = partsOf(req.originalUrl ?? url);
  return {
    method: req.method ?? "GET",
    path,
    // Somebody in front of us may have changed it.
    otherPaths: [partsOf(url)[0]],
    query: fieldsOf(query),
    search: query && `?${query}`,
    header,
    peer: req.socket.remoteAddress ?? "",
    form: await formOf(req, formLength(header)),
  };
}

/** The path and the query of what was asked for. */
function partsOf(url: string): [path: string, query: string] {
  // A proxy may be sent a whole address, which frameworks take the path of.
  const local = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "");
  const [, path, query = ""] = /^([^?#]*)\??([^#]*)/.exec(local) ?? [];
  return [path || "/", query];
}

async function formOf(req: Message, length: number | null): Promise<Fields> {
  // Nothing is not even waited for: its end would be told to us and to nobody else.
  if (!length) {
    return new Map();
  }
  if (typeof req.body === "object" && req.body !== null) {
    // Somebody has read it before us.
    const texts = Object.entries(req.body).filter((entry): entry is [string, string] => typeof entry[1] === "string");
    return new Map(texts);
  }
  return fieldsOf((await peeked(req, length)).toString("utf8"));
}

/** Reads a body of a known length and puts it back, so that the program can read it as well. */
function peeked(req: IncomingMessage, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let received = 0;
    const onReadable = (): void => {
      for (let part: Buffer | null; received < length && (part = req.read() as Buffer | null); ) {
        parts.push(part);
        received += part.length;
      }
      if (received >= length) {
        req.off("readable", onReadable).off("error", onEnd).off("close", onEnd);
        const body = Buffer.concat(parts);
        // Before the end has been told, which would be for good.
        req.unshift(body);
        resolve(body);
      }
    };
    const onEnd = (): void => reject(new Error("the form did not come to its end"));
    req.on("readable", onReadable).on("error", onEnd).on("close", onEnd);
  });
}

/** Sets the visit's cookies when the head is written: until then more may come, and the program sets others. */
function addCookies(res: ServerResponse, visit: Visit): void {
  const writeHead = res.writeHead.bind(res) as (...given: unknown[]) => ServerResponse;
  const withCookies = (status: number, ...given: unknown[]): ServerResponse => {
    const message = typeof given[0] === "string" ? [given[0]] : [];
    for (const [name, value] of pairsOf(given.at(-1))) {
      res.setHeader(name, value as OutgoingHttpHeader & string);
    }
    if (visit.setCookies.length) {
      const others = res.getHeader("set-cookie") ?? [];
      res.setHeader("Set-Cookie", [...(Array.isArray(others) ? others : [String(others)]), ...visit.setCookies]);
    }
    return writeHead(status, ...message);
  };
  res.writeHead = withCookies as typeof res.writeHead;
}

/** Headers as `writeHead` takes them: an object, or names and values in turn. */
function pairsOf(headers: unknown): [string, unknown][] {
  if (typeof headers !== "object" || headers === null) {
    return [];
  }
  if (!Array.isArray(headers)) {
    return Object.entries(headers).filter(([, value]) => value !== undefined);
  }
  const flat = headers.flat(1) as unknown[];
  const pairs = new Map<string, unknown>();
  for (let place = 0; place + 1 < flat.length; place += 2) {
    const name = String(flat[place]).toLowerCase();
    pairs.set(name, pairs.has(name) ? [pairs.get(name), flat[place + 1]].flat() : flat[place + 1]);
  }
  return [...pairs];
}

function send(req: IncomingMessage, res: ServerResponse, response: SiteResponse): void {
  const body = Buffer.from(response.body);
  response.headers.forEach(([name, value]) => res.setHeader(name, value));
  res.setHeader("Content-Length", body.length);
  res.writeHead(response.status);
  res.end(req.method === "HEAD" ? undefined : body);
}
