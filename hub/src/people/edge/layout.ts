import type { SondeError } from "@sonde/schemas/errors";
import { type Asset, buildAsset, type Html, html, renderDocument } from "@sonde/service/web";
import { STYLE } from "./style.ts";

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0f766e"/><circle cx="14" cy="14" r="6.5" fill="none" stroke="#fff" stroke-width="2.6"/><path d="m19 19 6 6" stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>
`;

export const ASSETS = {
  style: buildAsset("people", "css", "text/css; charset=utf-8", STYLE),
  icon: buildAsset("people-icon", "svg", "image/svg+xml", ICON),
};

/** @param script null without passkeys */
export function renderPage(title: string, content: Html, script: Asset | null): string {
  return renderDocument({
    ...ASSETS,
    ...(script !== null && { script }),
    title: `${title} · Sonde`,
    header: html`Sonde`,
    content,
    footer: html`<p>This page belongs to the hub whose address your browser shows.</p>`,
  });
}

/** What went wrong, in words; an empty place for the script's words when nothing did. */
export function renderAlert(refusal: SondeError | null): Html {
  if (refusal === null) return html`<p class="alert" role="alert" id="alert"></p>`;
  const { message, hint } = refusal.toBody().error;
  return html`<p class="alert" role="alert" id="alert">${refusal.code}: ${message}. ${hint}</p>`;
}

/** Renders the page of an error. */
export function renderRefusal(refusal: SondeError): string {
  const content = html`<h1>That did not work</h1>${renderAlert(refusal)}<p><a href="/login">Sign in</a></p>`;
  return renderPage("Refused", content, null);
}
