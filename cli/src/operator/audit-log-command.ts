import type { AuditEntry } from "@sonde/schemas/audit";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";
import { readRightsLog } from "../registry-operator-client.ts";
import { type Options, socketOf, startOrder } from "./start-command.ts";
import { verifyLog } from "./verify-log.ts";

/** Adds `sonde registry audit-log`: who changed rights, after the whole chain was verified. */
export function addAuditLog(registry: Command, print: Print): void {
  startOrder(
    registry,
    "audit-log",
    "verify and print who changed publishers, keys, tokens and trusted publishers",
  ).action(async (options: Options) => {
    const entries: AuditEntry[] = [];
    const head = await verifyLog(
      (afterSeq, limit) => readRightsLog(socketOf(options), afterSeq, limit),
      (page) => entries.push(...page),
    );
    const lines = entries.map(describeEntry);
    print(
      options.json
        ? JSON.stringify({ entries, head })
        : [...lines, `${head.size} entries, verified. Head: ${head.hash}`].join("\n"),
    );
  });
}

function describeEntry({ seq, record }: AuditEntry): string {
  const { at, event, principal, code, detail } = record;
  const who = principal === null ? "" : ` by ${principal}`;
  const what = Object.entries(detail).map(([name, value]) => `${name} ${show(value)}`);
  return `${seq}  ${at}  ${event}${who}${code === null ? "" : ` ${code}`}\n  ${what.join(", ")}`;
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
