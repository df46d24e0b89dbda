import { SondeError } from "@sonde/schemas/errors";
import { CallTrail } from "./call-trail.ts";
import { type Call, type ProbePorts, runProbe } from "./run-probe.ts";

/**
 * Runs at most `maxCalls` calls at once and refuses further calls with AGENT_BUSY. A
 * flood of calls then uses neither memory nor processes.
 */
export function limitCalls(
  host: ProbePorts,
  maxCalls: number,
): (call: Call) => Promise<Uint8Array> {
  let running = 0;
  return async (call) => {
    if (running >= maxCalls) {
      const busy = new SondeError("AGENT_BUSY", `expected at most ${maxCalls} calls at once`);
      return new CallTrail(call, host).refuse(busy);
    }
    running += 1;
    try {
      return await runProbe(call, host);
    } finally {
      running -= 1;
    }
  };
}
