import type { Digest } from "@sonde/schemas/names";
import type { ProcessRights } from "@sonde/schemas/wire";
import type { ProbeRunner } from "./run-probe.ts";

/** The agent's view of its runners; edge/runner-link connects it to their processes. */
export type RunnerPort = ProbeRunner & {
  /** Ends the pack hosts of an archive that is out of service. */
  drop(digest: Digest): void;
  /** True when a runner in exactly these groups is connected. */
  serves(groups: readonly string[]): boolean;
  /** The runners that are connected now. */
  runners(): readonly {
    pid: number;
    uid: number;
    groups: readonly string[];
    confinement: string;
    rights: ProcessRights;
  }[];
  /** Calls `listener` after the runners have changed. The last listener counts. */
  onChange(listener: () => void): void;
  close(): void;
};
