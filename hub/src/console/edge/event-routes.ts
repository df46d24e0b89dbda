import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { EventStart } from "@sonde/schemas/hub";
import { describeAgent } from "../../agents/index.ts";
import type { AuditStore } from "../../audit/index.ts";
import type { Change } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { type Principal, ROUTE_RIGHTS } from "../../identity/index.ts";
import {
  type EventStream,
  openEventStreams,
  type Reauthenticate,
} from "../../web/edge/event-streams.ts";
import {
  chooseEntries,
  chooseEvents,
  type EventPorts,
  type HubEvent,
  may,
  maySee,
} from "../core/choose-events.ts";
import { Unsent } from "../core/unsent.ts";

/** Changes that come together are sent together. */
const SEND_AFTER_MS = 50;
/** The log is looked at while somebody who may read it listens: another hub may have written. */
const LOOK_AT_LOG_MS = 500;
const MAX_ENTRIES = 500;
/**
 * Rows of `changes` that are told again to a reader that comes back. Numbers are given before a
 * transaction commits, so a lower one may appear later. To be told twice harms nobody.
 */
const TOLD_AGAIN = 200;
const PLACE = /^([0-9]{1,15})\.([0-9]{1,15})$/;

export type EventUses = {
  auditStore: AuditStore;
  authenticate: Reauthenticate;
};

type Place = { change: number; entry: number };

type State = {
  /** Ids of the agents that it was shown. */
  shown: Set<string>;
  unsent: Unsent;
  place: Place;
};
type Reader = EventStream<State>;

/**
 * Adds `GET /api/v1/events`: what changes, as server-sent events, for the principal that listens. Its
 * rights are looked at for each event, and the principal itself again at each heartbeat and whenever
 * keys or people change; a stream ends with the key or the session.
 */
export function addEventRoutes(hub: Hub, { auditStore, authenticate }: EventUses): void {
  const { app, auditLog, directory, report, sql } = hub;
  let sending: NodeJS.Timeout | null = null;
  let looking: NodeJS.Timeout | null = null;
  const ports: EventPorts = {
    agentById: (id) => directory.agentById(id),
    describe: (agent, principal) => describeAgent(hub, agent, principal),
  };
  /** The newest place that is known; a reader that comes back continues there. */
  let known: Place = { change: 0, entry: 0 };
  const streams = openEventStreams<State>(hub, {
    ...{ right: "agents.read", authenticate, onRoom: sendSoon },
    idOf: ({ place }) => nameOf(place),
    onRights(reader) {
      send(reader, [startOf(reader)]);
      reader.state.unsent.lose();
      sendSoon();
    },
  });

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
    const id = nameOf(reader.state.place);
    reader.send(events.map(({ event, data }) => ({ id, event, data })));
  }

  function startOf({ principal }: Reader): Notice {
    const rights = ROUTE_RIGHTS.filter((right) => may(principal, right));
    return { event: "start", data: { ...principal.subject, rights } };
  }

  function sendTo(reader: Reader): void {
    if (reader.isFull()) return;
    const { state, principal } = reader;
    const taken = state.unsent.take();
    state.place = { ...known };
    if (taken === null) {
      state.shown = show(principal);
      return send(reader, [{ event: "reset", data: {} }]);
    }
    send(reader, [
      ...chooseEvents(ports, principal, state.shown, taken.changes),
      ...chooseEntries(principal, taken.entries),
    ]);
  }

  function sendSoon(): void {
    sending ??= setTimeout(() => {
      sending = null;
      for (const reader of streams.all()) sendTo(reader);
      // For what comes next: what was just sent may be newer than this.
      readChangeSeq().then((seq) => (known = { ...known, change: seq }), report);
    }, SEND_AFTER_MS);
  }

  directory.onChange((change) => {
    const readers = streams.all();
    if (readers.length === 0) return;
    for (const { state } of readers) state.unsent.addChange(change);
    sendSoon();
  });

  async function lookAtLog(): Promise<void> {
    try {
      const entries = await auditStore.read(known.entry, MAX_ENTRIES);
      const last = entries.at(-1)?.seq;
      if (last === undefined) return;
      for (const { state } of streams.all()) state.unsent.addEntries(entries);
      known = { ...known, entry: Math.max(known.entry, last) };
      sendSoon();
    } catch (thrown) {
      report(toSondeError(thrown));
    }
  }

  function lookSoon(): void {
    looking ??= setTimeout(() => {
      const isWatched = streams.all().some(({ principal }) => may(principal, "audit.read"));
      void (isWatched ? lookAtLog() : Promise.resolve()).then(() => {
        looking = null;
        if (streams.all().length > 0) lookSoon();
      });
    }, LOOK_AT_LOG_MS);
  }

  /** Gives a reader what it missed since its place; without one, it begins now. */
  async function resume({ state }: Reader, from: Place): Promise<void> {
    const rows = await sql<(Change & { seq: number })[]>`
      select seq::float8 as seq, kind, id from changes
      where seq > ${from.change - TOLD_AGAIN} order by seq`;
    const oldest = rows[0]?.seq ?? from.change;
    const missed = await auditStore.read(from.entry, MAX_ENTRIES + 1);
    // What was dropped since is in what is read anew.
    const isGap = (missed[0]?.seq ?? from.entry + 1) !== from.entry + 1;
    if (isGap) return state.unsent.lose();
    if (oldest > from.change + 1 || missed.length > MAX_ENTRIES) return state.unsent.lose();
    for (const { kind, id } of rows) state.unsent.addChange({ kind, id });
    state.unsent.addEntries(missed.filter(({ seq }) => seq <= known.entry));
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
      // With the first reader the places that were kept may be long past.
      if (streams.all().length === 0) {
        known = { change: await readChangeSeq(), entry: (await auditLog.readHead()).size };
      }
      const state = { shown: show(principal), unsent: new Unsent(), place: { ...known } };
      const reader = streams.open(request, reply, state);
      const [, change, entry] = PLACE.exec(String(headers["last-event-id"] ?? "")) ?? [];
      const from = change === undefined ? null : { change: Number(change), entry: Number(entry) };
      try {
        if (from !== null) await resume(reader, from);
      } catch (thrown) {
        report(toSondeError(thrown));
        state.unsent.lose();
      }
      send(reader, [startOf(reader)]);
      sendSoon();
      lookSoon();
    },
  );

  hub.onStop(() => {
    if (sending !== null) clearTimeout(sending);
    if (looking !== null) clearTimeout(looking);
  });
}

function nameOf({ change, entry }: Place): string {
  return `${change}.${entry}`;
}

/** What is told of the stream itself. `reset`: the reader must read everything again. */
type Notice =
  | { event: "start"; data: EventStart }
  | { event: "reset"; data: Record<string, never> };
