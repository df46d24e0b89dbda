import { SondeError } from "@sonde/schemas/errors";
import type { Report } from "@sonde/service";
import type { Span } from "../core/span.ts";

/** Spans that wait. A call of one agent has nine. */
const MAX_WAITING = 4_096;
const MAX_BATCH = 512;
const EVERY_MS = 2_000;
const TIMEOUT_MS = 5_000;

/** Sends spans to a collector, sooner or later or not at all. */
export type Exporter = {
  /** Never waits. Spans that find no room are dropped and counted. */
  add(spans: readonly Span[]): void;
  /** Of this process: spans that a collector took, and those that none did. */
  counts(): { sent: number; dropped: number };
  /** Sends what waits, once. */
  close(): Promise<void>;
};

/**
 * A collector that is away or slow costs memory for `MAX_WAITING` spans and one request at a time.
 * What it did not take is dropped: a trace is no record.
 *
 * @param options.endpoint the whole address, as `https://collector.example:4318/v1/traces`
 * @param options.readToken the bearer token of each request; null for none
 */
export function createExporter(options: {
  endpoint: string;
  readToken: () => string | null;
  render: (spans: readonly Span[]) => object;
  report: Report;
}): Exporter {
  const { endpoint, readToken, render, report } = options;
  let waiting: Span[] = [];
  let sending: Promise<void> | null = null;
  let isAway = false;
  const counts = { sent: 0, dropped: 0 };

  async function post(batch: readonly Span[]): Promise<void> {
    const token = readToken();
    const response = await fetch(endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(render(batch)),
      // A collector that sends elsewhere would send the token there.
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`expected a status of 2xx, got ${response.status}`);
  }

  async function sendBatch(): Promise<void> {
    const batch = waiting.slice(0, MAX_BATCH);
    waiting = waiting.slice(MAX_BATCH);
    try {
      await post(batch);
      counts.sent += batch.length;
      isAway = false;
    } catch (cause) {
      counts.dropped += batch.length;
      // Said once, and not for each batch.
      if (!isAway) {
        const got = cause instanceof Error ? cause.message : "no answer";
        report(
          new SondeError(
            "CONFIG_INVALID",
            `traces.endpoint: expected a collector, ${got}; spans are dropped`,
            { cause },
          ),
        );
      }
      isAway = true;
    }
  }

  function send(): Promise<void> {
    if (waiting.length === 0) return sending ?? Promise.resolve();
    sending ??= sendBatch().finally(() => {
      sending = null;
    });
    return sending;
  }

  const timer = setInterval(() => void send(), EVERY_MS);
  timer.unref();
  return {
    add(spans) {
      const room = MAX_WAITING - waiting.length;
      counts.dropped += Math.max(spans.length - room, 0);
      waiting.push(...spans.slice(0, Math.max(room, 0)));
      if (waiting.length >= MAX_BATCH) void send();
    },
    counts: () => ({ ...counts }),
    async close() {
      clearInterval(timer);
      await sending;
      await send();
    },
  };
}
