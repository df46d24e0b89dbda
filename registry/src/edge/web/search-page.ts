import type { PackList, PackSummary } from "@sonde/schemas/registry";
import { type Html, html } from "@sonde/service/web";
import { renderDate, renderDownloads, renderPage } from "./layout.ts";

/** Renders the first page of the registry and the results of a search. */
export function renderSearchPage(search: string, found: PackList, isFirst: boolean): string {
  const title = search === "" ? "Sonde registry" : `${search} · Sonde registry`;
  const more =
    found.cursor === null
      ? null
      : html`<p class="more"><a class="button" rel="next" href="/?${buildQuery(search, found.cursor)}">More packs</a></p>`;
  return renderPage(
    title,
    search,
    html`${search === "" && isFirst ? HERO : null}
<section aria-labelledby="found">
<h2 id="found">${headingOf(search, found, isFirst)}</h2>
${found.packs.length === 0 ? renderNothing(search) : html`<ul class="packs">${found.packs.map(renderCard)}</ul>`}
${more}
</section>`,
  );
}

const HERO = html`<section class="hero">
<h1>See into your servers, without a shell</h1>
<p class="lead">A pack answers questions about a host. It says beforehand everything it could ever read;
an agent lets it read that and nothing else.</p>
</section>`;

function headingOf(search: string, { packs }: PackList, isFirst: boolean): string {
  if (search === "") return isFirst ? "Most downloaded" : "More packs";
  if (packs.length === 0) return `Nothing matches “${search}”`;
  return isFirst ? `Packs for “${search}”` : `More packs for “${search}”`;
}

function renderNothing(search: string): Html {
  return search === ""
    ? html`<p>No pack has been published here yet. <code>sonde-pack publish</code> does it.</p>`
    : html`<p>Try fewer or other words, or look at <a href="/">all packs</a>.</p>`;
}

function renderCard(pack: PackSummary): Html {
  const [publisher, name] = pack.name.split("/");
  return html`<li class="card">
<h3><a href="/packs/${pack.name}"><span>${publisher ?? ""}/</span>${name ?? ""}</a></h3>
<p>${pack.description}</p>
<p class="facts">${renderLatest(pack)} ${renderDate(pack.publishedAt)} <span>${renderDownloads(pack.downloads)}</span></p>
</li>`;
}

function renderLatest({ latest }: PackSummary): Html {
  return latest === null
    ? html`<span class="level manage">every version withdrawn</span>`
    : html`<span class="version">${latest}</span>`;
}

function buildQuery(search: string, cursor: string): string {
  return new URLSearchParams({ ...(search !== "" && { q: search }), cursor }).toString();
}
