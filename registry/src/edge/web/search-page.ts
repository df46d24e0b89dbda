import {
  type PackCounts,
  type PackList,
  type PackOrder,
  type PackSummary,
} from "@sonde/schemas/registry";
import { describeCategory, describeEngine } from "@sonde/sources";
import { type Html, html } from "@sonde/service/web";
import { CANDIDATES, type PackQuery } from "../store/pack-search.ts";
import { renderBadges, renderMarks } from "./badges.ts";
import { renderDate, renderDownloads, renderPage } from "./layout.ts";

export type Found = {
  query: PackQuery;
  order: PackOrder;
  list: PackList;
  counts: PackCounts;
  isFirst: boolean;
};

const ORDERS: Readonly<Record<PackOrder, string>> = {
  match: "Best match",
  downloads: "Downloads",
  name: "Name",
  newest: "Newest",
  published: "Last published",
};

/** Renders the first page of the registry and the results of a search. */
export function renderSearchPage(found: Found): string {
  const { query, order, list, isFirst } = found;
  const { words } = query;
  const kept = membersOf({ ...query, words: "" }, order);
  const isWhole = words === "" && kept.length === 0 && isFirst;
  return renderPage(
    words === "" ? "Sonde registry" : `${words} · Sonde registry`,
    html`${isWhole ? HERO : html`<h1 class="unseen">Packs</h1>`}
<div class="browse">
${renderFilters(found)}
<section aria-labelledby="found">
<h2 id="found">${headingOf(found)}</h2>
${renderChosen(query, order)}
${
  list.packs.length === 0
    ? renderNothing(query, order)
    : html`${renderOrders(found)}
<ul class="packs">${list.packs.map(renderCard)}</ul>`
}
${renderMore(found)}
</section>
</div>`,
    { words, kept },
  );
}

const HERO = html`<section class="hero">
<h1>See into your servers, without a shell</h1>
<p class="lead">A pack answers questions about a host. It says beforehand everything it could ever read;
an agent lets it read that and nothing else.</p>
</section>`;

function headingOf({ query, counts, list, isFirst }: Found): string {
  const { words } = query;
  const of = words === "" ? "" : ` for “${words}”`;
  if (counts.packs === 0 && list.packs.length > 0)
    return `Nothing matches “${words}”. Similar names:`;
  if (list.packs.length === 0) return words === "" ? "No packs" : `Nothing matches “${words}”`;
  const count = `${counts.packs.toLocaleString("en-US")} ${counts.packs === 1 ? "pack" : "packs"}`;
  return isFirst ? `${count}${of}` : `More of ${count}${of}`;
}

/** What a reader can do when there is nothing. */
function renderNothing(query: PackQuery, order: PackOrder): Html {
  const { words, category, engine, publisher } = query;
  if (category !== null || engine !== null || publisher !== null) {
    const without = { words, category: null, engine: null, publisher: null };
    return html`<p>No pack passes all of this. Take one of the filters away, or <a href="${linkTo(without, order)}">all of them</a>.</p>`;
  }
  return words === ""
    ? html`<p>No pack has been published here yet. <code>sonde-pack publish</code> does it.</p>`
    : html`<p>Try fewer or other words, or look at <a href="/">all packs</a>.</p>`;
}

function renderFilters({ query, order, counts }: Found): Html | null {
  const { category, engine } = query;
  if (counts.categories.length === 0 && counts.engines.length === 0) return null;
  const categories = counts.categories.map((one) =>
    renderFilter(
      describeCategory(one.category).label,
      one.packs,
      linkTo({ ...query, category: one.category === category ? null : one.category }, order),
      one.category === category,
    ),
  );
  const engines = counts.engines.map((one) =>
    renderFilter(
      describeEngine(one.engine),
      one.packs,
      linkTo({ ...query, engine: one.engine === engine ? null : one.engine }, order),
      one.engine === engine,
    ),
  );
  return html`<nav class="filters" aria-label="Filters">
<h2>Reads</h2>
<ul>${categories}</ul>
${
  engines.length === 0
    ? null
    : html`<h2>Of the program</h2>
<ul>${engines}</ul>`
}
<p class="note"><a href="/badges">What these mean</a></p>
</nav>`;
}

