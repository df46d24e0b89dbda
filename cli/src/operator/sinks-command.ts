import type { AuditSinkList, AuditSinkState } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";

/** Adds `sonde hub sinks`: how far each sink of the audit log is; fails while one does. */
export function addSinksCommand(hub: Command, print: (text: string) => void): void {
  startHubCommand(
    hub,
    "sinks",
    "where entries of the audit log go as well, how far each sink is and what fails; fails while one does",
  ).action(async (options: HubOptions) => {
    const list = await connectHub(options).client.listSinks();
    print(options.json ? JSON.stringify(list) : describeSinks(list));
    if (list.sinks.some(({ failingSince }) => failingSince !== null)) process.exitCode = 1;
  });
}

/** Output of `sonde hub sinks` for a person. */
export function describeSinks({ sinks }: AuditSinkList): string {
  if (sinks.length === 0) return "No sink is configured; docs/audit-sinks.md says how.";
  return formatTable(
    ["NAME", "KIND", "PLACE", "BEHIND", "FAILING SINCE", "LAST ERROR"],
    sinks.map((sink) => [
      ...[sink.name, sink.kind, String(sink.seq), describeLag(sink)],
      sink.failingSince ?? "-",
      describeError(sink),
    ]),
  );
}

function describeLag({ lagEntries, lagSeconds }: AuditSinkState): string {
  return lagEntries === 0 ? "-" : `${lagEntries} entries, ${Math.round(lagSeconds)} s`;
}

function describeError({ lastError, rejected }: AuditSinkState): string {
  return (
    [
      ...(lastError === null ? [] : [`${lastError.code}: ${lastError.message}`]),
      ...(rejected === 0 ? [] : [`${rejected} entries dropped by the receiver`]),
    ].join("; ") || "-"
  );
}
