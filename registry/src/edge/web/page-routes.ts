import { describePack } from "../../core/stored-version.ts";
import { PublisherName, Version } from "@sonde/schemas/names";
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import type { ReadDetails } from "../http/details-reader.ts";
import { type HttpServer, NOT_CACHED, type Report, narrow } from "../http/http-server.ts";
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

/**
 * What keeps a page harmless even if markup of a stranger came through: no
 * script at all, nothing from elsewhere, no frame around it (attack 38).
 */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** The registry's pages: whole HTML from the server, without a script and without cookies. */
export function addPageRoutes(app: HttpServer, ports: PagePorts, report: Report): void {
  const options = {
    config: { right: "anybody", conditional: true } as const,
    errorHandler: (thrown: Error, request: { id: string }, reply: FastifyReply) => {
      const error = narrow(thrown);
      if (error.status >= 500) report(error, request.id);
      const { code, message, hint } = error.toBody().error;
      reply.code(error.status).headers(NOT_CACHED);
      sendPage(reply, renderRefusal(error.status, code, message, hint));
    },
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
  for (const { path, type, text } of Object.values(ASSETS)) {
    app.get(path, { schema: { hide: true }, config: { right: "anybody" } }, (_request, reply) =>
      reply.type(type).header("cache-control", "public, max-age=31536000, immutable").send(text),
    );
  }
}

/** @param asked null for the latest version, or the newest where all are withdrawn */
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

function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply.headers(HEADERS).type("text/html; charset=utf-8").send(page);
}
