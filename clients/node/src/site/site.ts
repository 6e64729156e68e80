// A site's accounts: which pages it has, and who may see the others.

import { isIP } from "node:net";

import type { Batch } from "../batch.js";
import * as calls from "../calls.js";
import type { Client } from "../client.js";
import { AuthError, OverLimit, Refused, Unavailable } from "../errors.js";
import type { Call } from "../record.js";
import type { UserCheckAccessAnswer } from "../types.js";
import { refusalOf } from "./flow.js";
import { type Texts, preferred } from "./language.js";
import { type Page, type ShownPage, draw, shownTo } from "./pages.js";
import { OWN, ROUTES } from "./routes.js";
import { SAID, TEXTS } from "./texts.js";
import { Visit } from "./visit.js";
import { type Header, type SiteRequest, type SiteResponse, html, readings, toLogin } from "./web.js";

const HINTS_MAX = 4096;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
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
  /** Draws a page as the site looks: all of it, or what is around `page.content`. */
  readonly render?: (page: ShownPage) => string;
  /** The language of the site, for whoever asks for none that it has; `en` if nothing is said. */
  readonly language?: string;
  /** By language, what the English texts are in it. */
  readonly texts?: Texts;
  readonly passwordHint?: string;
  /** What stands in the form for API keys. */
  readonly scopes?: string;
  /** Has the page with which one logs in by email; the server needs `AUTHNZERVER_LOGINLINK`. */
  readonly loginLink?: boolean;
  /** For how many days from the last visit sessions last, of those who want to be remembered. */
  readonly keepDays?: number;
  /** Below these paths nobody is looked up. */
  readonly static?: readonly string[];
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
  readonly passwordHint: string;
  readonly scopes: string;
  readonly hasLoginLink: boolean;
  readonly #origins: readonly string[];
  readonly #isSecure: boolean;
  readonly #csrfKeys: readonly Buffer[];
  readonly #proxies: ReadonlySet<string>;
  readonly #render: (page: ShownPage) => string;
  readonly #languages: readonly [string, ...string[]];
  readonly #texts: Texts;
  readonly #keepDays: number;
  readonly #static: readonly string[];
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
    this.passwordHint = options.passwordHint ?? TEXTS.passwordHint;
    this.scopes = options.scopes ?? "";
    this.hasLoginLink = options.loginLink ?? false;
    this.#texts = options.texts ?? {};
    this.#languages = [options.language ?? "en", ...Object.keys(this.#texts)];
    this.#keepDays = options.keepDays ?? 0;
    this.#static = (options.static ?? []).map((path) => `${path.toLowerCase().replace(/\/+$/, "")}/`);
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
    const language = preferred(request.header("accept-language") ?? "", this.#languages);
    const texts = Object.hasOwn(this.#texts, language) ? this.#texts[language] : undefined;
    const settings = { csrfKeys: this.#csrfKeys, isSecure: this.#isSecure, language, texts: texts ?? {} };
    const visit = new Visit(request, auth, settings);
    return { visit, response: await this.#orFailed(visit, () => this.#answer(visit)) };
  }

  /** What to answer instead, if this is not for whoever is here: the check of one route, in its own code. */
  require(visit: Visit, wanted: Wanted = {}): Promise<SiteResponse | null> {
    return this.#orFailed(visit, async () => {
      return visit.isLoggedIn ? this.#check(visit, [wanted]) : toLogin(visit.request);
    });
  }

  /** A page with its token, in the visitor's language. */
  show(visit: Visit, page: Page, status = 200): SiteResponse {
    const { method, query } = visit.request;
    const said = method === "GET" ? SAID.get(query.get("said") ?? "") : undefined;
    const whole = said ? { ...page, messages: [said, ...(page.messages ?? [])] } : page;
    return html(status, this.#render(shownTo(visit, whole)));
  }

  /** A page that says something, most likely no. */
  said(visit: Visit, status: number, message: string, headers: readonly Header[] = []): SiteResponse {
    const page = { name: "message", title: this.name, messages: [message], isError: status >= 400 };
    const response = this.show(visit, page, status);
    return { ...response, headers: [...response.headers, ...headers] };
  }

  /** For how many days a login holds; null for as long as the server says. */
  loginDays(remember: boolean): number | null {
    return remember && this.#keepDays ? this.#keepDays : null;
  }

  async #answer(visit: Visit): Promise<SiteResponse | null> {
    const { method, path } = visit.request;
    if ((method === "GET" || method === "HEAD") && this.#isStatic(visit.request)) {
      return null;
    }
    const guards = this.#guardsOf(visit.request);
    const byKey = guards.flatMap((guard) => (guard.key ? [guard.key] : []));
    if (byKey.length) {
      // A key is nobody who is logged in, so it does not pass a guard that wants somebody.
      return byKey.length === guards.length ? this.#checkKey(visit, byKey) : this.#mayNot(visit);
    }
    if (!SAFE.has(method) && visit.isForged(this.#origins)) {
      return this.said(visit, 403, TEXTS.forged);
    }
    const refusal = await this.#look(visit, guards);
    const route = ROUTES.get(path);
    if (refusal || !route) {
      return refusal;
    }
    if (!["GET", "HEAD", "POST"].includes(method)) {
      return this.said(visit, 405, TEXTS.methods);
    }
    return route(this, visit);
  }

  /** Whether it lies there however the path is read, so that no guard is got around. */
  #isStatic({ path, otherPaths = [] }: SiteRequest): boolean {
    const ways = [path, ...otherPaths].flatMap(readings);
    return ways.every((way) => this.#static.some((folder) => way.startsWith(folder)));
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
      return guards.length ? toLogin(visit.request) : null;
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
      return guards.length ? toLogin(visit.request) : null;
    }
    await this.#prolong(visit);
    if (!guards.length) {
      return null;
    }
    if (!visit.isLoggedIn) {
      return toLogin(visit.request);
    }
    const { userId: id, userRole: role } = visit.session;
    // The first time, or once the role has changed, what was asked along was about somebody else.
    const fits = hint && hint.id === id && hint.role === role;
    return this.#check(visit, guards, fits ? { asked, access } : null);
  }

  /** Has the session of somebody who wants to be remembered last from now on, once an hour. */
  async #prolong(visit: Visit): Promise<void> {
    const { session, sessionToken } = visit;
    if (!this.#keepDays || !visit.isLoggedIn || !session || !sessionToken || visit.stored["remember"] !== true) {
      return;
    }
    if (session.expires.getTime() - Date.now() > this.#keepDays * DAY_MS - HOUR_MS) {
      return;
    }
    try {
      const { expires } = await visit.auth.sessionTouch({ sessionToken, days: this.#keepDays });
      // The operator may allow no more; then there is nothing to tell the browser either.
      if (expires > session.expires) {
        visit.keep(expires);
      }
    } catch (error) {
      refusalOf(error);
    }
  }

  /** Whether all of this is for whoever is logged in. */
  async #check(
    visit: Visit,
    wanted: readonly Wanted[],
    known: { asked: Batch; access: Call<UserCheckAccessAnswer>[] } | null = null,
  ): Promise<SiteResponse | null> {
    const { session, sessionToken } = visit;
    if (!session || !sessionToken || wanted.some(({ roles }) => roles?.length && !visit.hasRole(...roles))) {
      return this.#mayNot(visit);
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
      return this.#mayNot(visit, error);
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

  #mayNot(visit: Visit, error: unknown = null): SiteResponse {
    if (error !== null) {
      refusalOf(error);
    }
    return this.said(visit, 403, TEXTS.forbidden);
  }

  async #orFailed(visit: Visit, run: () => Promise<SiteResponse | null>): Promise<SiteResponse | null> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof AuthError) {
        return this.failed(visit, error);
      }
      throw error;
    }
  }

  /** What an end user sees of an error. */
  failed(visit: Visit, error: AuthError): SiteResponse {
    if (error instanceof Refused) {
      return this.said(visit, 403, error.messages.join(" "));
    }
    if (error instanceof OverLimit) {
      return this.said(visit, 429, TEXTS.wait, [wait(error.retryAfter)]);
    }
    this.#log(error);
    if (error instanceof Unavailable) {
      return this.said(visit, 503, TEXTS.unavailable, [wait(error.retryAfter)]);
    }
    return this.said(visit, 500, TEXTS.unknownError);
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
