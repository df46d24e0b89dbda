import { SondeError } from "@sonde/schemas/errors";
import { HubPackDetail } from "@sonde/schemas/hub";
import { Digest } from "@sonde/schemas/names";
import { describeSigner } from "@sonde/schemas/trust";
import { describePermissions, describeProbes } from "@sonde/sources";
import { Type } from "typebox";
import type { Hub } from "../../hub.ts";

/** Adds the route that describes a pack to people: what it could do on a host, in words and exactly. */
export function addPackRoutes({ app, directory }: Hub): void {
  app.get(
    "/api/v1/packs/:digest",
    {
      config: { right: "tools.read", errors: ["NOT_FOUND"] },
      schema: {
        summary: "A pack that this hub verified, with its exact reads",
        params: Type.Object({ digest: Digest }),
        response: { 200: HubPackDetail },
      },
    },
    ({ params }): HubPackDetail => {
      const pack = directory.packs().get(params.digest);
      if (pack === undefined) {
        throw new SondeError("NOT_FOUND", "expected the digest of an archive this hub verified");
      }
      const { name, version, digest, signer, manifest } = pack;
      return {
        ...{ name, version, digest },
        description: manifest.description,
        license: manifest.license,
        repository: manifest.repository,
        signedBy: describeSigner(signer),
        permissions: describePermissions(manifest),
        probes: describeProbes(manifest),
      };
    },
  );
}
