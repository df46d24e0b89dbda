import { setTimeout as sleep } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import type { Checkpoint } from "@sonde/trust/log";
import { type AuditLog, buildAuditRecord, type Checkpoints } from "../../audit/index.ts";
import { type Bell, chooseDelay, type Lease, SinkFailure } from "../../receivers/index.ts";
import type { WitnessSettings } from "../../witness-settings.ts";
import { isAlarmDue } from "../core/alarm.ts";
import type { CosignedNote, WitnessSender } from "../core/witness-sender.ts";
import type { WitnessPlace, WitnessStore } from "./witness-store.ts";

/** How soon a checkpoint is seen whose bell was missed. */
const LOOK_EVERY_MS = 1_000;

export type OfferingPorts = {
  settings: Pick<WitnessSettings, "name" | "kind">;
  store: Pick<WitnessStore, "save">;
  checkpoints: Pick<Checkpoints, "atLeast" | "latest">;
  auditLog: Pick<AuditLog, "append">;
  openSender: () => WitnessSender;
  /** Rings at each new checkpoint. */
  bell: Bell;
  signal: AbortSignal;
  onFailure: () => void;
  now: () => Date;
  /** At least 0 and below 1. */
  random: () => number;
};

/** Another hub has the lease. */
class LeaseLost extends Error {}

/**
 * Offers one witness the newest checkpoint, whenever it has not taken that one. Those in between are
 * left out when it was away: the newest covers them.
 */
export type Offering = {
  /**
   * Returns when the signal ends it or another hub has the lease. Failures of the witness do not.
   *
   * @throws when the hub's own database or log fails
   */
  run(): Promise<void>;
};

export function createOffering(
  ports: OfferingPorts,
  { lease, place: start }: { lease: Lease; place: WitnessPlace },
): Offering {
  const { settings, store, checkpoints, auditLog, bell, signal, now } = ports;
  let place = start;
  let sender: WitnessSender | null = null;
  let failures = 0;

  const rest = (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined);

  async function save(change: Partial<WitnessPlace>): Promise<void> {
    const next = { ...place, ...change };
    if (!(await store.save(lease, next))) throw new LeaseLost();
    place = next;
  }

  function closeSender(): void {
    sender?.close();
    sender = null;
  }

  async function accept({ size }: Checkpoint, cosigned: CosignedNote | null): Promise<void> {
    failures = 0;
    await save({ size, takenAt: now(), cosigned, failingSince: null });
  }

  async function fail({ size }: Checkpoint, thrown: unknown): Promise<void> {
    closeSender();
    failures += 1;
    ports.onFailure();
    // What is no failure of the witness is a mistake here, which must not stay unseen.
    if (!(thrown instanceof SondeError)) throw thrown;
    const { code, message } = thrown;
    let { alarmedAt } = place;
    if (isAlarmDue(code, alarmedAt, now())) {
      const { name: witness, kind } = settings;
      const detail = { witness, kind, size, taken: place.size, why: message };
      await auditLog.append(
        buildAuditRecord(now(), "witness.disagreed", { status: "failure", code, detail }),
      );
      alarmedAt = now();
    }
    await save({ failingSince: place.failingSince ?? now(), error: { code, message }, alarmedAt });
    const askedMs = thrown instanceof SinkFailure ? thrown.askedMs : 0;
    await rest(chooseDelay(failures, askedMs, ports.random()));
  }

  async function step(): Promise<void> {
    let newest = checkpoints.latest();
    // Another hub may have signed and offered more than this one knows of. Else the log was cut.
    if ((newest?.size ?? 0) < place.size) newest = await checkpoints.atLeast(place.size);
    if (newest === null || newest.size === place.size) {
      await bell.heard(rest(LOOK_EVERY_MS));
      return;
    }
    let cosigned: CosignedNote | null;
    try {
      sender ??= ports.openSender();
      cosigned = await sender.offer(newest, place.size, signal);
    } catch (thrown) {
      if (!signal.aborted) await fail(newest, thrown);
      return;
    }
    await accept(newest, cosigned);
  }

  return {
    async run() {
      try {
        while (!signal.aborted) await step();
      } catch (thrown) {
        if (!(thrown instanceof LeaseLost)) throw thrown;
      } finally {
        closeSender();
      }
    },
  };
}
