import type { IncomingMessage } from "node:http";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";

const MAX_BODY_BYTES = 256 * 1024;

/**
 * Reads the body of a POST: one message of JSON-RPC, or a batch.
 *
 * @throws SondeError BODY_TOO_LARGE or BAD_REQUEST
 */
export async function readMessage(request: IncomingMessage): Promise<unknown> {
  const bytes = await readCapped(
    // Without this the end of the loop would end the connection, and with it the answer.
    request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
    MAX_BODY_BYTES,
    () => new SondeError("BODY_TOO_LARGE", `expected at most ${MAX_BODY_BYTES} bytes`),
  );
  const message = parseJson(bytes, "the message", "BAD_REQUEST");
  for (const one of Array.isArray(message) ? (message as unknown[]) : [message]) {
    leaveOutNull(one);
  }
  return message;
}

/** Some clients send `arguments: null` for a tool without arguments, which the SDK refuses. */
function leaveOutNull(message: unknown): void {
  const { params } = (message ?? {}) as { params?: unknown };
  if (typeof params !== "object" || params === null || !("arguments" in params)) return;
  if (params.arguments === null) delete params.arguments;
}

/**
 * Says whether an Accept header takes a type: it or a range of it is listed, and not with a weight
 * of 0 (RFC 9110, 12.5.1). Without the header everything is taken.
 */
export function takes(accept: string | undefined, type: string): boolean {
  if (accept === undefined) return true;
  const ranges = [type, `${type.split("/")[0]}/*`, "*/*"];
  return accept.split(",").some((part) => {
    const [range = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    return ranges.includes(range) && !parameters.some((text) => /^q=0(\.0*)?$/.test(text));
  });
}
