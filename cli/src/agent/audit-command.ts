import { type AuditEntry, parseDroppedEntries } from "@sonde/schemas/audit";
import { toPlainLine } from "@sonde/schemas/plain-text";
import { describeDropped } from "@sonde/trust/segments";
import type { Command } from "commander";
import { type Print, parseCount } from "../data-command.ts";
import type { AgentOptions, AgentPlace } from "./agent-commands.ts";
import { describeJudged, judgeAudit } from "./judge-audit.ts";
import { followEntries, readLast } from "./read-audit.ts";

type TailOptions = AgentOptions & { last: string; follow?: true };

const MAX_LAST = 100_000;

/**
 * `sonde-agent audit tail | verify`: the agent's own log, read from its files. It needs no agent
 * that runs.
 *
 * @param start begins a command of `audit`
 */
export function addAuditCommands(
  start: (usage: string, description: string) => Command,
  placeOf: (options: AgentOptions) => AgentPlace,
  print: Print,
): void {
  start("tail", "the newest entries of this agent's audit log")
    .option("-n, --last <n>", "how many entries", "20")
    .option("--follow", "go on with new entries, until Ctrl-C")
    .action(async (options: TailOptions) => {
      const count = parseCount("--last", options.last, 1, MAX_LAST);
      const { audit } = placeOf(options);
      const show = options.json ? (entry: AuditEntry) => JSON.stringify(entry) : describeEntry;
      const last = readLast(audit, count);
      if (last.before !== null && !options.json) print(last.before);
      for (const entry of last.entries) print(show(entry));
      if (!options.follow) return;
      for await (const entry of followEntries(audit, last.end)) print(show(entry));
    });

  start("verify", "check every entry of this agent's audit log").action((options: AgentOptions) => {
    const judged = judgeAudit(placeOf(options).audit);
    print(options.json ? JSON.stringify(judged) : describeJudged(judged));
    if (!judged.whole) process.exitCode = 1;
  });
}

/** One line: what happened, to what, how it ended, and who asked. */
export function describeEntry({ seq, record }: AuditEntry): string {
  const { at, event, status, code, probe, principal, detail } = record;
  if (event === "log.dropped")
    return `${seq}  ${at}  ${describeDropped(parseDroppedEntries(detail))}`;
  const { askedBy } = detail;
  const who = typeof askedBy === "string" ? `${askedBy} (${principal ?? "nobody"})` : principal;
  const asked = who === null ? null : `by ${who}`;
  const parts = [String(seq), at, event, status, code, probe, asked];
  // The hub chooses some of these words, and must not make lines of its own.
  return toPlainLine(parts.filter((part) => part !== null).join("  "));
}
