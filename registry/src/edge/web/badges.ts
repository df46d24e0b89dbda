import type { PackReach } from "@sonde/schemas/manifest";
import type { Capability } from "@sonde/schemas/names";
import type { PackSummary } from "@sonde/schemas/registry";
import { describeCategory, describeEngine, describeGroup, describeLevel } from "@sonde/sources";
import { type Html, html } from "@sonde/service/web";

/** A sign beside the words, so that a badge is told apart without its colour. */
const LEVEL_SIGNS: Record<Capability, string> = { observe: "✓", interact: "◆", manage: "▲" };

/** Renders in short what a version could reach. Each badge leads to what it means. */
export function renderBadges({ capability, groups, reads, engines }: PackReach): Html {
  return html`<ul class="badges" aria-label="What it may do">
<li>${renderLevel(capability)}</li>
${groups.map(({ name, isRoot }) => {
  const { label } = describeGroup(name);
  const [kind, place] = isRoot ? ["manage", "root-group"] : ["plain", "group"];
  return html`<li><a class="badge ${kind}" href="/badges#${place}"><span aria-hidden="true">${isRoot ? "▲" : "◇"}</span> ${label}</a></li>`;
})}
${reads.map(
  ({ category, count }) =>
    html`<li><a class="badge plain" href="/badges#${category}">${describeCategory(category).label} <span class="count">${count}</span></a></li>`,
)}
${engines.map((engine) => html`<li><a class="badge engine" href="/?engine=${engine}">${describeEngine(engine)}</a></li>`)}
</ul>`;
}

export function renderLevel(level: Capability): Html {
  return html`<a class="badge ${level}" href="/badges#${level}"><span aria-hidden="true">${LEVEL_SIGNS[level]}</span> ${describeLevel(level).label}</a>`;
}

/** A warning in two or three words. */
export function renderMark(words: string): Html {
  return html`<span class="badge mark"><span aria-hidden="true">!</span> ${words}</span>`;
}

/** What a list says at once of a pack whose use somebody advises against. */
export function renderMarks({ latest, deprecated, advisories }: PackSummary): Html[] {
  const worst = ["critical", "high", "moderate", "low"].find((severity) =>
    advisories.some((advisory) => advisory.severity === severity),
  );
  return [
    latest === null ? renderMark("every version withdrawn") : null,
    worst === undefined ? null : renderMark(`advisory: ${worst}`),
    deprecated === null ? null : renderMark("deprecated"),
  ].filter((mark) => mark !== null);
}
