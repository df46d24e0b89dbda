import {
  AdvisoryId,
  ChangeAdvisory,
  ChangeDeprecation,
  ChangeQuarantine,
  ChangeYank,
  type PackLife,
  PublisherName,
  Version,
} from "@sonde/schemas";
import { Type } from "typebox";
import type { Principal } from "../../core/authorize.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { HttpServer } from "./http-server.ts";

const pack = { publisher: PublisherName, pack: PublisherName };
const PackPath = Type.Object(pack);
const VersionPath = Type.Object({ ...pack, version: Version });
const AdvisoryPath = Type.Object({ ...pack, id: AdvisoryId });

/** What becomes of a pack after it was published: each route writes one kind of log entry. */
export function addLifeRoutes(app: HttpServer, lives: LifeStore, now: () => Date): void {
  const path = "/api/v1/packs/:publisher/:pack";
  const said = (params: { publisher: string; pack: string }, caller: Principal) => ({
    about: { at: now().toISOString(), name: `${params.publisher}/${params.pack}` },
    by: caller.role === "operator" ? ("operator" as const) : ("publisher" as const),
  });

  app.put(
    `${path}/:version/yank`,
    { schema: { params: VersionPath, body: ChangeYank }, config: { right: "yank" } },
    ({ params, body, caller }): Promise<PackLife> => {
      const { about, by } = said(params, caller);
      return lives.change({ type: "yank", ...about, version: params.version, ...body }, by);
    },
  );
  app.put(
    `${path}/deprecation`,
    { schema: { params: PackPath, body: ChangeDeprecation }, config: { right: "deprecate" } },
    ({ params, body, caller }): Promise<PackLife> => {
      const { about, by } = said(params, caller);
      return lives.change({ type: "deprecate", ...about, ...body }, by);
    },
  );
  app.put(
    `${path}/advisories/:id`,
    { schema: { params: AdvisoryPath, body: ChangeAdvisory }, config: { right: "advisory" } },
    ({ params, body, caller }): Promise<PackLife> => {
      const { about, by } = said(params, caller);
      return lives.change({ type: "advisory", ...about, id: params.id, ...body }, by);
    },
  );
  app.put(
    `${path}/:version/quarantine`,
    { schema: { params: VersionPath, body: ChangeQuarantine }, config: { right: "quarantine" } },
    ({ params, body, caller }): Promise<PackLife> => {
      const { about, by } = said(params, caller);
      return lives.change({ type: "quarantine", ...about, version: params.version, ...body }, by);
    },
  );
}
