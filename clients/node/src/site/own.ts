// The pages with which those who are logged in look after their accounts.

import { unescape } from "./escape.js";
import { codeForm, codeOf, field, filled, hidden, refusalOf, type Route, sent, typedFor, whoIsHere } from "./flow.js";
import { browserName } from "./language.js";
import type { Page } from "./pages.js";
import { INPUTS, TEXTS } from "./texts.js";
import { to } from "./web.js";

/** Changes the password of whoever is logged in. */
export const password: Route = (site, visit) => {
  const inputs = [INPUTS.currentPassword, { ...INPUTS.newPassword, hint: site.passwordHint }];
  const forms = [{ button: TEXTS.changePassword, inputs }];
  return filled(site, visit, { name: "password", title: TEXTS.changeYourPassword, forms }, async () => {
    const { session, sessionToken } = whoIsHere(visit);
    await visit.auth.userChangepass({
      userId: session.userId,
      sessionToken,
      fullName: unescape(session.fullName ?? ""),
      email: session.email,
      currentPassword: field(visit, "password"),
      newPassword: field(visit, "new_password"),
    });
    return to("/sessions?said=password");
  });
};

/** Has emails sent with which whoever is logged in changes their address. */
export const email: Route = (site, visit) => {
  const { session, sessionToken } = whoIsHere(visit);
  const title = TEXTS.changeEmail;
  const page = { name: "email", title, forms: [{ button: TEXTS.send, inputs: [INPUTS.newEmail] }], rows: [{ title: session.email }] };
  return filled(site, visit, page, async () => {
    try {
      const { next } = await visit.auth.emailChangeStart({
        sessionToken,
        email: field(visit, "email"),
        link: site.address("/new-address"),
        undoLink: site.address("/old-address"),
        siteName: site.name,
        language: visit.language,
      });
      const typed = { button: TEXTS.change, inputs: [typedFor(visit), INPUTS.typedCode], action: "/new-address" };
      return sent(site, visit, next, typed, [], TEXTS.openLink);
    } catch (error) {
      const { reason, messages } = refusalOf(error);
      if (reason !== "the login is not fresh enough") {
        throw error;
      }
      const links = [{ path: "/login?next=/email", text: TEXTS.logIn }];
      return site.show(visit, { name: "email", title, messages, links, isError: true }, 422);
    }
  });
};

/** Gives whoever is logged in the address that the code was emailed to. */
export const newAddress: Route = (site, visit) => {
  const page = { name: "new-address", title: TEXTS.changeEmail, forms: [codeForm(visit, TEXTS.change)] };
  return filled(site, visit, page, async () => {
    await visit.auth.emailChangeFinish({ sessionToken: whoIsHere(visit).sessionToken, ...codeOf(visit) });
    return to("/sessions?said=email");
  });
};

/** Gives an account its former address back. */
export const oldAddress: Route = (site, visit) => {
  const page = { name: "old-address", title: TEXTS.keepEmail, forms: [codeForm(visit, TEXTS.undo)] };
  return filled(site, visit, page, async () => {
    await visit.auth.emailChangeUndo({ code: field(visit, "code") });
    return to("/forgot?said=undone");
  });
};

/** Lists the sessions of whoever is logged in, and ends them. */
export const sessions: Route = async (site, visit) => {
  const { session, sessionToken } = whoIsHere(visit);
  if (visit.request.method === "POST") {
    await (field(visit, "others")
      ? visit.auth.sessionDeleteUserid({ sessionToken, userId: session.userId, keepCurrentSession: true })
      : visit.auth.sessionEnd({ sessionToken, sessionId: field(visit, "session_id") }));
    return to("/sessions?said=ended");
  }
  const listed = await visit.auth.sessionList({ sessionToken });
  const rows = listed.sessions.map((one) => {
    const time = one.created.toISOString().slice(0, 16).replace("T", " ");
    const since = visit.text(TEXTS.since).replace("{time}", time);
    const here = one.isCurrent ? ` (${visit.text(TEXTS.thisDevice)})` : "";
    const form = { button: TEXTS.end, inputs: [hidden("session_id", one.sessionId)] };
    return { title: browserName(one.userAgent) + here, details: [one.ipAddress, since], form };
  });
  const forms = rows.length > 1 ? [{ button: TEXTS.endOthers, inputs: [hidden("others", "1")] }] : [];
  const links = [
    { path: "/password", text: TEXTS.changeYourPassword },
    { path: "/email", text: TEXTS.changeEmail },
  ];
  return site.show(visit, { name: "sessions", title: TEXTS.yourSessions, rows, forms, links });
};

/** Lists the API keys of whoever is logged in, makes new ones, and ends them. */
export const keys: Route = async (site, visit) => {
  const { sessionToken } = whoIsHere(visit);
  let shown: Page = { name: "keys", title: TEXTS.yourKeys };
  if (visit.request.method === "POST" && field(visit, "key_id")) {
    await visit.auth.apikeyEnd({ sessionToken, keyId: field(visit, "key_id") });
    return to("/keys?said=revoked");
  }
  if (visit.request.method === "POST") {
    const scopes = field(visit, "scopes").split(/\s+/).filter(Boolean);
    try {
      const asked = { sessionToken, name: field(visit, "name"), scopes, expiresDays: 365 };
      const { apikey } = await visit.auth.apikeyIssue(asked);
      shown = { ...shown, messages: [TEXTS.issued], secret: apikey };
    } catch (error) {
      shown = { ...shown, messages: refusalOf(error).messages, isError: true };
    }
  }
  const listed = await visit.auth.apikeyList({ sessionToken });
  const rows = listed.apikeys.map((one) => {
    const date = one.expires?.toISOString().slice(0, 10);
    const ends = date ? visit.text(TEXTS.expires).replace("{date}", date) : visit.text(TEXTS.expiresNever);
    const form = { button: TEXTS.revoke, inputs: [hidden("key_id", one.keyId)] };
    return { title: one.name || one.keyId, details: [(one.scopes ?? []).join(" "), ends], form };
  });
  const inputs = [INPUTS.keyName, { ...INPUTS.scopes, value: site.scopes }];
  const forms = [{ button: TEXTS.issue, inputs }];
  return site.show(visit, { ...shown, rows, forms }, shown.isError ? 422 : 200);
};
