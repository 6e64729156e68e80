// Requests and responses of a site, whatever it is built with.

export const FORM_BYTES_MAX = 1 << 20;
const FIELDS_MAX = 200;

/**
 * Those of a page of accounts, for the program's own pages as well. A page shows nothing of others and is shown in
 * nothing; what stands in its address stays here.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; " +
    "frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  // Not `no-referrer`, with which browsers say `Origin: null` about our own forms.
  "Referrer-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};
const HEADERS: readonly Header[] = [
  ["Content-Type", "text/html; charset=utf-8"],
  ...Object.entries(SECURITY_HEADERS),
];

export type Header = readonly [name: string, value: string];
export type Fields = ReadonlyMap<string, string>;

/** What a browser asks. */
export interface SiteRequest {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  /** What the program may take for the path instead. */
  readonly otherPaths?: readonly string[];
  readonly query: Fields;
  /** The same as it was sent, with its question mark; or nothing. */
  readonly search?: string;
  /** The value of a header, by its name in lower case. */
  readonly header: (name: string) => string | undefined;
  /** The address at the other end of the connection. */
  readonly peer: string;
  readonly form: Fields;
}

/** What the site answers. */
export interface SiteResponse {
  readonly status: number;
  readonly headers: readonly Header[];
  readonly body: string;
}

/** An HTML page. */
export function html(status: number, body: string, headers: readonly Header[] = []): SiteResponse {
  return { status, headers: [...HEADERS, ...headers], body };
}

/** Leads on to another page. */
export function to(path: string): SiteResponse {
  return { status: 303, headers: [["Location", path], ["Cache-Control", "no-store"]], body: "" };
}

/** The cookie of this name. One that is there twice was not set by us. */
export function cookieOf(request: SiteRequest, name: string): string | null {
  const pairs = (request.header("cookie") ?? "").split(";").map((part) => part.trim());
  const found = pairs.filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
  return found.length === 1 && found[0] ? found[0] : null;
}

/** A query or a form; of a name that is there more than once, the last value. */
export function fieldsOf(encoded: string): Fields {
  const fields = [...new URLSearchParams(encoded)];
  return new Map(fields.length > FIELDS_MAX ? [] : fields);
}

/** The length of a form that is read here; null where the body is none. */
export function formLength(header: SiteRequest["header"]): number | null {
  const kind = (header("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  const length = header("content-length") ?? "";
  const isForm = kind === "application/x-www-form-urlencoded" && /^\d{1,9}$/.test(length);
  return isForm && Number(length) <= FORM_BYTES_MAX ? Number(length) : null;
}

/** A page of this site, for what a visitor brought along; the front page for anything else. */
export function ownPath(path: string): string {
  return /^\/(?!\/)[\x20-\x7e]*$/.test(path) && !path.includes("\\") ? path : "/";
}

/** Leads to the page on which one logs in, and back from there to all that was asked for, such as the code of an email. */
export function toLogin({ method, path, search = "" }: SiteRequest): SiteResponse {
  const onward = method === "GET" ? ownPath(path + search) : "/";
  return to(`/login?next=${encodeURIComponent(onward).replaceAll("%2F", "/")}`);
}

/**
 * Each way in which what is behind us may read a path: frameworks differ in whether they look at letters' case, decode,
 * join slashes, and end it at a semicolon. A guard that covers one of them holds.
 */
export function readings(path: string): string[] {
  const plain = flat(path);
  let decoded = plain;
  try {
    decoded = flat(decodeURIComponent(plain));
  } catch {
    // What cannot be decoded stays as it is.
  }
  const ways = [plain, decoded, resolved(decoded)];
  return [...new Set(ways.flatMap((way) => [way, way.replace(/;.*/s, "")]))];
}

function flat(path: string): string {
  return path.replaceAll("\\", "/").replace(/\/{2,}/g, "/").toLowerCase();
}

function resolved(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") {
      parts.pop();
    } else if (part !== "." && part !== "") {
      parts.push(part);
    }
  }
  return `/${parts.join("/")}`;
}
