import { setTimeout as sleep } from "node:timers/promises";
import { connectCurrentClient, type McpClient } from "../product/mcp-clients.ts";
import type { Asked } from "./check-history.ts";
import type { Random } from "./random.ts";

/** A hub, as clients reach it. */
export type Door = { mcpUrl: string; apiKey: string };

export type Traffic = {
  /** All that was asked and has ended, in the order of the ends. */
  readonly asked: readonly Asked[];
  /** Asks that hub once. @returns whether an agent answered */
  isWell(door: Door): Promise<boolean>;
  stop(): Promise<void>;
};

const LANES_AT_EACH = 3;
/** Room for what else the machine does. */
const PAUSE_MS = 20;
const PAUSE_WITHOUT_HUB_MS = 200;
const QUICK = "system_memory_usage";

/** Clients that ask without a pause, each one question after the other, until told to stop. */
export function startTraffic(
  doors: readonly Door[],
  { agent, slowTool, random }: { agent: string; slowTool: string; random: Random },
): Traffic {
  const asked: Asked[] = [];
  let isStopped = false;

  const ask = async (client: McpClient, tool: string, at: string): Promise<Asked> => {
    const askedAt = performance.now();
    let outcome = "no answer";
    let callId: string | null = null;
    try {
      const answer = await client.call(tool, { agent: at });
      outcome = answer.results[0]?.failure?.code ?? (answer.isError ? "no code" : "ok");
      callId = answer.callId === "undefined" ? null : answer.callId;
    } catch {
      // Whatever the transport says of a peer that is gone.
    }
    const heard = { askedAt, answeredAt: performance.now(), outcome, callId };
    asked.push(heard);
    return heard;
  };

  const withClient = async <T>(door: Door, work: (client: McpClient) => Promise<T>): Promise<T> => {
    const client = await connectCurrentClient(door.mcpUrl, door.apiKey);
    try {
      return await work(client);
    } finally {
      await client.close().catch(() => undefined);
    }
  };

  const askUntilGone = async (client: McpClient): Promise<void> => {
    while (!isStopped) {
      const one = random.integer(1, 10);
      const [tool, at] = one === 1 ? [slowTool, agent] : [QUICK, one === 2 ? "nobody" : agent];
      const { outcome } = await ask(client, tool, at);
      if (outcome === "no answer") return;
      await sleep(PAUSE_MS);
    }
  };

  const lane = async (door: Door): Promise<void> => {
    while (!isStopped) {
      await withClient(door, askUntilGone).catch(() => undefined);
      await sleep(PAUSE_WITHOUT_HUB_MS);
    }
  };

  const lanes = doors.flatMap((door) => Array.from({ length: LANES_AT_EACH }, () => lane(door)));
  return {
    asked,
    isWell: (door) =>
      withClient(door, (client) => ask(client, QUICK, agent)).then(
        ({ outcome }) => outcome === "ok",
        () => false,
      ),
    async stop() {
      isStopped = true;
      await Promise.all(lanes);
    },
  };
}
