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

const POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/**
 * Limits the damage if a stranger's markup gets through: no scripts, nothing from other
 * hosts, no framing (attack 38).
 */
const HEADERS = {
  "content-security-policy": POLICY,
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * Of a page for somebody who is signed in or about to be. Its scripts are files of this host, which
 * ask this host only, and no text becomes markup or code. A form's request names the page's origin,
 * which it would not under `no-referrer`; other hosts still learn nothing.
 */
const INTERACTIVE = {
  ...HEADERS,
  "content-security-policy": `${POLICY}; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'`,
  "referrer-policy": "same-origin",
  "cache-control": "no-store",
};

/** @param kind `interactive`: with scripts, with forms that write, and never kept */
export function sendPage(
  reply: FastifyReply,
  page: string,
  kind: "document" | "interactive" = "document",
): FastifyReply {
  const headers = kind === "interactive" ? INTERACTIVE : HEADERS;
  return reply.headers(headers).type("text/html; charset=utf-8").send(page);
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
  /** Only a page that is sent as `interactive` runs it. */
  script?: Asset;
  header: Html;
  content: Html;
  footer: Html;
};

/** Renders a whole page. */
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
${page.script === undefined ? null : html`<script src="${page.script.path}" defer></script>`}
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
