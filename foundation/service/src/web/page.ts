import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";
import type { HttpServer } from "../http-server.ts";
import { type Html, html } from "./html.ts";

declare module "fastify" {
  interface FastifySchema {
    /** Left out of the document of the API. */
    hide?: boolean;
  }
}

/**
 * What keeps a page harmless even if markup of a stranger came through: no
 * script at all, nothing from elsewhere, no frame around it (attack 38).
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

/** What pages load besides themselves: under the hash of its bytes, so cached for good. */
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
  /** An SVG. */
  icon: Asset;
  style: Asset;
  header: Html;
  content: Html;
  footer: Html;
};

/** A whole page. Nothing in it needs a script. */
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
