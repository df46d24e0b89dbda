import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, fsyncSync, openSync, renameSync, rmSync, closeSync } from "node:fs";
import { dirname } from "node:path";
import { type AuditExportEnd, parseAuditExportLine } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

/** No line of an export is longer. */
const MAX_LINE = 4 * 1024 * 1024;
const NEW_LINE = 0x0a;

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
  lines: AsyncIterable<Buffer>,
  onLines: (count: number) => void,
): Promise<AuditExportEnd> {
  const { file, proof } = to;
  const temporary = `${file}.${randomUUID()}.new`;
  const descriptor = create(temporary, file);
  try {
    const writer = createWriteStream(temporary, { fd: descriptor, autoClose: false });
    const written = new LastLine();
    writer.write(proof);
    for await (const chunk of untilBroken(lines)) {
      written.add(chunk);
      if (!writer.write(chunk)) await once(writer, "drain");
      onLines(written.count);
    }
    const finished = once(writer, "finish");
    writer.end();
    await finished;
    const end = readEnd(written);
    fsyncSync(descriptor);
    renameSync(temporary, file);
    syncFolder(dirname(file));
    return end;
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  } finally {
    closeSync(descriptor);
  }
}

function create(temporary: string, file: string): number {
  try {
    return openSync(temporary, "wx", 0o600);
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

async function* untilBroken(lines: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* lines;
  } catch (cause) {
    throw new SondeError("AUDIT_UNAVAILABLE", "the export broke off before its last line", {
      cause,
    });
  }
}

/** Counts lines, and keeps the last one. */
class LastLine {
  count = 0;
  /** Of the line that is not over yet. */
  #open: Buffer[] = [];
  #openBytes = 0;
  #last: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEW_LINE); at !== -1; at = chunk.indexOf(NEW_LINE, from)) {
      this.#last = Buffer.concat([...this.#open, chunk.subarray(from, at)]);
      this.#open = [];
      this.#openBytes = 0;
      this.count += 1;
      from = at + 1;
    }
    const rest = chunk.subarray(from);
    this.#open.push(rest);
    this.#openBytes += rest.length;
    if (this.#openBytes > MAX_LINE) {
      throw new SondeError("AUDIT_UNAVAILABLE", `expected lines of at most ${MAX_LINE} bytes`);
    }
  }

  /** Null when another one has begun, or when there is none. */
  read(): Buffer | null {
    return this.#openBytes === 0 && this.count > 0 ? this.#last : null;
  }
}

function readEnd(written: LastLine): AuditExportEnd {
  const last = written.read();
  const line = last === null ? null : parseAuditExportLine(parseLine(last));
  if (line === null || !("complete" in line)) {
    throw new SondeError("AUDIT_UNAVAILABLE", "the export ended before its last line");
  }
  if (line.entries === written.count - 1) return line;
  throw new SondeError(
    "AUDIT_UNAVAILABLE",
    `expected ${line.entries} entries as the export's last line says, got ${written.count - 1}`,
  );
}

function parseLine(line: Buffer): unknown {
  return parseJson(line, "line of an audit export", "AUDIT_UNAVAILABLE");
}
