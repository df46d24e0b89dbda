import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";
import type { HttpServer } from "../server.ts";
import { type Html, html } from "./html.ts";

declare module "fastify" {
  interface FastifySchema {
    /** Leaves the route out of the OpenAPI document. */
    hide?: boolean;
  }
}

/**
 * Limits the damage if a stranger's markup gets through: no scripts, nothing from other
 * hosts, no framing (attack 38).
 */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

export function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply.headers(HEADERS).type("text/html; charset=utf-8").send(page);
}

/** A file that pages load. Its path has the hash of its bytes, so it is cached forever. */
export type Asset = { path: string; type: string; text: string };

export function buildAsset(name: string, extension: string, type: string, text: string): Asset {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return { path: `/assets/${name}-${hash}.${extension}`, type, text };
}

export function addAssets(app: HttpServer, assets: readonly Asset[]): void {
  for (const { path, type, text } of assets) {
    app.get(path, { schema: { hide: true }, config: { right: "anybody" } }, (_request, reply) =>
      reply.type(type).header("cache-control", "public, max-age=31536000, immutable").send(text),
    );
  }
}

export type Document = {
  title: string;
  /** The icon, as SVG. */
  icon: Asset;
  style: Asset;
  header: Html;
  content: Html;
  footer: Html;
};

/** Renders a whole page. Pages work without scripts. */
export function renderDocument(page: Document): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title}</title>
<link rel="icon" href="${page.icon.path}" type="${page.icon.type}">
<link rel="stylesheet" href="${page.style.path}">
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header class="bar">
${page.header}
</header>
<main id="content">
${page.content}
</main>
<footer>
${page.footer}
</footer>
</body>
</html>
`.text;
}
