import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { writePrivateFile } from "@sonde/service";
import { type AuditLog, buildAuditRecord } from "../../audit/index.ts";
import { createKeySecret } from "./key-secret.ts";
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
  const at = now();
  if (await keys.hasOperatorKey(at)) return;
  const id = randomUUID();
  const secret = createKeySecret();
  writePrivateFile(join(dataDir, "operator-key"), `${secret}\n`);
  await auditLog.append(buildAuditRecord(at, "key.created", { detail: { id, name: "operator" } }));
  const policy = { role: "operator", agents: "*", probes: "*" } as const;
  await keys.addKey({ id, name: "operator", secret, policy, createdBy: null, at });
}
