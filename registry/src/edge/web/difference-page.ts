import type { Requires } from "@sonde/schemas/manifest";
import type { PackVersions, ToolWords, VersionDifference } from "@sonde/schemas/registry";
import { describeLevel, describeWindow, listItems } from "@sonde/sources";
import { type Html, html } from "@sonde/service/web";
import { renderLevel, renderMark } from "./badges.ts";
import { renderPage } from "./layout.ts";

/** How many of the newest versions can be chosen. Links can name any. */
const MAX_CHOSEN = 100;

/** Renders what differs between two versions of a pack. */
export function renderDifferencePage(difference: VersionDifference, pack: PackVersions): string {
  const { name, from, to, description } = difference;
  const isSaidAnew = description.before !== description.after;
  return renderPage(
    `${name} ${from} and ${to} · Sonde registry`,
    html`<article class="text">
<header class="pack">
<p class="eyebrow"><a href="/packs/${name}">${name}</a></p>
<h1>${from} <span aria-hidden="true">&rarr;</span><span class="unseen">compared with</span> ${to}</h1>
<p class="facts">${renderState(pack, from)} ${renderState(pack, to)}</p>
${renderChoice(difference, pack)}
</header>
${renderPermissions(difference)}
${isSaidAnew ? html`<section aria-labelledby="description"><h2 id="description">Description</h2>${renderSides(difference, html`<p>${description.before}</p>`, html`<p>${description.after}</p>`)}</section>` : null}
${renderTools(difference)}
${renderReadme(difference)}
</article>`,
  );
}

function renderState({ versions }: PackVersions, version: string): Html | null {
  const state = versions.find((known) => known.version === version)?.state;
  if (state === undefined) return null;
  if (state.quarantined !== null) return renderMark(`${version} quarantined`);
  return state.yanked === null ? null : renderMark(`${version} yanked`);
}

function renderChoice({ name, from, to }: VersionDifference, { versions }: PackVersions): Html {
  return html`${renderVersionForm(
    name,
    versions.map(({ version }) => version),
    from,
    to,
  )}
<p class="note"><a href="/packs/${name}/difference?from=${to}&amp;to=${from}">The other way round</a></p>`;
}

/** A form that compares two versions, without a script. */
export function renderVersionForm(
  name: string,
  versions: readonly string[],
  from: string,
  to: string,
): Html {
  const choose = (chosen: string): Html[] => {
    const known = versions.slice(0, MAX_CHOSEN);
    const all = known.includes(chosen) ? known : [chosen, ...known];
    return all.map(
      (version) => html`<option${version === chosen ? html` selected` : null}>${version}</option>`,
    );
  };
  return html`<form class="compare" action="/packs/${name}/difference" method="get">
<label>From <select name="from">${choose(from)}</select></label>
<label>to <select name="to">${choose(to)}</select></label>
<button type="submit">Compare</button>
</form>`;
}

function renderPermissions({ from, to, permissions }: VersionDifference): Html {
  const { added, removed, wider, probes, sources, asksMore } = permissions;
  const items = (sign: string, word: string, requires: Requires): Html[] =>
    listItems(requires).map((item) =>
      renderLine(sign, word, html`<code class="exact">${item}</code>`),
    );
  const named = (sign: string, word: string, names: readonly string[]): Html[] =>
    names.map((name) => renderLine(sign, word, html`<code>${name}</code>`));
  const lines = [
    ...items("+", "asks for", added),
    ...wider.map((window) =>
      renderLine("+", "reads more of", html`<code class="exact">${describeWindow(window)}</code>`),
    ),
    ...probes.raised.map(({ probe, from: before, to: after }) =>
      renderLine(
        "▲",
        "needs a higher level",
        html`<code>${probe}</code> ${describeLevel(before).label} before, now ${renderLevel(after)}`,
      ),
    ),
    ...items("−", "no longer asks for", removed),
    ...named("+", "new question", probes.added),
    ...named("−", "question gone", probes.removed),
    ...named("~", "question takes other reads", probes.changed),
    ...named("~", "source changed", sources.changed),
  ];
  const verdict = asksMore
    ? html`<p><strong>A grant for ${from} does not cover ${to}.</strong> A host holds it until its administrator approved what is new.</p>`
    : html`<p><strong>A grant for ${from} covers ${to}.</strong></p>`;
  return html`<section aria-labelledby="permissions"><h2 id="permissions">Permissions</h2>
${verdict}
${lines.length === 0 ? html`<p class="note">It asks for nothing new, and for nothing less.</p>` : html`<ul class="permissions" aria-label="Changes">${lines}</ul>`}
</section>`;
}

function renderLine(sign: string, word: string, what: Html): Html {
  return html`<li><p><span class="sign" aria-hidden="true">${sign}</span> ${word}</p>${what}</li>`;
}

function renderSides({ from, to }: VersionDifference, before: Html, after: Html): Html {
  return html`<div class="sides">
<div><p class="side-of">${from}</p>${before}</div>
<div><p class="side-of">${to}</p>${after}</div>
</div>`;
}

function renderTools(difference: VersionDifference): Html {
  const tools = difference.tools.map(
    ({ id, before, after }) => html`<section class="tool"><h3><code>${id}</code></h3>
${renderSides(difference, renderTool(before, after), renderTool(after, before))}</section>`,
  );
  return html`<section aria-labelledby="tools"><h2 id="tools">What a model reads</h2>
${tools.length === 0 ? html`<p class="note">The words and parameters of all questions are the same.</p>` : tools}
</section>`;
}

/** One side of a question, with a word beside each part that the other side has otherwise. */
function renderTool(tool: ToolWords | null, other: ToolWords | null): Html {
  if (tool === null) return html`<p class="note">There is no such question.</p>`;
  const differs = (is: boolean): Html | null =>
    is && other !== null ? html` <span class="differs">differs</span>` : null;
  const params = tool.params.map(({ name, required, schema }) => {
    const same = other?.params.find((one) => one.name === name);
    const isSame = same?.schema === schema && same.required === required;
    return html`<li><code>${name}</code>${required ? " (required)" : ""}${differs(!isSame)}<code class="exact">${schema}</code></li>`;
  });
  return html`<p>${tool.description}${differs(tool.description !== other?.description)}</p>
<p>${renderLevel(tool.capability)}${differs(tool.capability !== other?.capability)}</p>
${params.length === 0 ? html`<p class="note">No parameters.</p>` : html`<ul class="params">${params}</ul>`}
${tool.result === other?.result ? null : html`<details><summary>Shape of the answer</summary><code class="exact">${tool.result}</code></details>`}`;
}

const SIGNS = { added: "+", removed: "−", same: " ", "left-out": "…" };

function renderReadme({ readme }: VersionDifference): Html {
  const lines = readme?.map(
    ({ line, is }) => html`<span class="line ${is}">${SIGNS[is]} ${line}
</span>`,
  );
  return html`<section aria-labelledby="readme"><h2 id="readme">README</h2>
${
  lines === undefined
    ? html`<p class="note">It differs in too many lines to compare them here.</p>`
    : lines.length === 0
      ? html`<p class="note">It is the same.</p>`
      : html`<pre class="lines">${lines}</pre>`
}
</section>`;
}
