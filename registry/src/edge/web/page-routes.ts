import { describePack } from "../../core/stored-version.ts";
import { PublisherName, Version } from "@sonde/schemas/names";
import type { HttpServer } from "@sonde/service";
import { addAssets, sendPage } from "@sonde/service/web";
import { Type } from "typebox";
import type { ReadDetails } from "../http/details-reader.ts";
import { SearchQuery, readPage } from "../http/search-routes.ts";
import type { ReadCheckpoint } from "../log-head.ts";
import type { PackStore } from "../store/pack-store.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { VersionStore } from "../store/version-store.ts";
import { ASSETS, renderRefusal } from "./layout.ts";
import { renderPackPage } from "./pack-page.ts";
import { renderSearchPage } from "./search-page.ts";

export type PagePorts = {
  packs: PackStore;
  versions: VersionStore;
  lives: LifeStore;
  readDetails: ReadDetails;
  readCheckpoint: ReadCheckpoint;
};

const PackPath = Type.Object({ publisher: PublisherName, pack: PublisherName });
const VersionPath = Type.Object({
  publisher: PublisherName,
  pack: PublisherName,
  version: Version,
});

/** Adds the registry's pages: HTML from the server, without scripts and cookies. */
export function addPageRoutes(app: HttpServer, ports: PagePorts): void {
  const options = {
    config: { right: "anybody", conditional: true, errorPage: renderRefusal } as const,
  };

  app.get(
    "/",
    { ...options, schema: { hide: true, querystring: SearchQuery } },
    async ({ query }, reply) => {
      const search = query.q?.trim() ?? "";
      const found = await ports.packs.searchPacks(search, readPage(query));
      return sendPage(reply, renderSearchPage(search, found, query.cursor === undefined));
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
  name: string,
  asked: Version | null,
): Promise<string> {
  const listed = await ports.versions.listVersions(name);
  const pack = describePack(name, listed, await ports.lives.readLife(name));
  const version = asked ?? pack.latest ?? pack.versions[0]?.version ?? "";
  const details = await ports.readDetails(name, version);
  return renderPackPage(details, pack, await ports.readCheckpoint());
}
