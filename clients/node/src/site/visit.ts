// One request to a site: who asks, which cookies go back, and whether a form was sent by our own page.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

import type { Caller } from "../client.js";
import type { SessionAndOwner } from "../types.js";
import { type SiteRequest, cookieOf } from "./web.js";

const ANONYMOUS = 2;
/** How long a session lives that somebody has who is not logged in. */
const VISITOR_DAYS = 30;

/** What the site knows about the request that it answers. */
export class Visit {
  readonly request: SiteRequest;
  /** Asks on behalf of whoever is here. */
  readonly auth: Caller;
  sessionToken: string | null;
  /** The live session and its owner; null without one. */
  session: SessionAndOwner | null = null;
  /** Whose API key it was, where a guard asks for one. */
  keyOwner: number | null = null;
  /** `Set-Cookie` headers of the answer. */
  readonly setCookies: string[] = [];
  #visitor: string | null;
  readonly #csrfKeys: readonly Buffer[];
  readonly #isSecure: boolean;

  constructor(request: SiteRequest, auth: Caller, csrfKeys: readonly Buffer[], isSecure: boolean) {
    this.request = request;
    this.auth = auth;
    this.#csrfKeys = csrfKeys;
    this.#isSecure = isSecure;
    this.sessionToken = cookieOf(request, this.#cookieName("session"));
    this.#visitor = cookieOf(request, this.#cookieName("visitor"));
  }

  /** Whether somebody is logged in. */
  get isLoggedIn(): boolean {
    return this.userId !== null;
  }

  /** Who is logged in. */
  get userId(): number | null {
    return this.session && this.session.userId !== ANONYMOUS ? this.session.userId : null;
  }

  /** Whether somebody with one of these roles is logged in. */
  hasRole(...roles: string[]): boolean {
    return this.isLoggedIn && this.session !== null && roles.includes(this.session.userRole);
  }

  /** What is stored in the session. */
  get stored(): Readonly<Record<string, unknown>> {
    const noted = this.session?.extraInfoJson;
    return typeof noted === "object" && noted !== null ? (noted as Record<string, unknown>) : {};
  }

  /**
   * Stores something in the session, which is made now for a visitor who has none: nobody else gets one before they log
   * in. A login ends the visitor's session, and what was stored with it.
   */
  async store(values: Record<string, unknown>): Promise<void> {
    if (this.session && this.sessionToken) {
      await this.auth.internalSessionEdit({ targetSessionToken: this.sessionToken, updateDict: values });
      this.session = { ...this.session, extraInfoJson: { ...this.stored, ...values } };
      return;
    }
    const made = await this.auth.sessionNew({ userId: null, expires: VISITOR_DAYS, extraInfoJson: values });
    this.session = (await this.auth.sessionInfo({ sessionToken: made.sessionToken })).sessionInfo;
    this.start(made.sessionToken, made.expires, true);
  }

  /** Another session from here on. Unless it is remembered, its cookie ends with the browser. */
  start(token: string, expires: Date, remember: boolean): void {
    const seconds = Math.max(0, Math.floor((expires.getTime() - Date.now()) / 1000));
    this.sessionToken = token;
    this.#setCookie("session", token, remember ? seconds : null);
  }

  /** No session any more. */
  forget(): void {
    this.sessionToken = null;
    this.session = null;
    this.#setCookie("session", "", 0);
  }

  /** Forms of before are not good any more. */
  forgetVisitor(): void {
    if (this.#visitor) {
      this.#visitor = null;
      this.#setCookie("visitor", "", 0);
    }
  }

  /**
   * For the hidden field `csrf` of a form, or the header `X-CSRF-Token`. It is bound to the session, or to a cookie where
   * there is none.
   */
  get csrfToken(): string {
    if (!this.#bound().length) {
      this.#visitor = randomBytes(24).toString("base64url");
      this.#setCookie("visitor", this.#visitor, null);
    }
    const nonce = randomBytes(12).toString("base64url");
    const [[key], [bound]] = [this.#csrfKeys, this.#bound()];
    return key && bound ? `${nonce}.${signature(key, nonce, bound).toString("hex")}` : "";
  }

  /** Whether what changes something was not sent by a page of ours. */
  isForged(origins: readonly string[]): boolean {
    const { header, form } = this.request;
    if ((header("sec-fetch-site") ?? "same-origin") !== "same-origin") {
      return true;
    }
    const origin = header("origin");
    if (origin !== undefined && !origins.includes(origin)) {
      return true;
    }
    const token = header("x-csrf-token") ?? form.get("csrf") ?? "";
    const [, nonce, signed] = /^([A-Za-z0-9_-]{16})\.([0-9a-f]{64})$/.exec(token) ?? [];
    if (!nonce || !signed) {
      return true;
    }
    const given = Buffer.from(signed, "hex");
    // A visitor may have got a session with the page that holds the form; a login ends their cookie.
    const expected = this.#csrfKeys.flatMap((key) => this.#bound().map((bound) => signature(key, nonce, bound)));
    return !expected.some((one) => timingSafeEqual(given, one));
  }

  #bound(): string[] {
    const session = this.sessionToken ? [`session ${this.sessionToken}`] : [];
    return this.#visitor ? [...session, `visitor ${this.#visitor}`] : session;
  }

  /** Over HTTP, which is for one's own machine alone, browsers do not all take the cookies of HTTPS. */
  #cookieName(name: string): string {
    return `${this.#isSecure ? "__Host-" : "insecure-"}${name}`;
  }

  #setCookie(name: string, value: string, age: number | null): void {
    const secure = this.#isSecure ? " Secure;" : "";
    const lasts = age === null ? "" : `; Max-Age=${age}`;
    this.setCookies.push(`${this.#cookieName(name)}=${value}; Path=/;${secure} HttpOnly; SameSite=Lax${lasts}`);
  }
}

function signature(key: Buffer, nonce: string, bound: string): Buffer {
  return createHmac("sha256", key).update(`${nonce} ${bound}`).digest();
}
