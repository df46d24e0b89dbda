import type { SondeError } from "@sonde/schemas/errors";
import { type Asset, type Html, html } from "@sonde/service/web";
import { renderAlert, renderPage } from "./layout.ts";

/** What of the page depends on the hub and on what was typed. */
export type LoginView = {
  /** A path of this hub. */
  next: string;
  /** What was typed before; never a password or a code. */
  name: string;
  refusal: SondeError | null;
  /** Whether there is an account to sign in with. */
  hasOwner: boolean;
  /** Null where this hub has no passkeys, such as under an IP address. */
  script: Asset | null;
  /** The name of single sign-on; null without it. */
  sso: string | null;
};

export function renderLoginPage(view: LoginView): string {
  const { next, refusal, script } = view;
  const content = html`<h1>Sign in</h1>
${renderAlert(refusal)}
${view.hasOwner ? null : renderNoOwner()}
${script === null ? null : renderPasskey(next)}
${view.sso === null ? null : renderSso(view.sso, next)}
<form class="card" method="post" action="/login">
<h2>With a password</h2>
<input type="hidden" name="next" value="${next}">
<label for="name">Name</label>
<input id="name" name="name" value="${view.name}" required maxlength="100" autocomplete="username" autocapitalize="none" spellcheck="false">
<label for="password">Password</label>
<input id="password" name="password" type="password" required maxlength="256" autocomplete="current-password">
<label for="code">Code</label>
<p class="hint" id="code-hint">Six digits of your app, or one of your recovery codes.</p>
<input id="code" name="code" required maxlength="40" inputmode="text" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" aria-describedby="code-hint">
<button type="submit">Sign in</button>
</form>`;
  return renderPage("Sign in", content, script);
}

function renderNoOwner(): Html {
  return html`<p class="card">This hub has no owner yet. Its log has a link that makes the first account: <span class="code">sonde logs hub</span>.</p>`;
}

function renderPasskey(next: string): Html {
  return html`<section class="card" id="passkey-sign-in" data-next="${next}" hidden>
<h2>With a passkey</h2>
<p class="soft">Your fingerprint, face, PIN or security key.</p>
<button type="button">Use a passkey</button>
</section>`;
}

function renderSso(name: string, next: string): Html {
  return html`<section class="card"><h2>With single sign-on</h2>
<a class="button" href="/login/sso?next=${encodeURIComponent(next)}">Go to ${name}</a></section>`;
}
