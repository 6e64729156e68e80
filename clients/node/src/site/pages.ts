// Pages as plain, accessible HTML, for a site that has no templates of its own yet.

/** A field of a form. */
export interface Input {
  readonly name: string;
  readonly label?: string;
  readonly kind?: "text" | "email" | "password" | "checkbox" | "hidden";
  readonly value?: string;
  readonly autocomplete?: string;
}

/** Inputs and a button, sent to the page that it stands on unless `action` says where. */
export interface Form {
  readonly button: string;
  readonly inputs: readonly Input[];
  readonly action?: string;
}

/** What a page shows. */
export interface Page {
  /** Which page it is, for a site that draws it itself. */
  readonly name: string;
  readonly title: string;
  readonly messages?: readonly string[];
  readonly forms?: readonly Form[];
  readonly rows?: readonly { readonly text: string; readonly form: Form }[];
  readonly links?: readonly { readonly path: string; readonly text: string }[];
}

/** A whole HTML page. Each of its forms has to send `csrf` back, in a field of that name. */
export function draw(page: Page, csrf: string): string {
  const messages = (page.messages ?? []).map((message) => `<p role="status">${escape(message)}</p>`);
  const rows = (page.rows ?? []).map((row) => `<li>${escape(row.text)}${drawnForm(row.form, csrf)}</li>`);
  const forms = (page.forms ?? []).map((form) => drawnForm(form, csrf));
  const links = (page.links ?? []).map((link) => `<li><a href="${escape(link.path)}">${escape(link.text)}</a></li>`);
  const body = [
    ...messages,
    rows.length ? `<ul>${rows.join("")}</ul>` : "",
    ...forms,
    links.length ? `<nav><ul>${links.join("")}</ul></nav>` : "",
  ];
  const title = escape(page.title);
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>` +
    '<meta name="viewport" content="width=device-width, initial-scale=1"></head>' +
    `<body><main><h1>${title}</h1>${body.join("")}</main></body></html>`
  );
}

function drawnForm(form: Form, csrf: string): string {
  const inputs = [{ name: "csrf", kind: "hidden", value: csrf } as const, ...form.inputs].map(drawnInput);
  const action = form.action ? ` action="${escape(form.action)}"` : "";
  return `<form method="post"${action}>${inputs.join("")}<p><button>${escape(form.button)}</button></p></form>`;
}

function drawnInput({ name, label = "", kind = "text", value = "", autocomplete = "off" }: Input): string {
  const drawn = `<input type="${kind}" name="${escape(name)}" value="${escape(value)}"`;
  if (kind === "hidden") {
    return `${drawn}>`;
  }
  if (kind === "checkbox") {
    return `<p><label>${drawn}> ${escape(label)}</label></p>`;
  }
  return `<p><label>${escape(label)} ${drawn} autocomplete="${escape(autocomplete)}"></label></p>`;
}

/** A text as it stands in HTML. */
export function escape(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
  return text.replace(/[&<>"']/g, (letter) => entities[letter] ?? letter);
}

/** A text that the server has escaped, as it was. */
export function unescape(text: string): string {
  const letters: Record<string, string> = {
    "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&#39;": "'",
  };
  return text.replace(/&(?:amp|lt|gt|quot|#x27|#39);/g, (entity) => letters[entity] ?? entity);
}
