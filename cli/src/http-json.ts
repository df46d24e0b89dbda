import { request } from "node:http";
import { type ErrorCode, isErrorCode, parseJson, SondeError } from "@sonde/schemas";

const TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export type JsonRequest = {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Base URL of a service, or the path of its unix socket. */
  target: { url: string } | { socket: string };
  path: string;
  bearer?: string;
  body?: unknown;
  /** The code when nothing answers at all. */
  unavailable: ErrorCode;
  what: string;
};

/**
 * One JSON request to a service of ours. An error body becomes the SondeError
 * it describes, so the code a user sees is the service's own.
 */
export async function requestJson(options: JsonRequest): Promise<unknown> {
  const { status, text } = await send(options);
  const answer = parseJson(text, `${options.what} answer`, options.unavailable);
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

function send(options: JsonRequest): Promise<{ status: number; text: string }> {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const where =
    "socket" in options.target
      ? { socketPath: options.target.socket, host: "localhost" }
      : hostOf(options.target.url);
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(new SondeError(options.unavailable, `the ${options.what} does not answer`, { cause }));
    const call = request(
      {
        ...where,
        method: options.method,
        path: options.path,
        timeout: TIMEOUT_MS,
        headers: {
          ...(body !== undefined && {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
          }),
          ...(options.bearer !== undefined && { authorization: `Bearer ${options.bearer}` }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) call.destroy(new Error("the answer is too large"));
          else chunks.push(chunk);
        });
        response.on("error", fail);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    call.on("timeout", () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    call.on("error", fail);
    call.end(body);
  });
}

function hostOf(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port };
}
