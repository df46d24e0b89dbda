import { type IncomingMessage, request } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ErrorCode, isErrorCode, SondeError } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";

const TIMEOUT_MS = 60_000;
/** Between two pieces of an upload: what was sent is being worked on. */
const UPLOAD_TIMEOUT_MS = 600_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export type JsonRequest = {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Base URL of a service, or the path of its unix socket. */
  target: { url: string } | { socket: string };
  path: string;
  bearer?: string;
  body?: unknown;
  /** Sent as it comes, in place of a body. */
  upload?: { content: Readable; type: string };
  /** The code when nothing answers at all. */
  unavailable: ErrorCode;
  what: string;
};

/**
 * One JSON request to a service of ours. An error body becomes the SondeError
 * it describes, so the code a user sees is the service's own.
 */
export async function requestJson(options: JsonRequest): Promise<unknown> {
  const { status, bytes } = await send(options);
  const answer = parseJson(bytes, `${options.what} answer`, options.unavailable);
  if (status >= 200 && status < 300) return answer;
  throw readErrorBody(answer, options.what, status, options.unavailable);
}

function readErrorBody(answer: unknown, what: string, status: number, fallback: ErrorCode) {
  const error = (answer as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  if (isErrorCode(error?.code) && typeof error.message === "string") {
    return new SondeError(error.code, error.message);
  }
  return new SondeError(fallback, `expected an answer of the ${what}, got status ${status}`);
}

async function send(options: JsonRequest): Promise<{ status: number; bytes: Buffer }> {
  try {
    const response = await open(options);
    const bytes = await readCapped(response, MAX_ANSWER_BYTES, () => {
      return new SondeError(options.unavailable, `the ${options.what} answered with too much`);
    });
    return { status: response.statusCode ?? 0, bytes };
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError(options.unavailable, `the ${options.what} does not answer`, { cause });
  } finally {
    // An answer may come before all was sent: the rest is not wanted.
    options.upload?.content.destroy();
  }
}

function open(options: JsonRequest): Promise<IncomingMessage> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const where =
    "socket" in options.target
      ? { socketPath: options.target.socket, host: "localhost" }
      : hostOf(options.target.url);
  const timeout = options.upload === undefined ? TIMEOUT_MS : UPLOAD_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...where,
        method: options.method,
        path: options.path,
        timeout,
        headers: {
          ...(options.upload !== undefined && { "content-type": options.upload.type }),
          ...(body !== undefined && {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
          }),
          ...(options.bearer !== undefined && { authorization: `Bearer ${options.bearer}` }),
        },
      },
      resolve,
    );
    call.on("timeout", () => call.destroy(new Error(`no answer within ${timeout} ms`)));
    call.on("error", reject);
    if (options.upload === undefined) call.end(body);
    else pipeline(options.upload.content, call).catch((error: Error) => call.destroy(error));
  });
}

function hostOf(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port };
}
