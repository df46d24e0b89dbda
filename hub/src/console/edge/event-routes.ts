import type { ServerResponse } from "node:http";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { EventStart } from "@sonde/schemas/hub";
import type { FastifyRequest } from "fastify";
import { describeAgent } from "../../agents/index.ts";
import type { AuditStore } from "../../audit/index.ts";
import type { Change } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { authorize, type Principal, ROUTE_RIGHTS } from "../../identity/index.ts";
import {
  chooseEntries,
  chooseEvents,
  type EventPorts,
  type HubEvent,
  may,
  maySee,
} from "../core/choose-events.ts";
import { Unsent } from "../core/unsent.ts";

const MAX_STREAMS_PER_PRINCIPAL = 32;
/** Also how long a right that ended without a word may last. */
const HEARTBEAT_MS = 15_000;
/** Changes that come together are sent together. */
const SEND_AFTER_MS = 50;
/** The log is looked at while somebody who may read it listens: another hub may have written. */
const LOOK_AT_LOG_MS = 500;
const MAX_ENTRIES = 500;
/** A reader that took nothing for so long is dropped. */
const SLOW_MS = 20_000;
/**
 * Rows of `changes` that are told again to a reader that comes back. Numbers are given before a
 * transaction commits, so a lower one may appear later. To be told twice harms nobody.
 */
const TOLD_AGAIN = 200;
const PLACE = /^([0-9]{1,15})\.([0-9]{1,15})$/;

export type EventUses = {
  auditStore: AuditStore;
  /** Who sent the request, if the guard looked now; no use of a session. @throws SondeError UNAUTHENTICATED */
  authenticate: (request: FastifyRequest) => Promise<Principal>;
};

type Place = { change: number; entry: number };

type Reader = {
  request: FastifyRequest;
  response: ServerResponse;
  principal: Principal;
  /** Ids of the agents that it was shown. */
  shown: Set<string>;
  unsent: Unsent;
  place: Place;
  /** When it began to be full, on the clock of `elapsed`; null when it takes more. */
  fullSince: number | null;
};

/**
 * Adds `GET /api/v1/events`: what changes, as server-sent events, for the principal that listens. Its
 * rights are looked at for each event, and the principal itself again at each heartbeat and whenever
 * keys or people change; a stream ends with the key or the session.
 */
