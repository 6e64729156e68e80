// The same program in front of which the site is put, in each framework; each listens and says where.

import { once } from "node:events";
import http from "node:http";

import express from "express";
import Fastify from "fastify";
import { visitOf } from "authnzerver-client/site";
import * as inFastify from "authnzerver-client/site/fastify";
import { around as aroundFetch } from "authnzerver-client/site/fetch";
import * as inNode from "authnzerver-client/site/node";

/** What the program does behind some paths; gives what to say instead of whose request it is. */
async function done(path, visit) {
  if (path === "/store") {
    await visit.store({ seen: 1 });
  } else if (path === "/forget") {
    await visit.store({ seen: null });
  } else if (path === "/may") {
    const items = ["public", "private"].map((visibility) => ({ owner: 1, visibility }));
    const [call] = items.map((item) => visit.access("view", "dataset", item));
    const together = Boolean((await visit.auth.together([call])).get(call));
    return [...(await Promise.all(items.map((item) => visit.may("view", "dataset", item)))), together].join(" ");
  }
  return null;
}

function textOf(visit) {
  return `hello ${visit.userId} ${visit.keyOwner} ${JSON.stringify(visit.stored)} ${visit.csrfToken} `;
}

async function rawBody(req) {
  const parts = [];
  for await (const part of req) {
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: server.address().port, close: () => server.closeAllConnections() ?? server.close() };
}

/** The program itself: shows whose request it is, sets a cookie, and gives back what was sent. */
async function program(req, res) {
  const visit = visitOf(req);
  const text = (await done(req.url, visit)) ?? textOf(visit) + (await rawBody(req));
  res.writeHead(200, { "Set-Cookie": "own=1" });
  res.end(text);
}

export const KINDS = {
  "node:http": (site) => listening(http.createServer(inNode.around(site, program))),

  "Express": (site) => {
    const app = express();
    app.use((req, _, next) => {
      req.url = req.url.replace(/^\/rewritten/, "/admin");
      next();
    });
    app.use(inNode.middleware(site));
    app.use(express.urlencoded({ extended: false }));
    app.get("/staff-only", inNode.loginRequired(site, { roles: ["staff", "superuser"] }), (req, res) => res.send("ok"));
    app.use(async (req, res) => {
      const visit = visitOf(req);
      const said = await done(req.path, visit);
      res.cookie("own", "1");
      res.send(said ?? textOf(visit) + new URLSearchParams(req.body ?? {}));
    });
    app.use(inNode.errors(site));
    return listening(http.createServer(app));
  },

  "Fastify": async (site) => {
    const app = Fastify();
    app.addHook("onRequest", inFastify.hook(site));
    app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, async (_, body) => body);
    const preHandler = inFastify.loginRequired(site, { roles: ["staff", "superuser"] });
    app.get("/staff-only", { preHandler }, async () => "ok");
    app.all("/*", async (request, reply) => {
      const visit = visitOf(request);
      const said = await done(request.url, visit);
      reply.header("Set-Cookie", "own=1");
      return said ?? textOf(visit) + (request.body ?? "");
    });
    app.setErrorHandler(inFastify.errors(site));
    await app.listen({ host: "127.0.0.1", port: 0 });
    return { port: app.server.address().port, close: () => app.server.closeAllConnections() ?? app.close() };
  },

  // The way of Next and others: a Response for a Request.
  "fetch": (site) => {
    const answer = aroundFetch(
      site,
      async (request, visit) => {
        const said = await done(new URL(request.url).pathname, visit);
        return new Response(said ?? textOf(visit) + (await request.text()), { headers: { "Set-Cookie": "own=1" } });
      },
      () => "127.0.0.1",
    );
    return listening(http.createServer(async (req, res) => {
      const body = req.method === "POST" ? await rawBody(req) : undefined;
      const url = new URL(req.url.startsWith("/") ? `http://site.example${req.url}` : req.url);
      const response = await answer(new Request(url, { method: req.method, headers: req.headers, body }));
      res.writeHead(response.status, [...response.headers].flat());
      res.end(await response.text());
    }));
  },
};
