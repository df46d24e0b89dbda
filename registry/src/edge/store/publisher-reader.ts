import { SondeError } from "@sonde/schemas/errors";
import type { Digest, PackName, PublisherName } from "@sonde/schemas/names";
import type { PackLife, PublisherDetails } from "@sonde/schemas/registry";
import type { Signer } from "@sonde/schemas/trust";
import type { Sql } from "postgres";

/** @throws SondeError NOT_FOUND for a name that is no publisher and has no packs */
export type ReadPublisher = (name: PublisherName) => Promise<PublisherDetails>;

type Identity = Omit<PublisherDetails["identities"][number], "since" | "repositoryId"> & {
  repositoryId: string;
  since: Date;
};

/** Creates the reader of what is known of a publisher, for the API and the pages. */
export function createPublisherReader(sql: Sql): ReadPublisher {
  return async (name) => {
    // One moment for all of it.
    return await sql.begin("isolation level repeatable read read only", async (tx) => {
      const [publisher] = await tx<{ since: Date }[]>`
        select created_at as since from publishers where name = ${name}`;
      const [totals] = await tx<{ packs: number; downloads: string }[]>`
        select count(*)::int as packs, coalesce(sum(downloads), 0) as downloads
        from packs where publisher = ${name}`;
      const packs = totals?.packs ?? 0;
      if (publisher === undefined && packs === 0) {
        throw new SondeError("NOT_FOUND", `expected a publisher, got ${name}`);
      }
      const keys = await tx<{ keyId: Digest; publicKey: string; since: Date }[]>`
        select key_id as "keyId", public_key as "publicKey", created_at as since
        from publisher_keys where publisher = ${name} order by created_at, key_id`;
      const identities = await tx<Identity[]>`
        select issuer, identity, repository_id as "repositoryId", created_at as since
        from publisher_identities where publisher = ${name}
        order by created_at, issuer, identity, repository_id`;
      const signed = await tx<{ signer: string; versions: number; lastAt: Date }[]>`
        select (array_agg(signer order by versions.published_at desc))[1] as signer,
          count(*)::int as versions, max(versions.published_at) as "lastAt"
        from versions join packs using (name) where publisher = ${name}
        group by signer::jsonb - 'signedAt' order by "lastAt" desc`;
      const warnings = await tx<PublisherDetails["warnings"]>`
        select distinct name, unnest(versions.warnings) as text
        from versions join packs using (name)
        where publisher = ${name} and versions.warnings <> '{}' order by name, text`;
      const lives = await tx<{ name: PackName; life: string }[]>`
        select name, life from pack_names join packs using (name)
        where publisher = ${name} order by name`;
      const isListed = (signer: Signer): boolean => {
        if (signer.kind === "rsa-sha256") return keys.some(({ keyId }) => keyId === signer.keyId);
        if (signer.kind === "none") return false;
        const { issuer, identity } = signer;
        return identities.some(
          (known) =>
            known.issuer === issuer &&
            known.identity === identity &&
            known.repositoryId === (signer.repositoryId ?? ""),
        );
      };
      return {
        name,
        since: publisher?.since.toISOString() ?? null,
        keys: keys.map((key) => ({ ...key, since: key.since.toISOString() })),
        identities: identities.map(({ repositoryId, since, ...known }) => ({
          ...known,
          ...(repositoryId !== "" && { repositoryId }),
          since: since.toISOString(),
        })),
        signed: signed.map((row) => {
          const signer = JSON.parse(row.signer) as Signer;
          const { versions, lastAt } = row;
          return { signer, versions, lastAt: lastAt.toISOString(), isListed: isListed(signer) };
        }),
        packs,
        downloads: Number(totals?.downloads ?? 0),
        warnings: [...warnings],
        ...gatherLives(lives),
      };
    });
  };
}

function gatherLives(
  rows: readonly { name: PackName; life: string }[],
): Pick<PublisherDetails, "deprecated" | "advisories" | "withdrawn"> {
  const lives = rows.map(({ name, life }) => ({ name, life: JSON.parse(life) as PackLife }));
  return {
    deprecated: lives.flatMap(({ name, life: { deprecated } }) =>
      deprecated === null ? [] : [{ name, message: deprecated }],
    ),
    advisories: lives.flatMap(({ name, life }) =>
      life.advisories.map((advisory) => ({ name, advisory })),
    ),
    withdrawn: lives.flatMap(({ name, life }) =>
      life.versions.map(({ version, state }) => ({ name, version, state })),
    ),
  };
}
