import type { Readable, Writable } from "node:stream";
import type { RunnerHello } from "@sonde/schemas/reads";

/** A pack host that runs: the ways to speak to it, to watch it and to end it. */
export type StartedPackHost = {
  /** Frames to it. */
  readonly input: Writable;
  /** Frames from it. */
  readonly output: Readable;
  /** What V8 says before it aborts; absent where the journal has it. */
  readonly stderr?: Readable;
  /**
   * Id of the process that runs the pack, in this process's PID namespace; null when unknown. Absent
   * where the pack host shares the namespace, and says it when it is ready.
   */
  readonly nodePid?: Promise<number | null>;
  /** Ends it with everything that it started, whatever it does. Also after it has ended. */
  kill(): void;
  /** Resolves when nothing of it is left. Never rejects. */
  readonly ended: Promise<void>;
};

/** How this runner gets its pack hosts. */
export type PackHostLauncher = {
  readonly confinement: RunnerHello["confinement"];
  /** @throws SondeError STARTING_FAILED when no pack host can be had */
  start(): Promise<StartedPackHost>;
};
