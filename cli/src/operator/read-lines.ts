import { SondeError } from "@sonde/schemas/errors";

const NEW_LINE = 0x0a;
/** An attestation with all agents of a large fleet takes a few megabytes. */
const MAX_LINE = 32 * 1024 * 1024;

/**
 * Cuts bytes into lines, without their ends. Those that end in one chunk come together: to wait for
 * each takes as long as to read it.
 *
 * @throws SondeError AUDIT_UNAVAILABLE for a line that is too long, or that does not end
 */
export async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let open: Buffer[] = [];
  let openBytes = 0;
  for await (const chunk of chunks) {
    const lines: Buffer[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEW_LINE); at !== -1; at = chunk.indexOf(NEW_LINE, from)) {
      const rest = chunk.subarray(from, at);
      lines.push(openBytes === 0 ? rest : Buffer.concat([...open, rest]));
      open = [];
      openBytes = 0;
      from = at + 1;
    }
    if (lines.length > 0) yield lines;
    if (from === chunk.length) continue;
    open.push(chunk.subarray(from));
    openBytes += chunk.length - from;
    if (openBytes > MAX_LINE) {
      throw new SondeError("AUDIT_UNAVAILABLE", `expected lines of at most ${MAX_LINE} bytes`);
    }
  }
  if (openBytes > 0) throw new SondeError("AUDIT_UNAVAILABLE", "the last line is not whole");
}
