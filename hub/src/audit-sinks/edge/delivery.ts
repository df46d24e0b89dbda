import type { SondeError } from "@sonde/schemas/errors";
import { type AuditLog, type AuditStore, buildAuditRecord } from "../../audit/index.ts";
import { type Bell, type Lease, serveReceiver } from "../../receivers/index.ts";
import type { SinkSettings } from "../../sink-settings.ts";
import { type Batch, buildBatch, takeUnbroken } from "../core/batch.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { afterFailure, type Step, whileWorking } from "../core/trouble.ts";
import type { SinkPlace, SinkStore } from "./sink-store.ts";

const MAX_ENTRIES = 500;
const MAX_BYTES = 1024 * 1024;
/** How soon entries that other hubs wrote are seen. */
const LOOK_EVERY_MS = 1_000;
/** Entries that come together leave together, so a busy log costs few batches a second. */
const GATHER_MS = 50;

export type DeliveryPorts = {
  settings: SinkSettings;
  store: Pick<SinkStore, "save">;
  auditStore: Pick<AuditStore, "readUpTo">;
  auditLog: Pick<AuditLog, "append">;
  /** @param onLost as that of `openSender` in edge/open-sender */
  openSender: (onLost: () => void) => SinkSender;
  /** Rings when this hub has written an entry. */
  bell: Bell;
  signal: AbortSignal;
  onFailure: () => void;
  now: () => Date;
  /** At least 0 and below 1. */
  random: () => number;
};

/**
 * Sends the log to one receiver, from its place on, a batch at a time. The place moves when the receiver
 * has acknowledged. So what was sent in vain, or by a hub that was killed, is sent again, and the hub
 * never has more than a batch in memory.
 */
export type Delivery = {
  /**
   * Returns when the signal ends it or another hub has the lease. Failures of the receiver do not.
   *
   * @throws when the hub's own database or log fails
   */
  run(): Promise<void>;
};

export function createDelivery(
  ports: DeliveryPorts,
  { lease, place: start }: { lease: Lease; place: SinkPlace },
): Delivery {
  const { settings, store, auditStore, auditLog, bell, signal, now } = ports;
  /** The last batch that was acknowledged. */
  let last: { after: number; end: number; isAgain: boolean } | null = null;
  let isLost = false;

  const served = serveReceiver<SinkPlace, SinkSender>({
    ...{ ...ports, lease, place: start, save: (held, next) => store.save(held, next) },
    openSender: () =>
      ports.openSender(() => {
        isLost = true;
        bell.ring();
      }),
  });
  const { place, save, rest } = served;

  /** Once for each batch: a receiver that ends each connection would get the same for ever. */
  async function goBack(): Promise<void> {
    isLost = false;
    served.closeSender();
    if (last === null || last.isAgain) return;
    last.isAgain = true;
    await save({ seq: last.after, batchEnd: last.end });
  }

  /** A batch that was begun is the same when it is sent again, by whichever hub. */
  async function findBatch(): Promise<Batch | null> {
    const until = place().batchEnd;
    const found = await auditStore.readUpTo(place().seq, {
      ...{ entries: MAX_ENTRIES, bytes: MAX_BYTES, until },
    });
    const [first, ...others] = takeUnbroken(found);
    if (first === undefined) {
      // What was begun is no longer there.
      if (until !== null) await save({ batchEnd: null });
      return null;
    }
    if (first.seq !== place().seq + 1) await passGap(first.seq);
    const batch = buildBatch(settings.name, [first, ...others]);
    const end = first.seq + others.length;
    if (place().batchEnd !== end) await save({ batchEnd: end });
    return batch;
  }

  /** Entries that left the log before this sink has sent them: the log itself says so, to all its readers. */
  async function passGap(next: number): Promise<void> {
    const detail = { sink: settings.name, from: place().seq + 1, to: next - 1 };
    await auditLog.append(buildAuditRecord(now(), "sink.missed", { status: "failure", detail }));
    await save({ seq: next - 1, batchEnd: null });
  }

  async function tell(
    { trouble, tell: event }: Step,
    error: SinkPlace["error"],
  ): Promise<Step["trouble"]> {
    if (event === null) return trouble;
    const { name: sink, kind } = settings;
    const detail = { sink, kind, afterSeq: place().seq };
    await auditLog.append(
      buildAuditRecord(
        now(),
        event,
        event === "sink.failing" && error !== null
          ? { status: "failure", code: error.code, detail: { ...detail, why: error.message } }
          : { status: "ok", detail },
      ),
    );
    return trouble;
  }

  async function wait(): Promise<void> {
    if (place().told && place().failingSince === null) {
      const next = whileWorking(place(), now());
      if (next.tell !== null) await save(await tell(next, null));
    }
    await bell.heard(rest(LOOK_EVERY_MS));
    await rest(GATHER_MS);
  }

  async function acknowledge(end: number, rejected: number): Promise<void> {
    served.succeed();
    const isAgain = last !== null && last.isAgain && last.end === end;
    last = { after: place().seq, end, isAgain };
    const trouble = await tell(whileWorking(place(), now()), null);
    await save({ ...trouble, seq: end, batchEnd: null, rejected: place().rejected + rejected });
  }

  async function note(batch: Batch, { code, message }: SondeError): Promise<void> {
    const error = { code, message };
    const trouble = await tell(afterFailure(place(), now(), batch.entries), error);
    await save({ ...trouble, error });
  }

  async function step(): Promise<void> {
    if (isLost) await goBack();
    const batch = await findBatch();
    if (batch === null) return await wait();
    let rejected: number;
    try {
      ({ rejected } = await served.sender().send(batch, signal));
    } catch (thrown) {
      await served.fail(thrown, (why) => note(batch, why));
      return;
    }
    await acknowledge(place().batchEnd ?? place().seq, rejected);
  }

  return { run: () => served.run(step) };
}
