import type { Requires } from "@sonde/schemas/manifest";
import type { PackVersions, VersionDetails } from "@sonde/schemas/registry";
import { describeGroup, describeLevel, describeWindow } from "@sonde/sources";
import { Html, html } from "@sonde/service/web";
import { renderBadges, renderLevel, renderMark } from "./badges.ts";
import { renderVersionForm } from "./difference-page.ts";
import { renderInstall } from "./install-box.ts";
import { renderDate, renderDownloads, renderPage } from "./layout.ts";

/** How many of the newest versions are listed. The index has all of them. */
const MAX_LISTED = 50;

/** Renders the page of one version of a pack. */
export function renderPackPage(
  details: VersionDetails,
  { versions }: PackVersions,
  checkpoint: string,
): string {
  const { name, version } = details;
  const [publisher, pack] = name.split("/");
  return renderPage(
    `${name} ${version} · Sonde registry`,
    html`<article>
<header class="pack">
<p class="eyebrow"><a href="/publishers/${publisher ?? ""}">${publisher ?? ""}</a></p>
<h1>${pack ?? ""} <span class="version">${version}</span></h1>
<p class="lead" dir="auto">${details.description}</p>
${renderBadges(details.reach)}
<p class="facts">${renderDate(details.publishedAt)}
<span>${renderDownloads(details.downloads.pack)}</span> <span>${details.license}</span>
<span>${formatBytes(details.sizeBytes)}</span> <span>agent ${details.agents}</span></p>
${renderWarnings(details)}
</header>
<div class="columns">
<div>
${renderPermissions(details)}
${renderProbes(details)}
<section aria-labelledby="readme"><h2 id="readme">README</h2>
<div class="readme" dir="auto">${new Html(details.readmeHtml)}</div></section>
</div>
<div>
${renderInstall(details)}
${renderSigner(details)}
${renderVersions(details, versions)}
${renderProof(details, checkpoint)}
</div>
</div>
</article>`,
  );
}

/** Renders the warnings about a version, the most severe first. */
function renderWarnings(details: VersionDetails): Html | null {
  const { latest, state, deprecated, advisories, warnings } = details;
  const said = [
    latest === null
      ? html`<li><strong>All withdrawn.</strong> Every version of this pack was yanked or quarantined.</li>`
      : null,
    state.quarantined === null
      ? null
      : html`<li><strong>Quarantined.</strong> This version is no longer served: ${state.quarantined}</li>`,
    ...advisories.map(
      ({ id, severity, range, text }) =>
        html`<li><strong>Advisory ${id}, ${severity}.</strong> Versions ${range}: ${text}</li>`,
    ),
    state.yanked === null
      ? null
      : html`<li><strong>Yanked.</strong> Only a request for exactly this version still gets it: ${state.yanked}</li>`,
    deprecated === null ? null : html`<li><strong>Deprecated.</strong> ${deprecated}</li>`,
    ...warnings.map((text) => html`<li><strong>Easily confused.</strong> ${text}</li>`),
  ].filter((warning) => warning !== null);
  if (said.length === 0) return null;
  return html`<ul class="warnings" aria-label="Warnings">${said}</ul>`;
}

function renderPermissions({ name, version, permissions, changes }: VersionDetails): Html {
  const groups = permissions.groups.map(
    (group) =>
      html`<li><p>Needs a runner in the group <code>${group}</code>. ${describeGroup(group).words}</p></li>`,
  );
  const reads = permissions.reads.map(
    ({ words, exact, capability }) =>
      html`<li><p>${words}${capability === "observe" ? null : html` ${renderLevel(capability)}`}</p><code class="exact">${exact}</code></li>`,
  );
  return html`<section aria-labelledby="permissions">
<h2 id="permissions">What it may do</h2>
<p>${describeLevel(permissions.capability).words} This is the whole list; an agent performs nothing else for it,
and this only after somebody approved it on the host.</p>
<ul class="permissions">${groups}${reads}</ul>
${renderChanges(changes)}
${changes === null ? null : html`<p><a href="/packs/${name}/difference?from=${changes.from}&amp;to=${version}">All that differs from ${changes.from}</a></p>`}
</section>`;
}

