import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestServer } from "@sonde/database/testing";
import type { AgentDetail } from "@sonde/schemas/hub";
import postgres from "postgres";
import { readIdentity } from "../../agent/daemon/src/edge/store/identity.ts";
import { connectOlderClient } from "../product/mcp-clients.ts";
import { startProduct, until } from "../product/start-product.ts";
import { seedSwarm } from "../product/swarm/seed-swarm.ts";
import { type Swarm, startSwarm } from "../product/swarm/start-swarm.ts";
import { createToolCaller, type ToolCaller } from "./mcp-load.ts";
import { cpuMs, pidsNaming, pssMb } from "./process-figures.ts";
import { round, summarize, timeEach } from "./statistics.ts";

/** An idle process still parses, collects and writes for a moment. */
const SETTLE_MS = 8_000;
const PATIENCE_MS = 300_000;
/** Agents of one call, as far as there are so many. */
const FAN_OUT = 1_000;
const FAN_OUT_TOOL = "system_kernel_version";

type Product = Awaited<ReturnType<typeof startProduct>>;

/**
 * Many simulated agents at one hub: what each costs in memory, and how long they take to come back
 * after the hub was killed, beside what the same handshakes cost one after another.
 *
 * @param count how many agents
 */
export async function measureFleet(count: number, say: (text: string) => void) {
  const database = await startTestServer();
  const product = await startProduct({ env: { DATABASE_URL: database.url } });
  const hubPid = () => pidsNaming(join(product.data, "config/hub.json"))[0] ?? 0;
  const restartHub = async () => {
    const before = hubPid();
    process.kill(before, "SIGKILL");
    await until("the next hub", () => ![0, before].includes(hubPid()));
  };
  try {
    say(`${count} agents enrol ...`);
    const keys = join(product.data, "hub/keys");
    const { searchParams, username } = new URL(database.url);
    const sql = postgres({
      ...{ host: searchParams.get("host") ?? "", username, database: "postgres", max: 1 },
      connection: { search_path: "hub" },
    });
    const agents = await seedSwarm(keys, sql, count);
    await sql.end();
    allowAgents(join(product.data, "config/hub.json"), count);
    await restartHub();
    const caller = await createToolCaller(
      { url: product.mcpUrl, key: product.apiKey, generation: "stateless" },
      "system_memory_usage",
      { agent: product.agent },
    );
    await until("the first call", () => answers(caller), PATIENCE_MS);
    await timeEach(300, () => caller.call());
    await sleep(SETTLE_MS);
    const knownPssMb = pssMb(hubPid());

    const own = readIdentity(join(product.data, "agent/identity"));
    const { hubId, controlAddress, ca } = own;
    const hubKey = own.hubKey.export({ type: "spki", format: "pem" }).toString();
    const swarm = await startSwarm({ hubId, controlAddress, ca, hubKey }, agents);
    say("handshakes one after another ...");
    const alone = Math.min(500, Math.floor(count / 4));
    const floor = await measureHandshakes(swarm, alone, hubPid());
    say("the others ...");
    swarm.connect({ count: count - alone, atOnce: 8 });
    await swarm.until(({ connected }) => connected === count, PATIENCE_MS);
    await sleep(SETTLE_MS);
    const connectedPssMb = pssMb(hubPid());

    say("calls while it is quiet ...");
    const quiet = summarize(await timeEach(1_000, () => caller.call()));
    say("the hub is killed ...");
    const back = await measureReturn(swarm, count, restartHub, hubPid, caller);
    caller.close();
    say("one call asks many of them ...");
    swarm.serve(await readOffer(product));
    const names = agents.slice(0, FAN_OUT).map(({ agentName }) => agentName);
    const fanOut = await measureFanOut(product, names);
    await swarm.stop();

    const floorSeconds = round((floor.hubCpuMs * count) / 1000);
    const kibEach = round(((connectedPssMb - knownPssMb) * 1024) / count);
    const cpuRatio = round(back.hubCpuSeconds / floorSeconds);
    const p99Ratio = round(back.calls.p99Ms / quiet.p99Ms);
    return {
      agents: count,
      hubPssMb: { known: knownPssMb, connected: connectedPssMb },
      handshakeAlone: floor,
      floorSeconds,
      back,
      quiet,
      fanOut,
      ambitions: [
        {
          what: "a call of 1,000 simulated agents, the median in ms",
          limit: 1_000,
          got: fanOut.p50Ms,
          met: fanOut.agents === FAN_OUT && fanOut.p50Ms <= 1_000,
        },
        {
          what: "hub memory of a connected agent, KiB",
          limit: 40,
          got: kibEach,
          met: kibEach <= 40,
        },
        {
          what: "hub CPU until all are back, over that of as many handshakes one after another",
          limit: 1.5,
          got: cpuRatio,
          met: cpuRatio <= 1.5,
        },
        {
          what: "time from the kill until all are back, over that CPU",
          limit: 1.5,
          got: round(back.seconds / floorSeconds),
          met: back.seconds / floorSeconds <= 1.5,
        },
        {
          what: "p99 of other calls meanwhile, over the quiet one",
          limit: 2,
          got: p99Ratio,
          met: p99Ratio < 2,
        },
      ],
    };
  } finally {
    await product.stop();
    await database.close();
  }
}

