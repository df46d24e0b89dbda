import type { ServerResponse } from "node:http";
import { type ErrorCode, SondeError, toSondeError } from "@sonde/schemas/errors";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Hub } from "../../hub.ts";
import { asOfNow, authorize, type Principal, type RouteRight } from "../../identity/index.ts";

const MAX_STREAMS_PER_PRINCIPAL = 32;
/** Also how long a right that ended without a word may last. */
const HEARTBEAT_MS = 15_000;
/** A reader that took nothing for so long is dropped. */
const SLOW_MS = 20_000;
/** Refusals after which nothing more may be sent. */
const ENDED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["UNAUTHENTICATED", "FORBIDDEN"] as const),
  ...(["ACCESS_ENDED", "ADDRESS_REFUSED"] as const),
]);

/** An event as it is sent. A reader that comes back names the last id that it got. */
export type StreamEvent = { id: string; event: string; data: unknown };

/** One reader of events, and what its feature keeps of it. */
export type EventStream<State> = {
  readonly request: FastifyRequest;
  /** As it was at the last look. */
  readonly principal: Principal;
  readonly state: State;
  /** True while it takes nothing more: what is sent then would wait in memory. */
  isFull(): boolean;
  isOpen(): boolean;
  send(events: readonly StreamEvent[]): void;
  /** Sends a last event and ends it. */
  end(code?: string): void;
};

/** Who sends a request, if the guard looked now; no use of a session. @throws SondeError UNAUTHENTICATED */
export type Reauthenticate = (request: FastifyRequest) => Promise<Principal>;

/**
 * Looks again whether a request that is still being answered may be.
 *
 * @returns the principal, or why it must end; null when that cannot be known at the moment
 */
export async function lookAgain(
  { now, report }: Pick<Hub, "now" | "report">,
  { authenticate, right }: { authenticate: Reauthenticate; right: RouteRight },
  request: FastifyRequest,
): Promise<{ principal: Principal } | { code: ErrorCode } | null> {
  try {
    const principal = await authenticate(request);
    const present = asOfNow(principal);
    const enter = { kind: "enter", address: request.ip ?? null, at: now().getTime() } as const;
    for (const asked of [enter, { kind: right }]) {
      const decision = authorize(present, asked);
      if (!decision.allowed) throw new SondeError(decision.code, decision.reason);
    }
    return { principal };
  } catch (thrown) {
    const error = toSondeError(thrown);
    // The database may be away for a moment: then nothing is known to have ended.
    if (ENDED.has(error.code)) return { code: error.code };
    report(error);
    return null;
  }
}

/**
 * The readers of one route of server-sent events. Each stays as long as its key or session and its
 * right: they are looked at again at each heartbeat, and whenever keys, people or policies change.
 */
export type EventStreams<State> = {
  all(): readonly EventStream<State>[];
  /**
   * Answers a request with a stream.
   *
   * @throws SondeError TOO_MANY_ATTEMPTS when the principal has too many
   */
  open(request: FastifyRequest, reply: FastifyReply, state: State): EventStream<State>;
};

/**
 * @param uses.idOf the id of the event that tells the end
 * @param uses.onRoom is called when a reader that was full takes more
 * @param uses.onRights is called when a reader's rights have changed
 */
export function openEventStreams<State>(
  hub: Pick<Hub, "directory" | "elapsed" | "now" | "report" | "onStop">,
  uses: {
    right: RouteRight;
    authenticate: Reauthenticate;
    idOf: (state: State) => string;
    onRoom?: () => void;
    onRights?: (stream: EventStream<State>) => void;
  },
): EventStreams<State> {
  const { directory, elapsed } = hub;
  const readers = new Set<Reader<State>>();

  async function recheck(reader: Reader<State>): Promise<void> {
    const before = reader.principal.policyHash;
    const found = await lookAgain(hub, uses, reader.request);
    if (found === null || !reader.isOpen()) return;
    if ("code" in found) return reader.end(found.code);
    reader.principal = found.principal;
    if (found.principal.policyHash !== before) uses.onRights?.(reader);
  }

  const recheckAll = async (): Promise<void> => {
    await Promise.all([...readers].map(recheck));
  };
  directory.onChange(({ kind }) => {
    if (!["agent", "pack", "pin"].includes(kind)) void recheckAll();
  });

  function build(request: FastifyRequest, response: ServerResponse, state: State): Reader<State> {
    const reader: Reader<State> = {
      ...{ request, state, response, principal: request.principal, fullSince: null },
      isFull: () => reader.fullSince !== null,
      isOpen: () => readers.has(reader),
      send(events) {
        if (events.length === 0 || !readers.has(reader)) return;
        const text = events.map(
          ({ id, event, data }) => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
        );
        if (response.write(text.join(""))) return;
        reader.fullSince ??= elapsed();
        response.once("drain", () => {
          reader.fullSince = null;
          uses.onRoom?.();
        });
      },
      end(code) {
        if (code !== undefined) {
          reader.send([{ id: uses.idOf(state), event: "end", data: { code } }]);
        }
        readers.delete(reader);
        response.end();
      },
    };
    return reader;
  }

  const beating = setInterval(() => {
    for (const reader of readers) {
      const { response, fullSince } = reader;
      if (fullSince !== null && elapsed() - fullSince > SLOW_MS) {
        readers.delete(reader);
        response.destroy();
      } else if (fullSince === null) response.write(": alive\n\n");
    }
    void recheckAll();
  }, HEARTBEAT_MS);
  hub.onStop(() => {
    clearInterval(beating);
    for (const reader of readers) reader.end();
  });

  return {
    all: () => [...readers],
    open(request, reply, state) {
      const { id } = request.principal.subject;
      const own = [...readers].filter(({ principal }) => principal.subject.id === id);
      if (own.length >= MAX_STREAMS_PER_PRINCIPAL) {
        throw new SondeError(
          "TOO_MANY_ATTEMPTS",
          `${MAX_STREAMS_PER_PRINCIPAL} streams are open already`,
        );
      }
      const reader = build(request, reply.raw, state);
      readers.add(reader);
      reply.hijack();
      reply.raw.on("close", () => readers.delete(reader));
      reply.raw.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        // For a proxy that would keep events until it has many.
        "x-accel-buffering": "no",
      });
      return reader;
    },
  };
}

type Reader<State> = EventStream<State> & {
  principal: Principal;
  response: ServerResponse;
  /** When it began to be full, on the clock of `elapsed`; null when it takes more. */
  fullSince: number | null;
};
