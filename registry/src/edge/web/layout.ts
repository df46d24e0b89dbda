import type { SondeError } from "@sonde/schemas/errors";
import { type Html, buildAsset, html, renderDocument, SIGN } from "@sonde/service/web";
import { STYLE } from "./style.ts";

/** The files that every page loads. */
export const ASSETS = {
  style: buildAsset("style", "css", "text/css; charset=utf-8", STYLE),
  icon: buildAsset("icon", "svg", "image/svg+xml", SIGN),
};

/** What the search box of a page has: its words, and filters that a new search keeps. */
export type SearchBox = {
  words: string;
  kept: readonly (readonly [name: string, value: string])[];
};

/** Renders a page of the registry around its content. */
export function renderPage(
  title: string,
  content: Html,
  { words, kept }: SearchBox = { words: "", kept: [] },
): string {
  const header = html`<a class="brand" href="/"><img src="${ASSETS.icon.path}" alt="" width="26" height="26">Sonde <span>registry</span></a>
<form role="search" action="/" method="get">
<label class="unseen" for="q">Search packs</label>
<input id="q" name="q" type="search" maxlength="200" value="${words}" placeholder="Search packs, probes, words of a README" autocomplete="off" spellcheck="false">
${kept.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button type="submit">Search</button>
</form>`;
  const footer = html`<p>Nothing here is believed by an agent: it checks signature, log and grants itself.</p>
<p><a href="/badges">Badges</a> <a href="/api/v1/openapi.json">API</a> <a href="/log/checkpoint">Log checkpoint</a> <a href="/log/key">Log key</a></p>`;
  return renderDocument({ ...ASSETS, title, header, content, footer });
}

/** Renders the page of an error. */
export function renderRefusal(refusal: SondeError): string {
  const { status } = refusal;
  const { code, message, hint } = refusal.toBody().error;
  const content = html`<section class="hero"><p class="eyebrow">${status} ${code}</p>
<h1>${status === 404 ? "There is nothing here" : "That did not work"}</h1>
<p class="lead">${message}</p><p>${hint}</p><p><a href="/">All packs</a></p></section>`;
  return renderPage(`${status} · Sonde registry`, content);
}

/** `2026-11-22`, with the exact time for programs. */
export function renderDate(timestamp: string): Html {
  return html`<time datetime="${timestamp}">${timestamp.slice(0, 10)}</time>`;
}

/** `1 download`, `12,345 downloads`. */
export function renderDownloads(count: number): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? "download" : "downloads"}`;
}
