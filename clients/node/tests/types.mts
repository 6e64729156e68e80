// What TypeScript makes of the package, checked by `tsc --strict` and never run.

import Fastify from "fastify";
import express from "express";
import http from "node:http";
import { Client, type types } from "authnzerver-client";
import { type ShownPage, Site, visitOf } from "authnzerver-client/site";
import { errors as fastifyErrors, hook, loginRequired as required } from "authnzerver-client/site/fastify";
import { around, errors, loginRequired, middleware } from "authnzerver-client/site/node";
const client = new Client("http://127.0.0.1:1", "k");
const site = new Site("a", [], client, {
  texts: { de: { "Log in": "Anmelden" } },
  language: "de",
  loginLink: true,
  keepDays: 14,
  static: ["/static"],
  render: (page: ShownPage): string => `${page.language} ${page.visit.name} ${page.csrf} ${page.content}`,
});
const app = Fastify();
app.addHook("onRequest", hook(site));
app.setErrorHandler(fastifyErrors(site));
app.get("/x", { preHandler: required(site) }, async (r) => visitOf(r).userId);
const e = express();
e.use(middleware(site));
e.use(errors(site));
e.get("/", loginRequired(site), (_, res) => void res.send("x"));
http.createServer(around(site, (req, res) => { res.end(); }));
const a: types.LoginAnswer = await client.itself.login({ email: "a", password: "b" });
// @ts-expect-error a parameter is missing
await client.itself.login({ email: "a" });
// @ts-expect-error of another type
await client.itself.sessionExists({ sessionToken: 5 });
a.user.userId satisfies number;
(await visitOf({}).may("view", "note", { owner: 4, sharedWith: [5] })) satisfies boolean;
// @ts-expect-error an item has an owner
await visitOf({}).may("view", "note", {});
