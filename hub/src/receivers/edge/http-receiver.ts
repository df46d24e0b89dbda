import { Agent as PlainAgent, type IncomingMessage, request as requestPlain } from "node:http";
import { Agent, request } from "node:https";
import { SinkFailure } from "../core/sink-failure.ts";
import type { ReceiverTrust } from "./receiver-trust.ts";
import { codeOf, failureOf } from "./receiver-failure.ts";

const TIMEOUT_MS = 10_000;
/** Receivers say little when they say yes. */
const MAX_ANSWER_BYTES = 64 * 1024;

export type ReceiverAnswer = { status: number; body: Buffer };

/** One address that takes something by POST. */
export type HttpReceiver = {
  /**
   * Resolves with an answer of 2xx, or of a status that is awaited. A redirect is neither and is not
   * followed: what is sent and the token would go wherever it points.
   *
   * @throws SinkFailure
   */
  post(
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
    awaited?: readonly number[],
  ): Promise<ReceiverAnswer>;
  close(): void;
};

/** @param url `https:`, or `http:` on loopback */
export function createHttpReceiver(url: string, trust: ReceiverTrust): HttpReceiver {
  const isTls = new URL(url).protocol === "https:";
  const kept = { keepAlive: true, maxSockets: 1 };
  const agent = isTls ? new Agent({ ...kept, ...trust }) : new PlainAgent(kept);
  const ask = isTls ? request : requestPlain;

  function begin(
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const asked = ask(url, { method: "POST", agent, headers, signal, maxHeaderSize: 8 * 1024 });
    asked.on("response", resolve).end(body);
    asked.on("error", (error) => {
      // The receiver may have closed an idle connection just now, which is no failure of it.
      if (asked.reusedSocket && codeOf(error) === "ECONNRESET") {
        resolve(begin(headers, body, signal));
      } else {
        reject(error);
      }
    });
    return promise;
  }

  async function exchange(
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
    awaited: readonly number[],
  ): Promise<ReceiverAnswer> {
    const answer = await begin(headers, body, signal);
    const status = answer.statusCode ?? 0;
    if ((status < 200 || status > 299) && !awaited.includes(status)) {
      answer.destroy();
      throw new SinkFailure(
        "SINK_REFUSED",
        `expected a status of 2xx, got ${status}`,
        status === 429 || status === 503 ? readRetryAfter(answer.headers["retry-after"]) : 0,
      );
    }
    return { status, body: await readAnswer(answer) };
  }

  return {
    async post(headers, body, signal, awaited = []) {
      const late = AbortSignal.timeout(TIMEOUT_MS);
      try {
        return await exchange(headers, body, AbortSignal.any([signal, late]), awaited);
      } catch (thrown) {
        throw failureOf(thrown, late.aborted ? TIMEOUT_MS : null);
      }
    },
    close: () => agent.destroy(),
  };
}

async function readAnswer(answer: IncomingMessage): Promise<Buffer> {
  const kept: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) {
      answer.destroy();
      throw new SinkFailure(
        "SINK_REFUSED",
        `expected an answer of at most ${MAX_ANSWER_BYTES} bytes`,
      );
    }
    kept.push(chunk);
  }
  return Buffer.concat(kept);
}

/** Seconds, or a date (RFC 9110, clause 10.2.3). */
function readRetryAfter(value: string | undefined): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(at - Date.now(), 0);
}
