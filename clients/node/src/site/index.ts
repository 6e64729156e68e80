// A site's accounts: pages from sign-up to API keys, sessions in a cookie, guards, and protection against forged forms.
//
// `authnzerver-client/site/node` puts it in front of Express, Connect and node:http, `…/site/fastify` in front of
// Fastify, and `…/site/fetch` in front of whatever makes a `Response` of a `Request`, such as Next.

export type { Texts } from "./language.js";
export { escape } from "./escape.js";
export { type Form, type Input, type Page, type Row, type ShownPage, draw } from "./pages.js";
export { type Action, type Guard, Site, type SiteOptions, type Wanted } from "./site.js";
export { type Item, Visit } from "./visit.js";
export { visitOf } from "./visits.js";
export { type Fields, type Header, SECURITY_HEADERS, type SiteRequest, type SiteResponse } from "./web.js";
