import { describePack } from "../../core/stored-version.ts";
import type { PackName, Version } from "@sonde/schemas/names";
import type { PackVersions } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { addAssets, sendPage } from "@sonde/service/web";
import {
  type DescriptionPorts,
  DifferenceQuery,
  PackPath,
  PublisherPath,
  VersionPath,
} from "../http/detail-routes.ts";
import { SearchQuery, readPage, readQuery } from "../http/search-routes.ts";
import type { ReadCheckpoint } from "../log-head.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { PackSearch } from "../store/pack-search.ts";
import type { VersionStore } from "../store/version-store.ts";
import { renderBadgesPage } from "./badges-page.ts";
import { renderDifferencePage } from "./difference-page.ts";
import { ASSETS, renderRefusal } from "./layout.ts";
import { renderPackPage } from "./pack-page.ts";
import { renderPublisherPage } from "./publisher-page.ts";
import { renderSearchPage } from "./search-page.ts";

export type PagePorts = DescriptionPorts & {
  search: PackSearch;
  versions: VersionStore;
  lives: LifeStore;
  readCheckpoint: ReadCheckpoint;
};

/** How many packs a publisher's page shows. */
const PACKS_OF_PUBLISHER = 24;

/** Adds the registry's pages: HTML from the server, without scripts and cookies. */
export function addPageRoutes(app: HttpServer, ports: PagePorts): void {
  const options = {
    config: { right: "anybody", conditional: true, errorPage: renderRefusal } as const,
  };

  app.get(
    "/",
    { ...options, schema: { hide: true, querystring: SearchQuery } },
    async ({ query: asked }, reply) => {
      const query = { ...readQuery(asked), words: asked.q?.trim() ?? "" };
      const order = asked.sort ?? "match";
      const [list, counts] = await Promise.all([
        ports.search.searchPacks(query, order, readPage(asked)),
        ports.search.countPacks(query),
      ]);
      const isFirst = asked.cursor === undefined;
      return sendPage(reply, renderSearchPage({ query, order, list, counts, isFirst }));
    },
  );
  app.get("/badges", { ...options, schema: { hide: true } }, (_request, reply) =>
    sendPage(reply, renderBadgesPage()),
  );
  app.get(
    "/publishers/:publisher",
    { ...options, schema: { hide: true, params: PublisherPath } },
    async ({ params: { publisher } }, reply) => {
      const query = { words: "", category: null, engine: null, publisher };
      const [known, list] = await Promise.all([
        ports.readPublisher(publisher),
        ports.search.searchPacks(query, "name", { limit: PACKS_OF_PUBLISHER, cursor: null }),
      ]);
      return sendPage(reply, renderPublisherPage(known, list));
    },
  );
  app.get(
    "/packs/:publisher/:pack",
    { ...options, schema: { hide: true, params: PackPath } },
    async ({ params }, reply) => {
      const name = `${params.publisher}/${params.pack}`;
      return sendPage(reply, await renderVersion(ports, name, null));
    },
  );
  app.get(
    "/packs/:publisher/:pack/difference",
    { ...options, schema: { hide: true, params: PackPath, querystring: DifferenceQuery } },
    async ({ params, query: { from, to } }, reply) => {
      const name = `${params.publisher}/${params.pack}`;
      const pack = await readVersions(ports, name);
      const difference = await ports.readDifference(name, from, to);
      return sendPage(reply, renderDifferencePage(difference, pack));
    },
  );
  app.get(
    "/packs/:publisher/:pack/:version",
    { ...options, schema: { hide: true, params: VersionPath } },
    async ({ params }, reply) =>
      sendPage(
        reply,
        await renderVersion(ports, `${params.publisher}/${params.pack}`, params.version),
      ),
  );
  addAssets(app, Object.values(ASSETS));
}

/** @param asked null for the latest version, or for the newest one when all are withdrawn */
async function renderVersion(
  ports: PagePorts,
  name: PackName,
  asked: Version | null,
): Promise<string> {
  const pack = await readVersions(ports, name);
  const version = asked ?? pack.latest ?? pack.versions[0]?.version ?? "";
  const details = await ports.readDetails(name, version);
  return renderPackPage(details, pack, await ports.readCheckpoint());
}

async function readVersions({ versions, lives }: PagePorts, name: PackName): Promise<PackVersions> {
  return describePack(name, await versions.listVersions(name), await lives.readLife(name));
}
