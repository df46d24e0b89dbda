import { CATEGORIES } from "@sonde/schemas/manifest";
import type { Capability } from "@sonde/schemas/names";
import { describeCategory, describeLevel } from "@sonde/sources";
import { html } from "@sonde/service/web";
import { renderLevel } from "./badges.ts";
import { renderPage } from "./layout.ts";

const LEVELS: readonly Capability[] = ["observe", "interact", "manage"];

/** Renders what each badge of a pack means. */
export function renderBadgesPage(): string {
  return renderPage(
    "What the badges mean · Sonde registry",
    html`<article class="text">
<h1>What the badges mean</h1>
<p class="lead">They are derived from what a pack declares to read, by the same rules as on a host. What its author says of it does not count.
An agent performs nothing else, and this only after somebody approved it there.</p>
<section aria-labelledby="levels"><h2 id="levels">Levels</h2>
<dl class="meanings">${LEVELS.map((level) => html`<div><dt id="${level}">${renderLevel(level)}</dt><dd>${describeLevel(level).words}</dd></div>`)}</dl></section>
<section aria-labelledby="groups"><h2 id="groups">Groups</h2>
<dl class="meanings">
<div><dt id="group">A group</dt><dd>The reads are done by a process in this group, which may read what the group may. The pack's own code never runs in it.</dd></div>
<div><dt id="root-group">A group that is as good as root</dt><dd>Whoever is in it can become root. Only the process that performs the listed reads gets it, and nobody else.</dd></div>
</dl></section>
<section aria-labelledby="reads"><h2 id="reads">What is read</h2>
<p>The number says how many of the pack's sources are of that sort.</p>
<dl class="meanings">${CATEGORIES.map((category) => {
      const { label, words } = describeCategory(category);
      return html`<div><dt id="${category}"><a href="/?category=${category}">${label}</a></dt><dd>${words}</dd></div>`;
    })}</dl></section>
</article>`,
  );
}
