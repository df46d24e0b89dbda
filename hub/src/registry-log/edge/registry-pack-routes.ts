import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { RegistryVersion } from "@sonde/schemas/hub";
import { type Digest, PublisherName, Version } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import {
  PackList,
  PackVersions,
  parsePackList,
  parsePackVersions,
  parseVersionDetails,
  type VersionDetails,
} from "@sonde/schemas/registry";
import { describeSigner, type Signer, type TrustPolicy } from "@sonde/schemas/trust";
import { describeWindow } from "@sonde/sources";
import { fetchFile } from "@sonde/trust/admit";
import { demandTrusted } from "@sonde/trust/pack";
import { Type } from "typebox";
import type { Hub } from "../../hub.ts";
import type { RegistryFollower } from "../core/registry-follower.ts";
import { createRecentAnswers } from "./recent-answers.ts";

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** As the registry has it, of whose lists these are. */
const SearchQuery = Type.Object(
  {
    q: Type.Optional(Type.String({ maxLength: 200 })),
    limit: Type.Optional(Type.String({ pattern: "^([1-9][0-9]?|100)$" })),
    cursor: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_/-]{1,300}$" })),
  },
  { additionalProperties: false },
);
const PackParams = Type.Object({ publisher: PublisherName, pack: PublisherName });
const VersionParams = Type.Object({ ...PackParams.properties, version: Version });

/**
 * Adds the routes that pass on what the hub's registry says of packs. It proves nothing: what an
 * agent installs, hub and agent verify. Of one version they also tell what the hub knows itself.
 */
export function addRegistryPackRoutes(
  { app, directory, elapsed }: Pick<Hub, "app" | "directory" | "elapsed">,
  readPolicy: () => TrustPolicy,
  registry: Pick<RegistryFollower, "find">,
): void {
  const recent = createRecentAnswers(elapsed);
  const read = (path: string): Promise<unknown> => {
    const place = readPolicy();
    return recent.get(`${place.registry} ${place.logKey} ${path}`, async () => {
      const bytes = await fetchFile(place, `api/v1/${path}`, MAX_ANSWER_BYTES).catch(
        (thrown: unknown) => {
          // An answer above its cap is no answer.
          const { message } = toSondeError(thrown);
          throw new SondeError("REGISTRY_UNAVAILABLE", message, { cause: thrown });
        },
      );
      if (bytes !== null) return parseJson(bytes, "registry answer", "REGISTRY_UNAVAILABLE");
      throw new SondeError("NOT_FOUND", "expected a pack of the registry, it has no such one");
    });
  };

  /** @throws SondeError REGISTRY_UNAVAILABLE for an answer about something else */
  async function readVersion(name: string, version: string): Promise<VersionDetails> {
    const details = parseVersionDetails(await read(`packs/${name}/${version}/details`));
    if (details.name === name && details.version === version) return details;
    throw new SondeError(
      "REGISTRY_UNAVAILABLE",
      `expected what the registry says of ${name} ${version}, got ${details.name} ${details.version}`,
    );
  }

  app.get(
    "/api/v1/registry/packs",
    {
      config: { right: "tools.read", errors: ["REGISTRY_UNAVAILABLE", "NOT_FOUND"] },
      schema: {
        summary: "Packs of the registry that match some words, by its own word",
        querystring: SearchQuery,
        response: { 200: PackList },
      },
    },
    async ({ query }) => {
      const { q = "", ...page } = query;
      const asked = new URLSearchParams(q === "" ? page : { q, ...page });
      return parsePackList(await read(`${q === "" ? "packs" : "search"}?${asked.toString()}`));
    },
  );

  app.get(
    "/api/v1/registry/packs/:publisher/:pack",
    {
      config: { right: "tools.read", errors: ["REGISTRY_UNAVAILABLE", "NOT_FOUND"] },
      schema: {
        summary: "The versions of a pack in the registry, by its own word",
        params: PackParams,
        response: { 200: PackVersions },
      },
    },
    async ({ params }) => {
      const name = `${params.publisher}/${params.pack}`;
      const known = parsePackVersions(await read(`packs/${name}`));
      if (known.name === name) return known;
      throw new SondeError(
        "REGISTRY_UNAVAILABLE",
        `expected the versions of ${name}, got those of ${known.name}`,
      );
    },
  );

  app.get(
    "/api/v1/registry/packs/:publisher/:pack/:version",
    {
      config: {
        right: "tools.read",
        errors: [
          "REGISTRY_UNAVAILABLE",
          "NOT_FOUND",
          "REGISTRY_LOG_INCONSISTENT",
          "CONFIG_INVALID",
        ],
      },
      schema: {
        summary: "A version in the registry, and what the hub itself found out about it",
        params: VersionParams,
        response: { 200: RegistryVersion },
      },
    },
    async ({ params }): Promise<RegistryVersion> => {
      const name = `${params.publisher}/${params.pack}`;
      const { readmeHtml: _html, trust: _trust, ...said } = await readVersion(name, params.version);
      const logged = await registry.find(name, params.version);
      requireSame(said.digest, logged?.entry.digest);
      const verified = directory.packs().get(said.digest);
      return {
        said,
        wider: (said.changes?.wider ?? []).map(describeWindow),
        logged: logged && { index: logged.index, at: logged.entry.at, head: logged.head },
        stopped: logged?.stopped ?? null,
        refusal: judgeSigner(readPolicy(), said.signer),
        verifiedSigner: verified === undefined ? null : describeSigner(verified.signer),
      };
    },
  );
}

/** A registry that shows people another archive than its log has is lying to one of them. */
function requireSame(said: Digest, logged: Digest | undefined): void {
  if (logged === undefined || logged === said) return;
  throw new SondeError(
    "REGISTRY_LOG_INCONSISTENT",
    `expected the archive ${logged} of the registry's log, got ${said}`,
  );
}

function judgeSigner(policy: TrustPolicy, signer: Signer): RegistryVersion["refusal"] {
  try {
    demandTrusted(policy, signer);
    return null;
  } catch (thrown) {
    if (!(thrown instanceof SondeError)) throw thrown;
    return { code: thrown.code, message: thrown.message };
  }
}
