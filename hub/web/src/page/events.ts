import { readRefusal, send } from "./api.ts";

/** One server-sent event. */
export type ServerEvent = { id: string; event: string; data: string };

/** Longer than three heartbeats of the hub: the connection is dead. */
const SILENT_MS = 50_000;
const RETRY_MS = { first: 500, most: 8_000 };

/** A stream that is opened again whenever it ends, until its signal aborts. */
export type Following = {
  /** Below /api/v1. */
  path: string;
  /** The id of the last event that was read; empty for none. */
  after: () => string;
  signal: AbortSignal;
  take: (event: ServerEvent) => void;
  /** It ended without a word, or by what was thrown. It is opened again after a pause. */
  onLost: (thrown: unknown) => void;
  /** A page that nobody sees for so long holds no connection: a browser has few for one hub. */
  hiddenMs: number;
};

/** Follows a stream. */
export async function followEvents(following: Following): Promise<void> {
  const { signal, take, onLost, hiddenMs } = following;
  let retryMs = RETRY_MS.first;
  while (!signal.aborted) {
    const hidden = new AbortController();
    const stopWatching = abortWhenHidden(hidden, hiddenMs);
    let isTold = false;
    let lost: unknown = null;
    try {
      await readEvents(following, AbortSignal.any([signal, hidden.signal]), (event) => {
        retryMs = RETRY_MS.first;
        isTold = true;
        if (!signal.aborted) take(event);
      });
      // The hub ended it, as it does when this browser gets another session.
      if (isTold) continue;
    } catch (thrown) {
      lost = thrown;
    } finally {
      stopWatching();
    }
    if (signal.aborted) return;
    if (hidden.signal.aborted) await untilVisible();
    else {
      onLost(lost);
      await delay(retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MS.most);
    }
  }
}

/**
 * Reads a stream of server-sent events until it ends. The browser's own EventSource tells no status,
 * so it cannot say a session that ended from a hub that restarts.
 *
 * @throws Refusal, or an AbortError when `signal` ended it
 */
async function readEvents(
  { path, after }: Pick<Following, "path" | "after">,
  signal: AbortSignal,
  listener: (event: ServerEvent) => void,
): Promise<void> {
  const silence = new AbortController();
  let timer = 0;
  const wait = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENT_MS);
  };
  wait();
  try {
    const last = after();
    const response = await send(`/api/v1${path}`, {
      headers: {
        accept: "text/event-stream",
        ...(last !== "" && { "last-event-id": last }),
      },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (!response.ok || response.body === null) throw await readRefusal(response);
    const lines = new LineReader(listener);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      wait();
      lines.read(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** The part of the format that the hub writes (HTML, 9.2.6): lines that end in a line feed. */
class LineReader {
  readonly #listener: (event: ServerEvent) => void;
  #rest = "";
  #event: ServerEvent = { id: "", event: "message", data: "" };

  constructor(listener: (event: ServerEvent) => void) {
    this.#listener = listener;
  }

  read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line === "") {
      if (this.#event.data !== "") this.#listener(this.#event);
      this.#event = { id: this.#event.id, event: "message", data: "" };
      return;
    }
    const at = line.indexOf(": ");
    const [name, value] = [line.slice(0, at), line.slice(at + 2)];
    if (name === "id" || name === "event") this.#event = { ...this.#event, [name]: value };
    if (name === "data") this.#event = { ...this.#event, data: this.#event.data + value };
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function abortWhenHidden(abort: AbortController, hiddenMs: number): () => void {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => abort.abort(), hiddenMs);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

async function untilVisible(): Promise<void> {
  while (document.hidden) {
    await new Promise((done) =>
      document.addEventListener("visibilitychange", done, { once: true }),
    );
  }
}
