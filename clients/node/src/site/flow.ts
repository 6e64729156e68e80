// What the pages of accounts are made of: their fields, forms that are filled in, and the codes of emails.

import { Refused } from "../errors.js";
import type { Form, Input, Page } from "./pages.js";
import type { Site } from "./site.js";
import { INPUTS, TEXTS } from "./texts.js";
import type { Visit } from "./visit.js";
import type { SiteResponse } from "./web.js";

export type Route = (site: Site, visit: Visit) => Promise<SiteResponse>;

/** Shows a page and, once its form is sent, does what it is for; shows why where that is refused. */
export async function filled(site: Site, visit: Visit, page: Page, then: () => Promise<SiteResponse>) {
  if (visit.request.method !== "POST") {
    return site.show(visit, page);
  }
  try {
    return await then();
  } catch (error) {
    const { retryAfter, messages } = refusalOf(error);
    const wait = visit.text(TEXTS.retryAfter).replace("{seconds}", String(retryAfter));
    const forms = (page.forms ?? []).map((form) => kept(form, visit));
    return site.show(visit, { ...page, messages: retryAfter ? [...messages, wait] : messages, forms, isError: true }, 422);
  }
}

/** What was typed need not be typed again; but for passwords and codes. */
function kept(form: Form, visit: Visit): Form {
  const inputs = form.inputs.map((one) => {
    const isKept = (one.kind ?? "text") === "text" || one.kind === "email";
    return isKept && one !== INPUTS.typedCode ? { ...one, value: visit.request.form.get(one.name) ?? one.value ?? "" } : one;
  });
  return { ...form, inputs };
}

/** Says what to do with the email that is on its way: open its link or, if the server sends codes, type it. */
export function sent(site: Site, visit: Visit, next: string, typed: Form, others: readonly Form[], link: string) {
  const [message, forms] =
    next === "code" ? [TEXTS.typeCode, [typed, ...others]] : [link, others];
  return site.show(visit, { name: "sent", title: TEXTS.sent, messages: [message], forms });
}

/**
 * A button that sends the code of a link: fetching the page alone does nothing, for mail programs do. A code that was
 * typed is asked for again, where it was wrong.
 */
export function codeForm(visit: Visit, button: string, ...more: Input[]): Form {
  const code = visit.request.query.get("code") || field(visit, "code");
  const inputs = field(visit, "email") ? [typedFor(visit), INPUTS.typedCode] : [hidden("code", code)];
  return { button, inputs: [...inputs, ...more] };
}

export function codeOf(visit: Visit): { code: string; email: string | null } {
  return { code: field(visit, "code"), email: field(visit, "email") || null };
}

export function typedFor(visit: Visit): Input {
  return hidden("email", field(visit, "email"));
}

/** A refusal, of which something is shown; nothing else is one. */
export function refusalOf(error: unknown): Refused {
  if (error instanceof Refused) {
    return error;
  }
  throw error;
}

/** Who is logged in, on a page that is guarded. */
export function whoIsHere(visit: Visit): { session: NonNullable<Visit["session"]>; sessionToken: string } {
  const { session, sessionToken } = visit;
  if (!session || !sessionToken) {
    throw new Error("the guard of this page lets nobody else in");
  }
  return { session, sessionToken };
}

export function field(visit: Visit, name: string): string {
  return visit.request.form.get(name) ?? "";
}

export function hidden(name: string, value: string): Input {
  return { name, kind: "hidden", value };
}
