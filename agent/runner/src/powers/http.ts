import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from "node:http";
import { SondeError } from "@sonde/schemas/errors";
import type { HttpSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { filledWith, renderEndpoint, renderRequestTarget } from "@sonde/sources";
import { splitOutput } from "./container-output.ts";
import { type Part, REACH_AFTER, REACH_BEFORE, cutText, fromLineStart } from "./cut-text.ts";
import { withSocket } from "./open-path.ts";
import type { Look, Power, PowerContext } from "./power.ts";
import { connectEndpoint } from "./reach-endpoint.ts";
import { errnoOf } from "./read-failure.ts";
import { secureVerified } from "./secure-verified.ts";

const TARGET = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$/;

/** Most bytes of an answer's headers; more is no valid answer. */
const MOST_HEADER_BYTES = 16_384;

/** What one GET is sent over, and its name in messages. */
type Way = { options: RequestOptions; host: string; where: string };

/**
 * Sends one GET and nothing else: over a unix socket, to a port of loopback, or over TLS. Follows no
 * redirect and no proxy. Connects to the very socket whose path was checked, and to the very address.
 */
export const httpGet: Power<"http"> = async (source, values, context) => {
  const target = renderRequestTarget(source, filledWith(values), Math.floor(Date.now() / 1000));
  const [path = ""] = target.split("?");
  // A server may normalise a path, and would then serve another path than was approved.
  if (!TARGET.test(target) || path.split("/").some((part) => /^(\.|%2e){1,2}$/i.test(part))) {
    throw new SondeError("READ_FAILED", "expected a request path that is already normalised");
  }
  return source.socket === undefined
    ? await askPort(source, values, target, context)
    : await askSocket({ ...source, socket: source.socket }, target, context);
};

async function askSocket(
  source: HttpSource & { socket: string },
  target: string,
  { denyPaths, signal }: PowerContext,
): Promise<Look<"http">> {
  const { socket } = source;
  try {
    return await withSocket(socket, denyPaths, (socketPath) => {
      // `agent: false`: no connection is kept for a later request.
      const options = { socketPath, agent: false };
      return ask({ options, host: "localhost", where: socket }, target, source, signal);
    });
  } catch (error) {
    throw requestFailure(error, socket, signal);
  }
}

async function askPort(
  source: HttpSource,
  values: FilledRead["values"],
  target: string,
  context: PowerContext,
): Promise<Look<"http">> {
  const endpoint = renderEndpoint(source, values);
  const isSecured = source.tls === true;
  const { signal } = context;
  const where = `${isSecured ? "https" : "http"}://${endpoint.text}`;
  const socket = await connectEndpoint(endpoint, { where, isSecured }, context);
  const onEnd = (): void => void socket.destroy();
  signal.addEventListener("abort", onEnd, { once: true });
  try {
    const way = isSecured ? await secureVerified(socket, endpoint.host) : socket;
    const options = { createConnection: () => way };
    // A server that has a name of its own for the port that everybody uses does not expect it.
    const host = isSecured ? endpoint.text.replace(/:443$/, "") : endpoint.text;
    return await ask({ options, host, where }, target, source, signal);
  } catch (error) {
    throw requestFailure(error, where, signal);
  } finally {
    signal.removeEventListener("abort", onEnd);
    socket.destroy();
  }
}

async function ask(
  way: Way,
  target: string,
  { maxBytes, keep, as }: HttpSource,
  signal: AbortSignal,
): Promise<Look<"http">> {
  const response = await open(way, target, signal);
  refuseStatus(response, target, way.where);
  const chunks = as === undefined ? bytesOf(response) : splitOutput(bytesOf(response));
  const part = await (keep === undefined ? readStart(chunks, maxBytes) : readEnd(chunks, maxBytes));
  const { text: body, margin, bytes } = cutText(part.read, part.from, part.to);
  const data = { status: response.statusCode ?? 0, body };
  return { data, truncated: part.truncated, bytes, margins: { body: margin } };
}

const bytesOf = (response: IncomingMessage) => response as AsyncIterable<Buffer>;

function open({ options, host }: Way, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(
      {
        ...options,
        path,
        method: "GET",
        headers: { host, accept: "application/json", connection: "close" },
        maxHeaderSize: MOST_HEADER_BYTES,
        signal,
      },
      resolve,
    );
    sent.on("error", reject);
    sent.on("close", () =>
      reject(new SondeError("READ_FAILED", "the server closed the connection")),
    );
    sent.end();
  });
}

function refuseStatus(response: IncomingMessage, target: string, where: string): void {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  response.destroy();
  const what = `GET ${target} over ${where} was answered with ${status}`;
  if (status === 404) throw new SondeError("SOURCE_NOT_FOUND", what);
  if (status === 401 || status === 403) throw new SondeError("PERMISSION_NEEDED", what);
  throw new SondeError("READ_FAILED", what);
}

async function readStart(from: AsyncIterable<Buffer>, maxBytes: number): Promise<Part> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of from) {
    const kept = chunk.subarray(0, maxBytes + REACH_AFTER - length);
    chunks.push(kept);
    length += kept.length;
    // Leaving the loop destroys the response and closes the connection.
    if (kept.length < chunk.length) break;
  }
  return { read: Buffer.concat(chunks), from: 0, to: maxBytes, truncated: length > maxBytes };
}

/** Reads to the end, and keeps no more of it than is given and what the scrubber needs before that. */
async function readEnd(from: AsyncIterable<Buffer>, maxBytes: number): Promise<Part> {
  const room = Buffer.alloc(2 * (maxBytes + REACH_BEFORE));
  let length = 0;
  let isAll = true;
  for await (const chunk of from) {
    const end = chunk.subarray(-(maxBytes + REACH_BEFORE));
    if (length + end.length > room.length) {
      const kept = maxBytes + REACH_BEFORE;
      room.copyWithin(0, length - kept, length);
      length = kept;
      isAll = false;
    }
    isAll &&= end.length === chunk.length;
    length += end.copy(room, length);
  }
  const start = Math.max(0, length - maxBytes);
  const reach = Math.max(0, start - REACH_BEFORE);
  const read = room.subarray(reach, length);
  return fromLineStart(read, start - reach, length - reach, start > 0 || !isAll);
}

function requestFailure(error: unknown, where: string, signal: AbortSignal): SondeError {
  if (error instanceof SondeError) return error;
  if (signal.aborted) return new SondeError("READ_TIMEOUT", `${where} took too long to answer`);
  const errno = errnoOf(error);
  const why = errno === "ECONNREFUSED" ? "nobody listens" : (errno ?? "no valid answer");
  return new SondeError("READ_FAILED", `${where}: ${why}`, { cause: error });
}
