// The pages with which users look after their accounts.

import { Refused } from "../errors.js";
import { type Form, type Input, type Page, unescape } from "./pages.js";
import type { Site } from "./site.js";
import type { Visit } from "./visit.js";
import { type SiteResponse, ownPath, to } from "./web.js";

type Route = (site: Site, visit: Visit) => Promise<SiteResponse>;

const EMAIL: Input = { name: "email", label: "E-mail address", kind: "email", autocomplete: "username" };
const PASSWORD: Input = { name: "password", label: "Password", kind: "password", autocomplete: "current-password" };
const NEW_PASSWORD: Input = {
  name: "new_password",
  label: "New password",
  kind: "password",
  autocomplete: "new-password",
};
const TYPED_CODE: Input = { name: "code", label: "Code from the e-mail", autocomplete: "one-time-code" };

/** Signs somebody up. */
const signup: Route = (site, visit) => {
  const name: Input = { name: "full_name", label: "Name", autocomplete: "name" };
  const forms = [{ button: "Sign up", inputs: [name, EMAIL, NEW_PASSWORD] }];
  const links = [{ path: "/login", text: "Log in" }];
  return filled(site, visit, { name: "signup", title: "Sign up", forms, links }, async () => {
    const { next } = await visit.auth.signupStart({
      fullName: field(visit, "full_name"),
      email: field(visit, "email"),
      password: field(visit, "new_password"),
      link: site.address("/verify"),
      siteName: site.name,
    });
    const typed = { button: "Verify", inputs: [typedFor(visit), TYPED_CODE], action: "/verify" };
    return sent(site, visit, next, typed, "Open the link in the e-mail that we have sent you.");
  });
};

/** Verifies the address of whoever got the code. */
const verify: Route = (site, visit) => {
  const forms = [{ button: "Verify", inputs: codeInputs(visit) }];
  return filled(site, visit, { name: "verify", title: "Verify your address", forms }, async () => {
    const { next } = await visit.auth.signupFinish(codeOf(visit));
    return to(next === "reset" ? "/forgot" : "/login");
  });
};

/** Logs somebody in, with another session than before. */
const login: Route = (site, visit) => {
  const remember: Input = { name: "remember", label: "Remember me", kind: "checkbox", value: "1" };
  const onward = hidden("next", ownPath(visit.request.query.get("next") ?? "/"));
  const forms = [{ button: "Log in", inputs: [EMAIL, PASSWORD, remember, onward] }];
  const links = [
    { path: "/signup", text: "Sign up" },
    { path: "/forgot", text: "Forgot your password?" },
  ];
  return filled(site, visit, { name: "login", title: "Log in", forms, links }, () => logIn(visit));
};

async function logIn(visit: Visit): Promise<SiteResponse> {
  const remember = visit.request.form.has("remember");
  try {
    const { sessionToken, expires } = await visit.auth.login({
      email: field(visit, "email"),
      password: field(visit, "password"),
      sessionToken: visit.sessionToken,
      remember,
    });
    visit.start(sessionToken, expires, remember);
    visit.forgetVisitor();
  } catch (error) {
    // The visitor's session has ended in any case.
    if (error instanceof Refused && visit.sessionToken) {
      visit.forget();
    }
    throw error;
  }
  return to(ownPath(field(visit, "next")));
}

/** Ends the session. */
const logout: Route = (site, visit) => {
  const page = { name: "logout", title: "Log out", forms: [{ button: "Log out", inputs: [] }] };
  return filled(site, visit, page, async () => {
    if (visit.sessionToken) {
      await unlessRefused(visit.auth.sessionDelete({ sessionToken: visit.sessionToken }));
    }
    visit.forget();
    return to("/");
  });
};

/** Has a code for a new password sent. */
const forgot: Route = (site, visit) => {
  const page = { name: "forgot", title: "Forgot your password?", forms: [{ button: "Send", inputs: [EMAIL] }] };
  return filled(site, visit, page, async () => {
    const asked = { email: field(visit, "email"), link: site.address("/reset"), siteName: site.name };
    const { next } = await visit.auth.resetStart(asked);
    const inputs = [typedFor(visit), TYPED_CODE, NEW_PASSWORD];
    const typed = { button: "Set password", inputs, action: "/reset" };
    const message = "If there is an account with this address, an e-mail with a link is on its way.";
    return sent(site, visit, next, typed, message);
  });
};

/** Sets a new password. */
const reset: Route = (site, visit) => {
  const forms = [{ button: "Set password", inputs: [...codeInputs(visit), NEW_PASSWORD] }];
  return filled(site, visit, { name: "reset", title: "Choose a new password", forms }, async () => {
    await visit.auth.resetFinish({ ...codeOf(visit), newPassword: field(visit, "new_password") });
    return to("/login");
  });
};

/** Changes the password of whoever is logged in. */
const password: Route = (site, visit) => {
  const forms = [{ button: "Change password", inputs: [PASSWORD, NEW_PASSWORD] }];
  return filled(site, visit, { name: "password", title: "Change your password", forms }, async () => {
    const { session, sessionToken } = whoIsHere(visit);
    await visit.auth.userChangepass({
      userId: session.userId,
      sessionToken,
      fullName: unescape(session.fullName ?? ""),
      email: session.email,
      currentPassword: field(visit, "password"),
      newPassword: field(visit, "new_password"),
    });
    return to("/sessions");
  });
};

