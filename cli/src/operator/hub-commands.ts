import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import { type AgentDetail, type RegistryLogStatus } from "@sonde/schemas/hub";
import { parseJson } from "@sonde/schemas/parse";
import type { Command } from "commander";
import { describeReport } from "../agent/describe-pack.ts";
import { type DataLayout, layoutOf, resolveDataFolder } from "../data-layout.ts";
import { createHubClient, type HubClient } from "../hub-client.ts";
import { parsePackName, readPackSpec } from "./read-pack-spec.ts";

type Options = { data?: string; json?: boolean; agent?: string };

/** `sonde hub ...`: decisions of the hub's operator, such as which agents have which packs. */
export function addHubCommands(program: Command, print: (text: string) => void): void {
  const hub = program.command("hub").description("decide which packs an agent should have");
  const add = (usage: string, description: string) =>
    hub
      .command(usage)
      .description(description)
      .option("--data <folder>", "the data folder that `npm start` used")
      .option("--json", "print JSON");
  const show = (agent: AgentDetail, pack: string, options: Options) => {
    if (options.json) return print(JSON.stringify(agent));
    const wanted = agent.desired.find(({ name }) => name === pack);
    const present = agent.packs.filter(({ name }) => name === pack).map(describeReport);
    print(
      [
        `${agent.name} should have ${wanted === undefined ? `no ${pack}` : `${pack} ${wanted.version}`}.`,
        ...present,
        ...(wanted === undefined ? [] : [`On that host: sonde agent approve ${pack}`]),
      ].join("\n"),
    );
  };

  add(
    "install <pack@version>",
    "make an agent fetch and verify a version, or the newest of a range; a person on its host then approves it",
  )
    .option("--agent <name>", "which agent; by default the only one")
    .action(async (spec: string, options: Options) => {
      const { pack, version } = readPackSpec(spec);
      const client = connect(options);
      const agent = await chooseAgent(client, options.agent);
      show(await client.assignPack(agent, pack, version), pack, options);
    });

  add("remove <pack>", "remove a pack from an agent; its tools disappear")
    .option("--agent <name>", "which agent; by default the only one")
    .action(async (pack: string, options: Options) => {
      parsePackName(pack);
      const client = connect(options);
      const agent = await chooseAgent(client, options.agent);
      show(await client.removePack(agent, pack), pack, options);
    });

  add(
    "registry",
    "the hub's position in the registry's log, and agents that were shown another log; fails on any problem",
  ).action(async (options: Options) => {
    const status = await connect(options).readRegistry();
    print(options.json ? JSON.stringify(status) : describeLog(status));
    if (status.problem !== null || status.forks.length > 0) process.exitCode = 1;
  });

  add(
    "approve-tools <pack>",
    "approve what changed in a pack's tool descriptions or parameters",
  ).action(async (pack: string, options: Options) => {
    parsePackName(pack);
    const client = connect(options);
    const wanted = (await client.listAgents()).flatMap(({ desired }) =>
      desired.filter(({ name }) => name === pack).map(({ digest }) => digest),
    );
    const held = (await client.listPins()).held.filter(({ packDigest }) =>
      wanted.includes(packDigest),
    );
    for (const digest of new Set(held.map(({ packDigest }) => packDigest))) {
      await client.approveTools(digest);
    }
    const probes = held.map(({ probe }) => probe);
    print(
      options.json
        ? JSON.stringify({ approved: probes })
        : probes.map((probe) => `approved ${probe}`).join("\n") || "nothing was held",
    );
  });
}

/** Output of `sonde hub registry` for a person. */
function describeLog({ registry, head, at, problem, forks, elsewhere }: RegistryLogStatus): string {
  return [
    head === null
      ? `The log of ${registry} was not read yet.`
      : `The log of ${registry} was read up to entry ${head.size}, which its key signed at ${at ?? "-"}.`,
    ...(problem === null ? [] : [`The last reading failed: ${problem.code}: ${problem.message}`]),
    ...forks.map(
      (fork) => `ALARM: ${fork.agent} was shown a different log, of ${fork.head.size} entries.`,
    ),
    ...elsewhere.map(
      ({ agent, logKey }) =>
        `${agent} follows another registry's log, which cannot be compared: ${logKey}`,
    ),
  ].join("\n");
}

function connect(options: Options): HubClient {
  const layout = layoutOf(resolveDataFolder(options.data, process.env));
  const endpoints = parseJson(
    readOwn(layout, layout.endpoints),
    layout.endpoints,
    "CONFIG_INVALID",
  );
  const { hubUrl } = endpoints as { hubUrl: string };
  return createHubClient(hubUrl, readOwn(layout, layout.operatorKey).trim());
}

function readOwn(layout: DataLayout, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new SondeError(
      "RIGHT_MISSING",
      `cannot read ${file}: expected the user who started Sonde with --data ${layout.root}`,
      { cause },
    );
  }
}

async function chooseAgent(client: HubClient, wanted: string | undefined): Promise<string> {
  if (wanted !== undefined) return wanted;
  const agents = await client.listAgents();
  const [only] = agents;
  if (only !== undefined && agents.length === 1) return only.name;
  const names = agents.map(({ name }) => name).join(", ");
  throw new SondeError("BAD_REQUEST", `expected --agent with one of: ${names}`);
}
