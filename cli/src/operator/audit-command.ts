import {
  type AuditEntry,
  type ChainEntry,
  type DroppedPart,
  isDropped,
} from "@sonde/schemas/audit";
import type { AuditFilters } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { parseCount } from "../data-command.ts";
import type { HubClient } from "../hub-client.ts";
import { addFilterOptions, type FilterOptions, readFilters } from "./audit-filters.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import {
  describeEntries,
  describeGone,
  describeLine,
  describeMissing,
  describeWhole,
} from "./describe-entries.ts";
import { followAudit } from "./follow-audit.ts";
import { addHoldCommands } from "./hold-commands.ts";
import { showProgress } from "./start-command.ts";
import { addVerify, attestationLine, verifyAndPrint } from "./verify-command.ts";
import { writeExport } from "./write-export.ts";

type ListOptions = FilterOptions & { last: string; verify?: true };
type ExportOptions = FilterOptions & { out: string };
type Print = (text: string) => void;

const MAX_LAST = 100_000;
const MAX_PAGE = 1_000;
/** Pages that one command asks for. Each is an entry of the log too. */
const MAX_PAGES = 200;
/** A call has a request and an answer, and no more than a few entries. */
const MAX_OF_CALL = 100;
const SEQ = /^[1-9][0-9]{0,14}$/;
const CALL_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `sonde audit [list | tail | show | export | verify | hold]`: the hub's audit log. */
export function addAuditCommand(program: Command, print: Print): void {
  const audit = program.command("audit").description("the hub's audit log: who asked what of whom");
  addList(audit, print);
  addTail(audit, print);
  addShow(audit, print);
  addExport(audit, print);
  addVerify(audit, print);
  addHoldCommands(audit, print);
}

/** Beside the entries, which may go to another program. */
function warnOfDropped(dropped: DroppedPart | null | undefined): void {
  if (dropped !== null && dropped !== undefined)
    process.stderr.write(`${describeMissing(dropped)}\n`);
}

function startSearch(audit: Command, name: string, description: string, isDefault = false) {
  return addFilterOptions(startHubCommand(audit, name, description, { isDefault }));
}

function addList(audit: Command, print: Print): void {
  startSearch(audit, "list", "the newest entries that fit, the last one below", true)
    .option("--last <n>", "how many entries", "50")
    .option("--verify", "as audit verify: check the whole log instead")
    .action(async (options: ListOptions) => {
      if (options.verify) return await verifyAndPrint(undefined, options, print);
      const { client, wanted } = connect(options);
      const last = parseCount("--last", options.last, 1, MAX_LAST);
      const filters = await wanted();
      const { entries, searchedFrom, dropped } = await searchNewest(client, filters, last);
      if (options.json) for (const entry of entries) print(JSON.stringify(entry));
      else print(describeEntries(entries));
      warnOfDropped(dropped);
      if (searchedFrom === null || searchedFrom === 1) return;
      process.stderr.write(
        `Only the entries from ${searchedFrom} on were looked at. sonde audit export with the same options looks at all.\n`,
      );
    });
}

function addTail(audit: Command, print: Print): void {
  startSearch(audit, "tail", "the newest entries that fit, and then each as it is written")
    .option("--last <n>", "how many entries of before", "10")
    .action(async (options: ListOptions) => {
      const { client, wanted } = connect(options);
      const last = parseCount("--last", options.last, 0, MAX_PAGE);
      const filters = await wanted();
      const limit = String(Math.max(last, 1));
      const { entries, searched, head, dropped } = await client.searchAudit({ ...filters, limit });
      const show = (entry: AuditEntry) =>
        print(options.json ? JSON.stringify(entry) : describeLine(entry));
      if (entries.length < last) warnOfDropped(dropped);
      for (const entry of entries.slice(0, last).toReversed()) show(entry);
      await followAudit(client, filters, searched?.to ?? head.size, {
        onEntry: show,
        onDropped: warnOfDropped,
        onBreak({ code, message }) {
          process.stderr.write(`${code}: ${message}; trying again\n`);
        },
      });
    });
}

