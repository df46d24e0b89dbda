import { setTimeout as sleep } from "node:timers/promises";
import { type AuditEntry, type DroppedPart, parseAuditEntry } from "@sonde/schemas/audit";
import { type AuditFilters, parseAuditEnded, parseDroppedPart } from "@sonde/schemas/audit-search";
import { isErrorCode, SondeError, toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import type { HubClient } from "../hub-client.ts";

/** One event; the hub sends no entry that is longer. */
const MAX_EVENT = 4 * 1024 * 1024;
/** The pauses before another try, in ms. */
const PAUSES = [500, 1_000, 2_000, 5_000, 10_000];
/** What another try may mend. */
const PASSING = new Set(["HUB_UNREACHABLE", "STARTING_FAILED", "INTERNAL", "DATABASE_UNAVAILABLE"]);

/**
 * Follows the log of a hub, entry by entry. A connection that breaks is made again, and goes on where
 * it was.
 *
 * @param after the last entry that is known
 * @throws SondeError when the hub ends it, such as for a key that was revoked
 */
export async function followAudit(
  client: Pick<HubClient, "followAudit">,
  filters: AuditFilters,
  after: number,
  tell: {
    onEntry: (entry: AuditEntry) => void;
    /** Content was dropped of what was written while there was no connection. */
    onDropped: (dropped: DroppedPart) => void;
    onBreak: (error: SondeError) => void;
  },
): Promise<never> {
  let seen = after;
  for (let tries = 0; ; tries++) {
    try {
      for await (const event of readEvents(await client.followAudit(filters, seen))) {
        tries = 0;
        seen = Math.max(seen, event.id);
        if (event.name === "end") throw endedBy(event.data);
        if (event.name === "dropped") tell.onDropped(parseDroppedPart(event.data));
        if (event.name === "entry") tell.onEntry(parseAuditEntry(event.data));
      }
      throw new SondeError("HUB_UNREACHABLE", "the hub ended the connection");
    } catch (thrown) {
      const error = toUnreachable(thrown);
      if (!PASSING.has(error.code)) throw error;
      if (tries === 0) tell.onBreak(error);
    }
    await sleep(PAUSES[Math.min(tries, PAUSES.length - 1)] ?? 0);
  }
}

function toUnreachable(thrown: unknown): SondeError {
  if (thrown instanceof SondeError) return thrown;
  const isNetwork = thrown instanceof Error && "code" in thrown;
  if (!isNetwork) return toSondeError(thrown);
  return new SondeError("HUB_UNREACHABLE", "the connection to the hub broke", { cause: thrown });
}

function endedBy(data: unknown): SondeError {
  const { code } = parseAuditEnded(data);
  const known = isErrorCode(code) ? code : "FORBIDDEN";
  return new SondeError(known, `the hub ended the live log: ${code}`);
}

type Event = { id: number; name: string; data: unknown };

async function* readEvents(stream: AsyncIterable<Buffer>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split("\n\n");
    rest = parts.pop() ?? "";
    if (rest.length > MAX_EVENT) {
      throw new SondeError("INTERNAL", `expected events of at most ${MAX_EVENT} characters`);
    }
    for (const part of parts) {
      const [, id, name = "", data = ""] =
        /^id: ([0-9]+)\nevent: (.+)\ndata: (.+)$/.exec(part) ?? [];
      if (id !== undefined)
        yield { id: Number(id), name, data: parseJson(data, "event", "INTERNAL") };
    }
  }
}
