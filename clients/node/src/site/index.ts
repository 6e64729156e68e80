// A site's accounts: pages from sign-up to API keys, sessions in a cookie, guards, and protection against forged forms.
//
// `authnzerver-client/site/node` puts it in front of Express, Connect and node:http, `…/site/fastify` in front of
// Fastify, and `…/site/fetch` in front of whatever makes a `Response` of a `Request`, such as Next.

export { type Form, type Input, type Page, draw, escape } from "./pages.js";
export { type Action, type Guard, Site, type SiteOptions, type Wanted } from "./site.js";
export { Visit } from "./visit.js";
export { visitOf } from "./visits.js";
export type { Fields, Header, SiteRequest, SiteResponse } from "./web.js";
