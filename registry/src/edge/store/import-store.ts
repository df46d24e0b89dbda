import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { type ImportReport, type PublishEntry, parseRegistryEntry } from "@sonde/schemas/registry";
import { inconsistent } from "@sonde/trust/log";
import type { Sql, TransactionSql } from "postgres";
import type { ImportTarget, LoggedVersion } from "../../core/import/import-export.ts";
import { stateOf } from "../../core/pack-life.ts";
import type { BlobStore } from "./blob-store.ts";
import type { LifeStore } from "./life-store.ts";
import type { LogStore } from "./log-store.ts";
import type { NameStore } from "./name-store.ts";
import type { PackStore } from "./pack-store.ts";
import type { VersionStore } from "./version-store.ts";

const PAGE = 256;
const UNIQUE_VIOLATION = "23505";
const FULL_CODES = ["ENOSPC", "EDQUOT", "53100"];

export type ImportStores = {
  log: LogStore;
  names: NameStore;
  packs: PackStore;
  versions: VersionStore;
  lives: LifeStore;
  blobs: BlobStore;
  /** Removes an archive unless a version has it. */
  dropUnpublished: (digest: Digest) => Promise<void>;
  /** The folder of uploads. The next start removes what a killed registry leaves there. */
  uploadFolder: string;
};

/** Stores imports, each in one transaction. */
export function createImportStore(sql: Sql, stores: ImportStores) {
  const { log, names, packs, versions, lives, blobs, dropUnpublished, uploadFolder } = stores;

  function openTarget(
    transaction: TransactionSql,
    before: Pick<ImportTarget, "head" | "checkpoint">,
    { place, kept }: { place: string; kept: Digest[] },
  ): ImportTarget {
    return {
      ...before,
      async append(entry, bytes) {
        if (entry.type === "publish") await names.claimPack(transaction, entry.name);
        else await lives.replay(transaction, entry);
        await log.appendBytes(transaction, entry.name, bytes);
      },
      keepCheckpoint: (note) => log.keepCheckpoint(transaction, note),
      listVersions: () => listVersions(transaction),
      async insertVersion(version, archive, bundle, readme) {
        const path = join(place, String(kept.length));
        await writeFile(path, archive);
        kept.push(version.digest);
        await blobs.keepBlob(version.digest, path);
        await packs.indexVersion(transaction, version, readme);
        await versions.insertRow(transaction, version, bundle).catch((thrown: unknown) => {
          if (!hasCode(thrown, UNIQUE_VIOLATION)) throw thrown;
          throw inconsistent(
            `expected each version once, got ${version.name} ${version.version} again`,
          );
        });
      },
      async replaceBundle({ name, version }, bundle) {
        await transaction`update versions set bundle = ${bundle}
          where name = ${name} and version = ${version} and bundle <> ${bundle}`;
      },
    };
  }

  async function* listVersions(transaction: TransactionSql): AsyncGenerator<LoggedVersion> {
    for (let from = 0; ; from += PAGE) {
      const rows = await transaction<{ entry: Buffer; isPresent: boolean }[]>`
        select entry, digest is not null as "isPresent"
        from log_entries left join versions on log_index = index
        where index >= ${from} and index < ${from + PAGE} order by index`;
      for (const [place, { entry: bytes, isPresent }] of rows.entries()) {
        const entry = parseRegistryEntry(parseJson(bytes, "registry log entry", "INTERNAL"));
        if (entry.type !== "publish") continue;
        const isQuarantined = !isPresent && (await isStopped(transaction, entry));
        yield { entry, logIndex: from + place, isPresent, isQuarantined };
      }
      if (rows.length < PAGE) return;
    }
  }

  return {
    /**
     * Gives `work` a target and makes its writes visible when it resolves. When it throws, or the
     * process is killed, everything stays as before.
     */
    async importWhole(
      work: (target: ImportTarget) => Promise<ImportReport>,
    ): Promise<ImportReport> {
      const kept: Digest[] = [];
      const place = join(uploadFolder, randomUUID());
      try {
        await mkdir(place, { mode: 0o700 });
        const result = await sql.begin(async (transaction) => {
          // Readers go on. Only a second import and the counting of downloads wait.
          await transaction`lock table packs in share row exclusive mode`;
          const head = await log.readHead(transaction);
          const checkpoint = await log.findCheckpoint(transaction);
          const target = openTarget(transaction, { head, checkpoint }, { place, kept });
          return await work(target).catch(async (thrown: unknown) => {
            // While the lock still keeps a second import out.
            for (const digest of kept) await dropUnpublished(digest);
            throw thrown;
          });
        });
        lives.forget();
        return result;
      } catch (thrown) {
        throw hasCode(thrown, ...FULL_CODES) ? diskFull(thrown) : thrown;
      } finally {
        await rm(place, { recursive: true, force: true });
      }
    },
  };
}
export type ImportStore = ReturnType<typeof createImportStore>;

async function isStopped(
  transaction: TransactionSql,
  { name, version }: PublishEntry,
): Promise<boolean> {
  const [row] = await transaction<{ life: string }[]>`
    select life from pack_names where name = ${name}`;
  return row !== undefined && stateOf(JSON.parse(row.life), version).quarantined !== null;
}

/** Tells whether an error of the file system or of PostgreSQL has one of these codes. */
function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && "code" in thrown && codes.includes(String(thrown.code));
}

function diskFull(cause: unknown): SondeError {
  const sentence = "expected room on the disk, got none; make some and import again";
  return new SondeError("REGISTRY_UNAVAILABLE", sentence, { cause });
}
