import { SondeError } from "@sonde/schemas/errors";
import { PublisherName, Version } from "@sonde/schemas/names";
import type { HttpServer } from "@sonde/service";
import { type PermissionDiff, diffPermissions } from "@sonde/trust/pack";
import { Type } from "typebox";
import type { VersionStore } from "../store/version-store.ts";

const params = Type.Object({ publisher: PublisherName, pack: PublisherName, version: Version });
const querystring = Type.Object(
  { against: Type.Optional(Version) },
  { additionalProperties: false },
);

/**
 * Adds the route that compares the permissions of two versions, by default with the previous one.
 */
export function addPermissionRoutes(app: HttpServer, versions: VersionStore): void {
  app.get(
    "/api/v1/packs/:publisher/:pack/:version/permissions",
    {
      schema: { params, querystring, summary: "Permissions beyond those of another version" },
      config: { right: "anybody", errors: ["NOT_FOUND"] },
    },
    async (request): Promise<PermissionDiff> => {
      const { publisher, pack, version } = request.params;
      const name = `${publisher}/${pack}`;
      const after = await demandVersion(versions, name, version);
      const { against } = request.query;
      const before =
        against === undefined
          ? await versions.findBefore(name, version)
          : await demandVersion(versions, name, against);
      return diffPermissions(before?.manifest ?? null, after.manifest);
    },
  );
}

async function demandVersion(versions: VersionStore, name: string, version: string) {
  const found = await versions.findVersion(name, version);
  if (found !== null) return found;
  throw new SondeError("NOT_FOUND", `expected a published version, got ${name} ${version}`);
}
