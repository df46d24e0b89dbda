import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

/** Connects and leaves again, at most so many times. @returns how often the hub took it */
async function comeAndGo(most: number): Promise<number> {
  for (let times = 0; times < most; times++) {
    try {
      const { socket } = await hub.connect();
      const gone = once(socket, "close");
      socket.close();
      await gone;
    } catch {
      return times;
    }
  }
  return most;
}

// Each visit is a few rows of the log, and a certificate when half of the present one is over.
test("attack 12: an agent that keeps coming and going is made to wait", async () => {
  const taken = await comeAndGo(200);
  expect(taken).toBeGreaterThanOrEqual(100);
  expect(taken).toBeLessThan(150);
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as { record: { event: string; code: string } }[];
  const refused = entries.filter(({ record: { event } }) => event === "agent.refused");
  expect(refused.map(({ record }) => record.code)).toContain("TOO_MANY_ATTEMPTS");
}, 60_000);
