import { type IncomingMessage, request as requestPlain } from "node:http";
import { Agent, request as requestTls } from "node:https";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ErrorCode, readRefusal, SondeError } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";

const TIMEOUT_MS = 60_000;
/**
 * Longest pause between two chunks of an upload, in ms. The server may be working on earlier
 * chunks.
 */
const UPLOAD_TIMEOUT_MS = 600_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** A service, and the authority that its certificate must come from; without one, the system's. */
type Place = { url: string; ca?: string };

export type JsonRequest = {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Base URL of a service, or the path of its unix socket. */
  target: Place | { socket: string };
  path: string;
  bearer?: string;
  body?: unknown;
  /** A form in place of `body`, as OAuth has it. */
  form?: Record<string, string>;
  /** Request body as a stream, in place of `body`. */
  upload?: { content: Readable; type: string };
  /** Error code when the service does not answer. */
  unavailable: ErrorCode;
  what: string;
};

/** A request whose answer is a stream of that type. */
export type StreamRequest = Pick<
  JsonRequest,
  "target" | "path" | "bearer" | "unavailable" | "what"
> & { accept: string; headers?: Record<string, string> };

/**
 * Sends one JSON request to a Sonde service. A refusal becomes the SondeError that it
 * describes, so the user sees the service's own code.
 */
export async function requestJson(options: JsonRequest): Promise<unknown> {
  const { status, bytes } = await send(options);
  const answer = parseJson(bytes, `${options.what} answer`, options.unavailable);
  if (status >= 200 && status < 300) return answer;
  const refusal = readRefusal(answer);
  if (refusal !== null) throw new SondeError(refusal.code, refusal.message);
  throw new SondeError(
    options.unavailable,
    `expected an answer of the ${options.what}, got status ${status}`,
  );
}

/**
 * Opens a stream. It ends with an error when nothing comes for a minute.
 *
 * @throws SondeError as `requestJson` does
 */
export async function openStream(options: StreamRequest): Promise<IncomingMessage> {
  const { accept, headers = {}, unavailable, what } = options;
  const response = await reach(options, () =>
    open({ ...options, method: "GET" }, { accept, ...headers }),
  );
  if (response.statusCode === 200 && response.headers["content-type"] === accept) return response;
  const bytes = await reach(options, () => readAnswer(response, options));
  const refusal = readRefusal(parseJson(bytes, `${what} answer`, unavailable));
  if (refusal !== null) throw new SondeError(refusal.code, refusal.message);
  throw new SondeError(
    unavailable,
    `expected ${accept} of the ${what}, got status ${response.statusCode} and ${response.headers["content-type"]}`,
  );
}

/**
 * Sends a form, and returns the JSON of the answer whatever its status: OAuth has refusals that are
 * only news.
 */
export async function postForm(
  options: Omit<JsonRequest, "method" | "body" | "upload" | "form"> & {
    form: Record<string, string>;
  },
): Promise<{ status: number; answer: unknown }> {
  const { status, bytes } = await send({ ...options, method: "POST" });
  // A revocation has no body.
  const answer =
    bytes.length === 0 ? null : parseJson(bytes, `${options.what} answer`, options.unavailable);
  return { status, answer };
}

async function send(options: JsonRequest): Promise<{ status: number; bytes: Buffer }> {
  try {
    return await reach(options, async () => {
      const response = await open(options);
      return { status: response.statusCode ?? 0, bytes: await readAnswer(response, options) };
    });
  } finally {
    // The service may answer before the upload ends. The rest of the upload is then not needed.
    options.upload?.content.destroy();
  }
}

type Named = Pick<JsonRequest, "unavailable" | "what">;

function readAnswer(response: IncomingMessage, { unavailable, what }: Named): Promise<Buffer> {
  return readCapped(response, MAX_ANSWER_BYTES, () => {
    return new SondeError(unavailable, `the ${what} answered with too much`);
  });
}

/** @throws SondeError also where the network fails */
async function reach<T>({ unavailable, what }: Named, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError(unavailable, `the ${what} does not answer`, { cause });
  }
}

function open(options: JsonRequest, more: Record<string, string> = {}): Promise<IncomingMessage> {
  const { body, type } = bodyOf(options);
  const { request, where } = placeOf(options.target);
  const timeout = options.upload === undefined ? TIMEOUT_MS : UPLOAD_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...where,
        method: options.method,
        path: options.path,
        timeout,
        headers: {
          ...more,
          ...(options.upload !== undefined && { "content-type": options.upload.type }),
          ...(body !== undefined && {
            "content-type": type,
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

function bodyOf({ body, form }: JsonRequest): { body?: string; type: string } {
  if (form !== undefined) {
    return {
      body: new URLSearchParams(form).toString(),
      type: "application/x-www-form-urlencoded",
    };
  }
  const type = "application/json";
  return body === undefined ? { type } : { body: JSON.stringify(body), type };
}

/** A proxy of the environment (HTTPS_PROXY, NO_PROXY) never sees what is sent in clear. */
function placeOf(target: JsonRequest["target"]) {
  if ("socket" in target) {
    return {
      request: requestPlain,
      where: { socketPath: target.socket, host: "localhost" },
    };
  }
  const { protocol, hostname, port } = new URL(target.url);
  const host = { host: hostname.replace(/^\[(.*)\]$/, "$1"), port };
  if (protocol === "http:") return { request: requestPlain, where: host };
  const agent = new Agent({
    proxyEnv: process.env,
    ...(target.ca !== undefined && { ca: [target.ca] }),
  });
  return { request: requestTls, where: { ...host, agent } };
}
