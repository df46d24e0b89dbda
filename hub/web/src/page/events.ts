import { readRefusal, send } from "./api.ts";

/** One server-sent event. */
export type ServerEvent = { id: string; event: string; data: string };

/** Longer than three heartbeats of the hub: the connection is dead. */
const SILENT_MS = 50_000;

/**
 * Reads a stream of server-sent events until it ends. The browser's own EventSource tells no status,
 * so it cannot say a session that ended from a hub that restarts.
 *
 * @param after the id of the last event that was read; empty for none
 * @throws Refusal, or an AbortError when `signal` ended it
 */
export async function readEvents(
  after: string,
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
    const response = await send("/api/v1/events", {
      headers: {
        accept: "text/event-stream",
        ...(after !== "" && { "last-event-id": after }),
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
