import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Hub } from "../../hub.ts";
import {
  type EventStream,
  openEventStreams,
  type Reauthenticate,
} from "../../web/edge/event-streams.ts";
import type { DroppedStore } from "./dropped-store.ts";
import type { LogSearch, Wanted } from "./log-search.ts";

/** How often is looked for entries, also of other hubs, while somebody listens. */
const LOOK_MS = 500;
/** Entries that one reader is sent at once, and parts of the log that are searched for it at once. */
const MAX_ENTRIES = 200;
const MAX_PARTS = 5;
/** The pause before the next parts for a reader that is behind. */
const NEXT_MS = 20;
const SEQ = /^[0-9]{1,15}$/;

/**
 * `read` gives what the reader wants as it is now: tags come and go. `isBack` while one that came back
 * was not yet told what was dropped since.
 */
type State = { read: () => Promise<Wanted>; seen: number; isBack: boolean };
type Reader = EventStream<State>;

/** Tells entries as they are written. Each reader is sent them at its own pace, from the database. */
export type LiveLog = {
  /**
   * Answers a request with a stream.
   *
   * @param at the newest entry before the stream; it begins after it, or after the Last-Event-ID
   * @throws SondeError BAD_REQUEST for a Last-Event-ID that is no entry of the log
   */
  open(request: FastifyRequest, reply: FastifyReply, at: number, read: State["read"]): void;
};

export function openLiveLog(
  hub: Hub,
  uses: { search: LogSearch; dropped: Pick<DroppedStore, "find">; authenticate: Reauthenticate },
): LiveLog {
  const { search, dropped, authenticate } = uses;
  let looking: NodeJS.Timeout | null = null;
  const report = (thrown: unknown): void => hub.report(toSondeError(thrown));
  const streams = openEventStreams<State>(hub, {
    ...{ right: "audit.read", authenticate },
    idOf: ({ seen }) => String(seen),
  });

  /** Sends some of what there is, unless the reader takes no more. @returns whether there is more */
  async function tell(reader: Reader, newest: number): Promise<boolean> {
    const { state } = reader;
    if (state.seen >= newest) return false;
    const wanted = await state.read();
    if (state.isBack) await tellDropped(reader, newest, wanted);
    for (let part = 0; part < MAX_PARTS && state.seen < newest; part++) {
      if (!reader.isOpen() || reader.isFull()) return false;
      const bounds = { from: state.seen + 1, to: newest };
      const { entries, searched } = await search.page(wanted, bounds, "oldest", MAX_ENTRIES);
      reader.send(entries.map((entry) => ({ id: String(entry.seq), event: "entry", data: entry })));
      state.seen = searched?.to ?? newest;
    }
    return state.seen < newest;
  }

  /** Once for each stream: nobody who listens is a day behind. */
  async function tellDropped(reader: Reader, to: number, wanted: Wanted): Promise<void> {
    const { state } = reader;
    const missing = await dropped.find({ from: state.seen + 1, to }, wanted);
    state.isBack = false;
    if (missing !== null)
      reader.send([{ id: String(state.seen), event: "dropped", data: missing }]);
  }

  /** @returns whether somebody is behind */
  async function lookAtLog(): Promise<boolean> {
    const { size } = await hub.auditLog.readHead();
    const told = await Promise.allSettled(streams.all().map((reader) => tell(reader, size)));
    for (const one of told) if (one.status === "rejected") report(one.reason);
    return told.some((one) => one.status === "fulfilled" && one.value);
  }

  function lookSoon(ms = LOOK_MS): void {
    looking ??= setTimeout(() => {
      void lookAtLog()
        .catch(report)
        .then((isBehind) => {
          looking = null;
          if (streams.all().length > 0) lookSoon(isBehind === true ? NEXT_MS : LOOK_MS);
        });
    }, ms);
  }
  hub.onStop(() => {
    if (looking !== null) clearTimeout(looking);
  });

  return {
    open(request, reply, at, read) {
      const last = request.headers["last-event-id"];
      const seen = last === undefined ? at : Number(last);
      if (last !== undefined && (!SEQ.test(String(last)) || seen > at)) {
        throw new SondeError(
          "BAD_REQUEST",
          `Last-Event-ID: expected the number of an entry, at most ${at}, got ${JSON.stringify(last)}`,
        );
      }
      const reader = streams.open(request, reply, { read, seen, isBack: last !== undefined });
      reader.send([{ id: String(seen), event: "start", data: { after: seen } }]);
      lookSoon();
    },
  };
}
