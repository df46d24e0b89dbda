import type { Digest } from "@sonde/schemas";
import type { ProbeRunner } from "./run-probe.ts";

/** The agent's view of its runners; see edge/runner for the processes behind it. */
export type RunnerPort = ProbeRunner & {
  /** Ends the pack host of an archive that is out of service. */
  drop(digest: Digest): void;
  /** The runners that are connected now. */
  runners(): readonly {
    pid: number;
    uid: number;
    groups: readonly string[];
    confinement: string;
  }[];
  close(): Promise<void>;
};
