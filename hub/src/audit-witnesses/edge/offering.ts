import type { SondeError } from "@sonde/schemas/errors";
import type { Checkpoint } from "@sonde/trust/log";
import { type AuditLog, buildAuditRecord, type Checkpoints } from "../../audit/index.ts";
import { type Bell, type Lease, serveReceiver } from "../../receivers/index.ts";
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
  const served = serveReceiver<WitnessPlace, WitnessSender>({
    ...ports,
    lease,
    place: start,
    save: (held, next) => store.save(held, next),
  });
  const { place, save } = served;

  async function accept({ size }: Checkpoint, cosigned: CosignedNote | null): Promise<void> {
    served.succeed();
    await save({ size, takenAt: now(), cosigned, failingSince: null });
  }

  async function tell({ size }: Checkpoint, { code, message }: SondeError): Promise<void> {
    let { alarmedAt } = place();
    if (isAlarmDue(code, alarmedAt, now())) {
      const { name: witness, kind } = settings;
      const detail = { witness, kind, size, taken: place().size, why: message };
      await auditLog.append(
        buildAuditRecord(now(), "witness.disagreed", { status: "failure", code, detail }),
      );
      alarmedAt = now();
    }
    const failingSince = place().failingSince ?? now();
    await save({ failingSince, error: { code, message }, alarmedAt });
  }

  async function step(): Promise<void> {
    let newest = checkpoints.latest();
    const { size } = place();
    // Another hub may have signed and offered more than this one knows of. Else the log was cut.
    if ((newest?.size ?? 0) < size) newest = await checkpoints.atLeast(size);
    if (newest === null || newest.size === size) {
      await bell.heard(served.rest(LOOK_EVERY_MS));
      return;
    }
    const offered = newest;
    let cosigned: CosignedNote | null;
    try {
      cosigned = await served.sender().offer(offered, size, signal);
    } catch (thrown) {
      await served.fail(thrown, (why) => tell(offered, why));
      return;
    }
    await accept(offered, cosigned);
  }

  return { run: () => served.run(step) };
}
