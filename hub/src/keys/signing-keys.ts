import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { takeLock } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import {
  type DsseEnvelope,
  type KeyAlgorithm,
  type KeySet,
  type KeyUse,
  parseDsseEnvelope,
  parseKeySet,
} from "@sonde/schemas/wire";
import { type Report, writePrivateFile } from "@sonde/service";
import type { Authority } from "@sonde/trust/ca";
import {
  createKeyPair,
  createSigningKey,
  keyIdOf,
  openKeySet,
  type SigningKey,
} from "@sonde/trust/envelope";
import { buildFirstSet, planKeySet, rotateKeySet } from "./plan-key-set.ts";

/** A key that this hub signs with, as its key set names it. */
export type HeldKey = {
  signer: SigningKey;
  publicKey: KeyObject;
  since: string;
  until: string | null;
};

/** The key set that the CA signed, with the private halves of its keys. */
export type HeldKeySet = {
  set: KeySet;
  envelope: DsseEnvelope;
  /** Of each use, the one that signs now, and the one before it during its overlap. */
  keys: Record<KeyUse, [HeldKey, ...HeldKey[]]>;
};

/**
 * The hub's command and audit keys, and the key set by which agents follow them. It is kept in the
 * folder of the keys, which hubs of one database share: each of them notices a change within seconds.
 */
export type SigningKeys = {
  held(): HeldKeySet;
  /**
   * Makes a new key that signs from now on.
   *
   * @param overlapMs how long the present key stays, as a command key for agents that do not follow
   *   key sets
   * @param record is called with the ids of the present key and of the new one, before that signs
   */
  rotate(
    use: KeyUse,
    overlapMs: number,
    record: (from: Digest, to: Digest) => Promise<void>,
  ): Promise<void>;
  /** `listener` is called after each change. The result ends that. */
  onChange(listener: () => void): () => void;
  close(): void;
};

export type SigningKeysOptions = {
  folder: string;
  hubId: string;
  /** The CA's certificate in PEM. */
  authority: string;
  openAuthority: () => Promise<Authority>;
  /** Of keys that are made from now on. */
  keyAlgorithm: KeyAlgorithm;
  now: () => Date;
  report: Report;
};

const SET_FILE = "key-set.json";
const KEY_FILE = /^(command|audit)-key(-[0-9a-f]{16})?\.pem$/;
const LOOK_EVERY_MS = 2_000;
const LOCK_RETRY_MS = 100;
const LOCK_TRIES = 100;

