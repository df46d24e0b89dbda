import { SondeError } from "@sonde/schemas/errors";
import type { Answer, Call } from "./call.ts";
import { CallTrail } from "./call-trail.ts";
import { type ProbePorts, runProbe } from "./run-probe.ts";

/** The calls that run now. */
export type RunningCalls = {
  /** Never rejects. */
  run(call: Call): Promise<Answer>;
  /** Ends a call, whose answer then is CALL_CANCELLED. One that has ended already stays as it is. */
  cancel(callId: string): void;
};

/**
 * Runs at most `maxCalls` calls at once and refuses further calls with AGENT_BUSY. A
 * flood of calls then uses neither memory nor processes.
 */
export function limitCalls(host: ProbePorts, maxCalls: number): RunningCalls {
  const running = new Map<symbol, { callId: string; ending: AbortController }>();
  return {
    async run(call) {
      if (running.size >= maxCalls) {
        const busy = new SondeError("AGENT_BUSY", `expected at most ${maxCalls} calls at once`);
        return new CallTrail(call, host).refuse(busy);
      }
      const ending = new AbortController();
      // Not by the call's id, which the hub might use twice.
      const key = Symbol();
      running.set(key, { callId: call.callId, ending });
      try {
        return await runProbe(call, host, ending.signal);
      } finally {
        running.delete(key);
      }
    },
    cancel(callId) {
      for (const one of running.values()) {
        if (one.callId !== callId) continue;
        one.ending.abort(new SondeError("CALL_CANCELLED", "the hub cancelled the call"));
      }
    },
  };
}
