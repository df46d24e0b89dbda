import { type SondeError, toSondeError } from "@sonde/schemas/errors";
import type { KeySet } from "@sonde/schemas/wire";
import type { Report } from "@sonde/service";
import { hubLogKey, openHubCheckpoint } from "@sonde/trust/hub-log";
import {
  type Checkpoint,
  proveConsistency,
  proveInclusion,
  rootOf,
  signCheckpoint,
  type Tree,
} from "@sonde/trust/log";
import type { Sql } from "postgres";
import type { HubKeys } from "../../keys/open-hub-keys.ts";
import { createTreeStore } from "./tree-store.ts";

/** The signed heads of the Merkle tree over the audit log, of all hubs of this database. */
export type Checkpoints = {
  /** The newest one that this hub knows; null before the first. */
  latest(): Checkpoint | null;
  /**
   * The newest one, by a key that is in the key set; read anew when this hub knows none of so many
   * entries, as another hub may.
   */
  atLeast(size: number): Promise<Checkpoint | null>;
  /** True when the log of `size` entries was signed with this root. */
  wasSigned(tree: Tree): Promise<boolean>;
  /**
   * Signs the log as it is now, unless it was signed since its last entry.
   *
   * @throws SondeError AUDIT_INCONSISTENT when the log does not begin with what was signed of it
   */
  sign(): Promise<Checkpoint | null>;
  /** Proves that the log of `size` entries begins with its first `from`: at most 60 hashes. */
  proveGrowth(from: number, size: number): Promise<Buffer[]>;
  /** Proves that entry `seq` is in the log of `size` entries. */
  proveEntry(seq: number, size: number): Promise<Buffer[]>;
  /** Why the log is not the one that was signed; null while it is. */
  problem(): SondeError | null;
  /** `listener` is called with each new one. The result ends that. */
  onNew(listener: (checkpoint: Checkpoint) => void): () => void;
  /** Signs the end of the log, and no more after that. */
  close(): Promise<void>;
};

/** There is a checkpoint at least every minute with news. */
const SIGN_EVERY_MS = 45_000;
/** Another hub of this database signs too. */
const LOOK_EVERY_MS = 5_000;

type Row = { size: string; root: Buffer; at: Date; note: string };

/** Opens the checkpoints, and looks from now on. */
export async function openCheckpoints(options: {
  sql: Sql;
  keys: Pick<HubKeys, "hubId" | "signing">;
  now: () => Date;
  elapsed: () => number;
  report: Report;
}): Promise<Checkpoints> {
  const { sql, keys, now, elapsed, report } = options;
  const tree = createTreeStore(sql);
  const listeners = new Set<(checkpoint: Checkpoint) => void>();
  let latest = await readLatest(sql);
  let problem: SondeError | null = null;
  let signedAt = -SIGN_EVERY_MS;
  let checked: { note: string; set: KeySet; isCurrent: boolean } | null = null;

  function take(next: Checkpoint | null): void {
    if (next === null || next.size < (latest?.size ?? 0) || next.note === latest?.note) return;
    latest = next;
    for (const listener of listeners) listener(next);
  }

  /** False when its key has left the key set: agents would not believe it. */
  function isCurrent(checkpoint: Checkpoint): boolean {
    const { set } = keys.signing.held();
    if (checked?.note === checkpoint.note && checked.set === set) return checked.isCurrent;
    checked = { note: checkpoint.note, set, isCurrent: isSignedBySet(checkpoint.note, set) };
    return checked.isCurrent;
  }

  async function sign(): Promise<Checkpoint | null> {
    try {
      while (await tree.grow());
      problem = null;
    } catch (thrown) {
      const error = toSondeError(thrown);
      if (error.code === "AUDIT_INCONSISTENT") problem = error;
      throw error;
    }
    signedAt = elapsed();
    const frontier = await tree.readFrontier();
    if (latest === null ? frontier.size > 0 : frontier.size > latest.size || !isCurrent(latest)) {
      await store(sql, signTree(keys, { size: frontier.size, root: rootOf(frontier) }, now()));
    }
    // The one that is stored: of two hubs at the same place one was last.
    take(await readLatest(sql));
    return latest;
  }

  async function look(): Promise<void> {
    take(await readLatest(sql));
    // Also without news: what was signed must still be there.
    if (elapsed() - signedAt >= SIGN_EVERY_MS) await sign();
  }

  let isLooking: Promise<void> | null = null;
  let wasReported = false;
  const timer = setInterval(() => {
    isLooking ??= look()
      .then(() => {
        wasReported = false;
      })
      .catch((thrown: Error) => {
        // It stays as it is until somebody acts, and the log of the service need not repeat it.
        if (!wasReported) report(thrown);
        wasReported = true;
      })
      .finally(() => {
        isLooking = null;
      });
  }, LOOK_EVERY_MS);
  timer.unref();

  return {
    latest: () => latest,
    async atLeast(size) {
      if ((latest?.size ?? 0) < size) take(await readLatest(sql));
      if (latest !== null && !isCurrent(latest)) await sign();
      return latest;
    },
    async wasSigned({ size, root }) {
      const rows = await sql`
        select 1 from audit_checkpoints where size = ${size} and root = ${root}`;
      return rows.length === 1;
    },
    sign,
    proveGrowth: (from, size) => proveConsistency(from, size, tree.readTile),
    proveEntry: (seq, size) => proveInclusion(seq - 1, size, tree.readTile),
    problem: () => problem,
    onNew(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      clearInterval(timer);
      await isLooking;
      await sign().catch(report);
    },
  };
}

function isSignedBySet(note: string, set: KeySet): boolean {
  try {
    openHubCheckpoint(note, set);
    return true;
  } catch (thrown) {
    if (toSondeError(thrown).code !== "HUB_UNTRUSTED") throw thrown;
    return false;
  }
}

function signTree(
  { hubId, signing }: Pick<HubKeys, "hubId" | "signing">,
  tree: Tree,
  at: Date,
): Checkpoint {
  const [key] = signing.held().keys.audit;
  const note = signCheckpoint(tree, hubLogKey(hubId, key.publicKey), key.signer, at);
  return { ...tree, at, note };
}

async function store(sql: Sql, { size, root, at, note }: Checkpoint): Promise<void> {
  await sql`insert into audit_checkpoints (size, root, at, note)
    values (${size}, ${root}, ${at}, ${note})
    on conflict (size) do update set at = excluded.at, note = excluded.note
      where audit_checkpoints.root = excluded.root`;
}

async function readLatest(sql: Sql): Promise<Checkpoint | null> {
  const [row] = await sql<Row[]>`
    select size, root, at, note from audit_checkpoints order by size desc limit 1`;
  return row === undefined ? null : { ...row, size: Number(row.size) };
}
