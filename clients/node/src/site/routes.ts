// The pages with which users come in and get out, and which page is where.

import { Refused } from "../errors.js";
import { codeForm, codeOf, field, filled, hidden, refusalOf, type Route, sent, typedFor } from "./flow.js";
import { email, keys, newAddress, oldAddress, password, sessions } from "./own.js";
import type { Form } from "./pages.js";
import type { Site } from "./site.js";
import { INPUTS, TEXTS } from "./texts.js";
import type { Visit } from "./visit.js";
import { type SiteResponse, ownPath, to } from "./web.js";

/** Signs somebody up. */
const signup: Route = async (site, visit) => {
  if (visit.request.method === "POST" && visit.request.form.has("resend")) {
    const { next } = await visit.auth.signupResend({
      email: field(visit, "email"),
      link: site.address("/verify"),
      siteName: site.name,
      language: visit.language,
    });
    return sentSignup(site, visit, next);
  }
  const inputs = [INPUTS.fullName, INPUTS.email, { ...INPUTS.firstPassword, hint: site.passwordHint }];
  const links = [{ path: "/login", text: TEXTS.logIn }];
  const page = { name: "signup", title: TEXTS.signUp, forms: [{ button: TEXTS.signUp, inputs }], links };
  return filled(site, visit, page, async () => {
    const { next } = await visit.auth.signupStart({
      fullName: field(visit, "full_name"),
      email: field(visit, "email"),
      password: field(visit, "new_password"),
      link: site.address("/verify"),
      siteName: site.name,
      language: visit.language,
    });
    return sentSignup(site, visit, next);
  });
};

function sentSignup(site: Site, visit: Visit, next: string): SiteResponse {
  const typed = { button: TEXTS.verify, inputs: [typedFor(visit), INPUTS.typedCode], action: "/verify" };
  const again = { button: TEXTS.sendAgain, inputs: [typedFor(visit), hidden("resend", "1")], action: "/signup" };
  return sent(site, visit, next, typed, [again], TEXTS.openLink);
}

/** Verifies the address of whoever got the code. */
const verify: Route = (site, visit) => {
  const page = { name: "verify", title: TEXTS.verifyEmail, forms: [codeForm(visit, TEXTS.verify)] };
  return filled(site, visit, page, async () => {
    const { next } = await visit.auth.signupFinish(codeOf(visit));
    return to(next === "reset" ? "/forgot?said=mixed" : "/login?said=verified");
  });
};

/** Logs somebody in, with another session than before. */
const login: Route = (site, visit) => {
  const onward = hidden("next", ownPath(visit.request.query.get("next") || field(visit, "next")));
  const forms = [{ button: TEXTS.logIn, inputs: [INPUTS.email, INPUTS.password, INPUTS.remember, onward] }];
  const links = [
    { path: "/signup", text: TEXTS.signUp },
    { path: "/forgot", text: TEXTS.forgot },
    ...(site.hasLoginLink ? [{ path: "/login-link", text: TEXTS.logInByEmail }] : []),
  ];
  return filled(site, visit, { name: "login", title: TEXTS.logIn, forms, links }, () => {
    const given = { email: field(visit, "email"), password: field(visit, "password") };
    return entered(site, visit, (about) => visit.auth.login({ ...given, ...about }));
  });
};

interface Entry {
  sessionToken: string | null;
  remember: boolean;
  days: number | null;
  extraInfoJson: Record<string, unknown>;
}

/** Logs in, takes over what was stored about the visitor, and leads on. */
async function entered(
  site: Site,
  visit: Visit,
  request: (about: Entry) => Promise<{ sessionToken: string; expires: Date; secondFactorDue: boolean }>,
): Promise<SiteResponse> {
  const remember = visit.request.form.has("remember");
  // What one user stored is not the next one's.
  const stored = visit.isLoggedIn ? {} : visit.stored;
  const about = { sessionToken: visit.sessionToken, remember, days: site.loginDays(remember) };
  const answer = await request({ ...about, extraInfoJson: { ...stored, remember } }).catch((error: unknown) => {
    // The visitor's session may have ended: a cookie that is good for nothing is in nobody's way, one that is kept would
    // be asked about each time.
    if (error instanceof Refused && visit.sessionToken) {
      visit.forget();
    }
    throw error;
  });
  const { sessionToken, expires } = answer;
  if (answer.secondFactorDue) {
    // It does not count before a second proof, and there is no page for one.
    await ended(visit, sessionToken);
    visit.forget();
    return site.said(visit, 403, TEXTS.secondFactor);
  }
  visit.forgetVisitor();
  visit.start(sessionToken, expires, remember);
  return to(ownPath(field(visit, "next")));
}

