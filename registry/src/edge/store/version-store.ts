import {
  type Manifest,
  type PackList,
  type PackName,
  type PackVersions,
  type PublishedVersion,
  type Signer,
  SondeError,
  type Version,
} from "@sonde/schemas";
import type { Sql } from "postgres";
import { newestFirst, pickLatest } from "../../core/order-versions.ts";

type VersionRow = Omit<PublishedVersion, "signer" | "manifest" | "publishedAt"> & {
  publishedAt: Date;
  signer: string;
  manifest: string;
};

/**
 * The published versions. Rows are only ever inserted. `signer` and `manifest`
 * are JSON text that this program wrote after verifying it.
 */
export function createVersionStore(sql: Sql) {
  const columns = sql`name, version, digest, content_digest as "contentDigest",
    size_bytes as "sizeBytes", published_at as "publishedAt", signer, manifest`;
  return {
    async findVersion(name: PackName, version: Version): Promise<PublishedVersion | null> {
      const [row] = await sql<VersionRow[]>`
        select ${columns} from versions where name = ${name} and version = ${version}`;
      return row === undefined ? null : readRow(row);
    },

    async findBundle(name: PackName, version: Version): Promise<string | null> {
      const [row] = await sql<{ bundle: string }[]>`
        select bundle from versions where name = ${name} and version = ${version}`;
      return row?.bundle ?? null;
    },

    /**
     * @returns false when that name and version, or that archive, is there already.
     *   No conflict target: of two at once the loser may meet either constraint.
     */
    async insertVersion(published: PublishedVersion, bundle: string): Promise<boolean> {
      const rows = await sql`
        insert into versions (name, version, digest, content_digest, size_bytes, published_at,
          signer, manifest, bundle)
        values (${published.name}, ${published.version}, ${published.digest},
          ${published.contentDigest}, ${published.sizeBytes}, ${published.publishedAt},
          ${JSON.stringify(published.signer)}, ${JSON.stringify(published.manifest)}, ${bundle})
        on conflict do nothing
        returning name`;
      return rows.length === 1;
    },

    async listVersions(name: PackName): Promise<PackVersions> {
      const rows = await sql<VersionRow[]>`select ${columns} from versions where name = ${name}`;
      if (rows.length === 0) throw new SondeError("NOT_FOUND", `expected a pack, got ${name}`);
      const versions = newestFirst(rows.map(readRow));
      return {
        name,
        versions: versions.map(({ version, digest, publishedAt, signer }) => ({
          version,
          digest,
          publishedAt,
          signer,
        })),
      };
    },

    async listPacks(): Promise<PackList> {
      const rows = await sql<VersionRow[]>`select ${columns} from versions`;
      const byName = Map.groupBy(rows.map(readRow), ({ name }) => name);
      const packs = [...byName].map(([name, versions]) => {
        const latest = pickLatest(versions);
        const { description } = latest.manifest;
        return { name, latest: latest.version, description, publishedAt: latest.publishedAt };
      });
      return { packs: packs.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
    },
  };
}
export type VersionStore = ReturnType<typeof createVersionStore>;

function readRow(row: VersionRow): PublishedVersion {
  return {
    ...row,
    publishedAt: row.publishedAt.toISOString(),
    signer: JSON.parse(row.signer) as Signer,
    manifest: JSON.parse(row.manifest) as Manifest,
  };
}
