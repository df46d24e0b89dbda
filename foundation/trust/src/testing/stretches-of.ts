import type { ChainEntry } from "@sonde/schemas/audit";
import { checkStretch, type Stretch } from "../hub-log/check-stretch.ts";

/** A hub's log as the lines of an export, some at a time. */
export async function* stretchesOf(
  entries: readonly ChainEntry[],
  each: number,
): AsyncGenerator<Stretch> {
  for (let from = 0; from < entries.length; from += each) {
    const lines = entries.slice(from, from + each).map((entry) => JSON.stringify(entry));
    yield await Promise.resolve(
      checkStretch(
        lines.map((line) => Buffer.from(line)),
        new Set(),
      ),
    );
  }
}
