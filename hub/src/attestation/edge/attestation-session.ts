import { randomBytes } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { createTurns } from "@sonde/schemas/parse";
import { type Agreement, ATTESTATION, type AttestationBody } from "@sonde/schemas/wire";
import { type KeptMessage, NONCE_BYTES } from "@sonde/trust/envelope";
import type { AttestationSession } from "../../agents/index.ts";

export type AttestationSessionOptions = {
  /** Sends the order. */
  ask: (nonce: string) => void;
  stated: (statement: AttestationBody["statement"], message: KeptMessage) => Promise<void>;
  /** The agent did not answer, or cannot. */
  silent: (why: string) => Promise<void>;
  /** Monotonic milliseconds. */
  elapsed: () => number;
  report: (error: Error) => void;
  times?: typeof TIMES;
};

export const TIMES = {
  /** How often a connected agent is asked. */
  everyMs: 15 * 60_000,
  /** Without an answer by then, the agent counts as not attested. Its runtime takes a second to hash. */
  answerMs: 60_000,
  /** How long an answer is taken. */
  freshMs: 5 * 60_000,
  /** The least time between two orders, whatever the agent says of changes. */
  gapMs: 1_000,
};

/**
 * Asks one connected agent for statements: when its session begins, at intervals, and when it says
 * that it changed. A nonce is good for one statement. One statement at most waits to be stored.
 */
export function createAttestationSession(options: AttestationSessionOptions): AttestationSession {
  const { elapsed, report, times = TIMES } = options;
  const inTurn = createTurns(1);
  let outstanding: { nonce: string; at: number } | null = null;
  let askedAt = -Infinity;
  let hasChanged = false;
  let isOver = false;
  let next: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined;

  const store = (work: () => Promise<void>): void => {
    inTurn(work).catch(report);
  };
  const ask = (): void => {
    if (isOver) return;
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    askedAt = elapsed();
    outstanding = { nonce, at: askedAt };
    hasChanged = false;
    clearTimeout(deadline);
    deadline = setTimeout(
      () => store(() => options.silent("it did not answer in time")),
      times.answerMs,
    );
    askIn(times.everyMs);
    options.ask(nonce);
  };
  const askIn = (ms: number): void => {
    clearTimeout(next);
    if (!isOver) next = setTimeout(ask, ms);
  };

  return {
    begin({ features }: Agreement) {
      if (features.has(ATTESTATION)) ask();
      else store(() => options.silent("its release has no attestation"));
    },
    stated({ nonce, statement }, message) {
      const isFresh = outstanding !== null && elapsed() - outstanding.at <= times.freshMs;
      if (outstanding?.nonce !== nonce || !isFresh) {
        throw new SondeError(
          "ATTESTATION_STALE",
          "expected a statement over the nonce of the hub's last order, got another one",
        );
      }
      outstanding = null;
      clearTimeout(deadline);
      store(() => options.stated(statement, message));
      if (hasChanged) askIn(times.gapMs);
    },
    changed() {
      hasChanged = true;
      // While an order is open, its answer may be older than the change.
      if (outstanding === null) askIn(Math.max(0, askedAt + times.gapMs - elapsed()));
    },
    stop() {
      isOver = true;
      clearTimeout(next);
      clearTimeout(deadline);
    },
  };
}
