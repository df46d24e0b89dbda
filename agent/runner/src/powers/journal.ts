import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { renderJournalArgv } from "@sonde/sources";
import { cutMessage, cutText } from "./cut-text.ts";
import { parseBoots, parseDiskUsage, parseRows } from "./parse-journal.ts";
import type { Power } from "./power.ts";
import { errnoOf } from "./read-failure.ts";
import { MAX_STDERR, runCommand } from "./run-command.ts";

/** Where journald keeps its files, on disk or in memory. */
const FOLDERS = ["/var/log/journal", "/run/log/journal"];
/** `journalctl` says so, and shows what is left, with exit code 0 when that is something. */
const SHOWS_LESS =
  /insufficient permissions|not seeing messages from other users|Permission denied/i;
const NO_BOOT = /^(?:Data from the specified boot|No such boot ID)/;

/**
 * Reads the journal by `journalctl`. A user without the right for the whole journal gets
 * PERMISSION_NEEDED: what `journalctl` shows such a user would look like a host on which little
 * happens.
 */
export const readJournal: Power<"journal"> = async (source, values, context) => {
  requireWholeJournal();
  const argv = renderJournalArgv(source, values);
  const output = await runCommand("journalctl", argv, source.maxBytes, context.signal);
  const stderr = cutText(output.stderr, 0, MAX_STDERR);
  if (SHOWS_LESS.test(stderr.text)) throw permissionNeeded();
  // Without a row that fits a text, `journalctl` ends with 1 and says nothing.
  const isEmpty = output.exitCode === 1 && output.stdout.length === 0 && stderr.text === "";
  if (output.exitCode !== 0 && !output.truncated && !isEmpty) throw failed(stderr.text, output);
  const stdout = output.stdout.subarray(0, source.maxBytes);
  return {
    data: {
      ...(source.show === "rows" ? parseRows(stdout) : { rows: [], unreadableRows: 0 }),
      boots: source.show === "boots" ? parseBoots(stdout.toString()) : [],
      ...(source.show === "disk-usage" ? { diskBytes: parseDiskUsage(stdout.toString()) } : {}),
      warnings: stderr.text,
    },
    truncated: output.truncated,
    bytes: stdout.length + stderr.bytes,
    margins: { warnings: stderr.margin },
  };
};

/**
 * Whether this process may read the system's journal, by its files: the words of `journalctl` change
 * with its release.
 *
 * @throws SondeError SOURCE_NOT_FOUND without a journal; PERMISSION_NEEDED
 */
export function requireWholeJournal(folders: readonly string[] = FOLDERS): void {
  const files = folders.flatMap((folder) =>
    listNames(folder).flatMap((machine) =>
      listNames(join(folder, machine))
        .filter((name) => /^system(@.*)?\.journal$/.test(name))
        .map((name) => join(folder, machine, name)),
    ),
  );
  if (files.length === 0) {
    throw new SondeError(
      "SOURCE_NOT_FOUND",
      `this host keeps no journal: expected one in ${folders.join(" or ")}`,
    );
  }
  for (const file of files) {
    try {
      accessSync(file, constants.R_OK);
    } catch (error) {
      // The oldest file may be removed meanwhile.
      if (errnoOf(error) !== "ENOENT") throw permissionNeeded();
    }
  }
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return [];
    throw permissionNeeded();
  }
}

function permissionNeeded(): SondeError {
  return new SondeError(
    "PERMISSION_NEEDED",
    "the journal may not be read as a whole: expected a runner in the group systemd-journal; run as root: sonde-agent approve PACK, for the pack of this probe",
  );
}

function failed(stderr: string, { exitCode }: { exitCode: number }): SondeError {
  const [line = ""] = stderr.trim().split("\n", 1);
  const said = line === "" ? "no error text" : cutMessage(line, 200);
  if (NO_BOOT.test(line)) return new SondeError("SOURCE_NOT_FOUND", said);
  return new SondeError("READ_FAILED", `journalctl ended with ${exitCode}: ${said}`);
}
