import type { VersionDetails } from "@sonde/schemas/registry";
import { type Html, html } from "@sonde/service/web";

/** Renders the lines that bring a version to hosts, to be copied by hand. */
export function renderInstall(details: VersionDetails): Html {
  return html`<section class="side" aria-labelledby="install">
<h2 id="install">Install</h2>
${details.state.quarantined === null ? renderLines(details) : html`<p>This version is quarantined: no hub and no agent gets it.</p>`}
</section>`;
}

function renderLines(details: VersionDetails): Html {
  const { name, version, latest, state } = details;
  // A range never leads to a yanked version, and from an older one to a newer.
  const wanted = version === latest && state.yanked === null ? `^${version}` : version;
  return html`<h3>On the hub</h3>
<pre class="command">sonde packs install ${name}@${wanted} --on role=web</pre>
<p class="note"><code>--on</code> is a tag of the agents, <code>--agent NAME</code> one of them. Each agent fetches and checks it.</p>
<h3>On the host</h3>
<pre class="command">sonde-agent approve ${name}</pre>
<p class="note">It shows every exact read and asks the host's own administrator. Until then nothing is read.</p>
<h3>If the host does not trust the publisher yet</h3>
${renderTrust(details)}`;
}

function renderTrust({ name, trust }: VersionDetails): Html {
  const [publisher = ""] = name.split("/");
  if (trust === null) {
    return html`<p>This registry has not got the signer's key. Ask the <a href="/publishers/${publisher}">publisher</a> for it, and compare its fingerprint with the signer below.</p>`;
  }
  return html`<p class="note">A member of <code>publishers</code> in the host's <code>trust.json</code>:</p>
<pre class="command">${JSON.stringify(publisher)}: ${JSON.stringify(trust)}</pre>
<p class="note">Compare it with what the publisher says elsewhere: a registry that lies would lie here too.</p>`;
}
