import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DataLayout } from "../data-layout.ts";
import type { HubClient } from "../hub-client.ts";
import { type Child, startChild } from "./child.ts";
import { enrolAgent } from "./enrol-agent.ts";
import { installRuntime } from "./install-runtime.ts";
import {
  chooseAgentName,
  choosePorts,
  prepareFolders,
  requireShortSockets,
  writeConfigs,
} from "./prepare-data.ts";
import { writeAtomically } from "../write-atomically.ts";
import type { Progress } from "./progress.ts";
import { resolveRunnerGroups } from "./runner-groups.ts";
import {
  type Account,
  type Accounts,
  asAccount,
  ensureAccounts,
  missingUsers,
} from "./system-users.ts";

/** The running services of one data folder. `stop` ends all of them, newest first. */
export type Services = {
  accounts: Accounts;
  agentName: string;
  urls: { hub: string; mcp: string; registry: string };
  /** The key of the registry's transparency log. */
  logKey: string;
  /** What the present set-up does not protect against, for a person. */
  warnings: string[];
  pids(): Record<string, number>;
  startHub(): Promise<void>;
  startAgent(hub: HubClient): Promise<void>;
  stop(): Promise<void>;
};

type Options = {
  port: number;
  dist: string;
  env: NodeJS.ProcessEnv;
  runnerGroups: string[];
  progress: Progress;
};

/** Prepares the data folder and starts the registry. The caller starts hub and agent. */
export async function startServices(layout: DataLayout, options: Options): Promise<Services> {
  const { progress, env } = options;
  for (const user of missingUsers()) progress.say(`  Creating the system user ${user} ...`);
  const accounts = ensureAccounts();
  prepareFolders(layout, accounts);
  const runners = resolveRunnerGroups(layout, accounts.separate, options.runnerGroups);
  requireShortSockets(layout);
  const runtime = await progress.step("Programs", () =>
    Promise.resolve(installRuntime(options.dist, layout.runtime, accounts.separate)),
  );
  const configs = writeConfigs(layout, accounts, runtime, choosePorts(options.port), env);
  const children: Child[] = [];
  const urls = { hub: "", mcp: "", registry: "" };
  const agentName = chooseAgentName(layout);

  const commandOf = (
    account: Account,
    program: string,
    args: string[],
    supplementary: number[] = [],
  ) =>
    asAccount(accounts, account, supplementary, [
      ...[runtime.node, ...SERVICE_FLAGS, join(runtime.folder, `${program}.js`)],
      ...args,
    ]);
  const run = async (
    role: string,
    account: Account,
    program: string,
    config: string,
    supplementary: number[] = [],
    announces = true,
  ) => {
    const child = await startChild({
      role,
      ...commandOf(account, program, [config], supplementary),
      logFile: join(layout.logs, `${role}.log`),
      env: accounts.separate ? { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } : serviceEnvironment(env),
      announces,
      // Runners print no ready line. They perform the reads of packs, which can hang, so they beat.
      beats: !announces,
    });
    children.push(child);
    return child;
  };

  const services: Services = {
    accounts,
    agentName,
    urls,
    logKey: "",
    warnings: accounts.separate ? [] : [SAME_UID_WARNING],
    pids: () =>
      Object.fromEntries([
        ["supervisor", process.pid],
        ...children.map((child) => [child.role, child.pid()]),
      ]) as Record<string, number>,
    async startHub() {
      const child = await progress.step("Hub", () => run("hub", accounts.hub, "hub", configs.hub));
      urls.hub = `http://127.0.0.1:${String(child.ready["http"])}`;
      urls.mcp = `${urls.hub}/mcp`;
      // A copy that every user may read: the hub's own file and its folder are closed to others.
      writeAtomically(
        join(layout.config, "hub-ca.pem"),
        readFileSync(join(layout.hub, "keys", "ca.pem"), "utf8"),
      );
    },
    async startAgent(hub) {
      await progress.step("Agent", async () => {
        await enrolAgent(layout, hub, agentName, (args) =>
          commandOf(accounts.agent, "enrol", args),
        );
        await run("agent", accounts.agent, "agent", configs.agent);
        await run("runner", accounts.runner, "runner", configs.runner, [], false);
        for (const { name, gids } of runners) {
          await run(`runner-${name}`, accounts.runner, "runner", configs.runner, gids, false);
        }
      });
    },
    async stop() {
      // Newest first, so no service loses a dependency while it stops.
      for (const child of children.toReversed()) await child.stop();
    },
  };
  try {
    const child = await progress.step("Registry", () =>
      run("registry", accounts.registry, "registry", configs.registry),
    );
    urls.registry = `http://127.0.0.1:${String(child.ready["port"])}`;
    services.logKey = String(child.ready["logKey"]);
    return services;
  } catch (thrown) {
    await services.stop();
    throw thrown;
  }
}

/** A small young generation: services hold little, and it is most of an idle service's memory. */
export const SERVICE_FLAGS = ["--max-semi-space-size=2"];

const SAME_UID_WARNING =
  "Everything runs as one user, because this was not started as root: a pack that broke out of its " +
  "isolate and its sandbox could read the agent's key. Start as root to put a wall between them.";

/** Only what a program needs; no variable of the person's shell reaches a service. */
function serviceEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: env["HOME"] ?? "/" };
}