/** Lists the sessions of whoever is logged in, and ends them. */
const sessions: Route = async (site, visit) => {
  const { session, sessionToken } = whoIsHere(visit);
  if (visit.request.method === "POST" && field(visit, "others")) {
    await visit.auth.sessionDeleteUserid({ sessionToken, userId: session.userId, keepCurrentSession: true });
    return to("/sessions");
  }
  if (visit.request.method === "POST") {
    await visit.auth.sessionEnd({ sessionToken, sessionId: field(visit, "session_id") });
    return to("/sessions");
  }
  const listed = await visit.auth.sessionList({ sessionToken });
  const rows = listed.sessions.map((one) => {
    const since = one.created.toISOString().slice(0, 16).replace("T", " ");
    const here = one.isCurrent ? " (this device)" : "";
    const text = `${one.userAgent}, ${one.ipAddress}, since ${since} UTC${here}`;
    return { text, form: { button: "End", inputs: [hidden("session_id", one.sessionId)] } };
  });
  const forms = [{ button: "End all others", inputs: [hidden("others", "1")] }];
  return site.show(visit, { name: "sessions", title: "Your sessions", rows, forms });
};

/** Lists the API keys of whoever is logged in, makes new ones, and ends them. */
const keys: Route = async (site, visit) => {
  const { sessionToken } = whoIsHere(visit);
  let messages: readonly string[] = [];
  if (visit.request.method === "POST" && field(visit, "key_id")) {
    await visit.auth.apikeyEnd({ sessionToken, keyId: field(visit, "key_id") });
    return to("/keys");
  }
  if (visit.request.method === "POST") {
    const scopes = field(visit, "scopes").split(/\s+/).filter(Boolean);
    try {
      const asked = { sessionToken, name: field(visit, "name"), scopes, expiresDays: 365 };
      messages = [`Your new key, shown this once: ${(await visit.auth.apikeyIssue(asked)).apikey}`];
    } catch (error) {
      messages = messagesOf(error);
    }
  }
  const listed = await visit.auth.apikeyList({ sessionToken });
  const rows = listed.apikeys.map((one) => {
    const text = `${one.name || one.keyId}: ${(one.scopes ?? []).join(" ")}`;
    return { text, form: { button: "Revoke", inputs: [hidden("key_id", one.keyId)] } };
  });
  const inputs = [
    { name: "name", label: "Name" },
    { name: "scopes", label: "Scopes, such as view:dataset" },
  ];
  const forms = [{ button: "Make a key", inputs }];
  return site.show(visit, { name: "keys", title: "Your API keys", messages, rows, forms });
};

/** Shows a page and, once its form is sent, does what it is for; shows why where that is refused. */
async function filled(site: Site, visit: Visit, page: Page & { forms: Form[] }, then: () => Promise<SiteResponse>) {
  if (visit.request.method !== "POST") {
    return site.show(visit, page);
  }
  try {
    return await then();
  } catch (error) {
    return site.show(visit, { ...page, messages: messagesOf(error) }, 422);
  }
}

/** Says what to do with the email that is on its way: open its link or, if the server sends codes, type it. */
function sent(site: Site, visit: Visit, next: string, typed: Form, message: string): SiteResponse {
  const page = { name: "sent", title: "Look at your e-mail" };
  const messages = ["Type the code from the e-mail that we have sent you."];
  return site.show(visit, next === "code" ? { ...page, messages, forms: [typed] } : { ...page, messages: [message] });
}

/**
 * The code of a link, which is sent by a button: fetching the page alone does nothing, for mail programs do. One that was
 * typed is asked for again, where it was wrong.
 */
function codeInputs(visit: Visit): Input[] {
  const code = visit.request.query.get("code") ?? field(visit, "code");
  return field(visit, "email") ? [typedFor(visit), TYPED_CODE] : [hidden("code", code)];
}

function codeOf(visit: Visit): { code: string; email: string | null } {
  return { code: field(visit, "code"), email: field(visit, "email") || null };
}

function typedFor(visit: Visit): Input {
  return hidden("email", field(visit, "email"));
}

/** What to show of a refusal; nothing else is one. */
function messagesOf(error: unknown): readonly string[] {
  if (error instanceof Refused) {
    return error.messages;
  }
  throw error;
}

async function unlessRefused(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    messagesOf(error);
  }
}

function whoIsHere(visit: Visit): { session: NonNullable<Visit["session"]>; sessionToken: string } {
  const { session, sessionToken } = visit;
  if (!session || !sessionToken) {
    throw new Error("the guard of this page lets nobody else in");
  }
  return { session, sessionToken };
}

function field(visit: Visit, name: string): string {
  return visit.request.form.get(name) ?? "";
}

function hidden(name: string, value: string): Input {
  return { name, kind: "hidden", value };
}

export const ROUTES: ReadonlyMap<string, Route> = new Map(
  Object.entries({
    "/signup": signup,
    "/verify": verify,
    "/login": login,
    "/logout": logout,
    "/forgot": forgot,
    "/reset": reset,
    "/password": password,
    "/sessions": sessions,
    "/keys": keys,
  }),
);
/** Those that only somebody who is logged in can see. */
export const OWN: readonly string[] = ["/password", "/sessions", "/keys"];
