import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AuditEntry, type LogHead, parseAuditEntry, parseAuditPage } from "@sonde/schemas";
import { verifyChain } from "@sonde/trust/log";
import type { Product } from "./start-product.ts";

/** The hub's whole audit log, whose chain is verified from its first entry. */
export async function readAudit(product: Product): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (;;) {
    const after = entries.at(-1)?.seq ?? 0;
    const { body } = await product.hub.send("GET", `/audit?afterSeq=${after}&limit=1000`);
    const page = parseAuditPage(body);
    // The page itself is recorded, so the last one is never empty: stop at a short one.
    entries.push(...page.entries);
    if (page.entries.length < 100) break;
  }
  verifyChain(entries);
  return entries;
}

/** The agent's own log from its segments on disk, verified from its first entry. */
export function readAgentAudit(product: Product): { entries: AuditEntry[]; head: LogHead } {
  const folder = join(product.data, "agent", "audit");
  const entries = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1))
    .map((line) => parseAuditEntry(JSON.parse(line)));
  return { entries, head: verifyChain(entries) };
}
