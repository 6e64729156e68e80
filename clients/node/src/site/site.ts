// A site's accounts: which pages it has, and who may see the others.

import { isIP } from "node:net";

import type { Batch } from "../batch.js";
import * as calls from "../calls.js";
import type { Client } from "../client.js";
import { AuthError, OverLimit, Refused, Unavailable } from "../errors.js";
import type { Call } from "../record.js";
import type { UserCheckAccessAnswer } from "../types.js";
import { type Page, draw } from "./pages.js";
import { OWN, ROUTES } from "./routes.js";
import { Visit } from "./visit.js";
import { type Header, type SiteRequest, type SiteResponse, html, readings, to } from "./web.js";

const HINTS_MAX = 4096;
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
const KEY_IS_KNOWN = new Set(["action not within the API key's scopes", "action not permitted"]);

/** An action on a kind of item, as the policy has them. */
export type Action = readonly [action: string, item: string];

/** Who may see something. With none of these it takes a login. */
export interface Wanted {
  /** Somebody with one of these roles. */
  readonly roles?: readonly string[];
  /** Somebody to whom the policy permits this, for items of their own. */
  readonly may?: Action;
}

/** The same for a path and all below it; or, instead of all that, an API key that is good for something. */
export interface Guard extends Wanted {
  readonly key?: Action;
}

export interface SiteOptions {
  /** The addresses of proxies in front of the site; from these alone `X-Real-IP` is taken. */
  readonly proxies?: readonly string[];
  /** Draws a page as the site looks. Each form has to send `csrf` back, in a field of that name. */
  readonly render?: (page: Page, csrf: string) => string;
  /** Takes what an operator should see. */
  readonly log?: (error: AuthError) => void;
}

/**
 * What a site is called and where it is. `origins` are its addresses as browsers see them, such as
 * `https://example.org`; emails link to the first. Over `http://` a site can only be on one's own machine.
 */
export class Site {
  readonly name: string;
  readonly client: Client;
  readonly #origins: readonly string[];
  readonly #isSecure: boolean;
  readonly #csrfKeys: readonly Buffer[];
  readonly #proxies: ReadonlySet<string>;
  readonly #render: (page: Page, csrf: string) => string;
  readonly #log: (error: AuthError) => void;
  readonly #guards: { readonly path: string; readonly guard: Guard }[];
  /** Who a session belonged to when it was last seen: what can be asked together with who it belongs to now. */
  readonly #hints = new Map<string, { readonly id: number; readonly role: string }>();

  constructor(name: string, origins: readonly string[], client: Client, options: SiteOptions = {}) {
    this.#isSecure = isSecure(origins);
    this.name = name;
    this.client = client;
    this.#origins = origins;
    this.#csrfKeys = client.keys.derived("csrf");
    this.#proxies = new Set(options.proxies);
    this.#render = options.render ?? draw;
    this.#log = options.log ?? ((error) => console.error(`authnzerver: ${error.message}`));
    this.#guards = OWN.map((path) => ({ path, guard: {} }));
  }

  /** Shows what lies at a path, and below it, only to whom it is for. All guards of a path hold. */
  guard(path: string, guard: Guard = {}): void {
    this.#guards.push({ path: path.toLowerCase().replace(/\/+$/, ""), guard });
  }

