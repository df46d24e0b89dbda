import { SondeError } from "@sonde/schemas/errors";
import { BLOCK_BYTES, paddedLength } from "../archive/archive-layout.ts";
import { buildTarHeader } from "../archive/tar-header.ts";
import { EXPORT_END } from "./encode-member.ts";
import type { ExportMember } from "./layout.ts";

/**
 * Reads an export from start to end, with one member in memory at a time. The caller
 * names each member and its size limit; the file cannot add others (attack class 42).
 * Every header byte must be as `encodeMember` makes it.
 */
export type ExportReader = {
  /**
   * Returns the next member if it has that name. Otherwise returns null and leaves it for
   * the next call.
   *
   * @throws SondeError EXPORT_INVALID when the member is too large or cut off
   */
  take(member: ExportMember): Promise<Buffer | null>;
  /** @throws SondeError EXPORT_INVALID unless that member comes next */
  demand(member: ExportMember): Promise<Buffer>;
  /** @throws SondeError EXPORT_INVALID unless the file ends here with the end of an export */
  demandEnd(): Promise<void>;
};

/** @param chunks the file; read on demand only */
export function createExportReader(chunks: AsyncIterable<Uint8Array>): ExportReader {
  const read = createByteReader(chunks);
  let header: Buffer | null = null;

  async function take({ name, maxBytes }: ExportMember): Promise<Buffer | null> {
    header ??= await read(BLOCK_BYTES);
    const size = readSize(header);
    if (size === null || !header.equals(buildTarHeader(name, size))) return null;
    if (size > maxBytes) throw invalid(`${name}: expected at most ${maxBytes} bytes, got ${size}`);
    header = null;
    const content = await read(paddedLength(size));
    if (content.length < paddedLength(size)) {
      throw invalid(`${name}: expected ${size} bytes, got a file that is cut off`);
    }
    if (content.subarray(size).some((byte) => byte !== 0)) {
      throw invalid(`${name}: expected zero bytes as padding, got others`);
    }
    return content.subarray(0, size);
  }

  return {
    take,
    async demand(member) {
      const bytes = await take(member);
      if (bytes !== null) return bytes;
      throw invalid(`expected ${member.name}, got ${describe(header)}`);
    },
    async demandEnd() {
      header ??= await read(BLOCK_BYTES);
      const end = Buffer.concat([header, await read(BLOCK_BYTES + 1)]);
      if (!end.equals(EXPORT_END)) throw invalid(`expected the end, got ${describe(header)}`);
    },
  };
}

/** @returns `count` bytes, or fewer at the end of the file */
function createByteReader(chunks: AsyncIterable<Uint8Array>): (count: number) => Promise<Buffer> {
  const source = chunks[Symbol.asyncIterator]();
  let held: Uint8Array = new Uint8Array();
  return async (count) => {
    const parts: Uint8Array[] = [];
    for (let missing = count; missing > 0; ) {
      if (held.length === 0) {
        const next = await source.next();
        if (next.done === true) break;
        held = next.value;
      }
      const part = held.subarray(0, missing);
      parts.push(part);
      held = held.subarray(part.length);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  };
}

function readSize(header: Buffer): number | null {
  const text = header.toString("latin1", 124, 136);
  return /^[0-7]{11}\0$/.test(text) ? Number.parseInt(text, 8) : null;
}

/** Describes what was found instead: its name in printable ASCII. */
function describe(header: Buffer | null): string {
  if (header === null || header.length === 0) return "the end of the file";
  const name = header.toString("latin1", 0, 100).replace(/\0[^]*$/, "");
  return name === "" ? "something else" : JSON.stringify(name).replace(/[^\x20-\x7e]/g, "?");
}

function invalid(sentence: string): SondeError {
  return new SondeError("EXPORT_INVALID", `export: ${sentence}`);
}