/** Ends a session, unless it has ended already. */
async function ended(visit: Visit, sessionToken: string): Promise<void> {
  await visit.auth.sessionDelete({ sessionToken }).catch(refusalOf);
}

/** Asks for an address, and has a code mailed there that works at the path of the form in which it is typed. */
function mailed(
  site: Site,
  visit: Visit,
  about: { name: string; title: string },
  start: (params: { email: string; link: string; siteName: string; language: string }) => Promise<{ next: string }>,
  typed: Form & { action: string },
  message: string,
) {
  const forms = [{ button: TEXTS.send, inputs: [INPUTS.email] }];
  const links = [{ path: "/login", text: TEXTS.logIn }];
  return filled(site, visit, { ...about, forms, links }, async () => {
    const link = site.address(typed.action);
    const { next } = await start({ email: field(visit, "email"), link, siteName: site.name, language: visit.language });
    return sent(site, visit, next, typed, [], message);
  });
}

/** Logs somebody in by an email. */
const loginLink: Route = async (site, visit) => {
  if (!site.hasLoginLink) {
    return site.said(visit, 404, TEXTS.noSuchPage);
  }
  if (visit.request.query.get("code") || visit.request.form.has("code")) {
    const page = { name: "login-link", title: TEXTS.logIn, forms: [codeForm(visit, TEXTS.logIn, INPUTS.remember)] };
    return filled(site, visit, page, () =>
      entered(site, visit, (about) => visit.auth.loginLinkFinish({ ...codeOf(visit), ...about })),
    );
  }
  const page = { name: "login-link", title: TEXTS.logInByEmail };
  const typed = { button: TEXTS.logIn, inputs: [typedFor(visit), INPUTS.typedCode, INPUTS.remember], action: "/login-link" };
  return mailed(site, visit, page, (params) => visit.auth.loginLinkStart(params), typed, TEXTS.openLink);
};

/** Ends the session. */
const logout: Route = (site, visit) => {
  const page = { name: "logout", title: TEXTS.logOut, forms: [{ button: TEXTS.logOut, inputs: [] }] };
  return filled(site, visit, page, async () => {
    if (visit.sessionToken) {
      await ended(visit, visit.sessionToken);
    }
    visit.forget();
    return to("/");
  });
};

/** Has a code for a new password sent. */
const forgot: Route = (site, visit) => {
  const page = { name: "forgot", title: TEXTS.forgot };
  const typed = { button: TEXTS.setPassword, inputs: [typedFor(visit), INPUTS.typedCode, INPUTS.newPassword], action: "/reset" };
  return mailed(site, visit, page, (params) => visit.auth.resetStart(params), typed, TEXTS.linkMayBeSent);
};

/** Sets a new password. */
const reset: Route = (site, visit) => {
  const forms = [codeForm(visit, TEXTS.setPassword, { ...INPUTS.newPassword, hint: site.passwordHint })];
  return filled(site, visit, { name: "reset", title: TEXTS.choosePassword, forms }, async () => {
    await visit.auth.resetFinish({ ...codeOf(visit), newPassword: field(visit, "new_password") });
    return to("/login?said=reset");
  });
};

export const ROUTES: ReadonlyMap<string, Route> = new Map(
  Object.entries({
    "/signup": signup,
    "/verify": verify,
    "/login": login,
    "/login-link": loginLink,
    "/logout": logout,
    "/forgot": forgot,
    "/reset": reset,
    "/password": password,
    "/email": email,
    "/new-address": newAddress,
    "/old-address": oldAddress,
    "/sessions": sessions,
    "/keys": keys,
  }),
);
/** Those that only somebody who is logged in can see. */
export const OWN: readonly string[] = ["/password", "/email", "/new-address", "/sessions", "/keys"];