export async function openSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const { folder, hubId, now, report } = options;
  const path = join(folder, SET_FILE);
  const ca = new X509Certificate(options.authority);
  const listeners = new Set<() => void>();
  let seen = "";
  let held = await change(renew);

  function present() {
    return { now: now(), epoch: readEpoch(folder) };
  }

  /** Makes a key durable, before a set names it. One that no set names is removed later. */
  function writeKey(use: KeyUse, privateKey: KeyObject): void {
    const name = `${use}-key-${keyIdOf(privateKey).slice(7, 23)}.pem`;
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    writePrivateFile(join(folder, name), pem);
  }

  function makeAuditKey(): string {
    const pair = createKeyPair(options.keyAlgorithm);
    writeKey("audit", pair.privateKey);
    return toPem(pair.publicKey);
  }

  /** What follows by the passing of time. A hub of an earlier release has no audit key yet. */
  function renew(set: KeySet): KeySet | null {
    const next = planKeySet(set, present());
    if (set.auditKeys !== undefined) return next;
    const key = { use: "audit", publicKey: makeAuditKey() } as const;
    return rotateKeySet(next ?? set, key, 0, present());
  }

  /** The set on disk, else a first one, which is not stored yet. */
  function readSet(): { set: KeySet; envelope: DsseEnvelope | null } {
    if (existsSync(path)) {
      const envelope = parseJson(readFileSync(path), path, "STARTING_FAILED") as DsseEnvelope;
      return { set: openKeySet(envelope, ca.publicKey, hubId), envelope };
    }
    const command = toPem(createPublicKey(readFileSync(join(folder, "command-key.pem"))));
    const publicKeys = { command, audit: makeAuditKey() };
    return { set: buildFirstSet(hubId, publicKeys, ca.validFromDate, present()), envelope: null };
  }

  /** Reads the set, and replaces it by what `plan` returns. One process does so at a time. */
  async function change(plan: (set: KeySet) => KeySet | null): Promise<HeldKeySet> {
    const release = await lockKeys(folder);
    try {
      const { set, envelope } = readSet();
      const next = plan(set) ?? set;
      if (envelope !== null && next === set) return hold(set, envelope);
      const signed = await (await options.openAuthority()).signKeySet(next);
      writePrivateFile(path, JSON.stringify(signed));
      removeUnused(folder, next);
      return hold(next, signed);
    } finally {
      release();
    }
  }

  function hold(set: KeySet, envelope: DsseEnvelope): HeldKeySet {
    const files = readPrivateKeys(folder);
    const holdAll = (use: KeyUse, named: KeySet["commandKeys"]): [HeldKey, ...HeldKey[]] => {
      const [first, ...others] = named.map(({ publicKey: pem, since, until }) => {
        const publicKey = createPublicKey(pem);
        const privateKey = files.get(keyIdOf(publicKey))?.key;
        if (privateKey === undefined) {
          throw new SondeError(
            "STARTING_FAILED",
            `${folder}: expected the private half of ${use} key ${keyIdOf(publicKey)}`,
          );
        }
        return { signer: createSigningKey(privateKey, publicKey), publicKey, since, until };
      });
      if (first === undefined) throw new Error(`a hub's key set has at least one ${use} key`);
      return [first, ...others];
    };
    const keys = {
      command: holdAll("command", set.commandKeys),
      audit: holdAll("audit", set.auditKeys ?? []),
    };
    seen = stampOf(path);
    return { set, envelope, keys };
  }

  function announce(next: HeldKeySet): void {
    held = next;
    for (const listener of listeners) listener();
  }

  async function look(): Promise<void> {
    const isDue = planKeySet(held.set, present()) !== null;
    if (!isDue && stampOf(path) === seen) return;
    announce(await change(renew));
  }

  let looking: Promise<void> | null = null;
  const timer = setInterval(() => {
    looking ??= look()
      .catch(report)
      .finally(() => (looking = null));
  }, LOOK_EVERY_MS);
  timer.unref();

  return {
    held: () => held,
    async rotate(use, overlapMs, record) {
      const pair = createKeyPair(options.keyAlgorithm);
      const publicKey = toPem(pair.publicKey);
      await record(held.keys[use][0].signer.keyId, keyIdOf(pair.publicKey));
      announce(
        await change((set) => {
          writeKey(use, pair.privateKey);
          return rotateKeySet(set, { use, publicKey }, overlapMs, present());
        }),
      );
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => clearInterval(timer),
  };
}

/**
 * Keeps the keys as they are until the result is called. Waits without holding up this process, which
 * may be another holder.
 */
export async function lockKeys(folder: string): Promise<() => void> {
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    const release = takeLock(join(folder, "key-set.lock"));
    if (release !== null) return release;
    await setTimeout(LOCK_RETRY_MS);
  }
  throw new SondeError("STARTING_FAILED", `${folder}: another process keeps the keys locked`);
}

/** A file's identity: replacing a file gives it another inode. */
function stampOf(path: string): string {
  const { ino, mtimeMs } = statSync(path);
  return `${ino} ${mtimeMs}`;
}

/** The epoch of the key set of a hub, as far as it has one. */
export function readKeySetEpoch(folder: string): number {
  const path = join(folder, SET_FILE);
  if (!existsSync(path)) return readEpoch(folder);
  const { payload } = parseDsseEnvelope(parseJson(readFileSync(path), path, "STARTING_FAILED"));
  const text = Buffer.from(payload, "base64");
  return parseKeySet(parseJson(text, "key set", "STARTING_FAILED")).epoch;
}

/** Written by a restore; see backup. */
function readEpoch(folder: string): number {
  const path = join(folder, "epoch");
  if (!existsSync(path)) return 0;
  const epoch = Number(readFileSync(path, "utf8"));
  if (Number.isSafeInteger(epoch) && epoch >= 0) return epoch;
  throw new SondeError("STARTING_FAILED", `${path}: expected a time in milliseconds`);
}

function readPrivateKeys(folder: string): Map<string, { key: KeyObject; file: string }> {
  const files = readdirSync(folder).filter((name) => KEY_FILE.test(name));
  return new Map(
    files.map((name) => {
      const file = join(folder, name);
      const key = createPrivateKey(readFileSync(file));
      return [keyIdOf(key), { key, file }];
    }),
  );
}

/** A key whose time is over can sign nothing any more, for nobody. */
function removeUnused(folder: string, set: KeySet): void {
  const named = [...set.commandKeys, ...(set.auditKeys ?? [])];
  const used = new Set(named.map(({ publicKey }) => keyIdOf(createPublicKey(publicKey))));
  for (const [keyId, { file }] of readPrivateKeys(folder)) if (!used.has(keyId)) rmSync(file);
}

function toPem(publicKey: KeyObject): string {
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}
