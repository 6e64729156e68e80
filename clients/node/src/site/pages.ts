// Pages as plain, accessible HTML, for a site that has no templates of its own yet.

import { escape } from "./escape.js";
import type { Visit } from "./visit.js";

/** A field of a form. */
export interface Input {
  readonly name: string;
  readonly label?: string;
  readonly kind?: "text" | "email" | "password" | "checkbox" | "hidden";
  readonly value?: string;
  readonly autocomplete?: string;
  readonly hint?: string;
  readonly required?: boolean;
}

/** Inputs and a button, sent to the page that it stands on unless `action` says where. */
export interface Form {
  readonly button: string;
  readonly inputs: readonly Input[];
  readonly action?: string;
}

/** A line of a list, and what can be done with it. */
export interface Row {
  readonly title: string;
  readonly details?: readonly string[];
  readonly form?: Form;
}

/** What a page has to show. */
export interface Page {
  /** Which page it is, for a site that draws it itself. */
  readonly name: string;
  readonly title: string;
  readonly messages?: readonly string[];
  readonly forms?: readonly Form[];
  readonly rows?: readonly Row[];
  readonly links?: readonly { readonly path: string; readonly text: string }[];
  /** Whether the messages say what went wrong. */
  readonly isError?: boolean;
  /** What is shown this once. */
  readonly secret?: string;
}

/** A page as somebody sees it, in their language. */
export interface ShownPage extends Page {
  /** What each of its forms has to send back, in a field of that name. */
  readonly csrf: string;
  readonly language: string;
  /** Who sees it, for a layout that tells. */
  readonly visit: Visit;
  /** The page without what is around it, as HTML: for a layout of the site's own. */
  readonly content: string;
}

/** The page for this visitor. What it takes a cookie for is made when it is drawn, and not before. */
export function shownTo(visit: Visit, page: Page): ShownPage {
  let token: string | undefined;
  const shown: ShownPage = {
    ...translated(page, (text) => visit.text(text)),
    language: visit.language,
    visit,
    get csrf() {
      return (token ??= visit.csrfToken);
    },
    get content() {
      return content(shown);
    },
  };
  return shown;
}

/** A whole HTML page, without a look. */
export function draw(page: ShownPage): string {
  return (
    `<!doctype html><html lang="${escape(page.language)}"><head><meta charset="utf-8">` +
    `<title>${escape(page.title)}</title><meta name="viewport" content="width=device-width, initial-scale=1">` +
    `</head><body><main>${page.content}</main></body></html>`
  );
}

/**
 * What stands within a page. Its classes are `message`, `error`, `secret`, `rows`, `detail`, `field`, `check` and
 * `links`.
 */
function content(page: ShownPage): string {
  const about = page.isError ? 'class="error" role="alert"' : 'class="message" role="status"';
  const messages = (page.messages ?? []).map((message) => `<p ${about}>${escape(message)}</p>`);
  const secret = page.secret ? `<p class="secret"><code>${escape(page.secret)}</code></p>` : "";
  const rows = (page.rows ?? []).map((row) => drawnRow(row, page));
  const forms = (page.forms ?? []).map((form, number) => drawnForm(form, page, `${number}-`));
  const links = (page.links ?? []).map((link) => `<li><a href="${escape(link.path)}">${escape(link.text)}</a></li>`);
  return [
    `<h1>${escape(page.title)}</h1>`,
    ...messages,
    secret,
    rows.length ? `<ul class="rows">${rows.join("")}</ul>` : "",
    ...forms,
    links.length ? `<ul class="links">${links.join("")}</ul>` : "",
  ].join("");
}

/** The page with each of its texts in another language, where there is one. */
function translated(page: Page, text: (text: string) => string): Page {
  const inputIn = (one: Input): Input => ({ ...one, label: text(one.label ?? ""), hint: text(one.hint ?? "") });
  const formIn = (form: Form): Form => ({ ...form, button: text(form.button), inputs: form.inputs.map(inputIn) });
  return {
    ...page,
    title: text(page.title),
    messages: (page.messages ?? []).map(text),
    forms: (page.forms ?? []).map(formIn),
    // What stands in them most likely is not a text of ours but what users chose.
    rows: (page.rows ?? []).map((row) => (row.form ? { ...row, form: formIn(row.form) } : row)),
    links: (page.links ?? []).map((link) => ({ ...link, text: text(link.text) })),
  };
}

function drawnRow(row: Row, page: ShownPage): string {
  const details = (row.details ?? []).map((detail) => ` <span class="detail">${escape(detail)}</span>`).join("");
  // Several buttons with the same word: whoever hears them has to know which is which.
  const form = row.form ? drawnForm(row.form, page, "", `${row.form.button}: ${row.title}`) : "";
  return `<li><div><strong>${escape(row.title)}</strong>${details}</div>${form}</li>`;
}

function drawnForm(form: Form, page: ShownPage, prefix: string, label = ""): string {
  const token = `<input type="hidden" name="csrf" value="${escape(page.csrf)}">`;
  const inputs = form.inputs.map((input) => drawnInput(input, `${prefix}${input.name}`)).join("");
  const action = form.action ? ` action="${escape(form.action)}"` : "";
  const named = label ? ` aria-label="${escape(label)}"` : "";
  return `<form method="post"${action}>${token}${inputs}<button${named}>${escape(form.button)}</button></form>`;
}

function drawnInput(input: Input, id: string): string {
  const { name, label = "", kind = "text", value = "", autocomplete = "off", hint = "", required = false } = input;
  const drawn = `<input type="${kind}" name="${escape(name)}" value="${escape(value)}"`;
  if (kind === "hidden") {
    return `${drawn}>`;
  }
  const labelled = `<label for="${escape(id)}">${escape(label)}</label>`;
  if (kind === "checkbox") {
    return `<p class="check">${drawn} id="${escape(id)}"> ${labelled}</p>`;
  }
  const described = hint ? ` aria-describedby="${escape(id)}-hint"` : "";
  const hinted = hint ? `<small id="${escape(id)}-hint">${escape(hint)}</small>` : "";
  const more = ` id="${escape(id)}" autocomplete="${escape(autocomplete)}"${described}${required ? " required" : ""}`;
  return `<p class="field">${labelled}${hinted}${drawn}${more}></p>`;
}