export function addEventRoutes(hub: Hub, { auditStore, authenticate }: EventUses): void {
  const { app, auditLog, directory, elapsed, report, sql } = hub;
  const readers = new Set<Reader>();
  let sending: NodeJS.Timeout | null = null;
  let looking: NodeJS.Timeout | null = null;
  const ports: EventPorts = {
    agentById: (id) => directory.agentById(id),
    describe: (agent, principal) => describeAgent(hub, agent, principal),
  };
  /** The newest place that is known; a reader that comes back continues there. */
  let known: Place = { change: 0, entry: 0 };

  const readChangeSeq = async (): Promise<number> => {
    const [row] = await sql<{ seq: number }[]>`
      select coalesce(max(seq), 0)::float8 as seq from changes`;
    return row?.seq ?? 0;
  };

  function show(principal: Principal): Set<string> {
    return new Set(
      directory
        .agents()
        .filter((agent) => maySee(principal, agent))
        .map(({ id }) => id),
    );
  }

  function send(reader: Reader, events: readonly (HubEvent | Notice)[]): void {
    if (events.length === 0) return;
    const id = `${reader.place.change}.${reader.place.entry}`;
    const text = events.map(
      ({ event, data }) => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
    );
    if (reader.response.write(text.join(""))) return;
    reader.fullSince ??= elapsed();
    reader.response.once("drain", () => {
      reader.fullSince = null;
      sendSoon();
    });
  }

  function startOf({ principal }: Reader): Notice {
    const rights = ROUTE_RIGHTS.filter((right) => may(principal, right));
    return { event: "start", data: { ...principal.subject, rights } };
  }

  function sendTo(reader: Reader): void {
    if (reader.fullSince !== null) return;
    const taken = reader.unsent.take();
    reader.place = { ...known };
    if (taken === null) {
      reader.shown = show(reader.principal);
      return send(reader, [{ event: "reset", data: {} }]);
    }
    send(reader, [
      ...chooseEvents(ports, reader.principal, reader.shown, taken.changes),
      ...chooseEntries(reader.principal, taken.entries),
    ]);
  }

  function sendSoon(): void {
    sending ??= setTimeout(() => {
      sending = null;
      for (const reader of readers) sendTo(reader);
      // For what comes next: what was just sent may be newer than this.
      readChangeSeq().then((seq) => (known = { ...known, change: seq }), report);
    }, SEND_AFTER_MS);
  }

  /** Ends the stream of a principal that may no longer listen. */
  async function recheck(reader: Reader): Promise<void> {
    const before = reader.principal.policyHash;
    try {
      reader.principal = await authenticate(reader.request);
      const decision = authorize(reader.principal, { kind: "agents.read" });
      if (!decision.allowed) throw new SondeError(decision.code, decision.reason);
    } catch (thrown) {
      const { code } = toSondeError(thrown);
      // The database may be away for a moment: then nothing is known to have ended.
      if (code !== "UNAUTHENTICATED" && code !== "FORBIDDEN") return report(toSondeError(thrown));
      send(reader, [{ event: "end", data: { code } }]);
      return end(reader);
    }
    if (reader.principal.policyHash === before) return;
    send(reader, [startOf(reader)]);
    reader.unsent.lose();
    sendSoon();
  }

  function end(reader: Reader): void {
    readers.delete(reader);
    reader.response.end();
  }

  function onChange(change: Change): void {
    if (readers.size === 0) return;
    for (const reader of readers) reader.unsent.addChange(change);
    sendSoon();
    if (!["agent", "pack", "pin"].includes(change.kind)) void recheckAll();
  }
  directory.onChange(onChange);

  async function recheckAll(): Promise<void> {
    await Promise.all([...readers].map(recheck));
  }

  async function lookAtLog(): Promise<void> {
    try {
      const entries = await auditStore.read(known.entry, MAX_ENTRIES);
      const last = entries.at(-1)?.seq;
      if (last === undefined) return;
      for (const reader of readers) reader.unsent.addEntries(entries);
      known = { ...known, entry: Math.max(known.entry, last) };
      sendSoon();
    } catch (thrown) {
      report(toSondeError(thrown));
    }
  }

  function lookSoon(): void {
    looking ??= setTimeout(() => {
      const isWatched = [...readers].some(({ principal }) => may(principal, "audit.read"));
      void (isWatched ? lookAtLog() : Promise.resolve()).then(() => {
        looking = null;
        if (readers.size > 0) lookSoon();
      });
    }, LOOK_AT_LOG_MS);
  }

  /** Gives a reader what it missed since its place; without one, it begins now. */
  async function resume(reader: Reader, from: Place): Promise<void> {
    const rows = await sql<(Change & { seq: number })[]>`
      select seq::float8 as seq, kind, id from changes
      where seq > ${from.change - TOLD_AGAIN} order by seq`;
    const oldest = rows[0]?.seq ?? from.change;
    const missed = await auditStore.read(from.entry, MAX_ENTRIES + 1);
    if (oldest > from.change + 1 || missed.length > MAX_ENTRIES) return reader.unsent.lose();
    for (const { kind, id } of rows) reader.unsent.addChange({ kind, id });
    reader.unsent.addEntries(missed.filter(({ seq }) => seq <= known.entry));
  }

  app.get(
    "/api/v1/events",
    {
      config: { right: "agents.read", errors: ["BAD_REQUEST", "TOO_MANY_ATTEMPTS"] },
      schema: { summary: "What changes, as server-sent events", response: { 200: EventStart } },
    },
    async (request, reply) => {
      const { headers, principal } = request;
      if (headers.accept?.includes("text/event-stream") !== true) {
        throw new SondeError("BAD_REQUEST", "expected Accept: text/event-stream");
      }
      const own = [...readers].filter((one) => one.principal.subject.id === principal.subject.id);
      if (own.length >= MAX_STREAMS_PER_PRINCIPAL) {
        throw new SondeError(
          "TOO_MANY_ATTEMPTS",
          `${MAX_STREAMS_PER_PRINCIPAL} streams are open already`,
        );
      }
      // With the first reader the places that were kept may be long past.
      if (readers.size === 0) {
        known = { change: await readChangeSeq(), entry: (await auditLog.readHead()).size };
      }
      const reader: Reader = {
        ...{ request, principal, response: reply.raw, shown: show(principal) },
        ...{ unsent: new Unsent(), place: { ...known }, fullSince: null },
      };
      readers.add(reader);
      const [, change, entry] = PLACE.exec(String(headers["last-event-id"] ?? "")) ?? [];
      const from = change === undefined ? null : { change: Number(change), entry: Number(entry) };
      reply.hijack();
      reply.raw.on("close", () => readers.delete(reader));
      reply.raw.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        // For a proxy that would keep events until it has many.
        "x-accel-buffering": "no",
      });
      try {
        if (from !== null) await resume(reader, from);
      } catch (thrown) {
        report(toSondeError(thrown));
        reader.unsent.lose();
      }
      send(reader, [startOf(reader)]);
      sendSoon();
      lookSoon();
    },
  );

  const beating = setInterval(() => {
    for (const reader of readers) {
      if (reader.fullSince !== null && elapsed() - reader.fullSince > SLOW_MS) {
        readers.delete(reader);
        reader.response.destroy();
      } else if (reader.fullSince === null) reader.response.write(": alive\n\n");
    }
    void recheckAll();
  }, HEARTBEAT_MS);
  hub.onStop(() => {
    clearInterval(beating);
    if (sending !== null) clearTimeout(sending);
    if (looking !== null) clearTimeout(looking);
    for (const reader of readers) end(reader);
  });
}

/** What is told of the stream itself. `reset`: the reader must read everything again. */
type Notice =
  | { event: "start"; data: EventStart }
  | { event: "reset"; data: Record<string, never> }
  | { event: "end"; data: { code: string } };
