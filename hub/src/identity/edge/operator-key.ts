import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";
import { writePrivateFile } from "@sonde/service";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";
import type { KeyStore } from "./key-store.ts";

/**
 * Creates an operator's key when none is in force, in a file that only the hub's user and root can
 * read: the first one, and the next after one that was stolen was revoked with all that it made.
 */
export async function ensureOperatorKey(
  dataDir: string,
  keys: KeyStore,
  auditLog: AuditLog,
  now: () => Date,
): Promise<void> {
  if (await keys.hasOperatorKey()) return;
  const id = randomUUID();
  const secret = `${API_KEY_PREFIX}${randomBytes(32).toString("base64url")}`;
  const at = now();
  writePrivateFile(join(dataDir, "operator-key"), `${secret}\n`);
  await auditLog.append(buildAuditRecord(at, "key.created", { detail: { id, name: "operator" } }));
  const policy = { role: "operator", agents: "*", probes: "*" } as const;
  await keys.addKey({ id, name: "operator", secret, policy, createdBy: null, at });
}
