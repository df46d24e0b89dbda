import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AuditEntry, parseAuditEntry } from "@sonde/schemas/audit";
import { parseAuditPage } from "@sonde/schemas/audit";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import type { Product } from "./start-product.ts";

/** The hub's whole audit log over REST. Its chain is verified from the first entry to the head. */
export async function readVerifiedAudit(product: Product): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (;;) {
    const { status, body } = await product.hub.send(
      "GET",
      `/audit?afterSeq=${entries.length}&limit=1000`,
    );
    if (status !== 200) throw new Error(`the audit log answered ${status}`);
    const page = parseAuditPage(body);
    entries.push(...page.entries);
    // Each read is recorded too, so the head is always beyond the last page.
    if (page.entries.length < 1000) break;
  }
  verifyChain(entries, EMPTY_HEAD);
  return entries;
}

/** The log's entries about one call, in order. */
export function eventsOf(entries: AuditEntry[], callId: string): string[] {
  return entries
    .filter(({ record }) => record.callId === callId)
    .map(({ record }) => (record.code === null ? record.event : `${record.event} ${record.code}`));
}

/** The agent's own log from its segments on disk, verified from its first entry. */
export function readVerifiedAgentAudit(product: Product): AuditEntry[] {
  const folder = join(product.data, "agent", "audit");
  const entries = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1))
    .map((line) => parseAuditEntry(JSON.parse(line)));
  verifyChain(entries, EMPTY_HEAD);
  return entries;
}
