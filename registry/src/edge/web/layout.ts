import { createHash } from "node:crypto";
import { type Html, html } from "./html.ts";
import { ICON } from "./icon.ts";
import { STYLE } from "./style.ts";

/** What pages load besides themselves: each under the hash of its bytes, so cached for good. */
export const ASSETS = {
  style: buildAsset("style", "css", "text/css; charset=utf-8", STYLE),
  icon: buildAsset("icon", "svg", "image/svg+xml", ICON),
};

function buildAsset(name: string, extension: string, type: string, text: string) {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return { path: `/assets/${name}-${hash}.${extension}`, type, text };
}

/** A whole page around its content. Nothing in it needs a script. */
export function renderPage(title: string, search: string, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${ASSETS.icon.path}" type="image/svg+xml">
<link rel="stylesheet" href="${ASSETS.style.path}">
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<header class="bar">
<a class="brand" href="/"><img src="${ASSETS.icon.path}" alt="" width="26" height="26">Sonde <span>registry</span></a>
<form role="search" action="/" method="get">
<label class="unseen" for="q">Search packs</label>
<input id="q" name="q" type="search" maxlength="200" value="${search}" placeholder="Search packs, probes, words of a README" autocomplete="off" spellcheck="false">
<button type="submit">Search</button>
</form>
</header>
<main id="content">
${content}
</main>
<footer>
<p>Nothing here is believed by an agent: it checks signature, log and grants itself.</p>
<p><a href="/api/v1/openapi.json">API</a> <a href="/log/checkpoint">Log checkpoint</a> <a href="/log/key">Log key</a></p>
</footer>
</body>
</html>
`.text;
}

/** The page of a refusal. */
export function renderRefusal(status: number, code: string, message: string, hint: string): string {
  const content = html`<section class="hero"><p class="eyebrow">${status} ${code}</p>
<h1>${status === 404 ? "There is nothing here" : "That did not work"}</h1>
<p class="lead">${message}</p><p>${hint}</p><p><a href="/">All packs</a></p></section>`;
  return renderPage(`${status} · Sonde registry`, "", content);
}

/** `2026-11-22`, with the exact moment for machines. */
export function renderDate(timestamp: string): Html {
  return html`<time datetime="${timestamp}">${timestamp.slice(0, 10)}</time>`;
}

/** `1 download`, `12,345 downloads`. */
export function renderDownloads(count: number): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? "download" : "downloads"}`;
}
