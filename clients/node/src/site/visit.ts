// One request to a site: who asks, which cookies go back, and whether a form was sent by our own page.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

import type { Caller } from "../client.js";
import type { SessionAndOwner } from "../types.js";
import { type SiteRequest, cookieOf } from "./web.js";

export const SESSION_COOKIE = "__Host-session";
export const VISITOR_COOKIE = "__Host-visitor";
const ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax";
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

  constructor(request: SiteRequest, auth: Caller, csrfKeys: readonly Buffer[]) {
    this.request = request;
    this.auth = auth;
    this.sessionToken = cookieOf(request, SESSION_COOKIE);
    this.#visitor = cookieOf(request, VISITOR_COOKIE);
    this.#csrfKeys = csrfKeys;
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
   * in. A login ends the visitor's session, and what was stored with it. A new session has a new `csrfToken`.
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
    this.setCookies.push(`${SESSION_COOKIE}=${token}; ${ATTRIBUTES}${remember ? `; Max-Age=${seconds}` : ""}`);
  }

  /** No session any more. */
  forget(): void {
    this.sessionToken = null;
    this.session = null;
    this.setCookies.push(`${SESSION_COOKIE}=; ${ATTRIBUTES}; Max-Age=0`);
  }

  /**
   * For the hidden field `csrf` of a form, or the header `X-CSRF-Token`. It is bound to the session, or to a cookie where
   * there is none.
   */
  get csrfToken(): string {
    if (!this.sessionToken && !this.#visitor) {
      this.#visitor = randomBytes(24).toString("base64url");
      this.setCookies.push(`${VISITOR_COOKIE}=${this.#visitor}; ${ATTRIBUTES}`);
    }
    const nonce = randomBytes(12).toString("base64url");
    const [key] = this.#csrfKeys;
    return key ? `${nonce}.${this.#signature(key, nonce).toString("hex")}` : "";
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
    const [, nonce, signature] = /^([A-Za-z0-9_-]{16})\.([0-9a-f]{64})$/.exec(token) ?? [];
    if (!nonce || !signature || !(this.sessionToken || this.#visitor)) {
      return true;
    }
    const given = Buffer.from(signature, "hex");
    return !this.#csrfKeys.some((key) => timingSafeEqual(given, this.#signature(key, nonce)));
  }

  #signature(key: Buffer, nonce: string): Buffer {
    const bound = this.sessionToken ? `session ${this.sessionToken}` : `visitor ${this.#visitor}`;
    return createHmac("sha256", key).update(`${nonce} ${bound}`).digest();
  }
}