  /** A page of the site, for an email; at this one of its origins, if it is one. */
  address(path: string, origin = ""): string {
    return (this.#origins.includes(origin) ? origin : this.#origins[0]) + path;
  }

  /** The end user's address. */
  clientAddress(request: Pick<SiteRequest, "peer" | "header">): string {
    const peer = withoutPrefix(request.peer);
    const told = withoutPrefix(request.header("x-real-ip") ?? "");
    return this.#proxies.has(peer) && isIP(told) ? told : peer;
  }

  /**
   * Looks who it is, keeps out who may not, and answers what is a page of accounts. Without a response, it is for the
   * program to answer.
   */
  async handle(request: SiteRequest): Promise<{ visit: Visit; response: SiteResponse | null }> {
    const auth = this.client.at(this.clientAddress(request), request.header("user-agent") ?? "");
    const visit = new Visit(request, auth, this.#csrfKeys, this.#isSecure);
    return { visit, response: await this.#orFailed(() => this.#answer(visit)) };
  }

  /** What to answer instead, if this is not for whoever is here: the check of one route, in its own code. */
  require(visit: Visit, wanted: Wanted = {}): Promise<SiteResponse | null> {
    return this.#orFailed(async () => (visit.isLoggedIn ? this.#check(visit, [wanted]) : this.#toLogin(visit)));
  }

  /** A page with its token. */
  show(visit: Visit, page: Page, status = 200): SiteResponse {
    return html(status, this.#render(page, visit.csrfToken));
  }

  async #answer(visit: Visit): Promise<SiteResponse | null> {
    const { method, path } = visit.request;
    const guards = this.#guardsOf(visit.request);
    const byKey = guards.flatMap((guard) => (guard.key ? [guard.key] : []));
    if (byKey.length) {
      // A key is nobody who is logged in, so it does not pass a guard that wants somebody.
      return byKey.length === guards.length ? this.#checkKey(visit, byKey) : this.#mayNot();
    }
    if (!SAFE.has(method) && visit.isForged(this.#origins)) {
      return this.#said(403, "Please go back, reload the page, and try again.");
    }
    const refusal = await this.#look(visit, guards);
    const route = ROUTES.get(path);
    if (refusal || !route) {
      return refusal;
    }
    if (!["GET", "HEAD", "POST"].includes(method)) {
      return this.#said(405, "This page knows only GET and POST.");
    }
    return route(this, visit);
  }

  #guardsOf({ path, otherPaths = [] }: SiteRequest): Guard[] {
    // Whoever is to log in has to see the page for that, also where the whole site is guarded.
    if (ROUTES.has(path) && !OWN.includes(path)) {
      return [];
    }
    const ways = [path, ...otherPaths].flatMap(readings);
    const covers = (guarded: string): boolean => ways.some((way) => way === guarded || way.startsWith(`${guarded}/`));
    return this.#guards.filter((one) => covers(one.path)).map((one) => one.guard);
  }

  async #look(visit: Visit, guards: readonly Guard[]): Promise<SiteResponse | null> {
    const token = visit.sessionToken;
    if (!token) {
      return guards.length ? this.#toLogin(visit) : null;
    }
    const who = calls.sessionInfo({ sessionToken: token });
    const wanted = guards.flatMap((guard) => (guard.may ? [guard.may] : []));
    const hint = wanted.length ? this.#hints.get(token) : undefined;
    const access = hint ? wanted.map((may) => accessOf(hint, may)) : [];
    const asked = await visit.auth.together([who, ...access]);
    try {
      visit.session = asked.get(who).sessionInfo;
    } catch (error) {
      if (!(error instanceof Refused)) {
        throw error;
      }
      this.#hints.delete(token);
      visit.forget();
      return guards.length ? this.#toLogin(visit) : null;
    }
    if (!guards.length) {
      return null;
    }
    if (!visit.isLoggedIn) {
      return this.#toLogin(visit);
    }
    const { userId: id, userRole: role } = visit.session;
    // The first time, or once the role has changed, what was asked along was about somebody else.
    const fits = hint && hint.id === id && hint.role === role;
    return this.#check(visit, guards, fits ? { asked, access } : null);
  }

  /** Whether all of this is for whoever is logged in. */
  async #check(
    visit: Visit,
    wanted: readonly Wanted[],
    known: { asked: Batch; access: Call<UserCheckAccessAnswer>[] } | null = null,
  ): Promise<SiteResponse | null> {
    const { session, sessionToken } = visit;
    if (!session || !sessionToken || wanted.some(({ roles }) => roles?.length && !visit.hasRole(...roles))) {
      return this.#mayNot();
    }
    const may = wanted.flatMap((one) => (one.may ? [one.may] : []));
    if (!may.length) {
      return null;
    }
    const who = { id: session.userId, role: session.userRole };
    const access = known?.access ?? may.map((one) => accessOf(who, one));
    const asked = known?.asked ?? (await visit.auth.together(access));
    this.#remember(sessionToken, who);
    try {
      access.forEach((call) => asked.get(call));
    } catch (error) {
      return this.#mayNot(error);
    }
    return null;
  }

  #remember(token: string, who: { id: number; role: string }): void {
    for (const oldest of this.#hints.keys()) {
      if (this.#hints.size < HINTS_MAX) {
        break;
      }
      this.#hints.delete(oldest);
    }
    this.#hints.set(token, who);
  }