/** What a grant of the version before does not cover, and what it covers in vain. */
function renderChanges(changes: VersionDetails["changes"]): Html | null {
  if (changes === null) return null;
  const list = (said: string, requires: Requires): Html[] =>
    Object.values(requires).flatMap((names) =>
      names.map((name) => html`<li>${said} <code class="exact">${name}</code></li>`),
    );
  const lines = [
    ...list("New:", changes.added),
    ...changes.wider.map(
      (window) => html`<li>More of: <code class="exact">${describeWindow(window)}</code></li>`,
    ),
    ...list("Gone:", changes.removed),
    ...changes.raised.map(
      ({ probe, from, to }) =>
        html`<li><code>${probe}</code> ${describeLevel(from).label} before, now ${renderLevel(to)}</li>`,
    ),
    ...changes.changed.map((probe) => html`<li>Other reads: <code>${probe}</code></li>`),
  ];
  const nothing = html`<p class="note">It asks for nothing new, and for nothing less.</p>`;
  return html`<h3>Beside ${changes.from}</h3>
${lines.length === 0 ? nothing : html`<ul class="permissions" aria-label="Changes">${lines}</ul>`}`;
}

function renderProbes({ probes }: VersionDetails): Html {
  return html`<section aria-labelledby="probes">
<h2 id="probes">Questions it answers</h2>
<dl class="probes">${probes.map(
    ({ id, description, capability, reads }) => html`<div>
<dt><code>${id}</code>${capability === "observe" ? null : html` ${renderLevel(capability)}`}</dt>
<dd>${description}<details><summary>How it looks</summary><ul>${reads.map((read) => html`<li><code class="exact">${read}</code></li>`)}</ul></details></dd>
</div>`,
  )}</dl>
</section>`;
}

function renderSigner({ signedBy, provenance, repository }: VersionDetails): Html {
  return html`<section class="side" aria-labelledby="signer">
<h2 id="signer">Signed by</h2>
<p class="breakable">${signedBy}</p>
<p class="note">${provenance}</p>
<h3>Source, as the publisher says</h3>
<p class="breakable"><a href="${repository}" rel="nofollow ugc noopener noreferrer">${repository}</a></p>
</section>`;
}

function renderVersions(details: VersionDetails, versions: PackVersions["versions"]): Html {
  const rows = versions.slice(0, MAX_LISTED).map(({ version, publishedAt, state }) => {
    const isShown = version === details.version;
    const link = html`<a href="/packs/${details.name}/${version}"${isShown ? html` aria-current="page"` : null}>${version}</a>`;
    const mark =
      state.quarantined === null ? (state.yanked === null ? null : "yanked") : "quarantined";
    const marked = mark === null ? null : html` ${renderMark(mark)}`;
    const isLatest = version === details.latest;
    return html`<li>${link}${isLatest ? html` <span class="badge plain">latest</span>` : marked} ${renderDate(publishedAt)}</li>`;
  });
  const more = versions.length - rows.length;
  const names = versions.map(({ version }) => version);
  const before = details.changes?.from ?? names.find((version) => version !== details.version);
  return html`<section class="side" aria-labelledby="versions">
<h2 id="versions">Versions</h2>
<ul class="versions">${rows}</ul>
${more > 0 ? html`<p class="note">and <a href="/index/${details.name}">${more} older ones</a></p>` : null}
${before === undefined ? null : renderVersionForm(details.name, names, before, details.version)}
</section>`;
}

function renderProof(details: VersionDetails, checkpoint: string): Html {
  const { name, version, digest, logIndex } = details;
  const archive = `/api/v1/packs/${name}/${version}/archive`;
  return html`<section class="side" aria-labelledby="proof">
<h2 id="proof">Proof</h2>
<p>Publishing it is entry <strong>${logIndex}</strong> of this registry's public log, which only grows.
Whoever follows the log sees that the entry is there, and that nothing before it was rewritten.</p>
<h3>Digest of the <a href="${archive}">archive</a></h3>
<code class="exact">${digest}</code>
<h3>The log's signed head</h3>
<pre class="checkpoint">${checkpoint.trimEnd()}</pre>
<h3>Check it yourself</h3>
<p>Fetch the archive and its <a href="/api/v1/packs/${name}/${version}/bundle">bundle</a>, then:</p>
<pre class="command">sha256sum archive
sonde-pack verify archive --bundle bundle --key publisher.pem</pre>
</section>`;
}

function formatBytes(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`;
}
