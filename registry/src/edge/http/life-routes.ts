import { PublisherName, Version } from "@sonde/schemas/names";
import {
  AdvisoryId,
  ChangeAdvisory,
  ChangeDeprecation,
  ChangeQuarantine,
  ChangeYank,
  PackLife,
} from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { Type } from "typebox";
import type { LifeStore } from "../store/life-store.ts";

const pack = { publisher: PublisherName, pack: PublisherName };
const PackPath = Type.Object(pack);
const VersionPath = Type.Object({ ...pack, version: Version });
const AdvisoryPath = Type.Object({ ...pack, id: AdvisoryId });

/** Adds the routes that change a published pack's life. Each writes one kind of log entry. */
export function addLifeRoutes(app: HttpServer, lives: LifeStore, now: () => Date): void {
  const path = "/api/v1/packs/:publisher/:pack";
  const about = (params: { publisher: string; pack: string }) => ({
    at: now().toISOString(),
    name: `${params.publisher}/${params.pack}`,
  });

  app.put(
    `${path}/:version/yank`,
    {
      schema: {
        params: VersionPath,
        body: ChangeYank,
        response: { 200: PackLife },
        summary: "Yanks a version or restores it",
      },
      config: { right: "yank", errors: ["NOT_FOUND"] },
    },
    ({ params, body, caller }): Promise<PackLife> =>
      lives.change({ type: "yank", ...about(params), version: params.version, ...body }, caller),
  );
  app.put(
    `${path}/deprecation`,
    {
      schema: {
        params: PackPath,
        body: ChangeDeprecation,
        response: { 200: PackLife },
        summary: "Deprecates a pack or withdraws the deprecation",
      },
      config: { right: "deprecate", errors: ["NOT_FOUND"] },
    },
    ({ params, body, caller }): Promise<PackLife> =>
      lives.change({ type: "deprecate", ...about(params), ...body }, caller),
  );
  app.put(
    `${path}/advisories/:id`,
    {
      schema: {
        params: AdvisoryPath,
        body: ChangeAdvisory,
        response: { 200: PackLife },
        summary: "Adds or withdraws an advisory about a range of versions",
      },
      config: { right: "advisory", errors: ["NOT_FOUND"] },
    },
    ({ params, body, caller }): Promise<PackLife> =>
      lives.change({ type: "advisory", ...about(params), id: params.id, ...body }, caller),
  );
  app.put(
    `${path}/:version/quarantine`,
    {
      schema: {
        params: VersionPath,
        body: ChangeQuarantine,
        response: { 200: PackLife },
        summary: "Quarantines a version or releases it",
      },
      config: { right: "quarantine", errors: ["NOT_FOUND"] },
    },
    ({ params, body, caller }): Promise<PackLife> =>
      lives.change(
        { type: "quarantine", ...about(params), version: params.version, ...body },
        caller,
      ),
  );
}
