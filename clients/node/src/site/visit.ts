// One request to a site: who asks, which cookies go back, and whether a form was sent by our own page.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

import * as calls from "../calls.js";
import type { Caller } from "../client.js";
import { Refused } from "../errors.js";
import type { Call } from "../record.js";
import type { SessionAndOwner, UserCheckAccessAnswer } from "../types.js";
import { unescape } from "./escape.js";
import { type SiteRequest, cookieOf } from "./web.js";

const ANONYMOUS = 2;
/** For how long something is stored about somebody who does not log in. */
const VISITOR_DAYS = 7;
/** What the server forgets a stored value for. */
const DELETE = "__delete__";

/** What a visit has from its site. */
export interface VisitSettings {
  readonly csrfKeys: readonly Buffer[];
  readonly isSecure: boolean;
  readonly language: string;
  /** What the English texts are in this language. */
  readonly texts: Readonly<Record<string, string>>;
}

/** An item that somebody wants to do something with. */
export interface Item {
  readonly owner: number;
  /** `private`, if it is left out. */
  readonly visibility?: string;
  readonly sharedWith?: readonly number[];
}

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
  /** The language of this visitor, of those that the site has. */
  readonly language: string;
  #visitor: string | null;
  readonly #settings: VisitSettings;

  constructor(request: SiteRequest, auth: Caller, settings: VisitSettings) {
    this.request = request;
    this.auth = auth;
    this.language = settings.language;
    this.#settings = settings;
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

  /** What to call whoever is logged in, as plain text. */
  get name(): string {
    return this.session && this.isLoggedIn ? unescape(this.session.fullName || this.session.email) : "";
  }

  /** The role of whoever is here. */
  get role(): string {
    return this.session && this.isLoggedIn ? this.session.userRole : "anonymous";
  }

  /** Whether somebody with one of these roles is logged in. */
  hasRole(...roles: string[]): boolean {
    return this.isLoggedIn && roles.includes(this.role);
  }

  /** A text in the language of this visitor; the text itself, where nobody has said. */
  text(text: string): string {
    const { texts } = this.#settings;
    return (Object.hasOwn(texts, text) ? texts[text] : undefined) ?? text;
  }

  /** What to ask, together with other calls, to learn whether the policy lets this visitor do something with an item. */
  access(
    action: string,
    item: string,
    { owner, visibility = "private", sharedWith = [] }: Item,
  ): Call<UserCheckAccessAnswer> {
    return calls.userCheckAccess({
      userId: this.userId ?? ANONYMOUS,
      userRole: this.role,
      action,
      targetName: item,
      targetOwner: owner,
      targetVisibility: visibility,
      targetSharedwith: sharedWith.join(",") || null,
    });
  }

  /** Whether the policy lets this visitor do something with an item. While the server cannot be asked, that is thrown. */
  async may(action: string, item: string, about: Item): Promise<boolean> {
    try {
      await this.auth.ask(this.access(action, item, about));
    } catch (error) {
      if (error instanceof Refused) {
        return false;
      }
      throw error;
    }
    return true;
  }

  /** What is stored in the session. */
  get stored(): Readonly<Record<string, unknown>> {
    const noted = this.session?.extraInfoJson;
    return typeof noted === "object" && noted !== null ? (noted as Record<string, unknown>) : {};
  }

  /**
   * Stores something in the session, or forgets it with null. Whoever has no session gets one for it, and nobody else
   * before they log in; a login takes over what was stored.
   */
  async store(values: Record<string, unknown>): Promise<void> {
    if (this.session && this.sessionToken) {
      const updateDict = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value ?? DELETE]));
      await this.auth.internalSessionEdit({ targetSessionToken: this.sessionToken, updateDict });
      this.session = { ...this.session, extraInfoJson: withoutNulls({ ...this.stored, ...values }) };
      return;
    }
    const extraInfoJson = withoutNulls(values);
    if (Object.keys(extraInfoJson).length) {
      const made = await this.auth.sessionNew({ userId: null, expires: VISITOR_DAYS, extraInfoJson });
      this.session = (await this.auth.sessionInfo({ sessionToken: made.sessionToken })).sessionInfo;
      this.start(made.sessionToken, made.expires, false);
    }
  }

  /** Another session from here on. Unless it is remembered, its cookie ends with the browser. */
  start(token: string, expires: Date, remember: boolean): void {
    this.sessionToken = token;
    this.keep(remember ? expires : null);
  }

  /** Sets the session's cookie. */
  keep(expires: Date | null): void {
    const seconds = expires && Math.max(0, Math.floor((expires.getTime() - Date.now()) / 1000));
    this.#setCookie("session", this.sessionToken ?? "", seconds);
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
    const [[key], [bound]] = [this.#settings.csrfKeys, this.#bound()];
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
    const expected = this.#settings.csrfKeys.flatMap((key) => this.#bound().map((bound) => signature(key, nonce, bound)));
    return !expected.some((one) => timingSafeEqual(given, one));
  }

  #bound(): string[] {
    const session = this.sessionToken ? [`session ${this.sessionToken}`] : [];
    return this.#visitor ? [...session, `visitor ${this.#visitor}`] : session;
  }

  /** Over HTTP, which is for one's own machine alone, browsers do not all take the cookies of HTTPS. */
  #cookieName(name: string): string {
    return `${this.#settings.isSecure ? "__Host-" : "insecure-"}${name}`;
  }

  #setCookie(name: string, value: string, age: number | null): void {
    const secure = this.#settings.isSecure ? " Secure;" : "";
    const lasts = age === null ? "" : `; Max-Age=${age}`;
    this.setCookies.push(`${this.#cookieName(name)}=${value}; Path=/;${secure} HttpOnly; SameSite=Lax${lasts}`);
  }
}

function signature(key: Buffer, nonce: string, bound: string): Buffer {
  return createHmac("sha256", key).update(`${nonce} ${bound}`).digest();
}

function withoutNulls(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));
}
