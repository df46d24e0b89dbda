import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type { AgentDetail } from "@sonde/schemas/hub";
import type { Command } from "commander";
import { adviseApproval } from "../agent/advise-approval.ts";
import { describeReport } from "../agent/describe-pack.ts";
import { parseCount, type Print } from "../data-command.ts";
import type { HubClient } from "../hub-client.ts";
import { chooseAgents } from "./choose-agents.ts";
import { connectHub, type HubOptions, startHubCommand } from "./connect-hub.ts";
import { describeStopped, rollOut } from "./roll-out.ts";
import { parsePackName, readPackSpec } from "./read-pack-spec.ts";

type Options = HubOptions & { on?: string };
type InstallOptions = Options & { canary?: string };

/** Changes the packs that one agent should have. */
type Change = (client: HubClient, agent: string) => Promise<AgentDetail>;

/** `sonde packs install` and `revoke`: which agents should have which packs. */
export function addAssignCommands(packs: Command, print: Print): void {
  const add = (usage: string, description: string) =>
    startHubCommand(packs, usage, description)
      .option("--agent <name>", "which agent; by default the only one")
      .option("--on <key=value>", "all agents with this tag");
  const change = (pack: string, work: Change, options: Options) =>
    options.on === undefined
      ? changeOne(print, pack, work, options)
      : changeTagged(print, pack, work, options);

  add(
    "install <pack[@version]>",
    "make agents fetch and verify a version, the newest of a range, or the newest of all; a person on each host then approves it",
  )
    .option(
      "--canary <n>",
      "with --on: so many agents at a time; stops at the first one where the version is failed or held",
    )
    .action(async (spec: string, options: InstallOptions) => {
      const { pack, version } = readPackSpec(spec);
      if (options.canary !== undefined) {
        return await installByCanary(print, pack, version, { ...options, canary: options.canary });
      }
      await change(pack, (client, agent) => client.assignPack(agent, pack, version), options);
    });

  add("revoke <pack>", "remove a pack from agents; its tools disappear").action(
    async (pack: string, options: Options) => {
      parsePackName(pack);
      await change(pack, (client, agent) => client.removePack(agent, pack), options);
    },
  );
}

async function changeOne(print: Print, pack: string, work: Change, options: Options) {
  const { client, endpoints } = connectHub(options);
  for (const name of await chooseAgents(client, options)) {
    const agent = await work(client, name);
    print(
      options.json ? JSON.stringify(agent) : describeChange(agent, pack, options, endpoints.agent),
    );
  }
}

/** Goes on after a refusal of one agent, such as that of a full one, and fails at the end. */
async function changeTagged(print: Print, pack: string, work: Change, options: Options) {
  const { client, endpoints } = connectHub(options);
  const done: AgentDetail[] = [];
  const refused: { agent: string; code: string; message: string }[] = [];
  for (const agent of await chooseAgents(client, options)) {
    try {
      done.push(await work(client, agent));
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      refused.push({ agent, code, message });
    }
  }
  const lines = [
    ...done.map((agent) => describeChange(agent, pack, options, endpoints.agent)),
    ...refused.map(({ agent, code, message }) => `${agent} was not changed: ${code}: ${message}`),
  ];
  print(options.json ? JSON.stringify({ agents: done, refused }) : lines.join("\n"));
  if (refused.length > 0) process.exitCode = 1;
}

/** Fails when it stopped: what was changed stays, and nobody else is. */
async function installByCanary(
  print: Print,
  pack: string,
  version: string,
  options: Options & { canary: string },
) {
  if (options.on === undefined) {
    throw new SondeError(
      "BAD_REQUEST",
      "expected --on KEY=VALUE with --canary, got --canary alone",
    );
  }
  const atOnce = parseCount("--canary", options.canary, 1, 10_000);
  const { client, endpoints } = connectHub(options);
  const agents = await chooseAgents(client, options);
  // A range means one version for all, also when a newer one is published meanwhile.
  let exact = version;
  const assign = async (agent: string) => {
    const changed = await client.assignPack(agent, pack, exact);
    exact = changed.desired.find(({ name }) => name === pack)?.version ?? exact;
    return changed;
  };
  const result = await rollOut(client, agents, pack, assign, atOnce);
  const { done, stopped, left } = result;
  const lines = done.map((agent) => describeChange(agent, pack, options, endpoints.agent));
  if (stopped !== null) {
    lines.push(describeStopped(stopped, left));
    process.exitCode = 1;
  }
  print(options.json ? JSON.stringify({ agents: done, stopped, left }) : lines.join("\n"));
}

/** @param own the agent that `npm start` runs here; undefined where there is none */
function describeChange(
  agent: AgentDetail,
  pack: string,
  options: Options,
  own: string | undefined,
): string {
  const wanted = agent.desired.find(({ name }) => name === pack);
  const present = agent.packs.filter(({ name }) => name === pack).map(describeReport);
  return [
    `${agent.name} should have ${wanted === undefined ? `no ${pack}` : `${pack} ${wanted.version}`}.`,
    ...present,
    ...(wanted === undefined ? [] : [`Next: ${adviseApproval(agent.name, pack, own, options)}`]),
  ].join("\n");
}