  async #checkKey(visit: Visit, wanted: readonly Action[]): Promise<SiteResponse | null> {
    const [, key] = /^bearer +(\S+) *$/i.exec(visit.request.header("authorization") ?? "") ?? [];
    if (!key) {
      return plain(401, "an API key is missing\n", [["WWW-Authenticate", "Bearer"]]);
    }
    const checks = wanted.map(([action, targetName]) => calls.apikeyCheck({ apikey: key, action, targetName }));
    const answers = await visit.auth.together(checks);
    try {
      checks.forEach((check) => (visit.keyOwner = answers.get(check).userId));
    } catch (error) {
      if (!(error instanceof Refused)) {
        throw error;
      }
      return plain(KEY_IS_KNOWN.has(error.reason ?? "") ? 403 : 401, "the API key is not good for this\n");
    }
    // What comes with a key is done for its owner, and for no cookie.
    visit.sessionToken = null;
    return null;
  }

  #toLogin(visit: Visit): SiteResponse {
    const onward = visit.request.method === "GET" ? visit.request.path : "/";
    return to(`/login?next=${encodeURIComponent(onward).replaceAll("%2F", "/")}`);
  }

  #mayNot(error: unknown = null): SiteResponse {
    if (error !== null && !(error instanceof Refused)) {
      throw error;
    }
    return this.#said(403, "You may not see this page.");
  }

  #said(status: number, message: string, headers: readonly Header[] = []): SiteResponse {
    return html(status, this.#render({ name: "message", title: this.name, messages: [message] }, ""), headers);
  }

  async #orFailed(run: () => Promise<SiteResponse | null>): Promise<SiteResponse | null> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof AuthError) {
        return this.failed(error);
      }
      throw error;
    }
  }

  /** What an end user sees of an error. */
  failed(error: AuthError): SiteResponse {
    if (error instanceof Refused) {
      return this.#said(403, error.messages.join(" "));
    }
    if (error instanceof OverLimit) {
      return this.#said(429, "Please wait a moment, and try again.", [wait(error.retryAfter)]);
    }
    this.#log(error);
    if (error instanceof Unavailable) {
      return this.#said(503, "This does not work for now. Please try again soon.", [wait(error.retryAfter)]);
    }
    return this.#said(500, "This does not work.");
  }
}

function accessOf(who: { id: number; role: string }, [action, targetName]: Action): Call<UserCheckAccessAnswer> {
  return calls.userCheckAccess({
    userId: who.id,
    userRole: who.role,
    action,
    targetName,
    targetOwner: who.id,
    targetVisibility: "private",
    targetSharedwith: null,
  });
}

function plain(status: number, body: string, headers: readonly Header[] = []): SiteResponse {
  return { status, headers: [["Content-Type", "text/plain; charset=utf-8"], ...headers], body };
}

/** Whether a site is reached over HTTPS; if not, it must be on this very machine. */
function isSecure(origins: readonly string[]): boolean {
  const urls = origins.map((origin) => (URL.canParse(origin) ? new URL(origin) : null));
  const areOrigins = urls.length > 0 && urls.every((url, place) => url?.origin === origins[place]);
  if (areOrigins && urls.every((url) => url?.protocol === "https:")) {
    return true;
  }
  const here = ["localhost", "127.0.0.1", "[::1]"];
  if (areOrigins && urls.every((url) => url?.protocol === "http:" && here.includes(url.hostname))) {
    return false;
  }
  throw new Error(
    "a site's origins are https://…, or http://127.0.0.1:PORT for one's own machine: sessions would be seen",
  );
}

/** An IPv4 address as it looks on a socket that takes both kinds. */
function withoutPrefix(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function wait(seconds: number | null): Header {
  return ["Retry-After", String(Math.max(1, Math.floor(seconds ?? 1)))];
}
