import { SondeError } from "@sonde/schemas/errors";

const NEWLINE = 10;

/**
 * Splits a stream into lines, with back-pressure. Text after the last newline is a line
 * too.
 *
 * @throws SondeError INTERNAL for a line above `maxBytes`
 */
export async function* readLines(
  stream: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield rest.subarray(0, end).toString("utf8");
      rest = rest.subarray(end + 1);
    }
    if (rest.length > maxBytes) {
      throw new SondeError("INTERNAL", `the admit program: expected lines of ${maxBytes} bytes`);
    }
  }
  if (rest.length > 0) yield rest.toString("utf8");
}
