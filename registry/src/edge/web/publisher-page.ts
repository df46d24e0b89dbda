import type { PackList, PublisherDetails } from "@sonde/schemas/registry";
import { describeSigner } from "@sonde/schemas/trust";
import { type Html, html } from "@sonde/service/web";
import { renderMark } from "./badges.ts";
import { renderDate, renderDownloads, renderPage } from "./layout.ts";
import { linkTo, renderCard } from "./search-page.ts";

/** How much is listed of what was said about a publisher's packs. The API has all of it. */
const MAX_LISTED = 50;

/** Renders what is known of a publisher, how it was verified, and its packs. */
export function renderPublisherPage(publisher: PublisherDetails, list: PackList): string {
  const { name, since, packs, downloads } = publisher;
  const all = linkTo({ words: "", category: null, engine: null, publisher: name }, "name");
  return renderPage(
    `${name} · Sonde registry`,
    html`<article>
<header class="pack">
<p class="eyebrow">publisher</p>
<h1>${name}</h1>
<p class="facts">${since === null ? html`<span>known by its signatures only</span>` : html`<span>registered ${renderDate(since)}</span>`}
<span>${packs} ${packs === 1 ? "pack" : "packs"}</span> <span>${renderDownloads(downloads)}</span></p>
${renderWarnings(publisher)}
</header>
<div class="columns">
<div>
<section aria-labelledby="packs"><h2 id="packs">Packs</h2>
${list.packs.length === 0 ? html`<p>It has published nothing yet.</p>` : html`<ul class="packs">${list.packs.map(renderCard)}</ul>`}
${list.cursor === null ? null : html`<p class="more"><a class="button" href="${all}">All its packs</a></p>`}
</section>
${renderSaid(publisher)}
</div>
<div>
${renderKnown(publisher)}
${renderSigned(publisher)}
</div>
</div>
</article>`,
  );
}

function renderWarnings({ warnings }: PublisherDetails): Html | null {
  if (warnings.length === 0) return null;
  return html`<ul class="warnings" aria-label="Warnings">${warnings.map(
    ({ text }) => html`<li><strong>Easily confused.</strong> ${text}</li>`,
  )}</ul>`;
}

/** Who may sign for the name now, and how the registry knows. */
function renderKnown({ name, since, keys, identities }: PublisherDetails): Html {
  const known = [
    ...keys.map(
      ({ keyId, since: at }) => html`<li><h3>RSA key</h3>
<code class="exact">${keyId}</code>
<p class="note">Registered by this registry's operator ${renderDate(at)}. A signature by it proves who published, and nothing of how it was built.</p></li>`,
    ),
    ...identities.map(
      ({ issuer, identity, repositoryId, since: at }) => html`<li><h3>Identity without a key</h3>
<dl class="identity"><dt>Identity</dt><dd><code class="exact">${identity}</code></dd>
<dt>Vouched for by</dt><dd><code class="exact">${issuer}</code></dd>
<dt>Repository</dt><dd>${repositoryId === undefined ? "none is named" : html`<code>${repositoryId}</code>`}</dd></dl>
<p class="note">Registered by this registry's operator ${renderDate(at)}. The issuer vouched for it at the moment of each signing.</p></li>`,
    ),
  ];
  const nobody =
    since === null
      ? html`<p class="note">This registry is a mirror. It registers nobody, and shows who signed.</p>`
      : html`<p class="note">Nobody may sign for ${name} now.</p>`;
  return html`<section class="side" aria-labelledby="known"><h2 id="known">Who may sign for it</h2>
${known.length === 0 ? nobody : html`<ul class="known">${known}</ul>`}
<p class="note rule">No other publisher here has a name that looks the same: the registry refuses look-alikes.
It verified each version's signature before it published it; hosts verify it again by their own trust.</p>
</section>`;
}

function renderSigned({ signed }: PublisherDetails): Html | null {
  if (signed.length === 0) return null;
  return html`<section class="side" aria-labelledby="signed"><h2 id="signed">Who signed</h2>
<ul class="known">${signed.map(
    ({
      signer,
      versions,
      lastAt,
      isListed,
    }) => html`<li><p class="breakable">${describeSigner(signer)}</p>
<p class="facts"><span>${versions} ${versions === 1 ? "version" : "versions"}</span> <span>last ${renderDate(lastAt)}</span> ${isListed ? null : renderMark("may not sign now")}</p></li>`,
  )}</ul></section>`;
}

/** Advisories, deprecations, and versions that were withdrawn. */
function renderSaid({ advisories, deprecated, withdrawn }: PublisherDetails): Html {
  const link = (name: string): Html => html`<a href="/packs/${name}">${name}</a>`;
  const lines = [
    ...withdrawn.map(({ name, version, state }) => {
      const [word, reason] =
        state.quarantined === null ? ["Yanked", state.yanked] : ["Quarantined", state.quarantined];
      return html`<li><strong>${word}.</strong> <a href="/packs/${name}/${version}">${name} ${version}</a>: ${reason}</li>`;
    }),
    ...advisories.map(
      ({ name, advisory: { id, severity, range, text } }) =>
        html`<li><strong>Advisory ${id}, ${severity}.</strong> ${link(name)} ${range}: ${text}</li>`,
    ),
    ...deprecated.map(
      ({ name, message }) => html`<li><strong>Deprecated.</strong> ${link(name)}: ${message}</li>`,
    ),
  ];
  const more = lines.length - MAX_LISTED;
  return html`<section aria-labelledby="said"><h2 id="said">Advisories and withdrawals</h2>
${lines.length === 0 ? html`<p class="note">There are none.</p>` : html`<ul class="warnings">${lines.slice(0, MAX_LISTED)}</ul>`}
${more > 0 ? html`<p class="note">and ${more} more</p>` : null}
</section>`;
}
