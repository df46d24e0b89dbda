import type { SondeError } from "@sonde/schemas/errors";
import type { PersonRole } from "@sonde/schemas/people";
import { type Asset, type Html, html } from "@sonde/service/web";
import { encode } from "uqr";
import { renderAlert, renderPage } from "./layout.ts";
import { formatRecoveryCode, type TotpOffer } from "./second-factor.ts";

export type JoinView = {
  /** The secret of the link. */
  link: string;
  role: PersonRole;
  name: string;
  totp: TotpOffer;
  refusal: SondeError | null;
  /** Null where this hub has no passkeys, such as under an IP address. */
  script: Asset | null;
};

export function renderJoinPage(view: JoinView): string {
  const { link, role, name, totp, refusal, script } = view;
  const content = html`<h1>Make your account</h1>
<p class="soft">This link is for one account, of role ${role}. It works once.</p>
${renderAlert(refusal)}
${script === null ? renderNoPasskeys() : renderPasskey(link)}
<form class="card" method="post" action="/join">
<h2>With a password</h2>
<input type="hidden" name="link" value="${link}">
<input type="hidden" name="sealed" value="${totp.sealed}">
<label for="name">Name</label>
<p class="hint" id="name-hint">Small letters, digits and . _ @ + -</p>
<input id="name" name="name" value="${name}" required maxlength="100" autocomplete="username" autocapitalize="none" spellcheck="false" aria-describedby="name-hint">
<label for="password">Password</label>
<p class="hint" id="password-hint">12 characters or more. Several words are good.</p>
<input id="password" name="password" type="password" required minlength="12" maxlength="256" autocomplete="new-password" aria-describedby="password-hint">
<p>A password needs a second factor: read this picture with an authenticator app.</p>
${renderPicture(totp.address)}
<p class="hint">Or type this secret into the app: <span class="code">${totp.secret}</span></p>
<label for="code">The app's code</label>
<input id="code" name="code" required maxlength="6" inputmode="numeric" autocomplete="one-time-code">
<button type="submit">Make the account</button>
</form>`;
  return renderPage("Make your account", content, script);
}

/** The only time that these codes are shown. */
export function renderRecoveryPage(codes: readonly string[]): string {
  const items = codes.map((code) => html`<li class="code">${formatRecoveryCode(code)}</li>`);
  const content = html`<h1>Your account is ready</h1>
<section class="card"><h2>Recovery codes</h2>
<p>Each signs you in once, with your password, when your app is lost. Keep them: they are not shown again.</p>
<ul class="codes">${items}</ul>
<a class="button" href="/">Go on</a></section>`;
  return renderPage("Recovery codes", content, null);
}

function renderPasskey(link: string): Html {
  return html`<section class="card" id="passkey-join" data-link="${link}" hidden>
<h2>With a passkey</h2>
<p class="soft">Your fingerprint, face, PIN or security key. Nothing to remember.</p>
<label for="passkey-name">Name</label>
<input id="passkey-name" required maxlength="100" autocomplete="username" autocapitalize="none" spellcheck="false">
<button type="button">Make a passkey</button>
</section>`;
}

function renderNoPasskeys(): Html {
  return html`<p class="soft">Passkeys need a host name over HTTPS, or localhost; this address has none.</p>`;
}

/** A picture of dark squares on white, in dark mode too: cameras expect it. */
function renderPicture(address: string): Html {
  const { data, size } = encode(address, { ecc: "M", border: 2 });
  const path = data
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  return html`<svg class="qr" role="img" aria-label="The secret as a QR code" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}h-${size}z"/><path fill="#000" d="${path}"/></svg>`;
}
