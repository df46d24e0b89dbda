import type { PackHostAnswer } from "../pack-host/pack-host-protocol.ts";
import type { PackHostLauncher } from "./pack-host-launcher.ts";
import { type QueueLimits, PackQueue, type RunRequest } from "./pack-queue.ts";

export type PackQueues = {
  /** Never rejects. */
  run(request: RunRequest): Promise<PackHostAnswer>;
  /** Ends the pack's host at once. A running call answers PACK_NOT_ACTIVE. */
  drop(packDigest: string): void;
  close(): void;
};

/** Keeps one queue of calls per pack digest, so that packs do not wait for each other. */
export function createPackQueues(
  launcher: PackHostLauncher,
  limits: QueueLimits,
  log: (event: string, detail: string) => void,
): PackQueues {
  const queues = new Map<string, PackQueue>();
  return {
    run: (request) => {
      let queue = queues.get(request.packDigest);
      if (queue === undefined) {
        queue = new PackQueue(launcher, limits, log);
        queues.set(request.packDigest, queue);
      }
      return queue.run(request);
    },
    drop: (packDigest) => {
      queues.get(packDigest)?.close();
      queues.delete(packDigest);
    },
    close: () => {
      for (const queue of queues.values()) queue.close();
      queues.clear();
    },
  };
}
