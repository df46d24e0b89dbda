import type { SondeError } from "@sonde/schemas/errors";
import { type Html, html } from "@sonde/service/web";
import { renderAlert, renderPage } from "../../people/index.ts";
import { type Ask, describeScope } from "../core/consent.ts";

/** Agents and tags with a box of their own. Of a larger fleet the others are typed. */
const MAX_BOXES = 100;

export type ConsentView = {
  ask: Ask;
  personName: string;
  /** Where the form goes, and what binds it to the session and the request. */
  action: string;
  ticket: string;
  /** Names and tags of the agents that the person may ask. */
  agents: string[];
  tags: string[];
  /** What the person chose the last time, or just now. */
  chosen: { level: string; agents: "*" | readonly string[] };
  /** For a device: the code to compare. */
  userCode: string | null;
  refusal: SondeError | null;
};

/**
 * The page on which a person lets a client in. The host is in large letters, since it is all that is
 * known: the name is what the client says of itself.
 */
export function renderConsentPage(view: ConsentView): string {
  const { ask, personName, refusal } = view;
  const content = html`<h1>Let this client in?</h1>
<p class="client">${ask.clientHost}</p>
<p class="soft">It calls itself &ldquo;${ask.clientName}&rdquo;. Nobody has checked that name.</p>
${view.userCode === null ? null : renderCode(view.userCode)}
${renderAlert(refusal)}
<p>It would act for <strong>${personName}</strong>, never with more rights than you have, until you end it.</p>
<form method="post" action="${view.action}">
<input type="hidden" name="ticket" value="${view.ticket}">
${view.userCode === null ? null : html`<input type="hidden" name="user_code" value="${view.userCode}">`}
<fieldset class="card"><legend>It may</legend>
${ask.scopes.map((scope) => renderLevel(scope, view.chosen.level))}
</fieldset>
${ask.kind === "mcp" ? renderAgents(view) : null}
<button type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="deny" class="quiet">Refuse</button>
</form>
<p class="soft">Did you not just start this in a program of yours? Then refuse.</p>`;
  return renderPage("Let a client in", content, null);
}

function renderCode(userCode: string): Html {
  return html`<p class="card">Compare: your own terminal shows <strong class="code">${userCode}</strong> now. If somebody sent you this code, refuse: they would get your access.</p>`;
}

function renderLevel(scope: string, chosen: string): Html {
  return html`<label class="choice"><input type="radio" name="level" value="${scope}" required ${scope === chosen ? html`checked` : null}> ${describeScope(scope)}</label>`;
}

function renderAgents({ agents, tags, chosen }: ConsentView): Html {
  const isAll = chosen.agents === "*";
  const ticked = new Set(chosen.agents === "*" ? [] : chosen.agents);
  const shown = [...tags.slice(0, MAX_BOXES), ...agents.slice(0, MAX_BOXES)];
  const typed = [...ticked].filter((selector) => !shown.includes(selector));
  const boxes = shown.map(
    (selector) =>
      html`<label class="choice"><input type="checkbox" name="agents.${selector}" ${ticked.has(selector) ? html`checked` : null}> ${selector}</label>`,
  );
  return html`<fieldset class="card"><legend>On which agents</legend>
<label class="choice"><input type="radio" name="agents" value="all" ${isAll ? html`checked` : null}> All that you may ask, also later ones</label>
<label class="choice"><input type="radio" name="agents" value="some" ${isAll ? null : html`checked`}> Only these</label>
<div class="choices">${boxes}</div>
<label for="more">Others, by name or tag</label>
<input id="more" name="more" value="${typed.join(" ")}" maxlength="4000" autocapitalize="none" spellcheck="false" placeholder="web-1 role=db">
</fieldset>`;
}

/** The page on which a person types the code that a terminal shows. */
export function renderCodePage(view: { ticket: string; refusal: SondeError | null }): string {
  const content = html`<h1>Connect a terminal</h1>
${renderAlert(view.refusal)}
<form class="card" method="post" action="/oauth/device">
<input type="hidden" name="ticket" value="${view.ticket}">
<label for="user_code">Code</label>
<p class="hint" id="code-hint">Eight letters, that your own terminal shows after &ldquo;sonde login&rdquo;. Never type a code that somebody sent you.</p>
<input id="user_code" name="user_code" required maxlength="20" autocomplete="off" autocapitalize="characters" spellcheck="false" aria-describedby="code-hint">
<button type="submit">Continue</button>
</form>`;
  return renderPage("Connect a terminal", content, null);
}

/** What to do next, after a device was answered. */
export function renderAnsweredPage(isAllowed: boolean): string {
  const content = isAllowed
    ? html`<h1>Your terminal is connected</h1><p>You can close this page. The terminal goes on by itself.</p>`
    : html`<h1>Refused</h1><p>The terminal gets nothing. You can close this page.</p>`;
  return renderPage(isAllowed ? "Connected" : "Refused", content, null);
}

/** The page of an error that no client may be told, since its address is not known to be its own. */
export function renderErrorPage({
  error,
  description,
}: {
  error: string;
  description: string;
}): string {
  const content = html`<h1>This request cannot go on</h1>
<p class="alert" role="alert">${error}: ${description}</p>
<p>Nothing was given to anybody. Go back to the program that sent you, and start there again. A client that this hub does not know needs a rule in <span class="code">oauth.clients</span> of its configuration.</p>`;
  return renderPage("Refused", content, null);
}
