import type { SondeError } from "@sonde/schemas/errors";
import { type Asset, buildAsset, type Html, html, renderDocument, SIGN } from "@sonde/service/web";
import { STYLE } from "./style.ts";

export const ASSETS = {
  style: buildAsset("people", "css", "text/css; charset=utf-8", STYLE),
  icon: buildAsset("people-icon", "svg", "image/svg+xml", SIGN),
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