function renderFilter(label: string, packs: number, href: string, isChosen: boolean): Html {
  const chosen = isChosen ? html` aria-current="true"` : null;
  return html`<li><a href="${href}"${chosen}>${isChosen ? html`<span aria-hidden="true">&#10003; </span>` : null}${label} <span class="count">${packs}</span></a></li>`;
}

/** The filters in force, each with a way to take it away. */
function renderChosen(query: PackQuery, order: PackOrder): Html | null {
  const { category, engine, publisher } = query;
  const chosen: [string, PackQuery][] = [];
  if (category !== null) {
    chosen.push([`reads: ${describeCategory(category).label}`, { ...query, category: null }]);
  }
  if (engine !== null) {
    chosen.push([`program: ${describeEngine(engine)}`, { ...query, engine: null }]);
  }
  if (publisher !== null) {
    chosen.push([`publisher: ${publisher}`, { ...query, publisher: null }]);
  }
  if (chosen.length === 0) return null;
  return html`<ul class="chosen" aria-label="Filters in force">${chosen.map(
    ([label, without]) =>
      html`<li><a href="${linkTo(without, order)}">${label} <span aria-hidden="true">&times;</span><span class="unseen"> (take away)</span></a></li>`,
  )}</ul>`;
}

function renderOrders({ query, order }: Found): Html {
  const isDefault = (one: PackOrder): boolean =>
    query.words === "" && order === "match" ? one === "downloads" : one === order;
  const links = (Object.entries(ORDERS) as [PackOrder, string][])
    .filter(([one]) => one !== "match" || query.words !== "")
    .map(([one, label]) => {
      const current = isDefault(one) ? html` aria-current="true"` : null;
      return html`<li><a href="${linkTo(query, one)}"${current}>${label}</a></li>`;
    });
  return html`<nav class="orders" aria-label="Order"><span aria-hidden="true">Order</span><ul>${links}</ul></nav>`;
}

function renderMore({ query, order, list, counts }: Found): Html | null {
  const isRanked = order === "match" && query.words !== "" && counts.packs > CANDIDATES;
  const note = isRanked
    ? html`<p class="note">Ranked are the most downloaded of these. <a href="${linkTo(query, "name")}">By name</a> there are all of them.</p>`
    : null;
  if (list.cursor === null) return note;
  const next = linkTo(query, order, list.cursor);
  return html`${note}<p class="more"><a class="button" rel="next" href="${next}">More packs</a></p>`;
}

/** A pack in a list. */
export function renderCard(pack: PackSummary): Html {
  const [publisher, name] = pack.name.split("/");
  const marks = renderMarks(pack);
  const version = pack.latest === null ? null : html`<span class="version">${pack.latest}</span>`;
  return html`<li class="card">
<h3><a href="/packs/${pack.name}"><span>${publisher ?? ""}/</span>${name ?? ""}</a></h3>
${marks.length === 0 ? null : html`<p class="marks">${marks}</p>`}
<p class="about" dir="auto">${pack.description}</p>
${renderBadges(pack.reach)}
<p class="facts">${version} ${renderDate(pack.publishedAt)} <span>${renderDownloads(pack.downloads)}</span></p>
</li>`;
}

/** A link to the packs that a query finds. */
export function linkTo(query: PackQuery, order: PackOrder, cursor?: string): string {
  const members = membersOf(query, order);
  if (cursor !== undefined) members.push(["cursor", cursor]);
  return members.length === 0 ? "/" : `/?${new URLSearchParams(members).toString()}`;
}

function membersOf({ words, category, engine, publisher }: PackQuery, order: PackOrder) {
  const members: [name: string, value: string][] = [];
  if (words !== "") members.push(["q", words]);
  if (category !== null) members.push(["category", category]);
  if (engine !== null) members.push(["engine", engine]);
  if (publisher !== null) members.push(["publisher", publisher]);
  if (order !== "match") members.push(["sort", order]);
  return members;
}
