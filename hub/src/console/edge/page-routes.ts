import type { HttpServer } from "@sonde/service";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Console, ConsoleFile } from "./read-console.ts";

/**
 * Attack 38: what a stranger named may be shown, and must never run. No script or style within a
 * document, nothing from another host, no text that becomes script (Trusted Types, of which there is
 * no policy), no frame around it, no form that goes elsewhere.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const PAGE_HEADERS = {
  "content-security-policy": POLICY,
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=()",
  // It names the files of this release.
  "cache-control": "no-cache",
};
const ASSET_HEADERS = {
  "cache-control": "public, max-age=31536000, immutable",
  "cross-origin-resource-policy": "same-origin",
};
/** The document is without data, so it is for anybody. What it asks for is not. */
const OPEN = { config: { right: "anybody" }, schema: { hide: true } } as const;

/** Adds the console's document, at each of its addresses, and what the document loads. */
export function addPageRoutes(app: HttpServer, { page, assets }: Console): void {
  const sendPage = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    send(request, reply.headers(PAGE_HEADERS), page);
  app.get("/", OPEN, (_request, reply) => reply.redirect("/console/", 302));
  app.get("/console", OPEN, (_request, reply) => reply.redirect("/console/", 302));
  app.get("/console/*", OPEN, sendPage);
  for (const [path, file] of assets) {
    app.get(path, OPEN, (request, reply) => send(request, reply.headers(ASSET_HEADERS), file));
  }
  // An asset of another release, rather than the document in its place.
  app.get("/console/assets/*", OPEN, (_request, reply) => reply.callNotFound());
}

function send(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  { type, encodings }: ConsoleFile,
): FastifyReply {
  const taken = new Set(
    (headers["accept-encoding"] ?? "")
      .split(",")
      .filter((one) => !/;\s*q=0(\.0*)?\s*$/.test(one))
      .map((one) => one.split(";")[0]?.trim()),
  );
  const chosen = encodings.find(({ name }) => name === null || taken.has(name));
  reply.type(type).header("vary", "accept-encoding");
  if (chosen?.name) reply.header("content-encoding", chosen.name);
  return reply.send(chosen?.bytes);
}