/** Before the hub starts again: by default a call asks fewer agents. */
function allowAgents(path: string, count: number): void {
  const config = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...config, maxAgentsPerCall: Math.min(count, FAN_OUT) }));
}

/** The pack that the host's own agent serves, with an answer of it that the manifest allows. */
async function readOffer({ hub, agent, mcpUrl, apiKey }: Product) {
  const { body } = await hub.send("GET", `/agents/${agent}`);
  const pack = (body as AgentDetail).packs.find(({ name }) => name === "sonde/system");
  const client = await connectOlderClient(mcpUrl, apiKey);
  const { results } = await client.call(FAN_OUT_TOOL, { agent });
  await client.close();
  const data = results[0]?.data;
  if (pack === undefined || data === undefined) throw new Error("expected an answer of the agent");
  return { pack, data };
}

/** One call that asks many agents at once, which answer at once. */
async function measureFanOut({ mcpUrl, apiKey }: Product, names: string[]) {
  const server = { url: mcpUrl, key: apiKey, generation: "stateless" } as const;
  const all = new RegExp(`${names.length} of ${names.length} servers answered`);
  const caller = await createToolCaller(server, FAN_OUT_TOOL, { agent: names }, all);
  // Tools come a moment after the agents' reports.
  await until("all of them", () => answers(caller), PATIENCE_MS);
  await timeEach(3, () => caller.call());
  const figures = summarize(await timeEach(20, () => caller.call()));
  caller.close();
  return { agents: names.length, ...figures };
}

/** CPU of a handshake with everything that follows, when nothing else goes on. */
async function measureHandshakes(swarm: Swarm, count: number, hub: number) {
  const before = { hub: cpuMs(hub), agents: swarm.state().cpuMs };
  const begun = performance.now();
  swarm.connect({ count, atOnce: 1 });
  await swarm.until(({ connected }) => connected === count, PATIENCE_MS);
  return {
    count,
    hubCpuMs: round((cpuMs(hub) - before.hub) / count),
    agentCpuMs: round((swarm.state().cpuMs - before.agents) / count),
    ms: round((performance.now() - begun) / count),
  };
}

/** Kills the hub, and makes one call after another from when the host's own agent is back. */
async function measureReturn(
  swarm: Swarm,
  count: number,
  restartHub: () => Promise<void>,
  hubPid: () => number,
  caller: ToolCaller,
) {
  const killed = performance.now();
  await restartHub();
  await swarm.until(({ connected }) => connected === 0, PATIENCE_MS);
  await swarm.until(({ connected }) => connected > 0, PATIENCE_MS);
  const all = swarm.until(({ connected }) => connected === count, PATIENCE_MS);
  let isOver = false;
  void all.then(() => (isOver = true));
  const times: number[] = [];
  let failed = 0;
  while (!isOver) {
    const begun = performance.now();
    if (await answers(caller)) times.push(performance.now() - begun);
    else if (times.length > 0) failed += 1;
    else await sleep(20);
  }
  await all;
  return {
    seconds: round((performance.now() - killed) / 1000),
    /** Of the new process, its start included. */
    hubCpuSeconds: round(cpuMs(hubPid()) / 1000),
    calls: { ...summarize(times), count: times.length, failed },
  };
}

async function answers(caller: ToolCaller): Promise<boolean> {
  return await caller.call().then(
    () => true,
    () => false,
  );
}
