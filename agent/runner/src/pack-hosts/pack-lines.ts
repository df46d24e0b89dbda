import type { GuestAnswer } from "../pack-host/pack-host-protocol.ts";
import type { PackHostLauncher } from "./pack-host-launcher.ts";
import { type LineLimits, PackLine, type RunRequest } from "./pack-line.ts";

export type PackLines = {
  /** Never rejects. */
  run(request: RunRequest): Promise<GuestAnswer>;
  /** Ends the pack's host at once; a call under way answers PACK_NOT_ACTIVE. */
  drop(packDigest: string): void;
  close(): void;
};

/** One line of calls per pack digest; packs do not wait for each other. */
export function createPackLines(
  launcher: PackHostLauncher,
  limits: LineLimits,
  log: (event: string, detail: string) => void,
): PackLines {
  const lines = new Map<string, PackLine>();
  return {
    run: (request) => {
      let line = lines.get(request.packDigest);
      if (line === undefined) {
        line = new PackLine(launcher, limits, log);
        lines.set(request.packDigest, line);
      }
      return line.run(request);
    },
    drop: (packDigest) => {
      lines.get(packDigest)?.close();
      lines.delete(packDigest);
    },
    close: () => {
      for (const line of lines.values()) line.close();
      lines.clear();
    },
  };
}
