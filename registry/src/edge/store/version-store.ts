import { SondeError } from "@sonde/schemas/errors";
import { type Manifest } from "@sonde/schemas/manifest";
import { type Digest, type PackName, type Version } from "@sonde/schemas/names";
import { type PublishCheck } from "@sonde/schemas/registry";
import { type Signer } from "@sonde/schemas/trust";
import { findPrevious } from "@sonde/trust/pack";
import type { Sql, TransactionSql } from "postgres";
import type { Principal } from "../../core/authorize.ts";
import { newestFirst } from "../../core/order-versions.ts";
import type { AcceptedVersion, ListedVersion, StoredVersion } from "../../core/stored-version.ts";
import type { LogStore } from "./log-store.ts";
import type { NameStore } from "./name-store.ts";
import type { PackStore } from "./pack-store.ts";
import { demandListed } from "./publisher-store.ts";
import { createRecentlyUsed } from "./recently-used.ts";
import { demandInForce } from "./token-store.ts";

/** Size of the LRU cache of versions, in characters of their manifests. */
const MAX_KNOWN_CHARACTERS = 8 * 1024 * 1024;

type Json = "signer" | "manifest" | "checks";
type VersionRow = Omit<StoredVersion, Json | "publishedAt" | "logIndex"> & {
  publishedAt: Date;
  logIndex: string;
} & Record<Json, string>;

/**
 * Stores the published versions. Rows are only inserted. `signer`, `manifest` and `checks` are JSON
 * that this program wrote after verifying it.
 */
export function createVersionStore(sql: Sql, log: LogStore, names: NameStore, packs: PackStore) {
  const columns = sql`name, version, digest, content_digest as "contentDigest",
    size_bytes as "sizeBytes", published_at as "publishedAt", signer, manifest, checks, warnings, log_index as "logIndex"`;
  // A published version never changes, so the cache never becomes stale.
  const known = createRecentlyUsed<StoredVersion>(MAX_KNOWN_CHARACTERS);

  async function findVersion(name: PackName, version: Version): Promise<StoredVersion | null> {
    const key = `${name} ${version}`;
    const present = known.get(key);
    if (present !== undefined) return present;
    const [row] = await sql<VersionRow[]>`
      select ${columns} from versions where name = ${name} and version = ${version}`;
    if (row === undefined) return null;
    const found = readRow(row);
    known.set(key, found, row.manifest.length);
    return found;
  }

  async function insertRow(
    transaction: TransactionSql,
    version: StoredVersion,
    bundle: string,
  ): Promise<void> {
    const { name, digest, contentDigest, signer, manifest } = version;
    await transaction`
      insert into versions (name, version, digest, content_digest, size_bytes, published_at,
        signer, manifest, checks, warnings, bundle, log_index)
      values (${name}, ${version.version}, ${digest}, ${contentDigest}, ${version.sizeBytes},
        ${version.publishedAt}, ${JSON.stringify(signer)}, ${JSON.stringify(manifest)},
        ${JSON.stringify(version.checks)}, ${version.warnings}, ${bundle}, ${version.logIndex})`;
  }

  async function listVersions(name: PackName): Promise<ListedVersion[]> {
    const rows = await sql<Pick<VersionRow, "version" | "digest" | "publishedAt" | "signer">[]>`
      select version, digest, published_at as "publishedAt", signer
      from versions where name = ${name}`;
    if (rows.length === 0) throw new SondeError("NOT_FOUND", `expected a pack, got ${name}`);
    return newestFirst(rows).map(({ version, digest, publishedAt, signer }) => ({
      version,
      digest,
      publishedAt: publishedAt.toISOString(),
      signer: JSON.parse(signer) as Signer,
    }));
  }

  return {
    findVersion,

    async isPublished(digest: Digest): Promise<boolean> {
      return (await sql`select 1 from versions where digest = ${digest}`).length > 0;
    },

    /** Inserts a row in the transaction that appends its log entry. */
    insertRow,

    async findBundle(name: PackName, version: Version): Promise<string | null> {
      const [row] = await sql<{ bundle: string }[]>`
        select bundle from versions where name = ${name} and version = ${version}`;
      return row?.bundle ?? null;
    },

    /**
     * Makes the version visible and appends it to the log, in one transaction.
     *
     * @returns null when that name and version, or that archive, exists already
     * @throws SondeError NAME_REFUSED for a new pack whose name is a look-alike, UNAUTHENTICATED or
     *   SIGNER_UNTRUSTED when the caller's token or the signer's key ended meanwhile
     */
    async insertVersion(
      version: AcceptedVersion,
      { bundle, readme }: { bundle: string; readme: string },
      caller: Principal,
    ): Promise<StoredVersion | null> {
      const { name, digest, contentDigest, signer, manifest, publishedAt: at } = version;
      return await sql.begin(async (transaction) => {
        // Serialises concurrent publishes of one pack. The second one then finds the first one's
        // row.
        await transaction`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
        const present = await transaction`select 1 from versions
          where (name = ${name} and version = ${version.version}) or digest = ${digest}`;
        if (present.length > 0) return null;
        await demandInForce(transaction, caller, new Date(at));
        await demandListed(transaction, signer);
        await names.claimPack(transaction, name);
        await packs.indexVersion(transaction, version, readme);
        const logIndex = await log.append(transaction, {
          type: "publish",
          at,
          name,
          version: version.version,
          digest,
          contentDigest,
          engines: manifest.engines,
          signer,
        });
        const stored = { ...version, logIndex };
        await insertRow(transaction, stored, bundle);
        return stored;
      });
    },
    listVersions,
    /** The newest version that is older; null when there is none. */
    async findBefore(name: PackName, version: Version): Promise<StoredVersion | null> {
      const listed = await listVersions(name);
      const previous = findPrevious(
        listed.map((one) => one.version),
        version,
      );
      return previous === null ? null : await findVersion(name, previous);
    },
  };
}
export type VersionStore = ReturnType<typeof createVersionStore>;

function readRow(row: VersionRow): StoredVersion {
  return {
    ...row,
    logIndex: Number(row.logIndex),
    publishedAt: row.publishedAt.toISOString(),
    signer: JSON.parse(row.signer) as Signer,
    manifest: JSON.parse(row.manifest) as Manifest,
    checks: JSON.parse(row.checks) as PublishCheck[],
  };
}
