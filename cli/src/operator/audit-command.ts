import { type AuditEntry, MAX_AUDIT_PAGE } from "@sonde/schemas/audit";
import type { Command } from "commander";
import { parseCount } from "../data-command.ts";
import type { HubClient } from "../hub-client.ts";
import { formatTable } from "../table.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { showProgress } from "./start-command.ts";
import { verifyLog } from "./verify-log.ts";

type Options = HubOptions & { last: string; verify?: true };

const MAX_LAST = 100_000;

/** `sonde audit`: shows the hub's audit log, or checks its whole chain. */
export function addAuditCommand(program: Command, print: (text: string) => void): void {
  startHubCommand(program, "audit", "the newest entries of the hub's audit log")
    .option("--last <n>", "how many entries", "50")
    .option("--verify", "check the whole chain, from the first entry to the last")
    .action(async (options: Options) => {
      const { client } = connectHub(options);
      if (options.verify) return print(await describeVerified(client, options.json === true));
      const wanted = parseCount("--last", options.last, 1, MAX_LAST);
      const { head } = await client.readAudit(0, 1);
      const entries: AuditEntry[] = [];
      for (
        let after = Math.max(0, head.size - wanted);
        after < head.size;
        after += MAX_AUDIT_PAGE
      ) {
        const limit = Math.min(MAX_AUDIT_PAGE, head.size - after);
        entries.push(...(await client.readAudit(after, limit)).entries);
      }
      if (options.json) for (const entry of entries) print(JSON.stringify(entry));
      else print(describeEntries(entries));
    });
}

async function describeVerified(client: HubClient, asJson: boolean): Promise<string> {
  const readPage = (afterSeq: number, limit: number) => client.readAudit(afterSeq, limit);
  const { size, hash } = await verifyLog(readPage, (entries, end) => {
    showProgress(`${entries.at(-1)?.seq ?? 0} of ${end.size} entries`);
  });
  showProgress(null);
  if (asJson) return JSON.stringify({ entries: size, hash });
  return `All ${size} entries follow one another. The last one's hash is ${hash}.`;
}

function describeEntries(entries: AuditEntry[]): string {
  return formatTable(
    ["SEQ", "AT", "EVENT", "STATUS", "AGENT", "PROBE", "CODE", "PRINCIPAL"],
    entries.map(({ seq, record }) => [
      String(seq),
      record.at,
      record.event,
      record.status,
      record.agent ?? "-",
      record.probe ?? "-",
      record.code ?? "-",
      record.principal ?? "-",
    ]),
  );
}
