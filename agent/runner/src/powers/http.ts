import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { SondeError } from "@sonde/schemas/errors";
import { filledWith, renderRequestTarget } from "@sonde/sources";
import { REACH_AFTER, cutText } from "./cut-text.ts";
import { type Found, withPath } from "./open-path.ts";
import type { Look, Power } from "./power.ts";
import { errnoOf, permissionNeeded } from "./read-failure.ts";

const TARGET = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$/;

/**
 * Sends one GET over a unix socket and nothing else. Follows no redirect. Connects to the
 * very socket whose path was checked, even if the path has changed since.
 */
export const httpGet: Power<"http"> = async (source, values, context) => {
  const target = renderRequestTarget(source, filledWith(values));
  const [path = ""] = target.split("?");
  // A server may normalise a path, and would then serve another path than was approved.
  if (!TARGET.test(target) || path.split("/").some((part) => /^(\.|%2e){1,2}$/i.test(part))) {
    throw new SondeError("READ_FAILED", "expected a request path that is already normalised");
  }
  return withPath(source.socket, "socket", context.denyPaths, async (found) => {
    try {
      const response = await open(found, target, context.signal);
      refuseStatus(response, target, source.socket);
      return await readBody(response, source.maxBytes);
    } catch (error) {
      throw await requestFailure(error, found, source.socket, context.signal);
    }
  });
};

function open(found: Found, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(
      {
        socketPath: `/proc/self/fd/${found.fd}`,
        path,
        method: "GET",
        headers: { host: "localhost", accept: "application/json", connection: "close" },
        agent: false,
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

function refuseStatus(response: IncomingMessage, target: string, socket: string): void {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  response.destroy();
  const what = `GET ${target} over ${socket} was answered with ${status}`;
  if (status === 404) throw new SondeError("SOURCE_NOT_FOUND", what);
  if (status === 401 || status === 403) throw new SondeError("PERMISSION_NEEDED", what);
  throw new SondeError("READ_FAILED", what);
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Look<"http">> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const kept = chunk.subarray(0, maxBytes + REACH_AFTER - length);
    chunks.push(kept);
    length += kept.length;
    // Leaving the loop destroys the response and closes the connection.
    if (kept.length < chunk.length) break;
  }
  const { text: body, margin, bytes } = cutText(Buffer.concat(chunks), 0, maxBytes);
  const data = { status: response.statusCode ?? 0, body };
  return { data, truncated: length > maxBytes, bytes, margins: { body: margin } };
}

async function requestFailure(
  error: unknown,
  found: Found,
  socket: string,
  signal: AbortSignal,
): Promise<SondeError> {
  if (error instanceof SondeError) return error;
  if (signal.aborted) return new SondeError("READ_TIMEOUT", `${socket} took too long to answer`);
  const errno = errnoOf(error);
  if (errno === "EACCES") return permissionNeeded(socket, await found.calls.stat(found.fd));
  const why = errno === "ECONNREFUSED" ? "nobody listens" : (errno ?? "no valid answer");
  return new SondeError("READ_FAILED", `${socket}: ${why}`, { cause: error });
}
