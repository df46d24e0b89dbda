import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { DatabaseError, joinDatabase, openDatabase } from "@sonde/database";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { makeDataFolder, readConfiguredJson, writePrivateFile } from "@sonde/service";
import { Type } from "typebox";
import { buildAuditRecord, createAuditStore, openAudit } from "../audit/index.ts";
import { parseHubConfig } from "../config.ts";
import { lockKeys, readKeySetEpoch } from "../keys/signing-keys.ts";
import { migrations } from "../migrations.ts";
import type { BackupManifest } from "./layout.ts";
import { openBackup } from "./read-backup.ts";
import { sealStream, unsealStream } from "./sealed.ts";
import { listFiles, writeBackup } from "./write-backup.ts";

// `hub-backup.js`, as the hub's user: writes a backup to standard output, or reads one from standard
// input. What it does, and the pass phrase, come as JSON on descriptor 3, never in argv (identity
// rule 12). The last line on standard error is JSON.

const closed = { additionalProperties: false } as const;
const Passphrase = Type.Object({ passphrase: Type.String({ minLength: 1 }) }, closed);
const Order = Type.Union([
  Type.Object(
    {
      action: Type.Literal("backup"),
      /** Path of the hub's configuration. */
      config: Type.String(),
      seal: Type.Union([
        Passphrase,
        Type.Object({ recipients: Type.Array(Type.String(), { minItems: 1 }) }, closed),
      ]),
    },
    closed,
  ),
  Type.Object(
    {
      action: Type.Literal("restore"),
      /** An empty folder of this user, which becomes the hub's data folder. */
      dataDir: Type.String(),
      unseal: Type.Union([
        Passphrase,
        Type.Object({ identities: Type.Array(Type.String(), { minItems: 1 }) }, closed),
      ]),
    },
    closed,
  ),
]);
const parseOrder = buildParser(Order, "the order on descriptor 3", "CONFIG_INVALID");
type OrderOf<Action> = Extract<ReturnType<typeof parseOrder>, { action: Action }>;

const ORDER_FD = 3;
const now = () => new Date();
const fail = (error: DatabaseError): never => {
  throw error;
};

async function backUp({ config: path, seal }: OrderOf<"backup">): Promise<BackupManifest> {
  const config = parseHubConfig(readConfiguredJson(path, "hub configuration"));
  const { dataDir, databaseUrl: url } = config;
  const keysDir = config.keysDir ?? join(dataDir, "keys");
  const hubId = readFileSync(join(keysDir, "hub-id"), "utf8").trim();
  const place = { dataDir, schema: "hub", maxConnections: 2 } as const;
  const database = await joinDatabase({ ...place, ...(url !== undefined && { url }) });
  try {
    const { sql } = database;
    const auditLog = await openAudit(createAuditStore(sql, readName(dataDir)));
    await auditLog.append(buildAuditRecord(now(), "hub.backed-up", {}));
    const files = new Map<string, string | Buffer>(listFiles(dataDir));
    for (const [name, content] of await readKeys(keysDir)) files.set(`keys/${name}`, content);
    files.set("restored-config/hub.json", path);
    files.set("restored-config/trust.json", config.trustPolicyPath);
    let made: BackupManifest | null = null;
    const source = { sql, hubId, epoch: readKeySetEpoch(keysDir), now: now(), files };
    const pieces = writeBackup(source, (manifest) => (made = manifest));
    await pipeline(Readable.fromWeb((await sealStream(pieces, seal)) as never), process.stdout);
    if (made === null) throw new Error("the backup has no manifest");
    return made;
  } finally {
    await database.close();
  }
}

/** The keys of one moment: a rotation replaces several files. They are small. */
async function readKeys(keysDir: string): Promise<Map<string, Buffer>> {
  const release = await lockKeys(keysDir);
  try {
    return new Map([...listFiles(keysDir)].map(([name, file]) => [name, readFileSync(file)]));
  } finally {
    release();
  }
}

async function restore({ dataDir, unseal }: OrderOf<"restore">): Promise<BackupManifest> {
  makeDataFolder(dataDir);
  const input = Readable.toWeb(createReadStream("", { fd: 0 })) as ReadableStream<Uint8Array>;
  const backup = await openBackup(
    unsealStream(input, unseal),
    migrations.map(({ name }) => name),
  );
  const { manifest } = backup;
  await backup.readFiles(dataDir);
  const keysDir = join(dataDir, "keys");
  if (readFileSync(join(keysDir, "hub-id"), "utf8").trim() !== manifest.hubId) {
    throw new SondeError("BACKUP_INVALID", "expected the keys of the hub that the backup names");
  }
  // Agents take the restored hub for newer than any copy that still runs (attack 67).
  const epoch = Math.max(manifest.epoch + 1, now().getTime());
  writePrivateFile(join(keysDir, "epoch"), String(epoch));
  const database = await openDatabase({
    ...{ dataDir, schema: "hub", migrations, maxConnections: 2, onLost: fail },
  });
  try {
    await backup.readTables(database.sql);
    const auditLog = await openAudit(createAuditStore(database.sql, readName(dataDir)));
    const detail = { epoch, backupAt: manifest.at, auditHead: manifest.auditHead };
    await auditLog.append(buildAuditRecord(now(), "hub.restored", { detail }));
  } finally {
    await database.close();
  }
  return manifest;
}

function readName(dataDir: string): string {
  return readFileSync(join(dataDir, "hub-name"), "utf8").trim();
}

/** An error with a code of its own stays; one of the file or the disk gets one here. */
function explain(thrown: unknown): SondeError {
  if (thrown instanceof DatabaseError) return new SondeError(thrown.code, thrown.message);
  const error = toSondeError(thrown);
  if (error.code === "EXPORT_INVALID") {
    return new SondeError("BACKUP_INVALID", error.message.replace(/^export: /, ""));
  }
  if (error.code !== "INTERNAL") return error;
  const cause = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const why = cause === "ENOSPC" ? "the disk is full (ENOSPC)" : cause || String(thrown);
  return new SondeError("BACKUP_FAILED", `expected to read and write everything, got: ${why}`);
}

async function main(): Promise<void> {
  try {
    const order = parseOrder(parseJson(readFileSync(ORDER_FD), "the order", "CONFIG_INVALID"));
    const manifest = order.action === "backup" ? await backUp(order) : await restore(order);
    const { release, hubId, at, auditHead, files } = manifest;
    const said = { ok: true, release, hubId, at, auditHead, files: files.length };
    process.stderr.write(`${JSON.stringify(said)}\n`);
  } catch (thrown) {
    process.stderr.write(`${JSON.stringify(explain(thrown).toBody())}\n`);
    process.exitCode = 1;
  }
}

void main();
