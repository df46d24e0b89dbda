import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { type AuditExportEnd, parseAuditExportLine } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { readPieces, splitLines } from "./read-lines.ts";

/**
 * Writes an export into a file that only this user can read. The file is replaced when the export is
 * there whole, as its last line says.
 *
 * @param to.proof the line before them; empty for none
 * @param onLines is called with the number of lines that were written
 * @throws SondeError AUDIT_UNAVAILABLE for an export that was cut; then the file is as it was
 */
export async function writeExport(
  to: { file: string; proof: string },
  chunks: AsyncIterable<Buffer>,
  onLines: (count: number) => void,
): Promise<AuditExportEnd> {
  const { file, proof } = to;
  const temporary = `${file}.${randomUUID()}.new`;
  const written = await create(temporary, file);
  try {
    await written.appendFile(proof);
    let count = 0;
    let last: Uint8Array | null = null;
    for await (const piece of readPieces(untilBroken(chunks))) {
      const lines = splitLines(piece);
      count += lines.length;
      last = lines.at(-1) ?? null;
      await written.appendFile(piece);
      onLines(count);
    }
    const end = readEnd(last, count);
    await written.sync();
    renameSync(temporary, file);
    syncFolder(dirname(file));
    return end;
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  } finally {
    await written.close();
  }
}

async function create(temporary: string, file: string): Promise<FileHandle> {
  try {
    return await open(temporary, "wx", 0o600);
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected --out where a file can be made, got ${file}`, {
      cause,
    });
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  fsyncSync(folder);
  closeSync(folder);
}

async function* untilBroken(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (cause) {
    throw new SondeError("AUDIT_UNAVAILABLE", "the export broke off before its last line", {
      cause,
    });
  }
}

function readEnd(last: Uint8Array | null, count: number): AuditExportEnd {
  const line = last === null ? null : parseAuditExportLine(parseLine(last));
  if (line === null || !("complete" in line)) {
    throw new SondeError("AUDIT_UNAVAILABLE", "the export ended before its last line");
  }
  if (line.entries === count - 1) return line;
  throw new SondeError(
    "AUDIT_UNAVAILABLE",
    `expected ${line.entries} entries as the export's last line says, got ${count - 1}`,
  );
}

function parseLine(line: Uint8Array): unknown {
  return parseJson(line, "line of an audit export", "AUDIT_UNAVAILABLE");
}