function addShow(audit: Command, print: Print): void {
  startHubCommand(
    audit,
    "show <entry>",
    "everything of an entry or a call, by number or call id",
  ).action(async (entry: string, options: HubOptions) => {
    const { client } = connectHub(options);
    const found = await readWhole(client, entry);
    if (options.json) print(JSON.stringify({ entries: found }));
    else {
      const texts = found.map((one) => (isDropped(one) ? describeGone(one) : describeWhole(one)));
      print(texts.join("\n\n"));
    }
  });
}

function addExport(audit: Command, print: Print): void {
  startSearch(audit, "export", "all entries that fit as JSON lines, the oldest first")
    .requiredOption("--out <file>", "the file, which is replaced when the export is whole")
    .action(async (options: ExportOptions) => {
      const { client, wanted } = connect(options);
      const filters = await wanted();
      const isWhole = Object.keys(filters).length === 0;
      const proof = isWhole ? attestationLine(await client.signAudit()) : "";
      const lines = await client.exportAudit(filters);
      const end = await writeExport({ file: options.out, proof }, lines, (count) => {
        showProgress(`${count} entries`);
      });
      showProgress(null);
      if (options.json) return print(JSON.stringify({ file: options.out, ...end }));
      const part = end.searched === null ? "none" : `${end.searched.from} to ${end.searched.to}`;
      warnOfDropped(end.dropped);
      print(`${end.entries} entries are in ${options.out}, of the entries ${part} of the log.`);
    });
}

function connect(options: FilterOptions) {
  const { client } = connectHub(options);
  return { client, wanted: () => readFilters(options, client, new Date()) };
}

/** @returns `searchedFrom` is where the search ended; null when it found as many as were wanted */
async function searchNewest(client: HubClient, filters: AuditFilters, wanted: number) {
  const entries: AuditEntry[] = [];
  let cursor: string | undefined;
  let searchedFrom: number | null = null;
  let dropped: DroppedPart | null = null;
  for (let pages = 0; pages < MAX_PAGES && entries.length < wanted; pages++) {
    const limit = String(Math.min(MAX_PAGE, wanted - entries.length));
    const page = await client.searchAudit({
      ...{ ...filters, limit },
      ...(cursor !== undefined && { cursor }),
    });
    entries.push(...page.entries);
    searchedFrom = page.searched?.from ?? 1;
    // The newest page that lacks something says how far it reaches.
    dropped ??= page.dropped ?? null;
    cursor = page.next;
    if (cursor === undefined) break;
    showProgress(`${entries.length} entries, down to ${searchedFrom}`);
  }
  if (cursor !== undefined) showProgress(null);
  return {
    dropped,
    entries: entries.toReversed(),
    searchedFrom: entries.length >= wanted || cursor === undefined ? null : searchedFrom,
  };
}

/** @throws SondeError BAD_REQUEST, and NOT_FOUND for an entry that the log does not have */
async function readWhole(client: HubClient, wanted: string): Promise<ChainEntry[]> {
  if (CALL_ID.test(wanted)) return await readCall(client, wanted);
  if (!SEQ.test(wanted)) {
    throw new SondeError(
      "BAD_REQUEST",
      `expected the number of an entry or a call's id, got ${wanted}`,
    );
  }
  const { entries, head } = await client.readAudit(Number(wanted) - 1, 1);
  const [entry] = entries;
  if (entry === undefined) {
    throw new SondeError("NOT_FOUND", `expected an entry from 1 to ${head.size}, got ${wanted}`);
  }
  if (isDropped(entry)) return [entry];
  const { callId } = entry.record;
  return callId === null ? [entry] : await readCall(client, callId);
}

async function readCall(client: HubClient, call: string): Promise<AuditEntry[]> {
  const { entries, dropped } = await client.searchAudit({
    ...{ call, order: "oldest", limit: String(MAX_OF_CALL) },
  });
  if (entries.length > 0) return entries;
  const why = dropped === undefined ? "" : `. ${describeMissing(dropped)}`;
  throw new SondeError("NOT_FOUND", `expected a call of this hub, got ${call}${why}`);
}
